//! Tells BuildKit the credentials for registries.

use std::collections::BTreeMap;

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

/// Looks credentials up when BuildKit asks.
pub(in crate::engine::buildkit) struct Registries {
    logins: Logins,
    /// By registry, the repository that is pushed to. BuildKit asks by host only.
    repositories: BTreeMap<String, String>,
    /// By registry, what was found: BuildKit asks several times, and a helper may be slow.
    known: Mutex<BTreeMap<String, Option<Credential>>>,
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
            warn,
        }
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
