//! Tells BuildKit the credentials for registries.

use std::sync::Arc;

use bollard::auth::DockerCredentials;
use bollard::moby::filesync::v1::auth_server::Auth;
use bollard::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse,
    GetTokenAuthorityRequest, GetTokenAuthorityResponse, VerifyTokenAuthorityRequest,
    VerifyTokenAuthorityResponse,
};
use tokio::sync::oneshot;
use tonic::{Request, Response, Status};

type LookUp = dyn Fn(&str) -> Option<DockerCredentials> + Send + Sync;

/// Looks credentials up when BuildKit asks.
pub(in crate::engine::buildkit) struct Registries(Arc<LookUp>);

impl Registries {
    /// By a function of the registry's name, which may take its time.
    pub(in crate::engine::buildkit) fn new(
        look_up: impl Fn(&str) -> Option<DockerCredentials> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(look_up))
    }
}

#[tonic::async_trait]
impl Auth for Registries {
    async fn credentials(
        &self,
        request: Request<CredentialsRequest>,
    ) -> Result<Response<CredentialsResponse>, Status> {
        let look_up = Arc::clone(&self.0);
        let (told, known) = oneshot::channel();
        // Not on the runtime's pool, whose end waits for all of its threads: a credential helper
        // that hangs must not keep an interrupted build from ending.
        drop(std::thread::spawn(move || {
            // Nobody listens after the build.
            let _ended = told.send(look_up(&request.into_inner().host));
        }));
        let answer = known.await.ok().flatten();
        let answer = answer.map(|known| match known.identitytoken {
            Some(secret) => CredentialsResponse {
                secret,
                ..CredentialsResponse::default()
            },
            None => CredentialsResponse {
                username: known.username.unwrap_or_default(),
                secret: known.password.unwrap_or_default(),
            },
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
