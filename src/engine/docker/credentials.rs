//! Credentials in the daemon's format.

use bollard::auth::DockerCredentials;

use crate::engine::credentials::Credential;

/// A credential for a request to a daemon.
pub(super) fn for_daemon(credential: Credential) -> DockerCredentials {
    match credential {
        Credential::IdentityToken(token) => DockerCredentials {
            identitytoken: Some(token),
            ..DockerCredentials::default()
        },
        Credential::Password(username, password) => DockerCredentials {
            username: Some(username),
            password: Some(password),
            ..DockerCredentials::default()
        },
    }
}
