//! A session of our own, over which BuildKit asks for secrets while it builds.
//!
//! Secrets pass over a connection that the client opens beside the build (`POST /session`), on
//! which BuildKit calls the client. bollard 0.21 opens a session that serves only registry
//! credentials. So we open ours first, under the same id, and serve both: the daemon keeps ours and
//! refuses bollard's, which bollard ignores. bollard 0.22 can serve secrets itself
//! (`build_image_with_session_providers`).

use std::collections::BTreeMap;
use std::io;

use bollard::auth::DockerCredentials;
use bollard::health::health_server::HealthServer;
use bollard::moby::buildkit::secrets::v1::secrets_server::SecretsServer;
use bollard::moby::filesync::v1::auth_server::AuthServer;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::Empty;
use hyper::header::{CONNECTION, HOST, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tonic::transport::Server;

use crate::engine::Secret;
use crate::engine::host::Address;
use crate::engine::session::{Alive, Keeper, Registries};

/// The methods that BuildKit may call.
const METHODS: [&str; 2] = [
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/moby.filesync.v1.Auth/Credentials",
];

/// The buffer size in bytes between BuildKit and the services; secrets are small.
const BUFFER: usize = 64 * 1024;

pub(in crate::engine) trait Connection:
    AsyncRead + AsyncWrite + Send + Unpin
{
}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Opens the session and serves it while the runtime lives. The daemon knows the session when this
/// returns.
pub(super) async fn open(
    address: &Address,
    id: &str,
    secrets: BTreeMap<String, Secret>,
    credentials: BTreeMap<String, DockerCredentials>,
) -> io::Result<()> {
    let stream = connect(address).await?;
    let mut headers = vec![
        ("X-Docker-Expose-Session-Uuid", id),
        ("X-Docker-Expose-Session-Name", "slimbuild"),
    ];
    headers.extend(METHODS.map(|method| ("X-Docker-Expose-Session-Grpc-Method", method)));
    let mut upgraded = upgraded(stream, "/session", &headers).await?;
    let (mut near, far) = tokio::io::duplex(BUFFER);
    drop(tokio::spawn(async move {
        // The session ends with the build.
        let _ended = copy_bidirectional(&mut upgraded, &mut near).await;
    }));
    let services = Server::builder()
        .add_service(HealthServer::new(Alive))
        .add_service(SecretsServer::new(Keeper(secrets)))
        .add_service(AuthServer::new(Registries::new(move |host| {
            credentials.get(host).cloned()
        })));
    let incoming = stream::iter([Ok::<_, io::Error>(far)]);
    drop(tokio::spawn(services.serve_with_incoming(incoming)));
    Ok(())
}

/// Turns a connection to a daemon into one over which gRPC passes.
pub(in crate::engine) async fn upgraded(
    stream: impl Connection + 'static,
    path: &str,
    headers: &[(&str, &str)],
) -> io::Result<TokioIo<Upgraded>> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    drop(tokio::spawn(connection.with_upgrades()));
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(HOST, "docker")
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "h2c");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let response = sender
        .send_request(request)
        .await
        .map_err(io::Error::other)?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let status = response.status();
        return Err(io::Error::other(format!(
            "it answers `{path}` with status {status}"
        )));
    }
    let upgraded = hyper::upgrade::on(response).await;
    Ok(TokioIo::new(upgraded.map_err(io::Error::other)?))
}

/// Connects to a daemon that needs no certificates.
pub(in crate::engine) async fn connect(address: &Address) -> io::Result<Box<dyn Connection>> {
    Ok(match address {
        #[cfg(unix)]
        Address::Local(path) => Box::new(tokio::net::UnixStream::connect(path).await?),
        #[cfg(windows)]
        Address::Local(path) => {
            Box::new(tokio::net::windows::named_pipe::ClientOptions::new().open(path)?)
        }
        Address::Tcp(authority) => Box::new(tokio::net::TcpStream::connect(authority).await?),
        Address::Tls { .. } => {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "slimbuild cannot hand out secrets over TLS",
            ));
        }
    })
}
