//! Requests to a daemon over connections that are made here, one for each, as bollard's own clients
//! make them. Over ssh it is the program that Docker's command line runs; `ControlMaster` in ssh's
//! configuration makes it one connection. Where requests are noted, all go this way, because bollard's
//! own clients tell nothing.

use std::time::Instant;

use bollard::API_DEFAULT_VERSION;
use bollard::BollardRequest;
use bollard::errors::Error;
use hyper::Uri;
use hyper::header::{HOST, HeaderValue};
use hyper_util::rt::TokioIo;

use crate::engine::host::Host;
use crate::engine::wire;
use crate::system::trail::Trail;

type Response = hyper::Response<hyper::body::Incoming>;

/// Makes a client. It connects with each request.
pub(super) fn client(host: &Host, timeout: u64, trail: Trail) -> Result<bollard::Docker, Error> {
    let host = host.clone();
    let transport = move |request: BollardRequest| {
        let (host, trail) = (host.clone(), trail.clone());
        async move {
            let began = Instant::now();
            let method = request.method().clone();
            let address = format!("{}{}", host.address(), request.uri().path());
            let answer = send(&host, request).await;
            let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            trail.request(method.as_str(), &address, status, began);
            answer
        }
    };
    bollard::Docker::connect_with_custom_transport(
        transport,
        Some("http://docker"),
        timeout,
        API_DEFAULT_VERSION,
    )
}

async fn send(host: &Host, mut request: BollardRequest) -> Result<Response, Error> {
    let stream = wire::daemon(host.address()).await;
    let stream = stream.map_err(|err| Error::IOError { err })?;
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
