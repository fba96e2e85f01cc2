//! Credentials in the daemon's formats: for BuildKit, which asks by registry, and for a pull or a
//! push.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bollard::auth::DockerCredentials;
use docker_credential::DockerCredential;

use crate::engine::credentials::{look_up, registry};
use crate::model::image::ImageRef;

/// The name under which BuildKit asks for Docker Hub's credentials.
const HUB_IN_BUILDKIT: &str = "registry-1.docker.io";

/// The credentials for the registries of `images`, and a warning for each that is configured but
/// cannot be read.
pub(super) fn collect(
    configuration: &Path,
    images: &[ImageRef],
) -> (BTreeMap<String, DockerCredentials>, Vec<String>) {
    let mut found = BTreeMap::new();
    let mut warnings = Vec::new();
    let registries: BTreeSet<&str> = images.iter().map(registry).collect();
    for registry in registries {
        let name = match registry {
            "docker.io" => HUB_IN_BUILDKIT,
            other => other,
        };
        match look_up(configuration, registry) {
            Ok(Some(credential)) => {
                found.insert(name.to_owned(), for_daemon(credential));
            }
            Ok(None) => {}
            Err(warning) => warnings.push(warning),
        }
    }
    (found, warnings)
}

/// The credentials for a registry by the name that BuildKit asks for.
pub(in crate::engine) fn for_buildkit(
    configuration: &Path,
    host: &str,
) -> Result<Option<DockerCredentials>, String> {
    let registry = match host {
        HUB_IN_BUILDKIT => "docker.io",
        other => other,
    };
    Ok(look_up(configuration, registry)?.map(for_daemon))
}

fn for_daemon(credential: DockerCredential) -> DockerCredentials {
    match credential {
        DockerCredential::IdentityToken(token) => DockerCredentials {
            identitytoken: Some(token),
            ..DockerCredentials::default()
        },
        DockerCredential::UsernamePassword(username, password) => DockerCredentials {
            username: Some(username),
            password: Some(password),
            ..DockerCredentials::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_hub_is_named_as_buildkit_asks_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.json");
        let text = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"bGFiOmxhYg=="}}}"#;
        fs_err::write(&file, text).unwrap();
        let (found, warnings) = collect(&file, &["node:22".parse().unwrap()]);
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(found[HUB_IN_BUILDKIT].password.as_deref(), Some("lab"));
    }
}
