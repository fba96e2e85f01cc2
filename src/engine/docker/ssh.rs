//! A daemon over ssh: each request is a connection of its own, by the program that Docker's command
//! line runs. `ControlMaster` in ssh's configuration makes it one connection.

use bollard::API_DEFAULT_VERSION;
use bollard::BollardRequest;
use bollard::errors::Error;
use hyper::Uri;
use hyper::header::{HOST, HeaderValue};
use hyper_util::rt::TokioIo;

use crate::engine::host::Ssh;
use crate::engine::piped::{self, Begins};

/// Makes a client. It connects with each request.
pub(super) fn client(ssh: &Ssh, timeout: u64) -> Result<bollard::Docker, Error> {
    let words = ssh.words();
    let transport = move |request: BollardRequest| {
        let words = words.clone();
        async move { send(&words, request).await }
    };
    bollard::Docker::connect_with_custom_transport(
        transport,
        Some("http://docker"),
        timeout,
        API_DEFAULT_VERSION,
    )
}

async fn send(
    words: &[String],
    mut request: BollardRequest,
) -> Result<hyper::Response<hyper::body::Incoming>, Error> {
    let stream = piped::command(words, Begins::Http1).map_err(|err| Error::IOError { err })?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    drop(tokio::spawn(connection.with_upgrades()));
    // A server is asked for a path, and a proxy for an address.
    let path = request.uri().path_and_query().cloned();
    if let Some(path) = path {
        *request.uri_mut() = Uri::from(path);
    }
    let host = HeaderValue::from_static("docker");
    request.headers_mut().entry(HOST).or_insert(host);
    Ok(sender.send_request(request).await?)
}
