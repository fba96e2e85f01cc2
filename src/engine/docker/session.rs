//! A session of our own, over which BuildKit asks for secrets while it builds.
//!
//! Secrets pass over a connection that the client opens beside the build (`POST /session`), on
//! which BuildKit calls the client. bollard 0.21 opens a session that serves only registry
//! credentials. So we open ours first, under the same id, and serve both: the daemon keeps ours and
//! refuses bollard's, which bollard ignores. bollard 0.22 can serve secrets itself
//! (`build_image_with_session_providers`).

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;

use bollard::auth::DockerCredentials;
use bollard::health::health_check_response::ServingStatus;
use bollard::health::health_server::{Health, HealthServer};
use bollard::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
};
use bollard::moby::buildkit::secrets::v1::secrets_server::{Secrets, SecretsServer};
use bollard::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use bollard::moby::filesync::v1::auth_server::{Auth, AuthServer};
use bollard::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse,
    GetTokenAuthorityRequest, GetTokenAuthorityResponse, VerifyTokenAuthorityRequest,
    VerifyTokenAuthorityResponse,
};
use bytes::Bytes;
use futures_util::{Stream, stream};
use http_body_util::Empty;
use hyper::header::{CONNECTION, HOST, UPGRADE};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tonic::transport::Server;
use tonic::{Response, Status};

use crate::engine::Secret;
use crate::engine::host::Address;

/// The methods that BuildKit may call.
const METHODS: [&str; 2] = [
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    "/moby.filesync.v1.Auth/Credentials",
];

/// The buffer size in bytes between BuildKit and the services; secrets are small.
const BUFFER: usize = 64 * 1024;

trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
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
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    drop(tokio::spawn(connection.with_upgrades()));
    let mut request = Request::builder()
        .method(Method::POST)
        .uri("/session")
        .header(HOST, "docker")
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "h2c")
        .header("X-Docker-Expose-Session-Uuid", id)
        .header("X-Docker-Expose-Session-Name", "slimbuild");
    for method in METHODS {
        request = request.header("X-Docker-Expose-Session-Grpc-Method", method);
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
            "it answers `/session` with status {status}"
        )));
    }
    let upgraded = hyper::upgrade::on(response)
        .await
        .map_err(io::Error::other)?;
    let (mut near, far) = tokio::io::duplex(BUFFER);
    drop(tokio::spawn(async move {
        // The session ends with the build.
        let _ended = copy_bidirectional(&mut TokioIo::new(upgraded), &mut near).await;
    }));
    let services = Server::builder()
        .add_service(HealthServer::new(Alive))
        .add_service(SecretsServer::new(Keeper(secrets)))
        .add_service(AuthServer::new(Registries(credentials)));
    let incoming = stream::iter([Ok::<_, io::Error>(far)]);
    drop(tokio::spawn(services.serve_with_incoming(incoming)));
    Ok(())
}

async fn connect(address: &Address) -> io::Result<Box<dyn Connection>> {
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

/// The secrets by id.
struct Keeper(BTreeMap<String, Secret>);

#[tonic::async_trait]
impl Secrets for Keeper {
    async fn get_secret(
        &self,
        request: tonic::Request<GetSecretRequest>,
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

/// Credentials for the registries of base images.
struct Registries(BTreeMap<String, DockerCredentials>);

#[tonic::async_trait]
impl Auth for Registries {
    async fn credentials(
        &self,
        request: tonic::Request<CredentialsRequest>,
    ) -> Result<Response<CredentialsResponse>, Status> {
        let known = self.0.get(&request.into_inner().host);
        let answer = known.cloned().map(|known| match known.identitytoken {
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
        _: tonic::Request<FetchTokenRequest>,
    ) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented("BuildKit fetches tokens itself"))
    }

    async fn get_token_authority(
        &self,
        _: tonic::Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("BuildKit fetches tokens itself"))
    }

    async fn verify_token_authority(
        &self,
        _: tonic::Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented("BuildKit fetches tokens itself"))
    }
}

/// BuildKit checks from time to time whether the client is alive.
struct Alive;

fn serving() -> HealthCheckResponse {
    HealthCheckResponse {
        status: ServingStatus::Serving.into(),
    }
}

#[tonic::async_trait]
impl Health for Alive {
    async fn check(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(serving()))
    }

    async fn list(
        &self,
        _: tonic::Request<HealthListRequest>,
    ) -> Result<Response<HealthListResponse>, Status> {
        Ok(Response::new(HealthListResponse::default()))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        _: tonic::Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(Box::pin(stream::iter([Ok(serving())]))))
    }
}
