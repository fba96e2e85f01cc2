//! Hands out a build's secrets by id.

use std::collections::BTreeMap;

use bollard::moby::buildkit::secrets::v1::secrets_server::Secrets;
use bollard::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use tonic::{Request, Response, Status};

use crate::engine::Secret;

/// The secrets by id.
pub(in crate::engine::buildkit) struct Keeper(
    pub(in crate::engine::buildkit) BTreeMap<String, Secret>,
);

#[tonic::async_trait]
impl Secrets for Keeper {
    async fn get_secret(
        &self,
        request: Request<GetSecretRequest>,
    ) -> Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        match self.0.get(&id) {
            Some(secret) => Ok(Response::new(GetSecretResponse {
                data: secret.bytes().to_vec(),
            })),
            // BuildKit ignores a missing secret unless its mount is `required`.
            None => Err(Status::not_found(format!("there is no secret `{id}`"))),
        }
    }
}
