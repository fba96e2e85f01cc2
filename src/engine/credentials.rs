//! Credentials for registries, from Docker's configuration and its credential helpers.
//!
//! Input: a registry. Output: what `docker login` stored for it. Nothing here logs in.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use serde_json::Value;

use crate::model::image::{ImageRef, parts};

/// Docker Hub's registry in image names.
const HUB: &str = "docker.io";
/// Docker Hub's key in Docker's configuration.
const HUB_IN_CONFIGURATION: &str = "https://index.docker.io/v1/";

/// The registry of an image: `docker.io`, `127.0.0.1:5000`.
pub(super) fn registry(image: &ImageRef) -> &str {
    parts(image.name()).0
}

/// The credentials for a registry. The error explains why configured credentials cannot be read.
pub(super) fn look_up(
    configuration: &Path,
    registry: &str,
) -> Result<Option<DockerCredential>, String> {
    let Ok(file) = fs_err::File::open(configuration) else {
        return Ok(None); // Docker was never configured, so nobody logged in.
    };
    let key = if registry == HUB {
        HUB_IN_CONFIGURATION
    } else {
        registry
    };
    match get_credential_from_reader(file, key) {
        Ok(credential) => Ok(Some(credential)),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(format!(
            "cannot get the credentials of `{registry}`: {}",
            one_line(&error)
        )),
    }
}

/// The passwords and tokens stored in Docker's configuration itself. Helpers are not asked: that
/// takes time and may prompt for a password.
pub fn stored_passwords(configuration: &Path) -> Vec<String> {
    let text = fs_err::read_to_string(configuration).unwrap_or_default();
    let configuration: Value = serde_json::from_str(&text).unwrap_or_default();
    let logins = configuration["auths"].as_object();
    let logins = logins.into_iter().flat_map(|logins| logins.values());
    let mut passwords = Vec::new();
    for login in logins {
        let text = |key: &str| login[key].as_str().map(str::to_owned);
        let pair = text("auth").and_then(|pair| STANDARD.decode(pair).ok());
        let pair = pair.and_then(|pair| String::from_utf8(pair).ok());
        let password = pair.and_then(|pair| Some(pair.split_once(':')?.1.to_owned()));
        let others = ["auth", "password", "identitytoken", "registrytoken"].map(text);
        passwords.extend(others.into_iter().flatten().chain(password));
    }
    passwords.retain(|password| !password.is_empty());
    passwords
}

/// Helpers report missing credentials as an error, which is the normal case for most registries.
/// Their protocol defines its text
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
    fn registries_are_told_by_names() {
        for (image, expected) in [
            ("node:22-slim", HUB),
            ("shop/base", HUB),
            ("docker.io/library/node", HUB),
            ("localhost/base", "localhost"),
            ("gcr.io/distroless/cc-debian12:nonroot", "gcr.io"),
            ("127.0.0.1:5001/base", "127.0.0.1:5001"),
        ] {
            assert_eq!(registry(&image.parse().unwrap()), expected, "{image}");
        }
    }

    fn looked_up(configuration: &str, registry: &str) -> Result<Option<DockerCredential>, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.json");
        fs_err::write(&file, configuration).unwrap();
        look_up(&file, registry)
    }

    #[test]
    fn a_stored_password_is_found() {
        let configuration =
            format!(r#"{{"auths":{{"{HUB_IN_CONFIGURATION}":{{"auth":"bGFiOmxhYg=="}}}}}}"#);
        let found = looked_up(&configuration, HUB);
        let lab = DockerCredential::UsernamePassword("lab".to_owned(), "lab".to_owned());
        assert_eq!(found, Ok(Some(lab)));
    }

    #[test]
    fn stored_passwords_are_known_without_helpers() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = r#"{"auths":{"a":{"auth":"bGFiOnBhNTV3b3Jk"},"b":{"identitytoken":"t0ken"},"c":{}},"credsStore":"none"}"#;
        fs_err::write(file.path(), text).unwrap();
        let expected = ["bGFiOnBhNTV3b3Jk", "pa55word", "t0ken"];
        assert_eq!(stored_passwords(file.path()), expected);
        assert_eq!(stored_passwords(Path::new("/nowhere")), [""; 0]);
    }

    #[test]
    fn a_missing_helper_is_said() {
        let found = looked_up(
            r#"{"credsStore":"slimbuild-test-does-not-exist"}"#,
            "gcr.io",
        );
        assert_eq!(
            found,
            Err("cannot get the credentials of `gcr.io`: unable to communicate with credential helper".to_owned())
        );
    }

    #[test]
    fn no_configuration_is_no_trouble() {
        assert_eq!(look_up(Path::new("/nowhere"), HUB), Ok(None));
    }
}
