//! Credentials in the daemon's formats: for BuildKit, which asks by registry, and for a pull or a
//! push.

use std::path::Path;

use bollard::auth::DockerCredentials;
use docker_credential::DockerCredential;

use crate::engine::credentials::{look_up, registry};
use crate::model::image::ImageRef;

/// The name under which BuildKit asks for Docker Hub's credentials.
const HUB_IN_BUILDKIT: &str = "registry-1.docker.io";

/// The credentials for the registry of an image. The error explains why configured credentials cannot
/// be read.
pub(super) fn for_image(
    configuration: &Path,
    image: &ImageRef,
) -> Result<Option<DockerCredentials>, String> {
    Ok(look_up(configuration, registry(image))?.map(for_daemon))
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
    fn docker_hub_has_two_names() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.json");
        let text = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"bGFiOmxhYg=="}}}"#;
        fs_err::write(&file, text).unwrap();
        let asked = for_buildkit(&file, HUB_IN_BUILDKIT).unwrap().unwrap();
        assert_eq!(asked.password.as_deref(), Some("lab"));
        let image = for_image(&file, &"node:22".parse().unwrap()).unwrap();
        assert_eq!(image.unwrap().password.as_deref(), Some("lab"));
        assert_eq!(for_buildkit(&file, "gcr.io"), Ok(None));
    }
}
