//! Tells BuildKit the credentials for registries.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use bollard::moby::filesync::v1::auth_server::Auth;
use bollard::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse,
    GetTokenAuthorityRequest, GetTokenAuthorityResponse, VerifyTokenAuthorityRequest,
    VerifyTokenAuthorityResponse,
};
use tokio::sync::{Mutex, mpsc};
use tonic::{Request, Response, Status};

use crate::engine::Logins;
use crate::engine::credentials::{Credential, hub};
use crate::model::image::{ImageRef, parts};

/// The credentials that BuildKit was given. Its errors may quote what a registry says, and some quote
/// the password. Those of helpers are not known before.
#[derive(Clone, Default)]
pub(in crate::engine::buildkit) struct Given(Arc<std::sync::Mutex<Vec<Credential>>>);

impl Given {
    fn add(&self, credential: &Credential) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(credential.clone());
    }

    /// A text without the secrets.
    pub(in crate::engine::buildkit) fn hide(&self, text: &str) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .fold(text.to_owned(), |text, one| one.without_secret(&text))
    }
}

/// Looks credentials up when BuildKit asks.
pub(in crate::engine::buildkit) struct Registries {
    logins: Logins,
    /// By registry, the repository that is pushed to. BuildKit asks by host only.
    repositories: BTreeMap<String, String>,
    /// By registry, what was found: BuildKit asks several times, and a helper may be slow.
    known: Mutex<BTreeMap<String, Option<Credential>>>,
    given: Given,
    warn: mpsc::UnboundedSender<String>,
}

impl Registries {
    pub(in crate::engine::buildkit) fn new(
        logins: &Logins,
        names: &[ImageRef],
        warn: mpsc::UnboundedSender<String>,
    ) -> Self {
        let repositories = names.iter().map(|name| {
            let (registry, path) = parts(name.name());
            (registry.to_owned(), path)
        });
        Self {
            logins: logins.clone(),
            repositories: repositories.collect(),
            known: Mutex::default(),
            given: Given::default(),
            warn,
        }
    }

    /// What BuildKit will have been given.
    pub(in crate::engine::buildkit) fn given(&self) -> Given {
        self.given.clone()
    }

    async fn credential(&self, host: &str) -> Option<Credential> {
        let registry = hub(host);
        let mut known = self.known.lock().await;
        if let Some(found) = known.get(registry) {
            return found.clone();
        }
        let path = self.repositories.get(registry);
        let path = path.map_or("", String::as_str);
        let found = self.logins.find(registry, path).await;
        for warning in found.warnings {
            // Nobody listens after the build.
            let _ended = self.warn.send(warning);
        }
        if let Some(credential) = &found.credential {
            self.given.add(credential);
        }
        known.insert(registry.to_owned(), found.credential.clone());
        found.credential
    }
}

#[tonic::async_trait]
impl Auth for Registries {
    async fn credentials(
        &self,
        request: Request<CredentialsRequest>,
    ) -> Result<Response<CredentialsResponse>, Status> {
        let found = self.credential(&request.into_inner().host).await;
        let answer = found.map(|known| match known {
            Credential::IdentityToken(secret) => CredentialsResponse {
                secret,
                ..CredentialsResponse::default()
            },
            Credential::Password(username, secret) => CredentialsResponse { username, secret },
        });
        Ok(Response::new(answer.unwrap_or_default()))
    }

    async fn fetch_token(
        &self,
        _: Request<FetchTokenRequest>,
    ) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("BuildKit fetches tokens itself"))
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("BuildKit fetches tokens itself"))
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("BuildKit fetches tokens itself"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::env::Env;

    #[tokio::test]
    async fn a_registry_is_looked_up_once() {
        // `team:t`, `lab:lab`, `hub:h`
        let text = r#"{"auths":{"r.example/team":{"auth":"dGVhbTp0"},"r.example":{"auth":"bGFiOmxhYg=="},"https://index.docker.io/v1/":{"auth":"aHViOmg="},"b.example":{"auth":"!"}}}"#;
        let env: Env = [("DOCKER_AUTH_CONFIG", text)].into_iter().collect();
        let (warn, mut warnings) = mpsc::unbounded_channel();
        let names = ["r.example/team/app:1".parse().unwrap()];
        let registries = Registries::new(&Logins::of(&env), &names, warn);
        for (host, user) in [
            ("registry-1.docker.io", Some("hub")),
            ("docker.io", Some("hub")),
            ("r.example", Some("team")),
            ("b.example", None),
            ("b.example", None),
            ("c.example", None),
        ] {
            let found = registries.credential(host).await;
            let found = found.map(|credential| match credential {
                Credential::Password(user, _) => user,
                Credential::IdentityToken(_) => "token".to_owned(),
            });
            assert_eq!(found.as_deref(), user, "{host}");
        }
        // Only what was given is hidden: `lab` was not.
        let hidden = registries.given().hide("no: `h`, `t`, `lab`");
        assert_eq!(hidden, "no: `***`, `***`, `lab`");
        drop(registries);
        let warning = warnings.recv().await.unwrap();
        assert!(warning.ends_with("is no base64"), "{warning}");
        assert_eq!(warnings.recv().await, None);
    }
}
