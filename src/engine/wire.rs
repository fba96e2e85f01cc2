//! Connections to a daemon or a builder: a socket, or TCP with or without TLS.
//!
//! Input: an address, and files with certificates. Output: a connection that bytes pass over.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::engine::host::Address;
use crate::engine::piped::{self, Begins};
use crate::store::fetch::prepare_tls;

/// What a daemon over TLS speaks before it turns to its BuildKit.
pub(super) const HTTP: &str = "http/1.1";

/// A connection, of whatever kind.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// A file with a certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {problem}", path.display())]
pub(super) struct Unusable {
    pub(super) path: PathBuf,
    pub(super) problem: String,
}

/// Connects to a daemon.
pub(super) async fn daemon(address: &Address) -> io::Result<Box<dyn Connection>> {
    Ok(match address {
        Address::Local(path) => Box::new(local(path).await?),
        Address::Tcp(authority) => Box::new(connect(authority).await?),
        Address::Ssh(ssh) => Box::new(piped::command(&ssh.words(), Begins::Http1)?),
        Address::Tls {
            authority,
            certificates,
        } => {
            let file = |name: &str| certificates.join(name);
            let client = (file("cert.pem"), file("key.pem"));
            let settings = configuration(&file("ca.pem"), Some(&client), HTTP);
            let settings = settings.map_err(io::Error::other)?;
            let host = authority.rsplit_once(':').map_or(&**authority, |it| it.0);
            let name = host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned();
            let name = ServerName::try_from(name).map_err(io::Error::other)?;
            let stream = connect(authority).await?;
            Box::new(TlsConnector::from(settings).connect(name, stream).await?)
        }
    })
}

#[cfg(unix)]
pub(super) async fn local(path: &Path) -> io::Result<tokio::net::UnixStream> {
    tokio::net::UnixStream::connect(path).await
}

#[cfg(windows)]
#[expect(
    clippy::unused_async,
    reason = "opening a pipe does not wait, opening a socket does"
)]
pub(super) async fn local(
    path: &Path,
) -> io::Result<tokio::net::windows::named_pipe::NamedPipeClient> {
    tokio::net::windows::named_pipe::ClientOptions::new().open(path)
}

pub(super) async fn connect(authority: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(authority).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The settings of a connection whose server is signed by this authority, for a protocol over it.
/// `client` has a certificate and its key.
pub(super) fn configuration(
    authority: &Path,
    client: Option<&(PathBuf, PathBuf)>,
    protocol: &str,
) -> Result<Arc<ClientConfig>, Unusable> {
    prepare_tls();
    let mut roots = RootCertStore::empty();
    for certificate in chain(authority)? {
        let added = roots.add(certificate);
        added.map_err(|error| unusable(authority, &error.to_string()))?;
    }
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let mut configuration = match client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = chain(certificate)?;
            let secret = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| unusable(key, &words(&error, "private key")))?;
            builder
                .with_client_auth_cert(chain, secret)
                .map_err(|error| unusable(key, &error.to_string()))?
        }
    };
    configuration.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    Ok(Arc::new(configuration))
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let read = |error: pem::Error| unusable(path, &words(&error, "certificate"));
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(read)?.collect();
    let chain = chain.map_err(read)?;
    if chain.is_empty() {
        return Err(unusable(path, "it holds no certificate in PEM format"));
    }
    Ok(chain)
}

fn unusable(path: &Path, problem: &str) -> Unusable {
    Unusable {
        path: path.to_owned(),
        problem: problem.to_owned(),
    }
}

/// Never quotes the file, which may be a private key.
fn words(error: &pem::Error, wanted: &str) -> String {
    match error {
        pem::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            "it does not exist".to_owned()
        }
        pem::Error::Io(error) => error.to_string(),
        _ => format!("it holds no {wanted} in PEM format"),
    }
}
