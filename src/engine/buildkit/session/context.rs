//! Sends the context when BuildKit pulls it (`Upload/Pull`).

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use bollard::moby::upload::v1::BytesMessage;
use bollard::moby::upload::v1::upload_server::Upload;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

type Body = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// A context that is written while it is sent.
pub(in crate::engine::buildkit) struct Context {
    id: String,
    body: Mutex<Option<Body>>,
}

impl Context {
    pub(in crate::engine::buildkit) fn new(id: &str, body: Body) -> Self {
        Self {
            id: id.to_owned(),
            body: Mutex::new(Some(body)),
        }
    }

    /// The address by which BuildKit finds it in the session.
    pub(in crate::engine::buildkit) fn address(&self) -> String {
        format!("http://buildkit-session/{}", self.id)
    }
}

#[tonic::async_trait]
impl Upload for Context {
    type PullStream = Pin<Box<dyn Stream<Item = Result<BytesMessage, Status>> + Send>>;

    async fn pull(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::PullStream>, Status> {
        let path = request.metadata().get("urlpath");
        let path = path.and_then(|path| path.to_str().ok()).unwrap_or_default();
        if path.trim_start_matches('/') != self.id {
            return Err(Status::not_found("there is no such upload"));
        }
        let body = self.body.lock();
        let body = body.unwrap_or_else(PoisonError::into_inner).take();
        let body = body.ok_or_else(|| Status::failed_precondition("it was sent already"))?;
        let messages = body.map(|chunk| match chunk {
            Ok(bytes) => Ok(BytesMessage { data: bytes.into() }),
            Err(error) => Err(Status::aborted(error.to_string())),
        });
        Ok(Response::new(Box::pin(messages)))
    }
}
