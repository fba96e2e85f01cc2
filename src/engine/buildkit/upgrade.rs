//! The way to the BuildKit inside a Docker daemon: `POST /grpc` turns a connection to the daemon
//! into one to its BuildKit.

use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{CONNECTION, HOST, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;

use crate::engine::wire::Connection;

/// How much of a refusal is read.
const MAX_REFUSAL_BYTES: usize = 4096;

/// Why there is no BuildKit behind a connection.
pub(super) enum NotUpgraded {
    /// The connection broke.
    Broken(io::Error),
    /// Something answers, and does not offer its BuildKit.
    Refused(StatusCode, String),
}

/// Turns a connection to a daemon into one to its BuildKit.
pub(super) async fn upgraded(
    stream: impl Connection + 'static,
) -> Result<TokioIo<Upgraded>, NotUpgraded> {
    let broken = |error: hyper::Error| NotUpgraded::Broken(io::Error::other(error));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    drop(tokio::spawn(connection.with_upgrades()));
    let request = Request::builder()
        .method(Method::POST)
        .uri("/grpc")
        .header(HOST, "docker")
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "h2c");
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| NotUpgraded::Broken(io::Error::other(error)))?;
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let body = Limited::new(response.into_body(), MAX_REFUSAL_BYTES);
        let body = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        let words = words(&body.unwrap_or_default());
        return Err(NotUpgraded::Refused(status, words));
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(broken)?;
    Ok(TokioIo::new(upgraded))
}

/// What a refusal says: the message of a daemon, or the first line of what is no JSON.
fn words(body: &[u8]) -> String {
    let message = serde_json::from_slice::<serde_json::Value>(body);
    let message = message
        .ok()
        .and_then(|body| Some(body["message"].as_str()?.to_owned()));
    message.unwrap_or_else(|| {
        let text = String::from_utf8_lossy(body);
        text.lines().next().unwrap_or_default().trim().to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_refusal_says_is_one_line() {
        for (body, expected) in [
            (&br#"{"message":"page not found"}"#[..], "page not found"),
            (b"Not Found\n", "Not Found"),
            (b"<html>\n<body>", "<html>"),
            (b"", ""),
            (b"{}", "{}"),
        ] {
            assert_eq!(words(body), expected);
        }
    }
}
