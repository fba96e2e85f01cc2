//! The session: BuildKit's questions to this process during one build.
//!
//! It is a stream of bytes inside the connection to the builder (`Control/Session`). Over it,
//! BuildKit is the client: it pulls the context ([`context`]), asks for secrets, credentials
//! and ssh agents ([`auth`], [`secrets`], [`agent`]), checks whether it is alive ([`health`]), sends what it exports
//! ([`receive`]), and keeps caches in directories ([`store`]) (<https://github.com/moby/buildkit/tree/master/session>).

mod agent;
mod auth;
mod context;
mod health;
mod receive;
mod secrets;
mod store;

use std::io;

use bollard::health::health_server::HealthServer;
use bollard::moby::buildkit::secrets::v1::secrets_server::SecretsServer;
use bollard::moby::buildkit::v1::BytesMessage;
use bollard::moby::filesync::v1::auth_server::AuthServer;
use bollard::moby::filesync::v1::file_send_server::FileSendServer;
use bollard::moby::sshforward::v1::ssh_server::SshServer;
use bollard::moby::upload::v1::upload_server::UploadServer;
use futures_util::stream::{self, unfold};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::transport::Server;
use tonic::{Request, Status};

use super::channel::{Client, MAX_MESSAGE_BYTES, WINDOW_BYTES};
use health::Alive;

pub(super) use agent::Agents;
pub(super) use auth::{Given, Registries};
pub(super) use context::Context;
pub(super) use receive::{Receiver, Sink};
pub(super) use secrets::Keeper;
pub(super) use store::Stores;

/// The methods that BuildKit may call.
const METHODS: [&str; 10] = [
    "/containerd.services.content.v1.Content/Abort",
    "/containerd.services.content.v1.Content/Info",
    "/containerd.services.content.v1.Content/Read",
    "/containerd.services.content.v1.Content/Write",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/moby.filesync.v1.Auth/Credentials",
    "/moby.filesync.v1.FileSend/DiffCopy",
    "/moby.sshforward.v1.SSH/CheckAgent",
    "/moby.sshforward.v1.SSH/ForwardAgent",
    "/moby.upload.v1.Upload/Pull",
];

/// The buffer size in bytes between the connection and the services.
const BUFFER_BYTES: usize = 256 * 1024;
/// The size in bytes of the pieces that the services' answers are sent in.
const PIECE_BYTES: usize = 32 * 1024;

/// What BuildKit may ask for.
pub(super) struct Services {
    pub(super) context: Context,
    pub(super) secrets: Keeper,
    pub(super) agents: Agents,
    pub(super) registries: Registries,
    pub(super) receiver: Receiver,
    pub(super) stores: Stores,
}

/// Opens the session and serves it while the runtime lives. The builder knows the session when this
/// returns.
pub(super) async fn open(client: &mut Client, id: &str, services: Services) -> Result<(), Status> {
    let (near, far) = tokio::io::duplex(BUFFER_BYTES);
    let (answers, mut questions) = tokio::io::split(near);
    let outgoing = unfold(answers, |mut answers| async move {
        let mut data = vec![0; PIECE_BYTES];
        match answers.read(&mut data).await {
            Ok(0) | Err(_) => None,
            Ok(read) => {
                data.truncate(read);
                Some((BytesMessage { data }, answers))
            }
        }
    });
    let mut request = Request::new(outgoing);
    describe(request.metadata_mut(), id)?;
    let server = Server::builder()
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .add_service(HealthServer::new(Alive))
        .add_service(SecretsServer::new(services.secrets))
        .add_service(SshServer::new(services.agents))
        .add_service(AuthServer::new(services.registries))
        .add_service(services.stores)
        .add_service(
            UploadServer::new(services.context).max_encoding_message_size(MAX_MESSAGE_BYTES),
        )
        .add_service(
            FileSendServer::new(services.receiver).max_decoding_message_size(MAX_MESSAGE_BYTES),
        );
    let incoming = stream::iter([Ok::<_, io::Error>(far)]);
    drop(tokio::spawn(server.serve_with_incoming(incoming)));
    let mut incoming = client.session(request).await?.into_inner();
    drop(tokio::spawn(async move {
        // The session ends with the build.
        while let Ok(Some(BytesMessage { data })) = incoming.message().await {
            if questions.write_all(&data).await.is_err() {
                break;
            }
        }
    }));
    Ok(())
}

fn describe(metadata: &mut MetadataMap, id: &str) -> Result<(), Status> {
    let id = AsciiMetadataValue::try_from(id)
        .map_err(|_| Status::internal("the session's id is no header"))?;
    metadata.insert("x-docker-expose-session-uuid", id);
    let name = AsciiMetadataValue::from_static("slimbuild");
    metadata.insert("x-docker-expose-session-name", name);
    for method in METHODS {
        let method = AsciiMetadataValue::from_static(method);
        metadata.append("x-docker-expose-session-grpc-method", method);
    }
    Ok(())
}
