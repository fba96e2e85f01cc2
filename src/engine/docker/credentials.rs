//! Credentials for the registries of base images, from Docker's configuration and the helpers that it names.
//!
//! Names of images go in; what BuildKit will be told when it asks comes out. Nothing is logged in here: that is `docker login`'s business.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bollard::auth::DockerCredentials;
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};

use crate::image::ImageRef;

/// Under what Docker's configuration keeps the credentials of Docker Hub.
const HUB_IN_CONFIGURATION: &str = "https://index.docker.io/v1/";
/// As whom BuildKit asks for them.
const HUB_IN_BUILDKIT: &str = "registry-1.docker.io";

/// What is known about the registries of `images`, and a warning for each that should be known but is not.
pub(super) fn collect(
    configuration: &Path,
    images: &[ImageRef],
) -> (BTreeMap<String, DockerCredentials>, Vec<String>) {
    let mut found = BTreeMap::new();
    let mut warnings = Vec::new();
    let registries: BTreeSet<&str> = images.iter().map(registry).collect();
    for registry in registries {
        let Ok(file) = fs_err::File::open(configuration) else {
            break; // Docker was never configured, so nobody logged in.
        };
        let key = if registry == HUB_IN_BUILDKIT {
            HUB_IN_CONFIGURATION
        } else {
            registry
        };
        match get_credential_from_reader(file, key) {
            Ok(credential) => {
                found.insert(registry.to_owned(), for_buildkit(credential));
            }
            Err(error) if is_absence(&error) => {}
            Err(error) => warnings.push(format!(
                "cannot get the credentials of `{registry}`: {}",
                one_line(&error)
            )),
        }
    }
    (found, warnings)
}

/// The registry that an image is pulled from, as BuildKit calls it.
fn registry(image: &ImageRef) -> &str {
    match image.name().split_once('/') {
        Some(("docker.io" | "index.docker.io", _)) => HUB_IN_BUILDKIT,
        Some((domain, _)) if domain.contains(['.', ':']) || domain == "localhost" => domain,
        _ => HUB_IN_BUILDKIT,
    }
}

fn for_buildkit(credential: DockerCredential) -> DockerCredentials {
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

/// Most people are not logged in at most registries. Helpers say so as an error; the sentence is fixed by their protocol
/// (<https://github.com/docker/docker-credential-helpers/blob/master/credentials/error.go>).
fn is_absence(error: &CredentialRetrievalError) -> bool {
    match error {
        CredentialRetrievalError::NoCredentialConfigured
        | CredentialRetrievalError::ConfigNotFound => true,
        CredentialRetrievalError::HelperFailure { stdout, .. } => {
            stdout.contains("credentials not found")
        }
        _ => false,
    }
}

fn one_line(error: &CredentialRetrievalError) -> String {
    match error {
        CredentialRetrievalError::HelperFailure {
            helper,
            stdout,
            stderr,
        } => {
            let said = format!("{stdout} {stderr}");
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("`{helper}` failed: {said}")
        }
        other => other.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_named_as_buildkit_asks_for_them() {
        for (image, expected) in [
            ("node:22-slim", HUB_IN_BUILDKIT),
            ("shop/base", HUB_IN_BUILDKIT),
            ("docker.io/library/node", HUB_IN_BUILDKIT),
            ("localhost/base", "localhost"),
            ("gcr.io/distroless/cc-debian12:nonroot", "gcr.io"),
            ("127.0.0.1:5001/base", "127.0.0.1:5001"),
        ] {
            assert_eq!(registry(&image.parse().unwrap()), expected, "{image}");
        }
    }

    fn collected(
        configuration: &str,
        image: &str,
    ) -> (BTreeMap<String, DockerCredentials>, Vec<String>) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.json");
        fs_err::write(&file, configuration).unwrap();
        collect(&file, &[image.parse().unwrap()])
    }

    #[test]
    fn a_stored_password_is_found() {
        let configuration =
            format!(r#"{{"auths":{{"{HUB_IN_CONFIGURATION}":{{"auth":"bGFiOmxhYg=="}}}}}}"#);
        let (found, warnings) = collected(&configuration, "node:22");
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(found[HUB_IN_BUILDKIT].password.as_deref(), Some("lab"));
    }

    #[test]
    fn a_missing_helper_is_a_warning() {
        let (found, warnings) = collected(
            r#"{"credsStore":"slimbuild-test-does-not-exist"}"#,
            "gcr.io/x",
        );
        assert!(found.is_empty());
        assert_eq!(
            warnings,
            [
                "cannot get the credentials of `gcr.io`: unable to communicate with credential helper"
            ]
        );
    }

    #[test]
    fn no_configuration_is_no_trouble() {
        let (found, warnings) = collect(Path::new("/nowhere"), &["node".parse().unwrap()]);
        assert!(found.is_empty() && warnings.is_empty());
    }
}
