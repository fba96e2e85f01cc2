//! Opens the connection to a builder: a socket, or TCP with or without TLS.

use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::address::Way;
use super::upgrade::{NotUpgraded, upgraded};
use super::{Builder, BuildkitError, Certificates, stdio, tls};
use crate::engine::docker;
use crate::engine::host::Address;
use crate::engine::piped::{self, Begins};
use crate::engine::wire::{Connection, HTTP, connect, local};
use crate::system::trail;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Connects to a builder.
pub(super) async fn dial(builder: &Builder) -> Result<Box<dyn Connection>, BuildkitError> {
    let failed = |error: io::Error| judge(builder, &error);
    let late = |_| {
        failed(io::Error::new(
            io::ErrorKind::TimedOut,
            "it does not answer",
        ))
    };
    Ok(match &builder.way {
        Way::Daemon(address) => {
            let stream = timeout(CONNECT_TIMEOUT, daemon(builder, address)).await;
            let began = Instant::now();
            let upgraded = upgraded(stream.map_err(late)??);
            let upgraded = timeout(CONNECT_TIMEOUT, upgraded).await;
            let status = match &upgraded {
                Ok(Ok(_)) => Some(101),
                Ok(Err(NotUpgraded::Refused(status, _))) => Some(status.as_u16()),
                Ok(Err(NotUpgraded::Broken(_))) | Err(_) => None,
            };
            trail::own().request("POST", &format!("{address}/grpc"), status, began);
            let upgraded = upgraded.map_err(late)?;
            Box::new(upgraded.map_err(|error| match error {
                NotUpgraded::Broken(error) => failed(error),
                NotUpgraded::Refused(status, words) => BuildkitError::NotOffered {
                    builder: Box::new(builder.clone()),
                    status: status.as_u16(),
                    words,
                },
            })?)
        }
        Way::Local(path) => {
            let stream = timeout(CONNECT_TIMEOUT, local(path)).await;
            Box::new(stream.map_err(late)?.map_err(failed)?)
        }
        Way::Container { daemon, name } => {
            let client = docker::client(daemon);
            let client = client.map_err(|error| failed(io::Error::other(error)))?;
            let stream = timeout(CONNECT_TIMEOUT, stdio::in_container(&client, name)).await;
            Box::new(stream.map_err(late)?.map_err(failed)?)
        }
        Way::Command { words, .. } => {
            Box::new(piped::command(words, Begins::Http2).map_err(failed)?)
        }
        Way::Tcp(authority) => {
            let stream = timeout(CONNECT_TIMEOUT, connect(authority)).await;
            Box::new(stream.map_err(late)?.map_err(failed)?)
        }
        Way::Tls(authority, certificates) => {
            let stream = timeout(
                CONNECT_TIMEOUT,
                secured(builder, authority, certificates, H2),
            )
            .await;
            stream.map_err(late)??
        }
    })
}

/// What a builder over TLS speaks.
const H2: &str = "h2";
async fn secured(
    builder: &Builder,
    authority: &str,
    certificates: &Certificates,
    protocol: &str,
) -> Result<Box<dyn Connection>, BuildkitError> {
    let failed = |error: io::Error| judge(builder, &error);
    let connector = TlsConnector::from(tls::configuration(certificates, protocol)?);
    let name = server_name(authority, certificates)?;
    let stream = connect(authority).await.map_err(failed)?;
    let stream = connector.connect(name, stream).await.map_err(failed)?;
    Ok(Box::new(stream))
}

async fn daemon(
    builder: &Builder,
    address: &Address,
) -> Result<Box<dyn Connection>, BuildkitError> {
    match address {
        Address::Tls {
            authority,
            certificates,
        } => {
            let certificates = Certificates::of_directory(certificates);
            secured(builder, authority, &certificates, HTTP).await
        }
        Address::Tcp(authority) => {
            let stream = connect(authority).await;
            Ok(Box::new(stream.map_err(|error| judge(builder, &error))?))
        }
        Address::Ssh(ssh) => {
            let piped = piped::command(&ssh.words(), Begins::Http1);
            Ok(Box::new(piped.map_err(|error| judge(builder, &error))?))
        }
        Address::Local(path) => {
            let stream = local(path).await;
            Ok(Box::new(stream.map_err(|error| judge(builder, &error))?))
        }
    }
}

/// The name that the builder's certificate must have.
fn server_name(
    authority: &str,
    certificates: &Certificates,
) -> Result<ServerName<'static>, BuildkitError> {
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    let name = certificates.server_name.as_deref().unwrap_or(host);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(name.to_owned()).map_err(|_| BuildkitError::Address {
        text: name.to_owned(),
        origin: "--builder-tls",
        problem: "a certificate cannot have such a name".to_owned(),
    })
}

/// What a failed connection means: an error of TLS hides among the causes of others.
pub(super) fn judge(builder: &Builder, error: &(dyn Error + 'static)) -> BuildkitError {
    let builder = Box::new(builder.clone());
    let mut kind = io::ErrorKind::Other;
    let mut cause = error;
    loop {
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            let (side, problem) = tls::explain(error);
            return BuildkitError::Untrusted {
                builder,
                side,
                problem,
            };
        }
        let mut next = cause.source();
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            kind = error.kind();
            // `source` would pass over the error inside.
            next = error.get_ref().map(|inner| inner as &(dyn Error + 'static));
        }
        match next {
            Some(inner) => cause = inner,
            None => {
                return BuildkitError::NotReached {
                    builder,
                    source: io::Error::new(kind, cause.to_string()),
                };
            }
        }
    }
}
