//! Lets steps ask the user's ssh agents (`--mount=type=ssh`). Keys stay in the agents.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;

use bollard::moby::sshforward::v1::ssh_server::Ssh;
use bollard::moby::sshforward::v1::{BytesMessage, CheckAgentRequest, CheckAgentResponse};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tonic::{Request, Response, Status, Streaming};

/// The header that says which agent is meant.
const ID: &str = "buildkit.ssh.id";
/// The agent that is meant without one.
const DEFAULT: &str = "default";
/// The size in bytes of the pieces that an agent's answers are sent in.
const PIECE_BYTES: usize = 32 * 1024;

/// The sockets of agents by name.
pub(in crate::engine::buildkit) struct Agents(
    pub(in crate::engine::buildkit) BTreeMap<String, PathBuf>,
);

impl Agents {
    fn find(&self, id: &str) -> Result<&PathBuf, Status> {
        let id = if id.is_empty() { DEFAULT } else { id };
        let found = self.0.get(id);
        found.ok_or_else(|| Status::not_found(format!("there is no ssh agent `{id}`")))
    }
}

#[tonic::async_trait]
impl Ssh for Agents {
    type ForwardAgentStream = Pin<Box<dyn Stream<Item = Result<BytesMessage, Status>> + Send>>;

    async fn check_agent(
        &self,
        request: Request<CheckAgentRequest>,
    ) -> Result<Response<CheckAgentResponse>, Status> {
        self.find(&request.into_inner().id)?;
        Ok(Response::new(CheckAgentResponse {}))
    }

    async fn forward_agent(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::ForwardAgentStream>, Status> {
        let id = request.metadata().get(ID);
        let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
        let agent = connect(self.find(id)?).await?;
        let (answers, mut questions) = tokio::io::split(agent);
        let mut messages = request.into_inner();
        drop(tokio::spawn(async move {
            // The agent hears the end when this does.
            while let Ok(Some(BytesMessage { data })) = messages.message().await {
                if questions.write_all(&data).await.is_err() {
                    return;
                }
            }
            drop(questions.shutdown().await);
        }));
        let answers = unfold(answers, |mut answers| async move {
            let mut data = vec![0; PIECE_BYTES];
            match answers.read(&mut data).await {
                Ok(0) => None,
                Ok(read) => {
                    data.truncate(read);
                    Some((Ok(BytesMessage { data }), answers))
                }
                Err(error) => Some((Err(Status::unavailable(error.to_string())), answers)),
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

#[cfg(unix)]
async fn connect(socket: &PathBuf) -> Result<impl AsyncRead + AsyncWrite + Send + 'static, Status> {
    let stream = tokio::net::UnixStream::connect(socket).await;
    stream.map_err(|error| Status::unavailable(format!("the ssh agent does not answer: {error}")))
}

#[cfg(not(unix))]
#[expect(clippy::unused_async, reason = "connecting to a socket waits")]
async fn connect(_: &PathBuf) -> Result<tokio::io::DuplexStream, Status> {
    Err(Status::unimplemented("ssh agents have no sockets here"))
}
