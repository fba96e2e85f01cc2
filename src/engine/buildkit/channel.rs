//! The client of BuildKit's `Control` service over one connection.

use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use bollard::moby::buildkit::v1::control_client::ControlClient;
use hyper_util::rt::TokioIo;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

use super::dial::{dial, judge};
use super::upgrade::Connection;
use super::{Builder, BuildkitError};

/// How many bytes may be under way. HTTP/2's default of 64 kB would make slow links slower.
pub(super) const WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// The size of the largest message, which is BuildKit's own limit.
pub(super) const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

pub(super) type Client = ControlClient<Channel>;

/// Connects to a builder.
pub(super) async fn connect(builder: &Builder) -> Result<Channel, BuildkitError> {
    let stream = dial(builder).await?;
    // The address is only a header here: the connection exists.
    Endpoint::from_static("http://buildkit")
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .connect_with_connector(Once(Some(stream)))
        .await
        .map_err(|error| judge(builder, &error))
}

/// The client over a connection.
pub(super) fn client(channel: &Channel) -> Client {
    ControlClient::new(channel.clone())
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES)
}

/// Hands out one connection. A build cannot go on over another one: its session is gone.
struct Once(Option<Box<dyn Connection>>);

impl Service<Uri> for Once {
    type Response = TokioIo<Box<dyn Connection>>;
    type Error = io::Error;
    type Future = Ready<Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let stream = self.0.take().map(TokioIo::new);
        ready(
            stream.ok_or_else(|| {
                io::Error::new(io::ErrorKind::ConnectionReset, "the builder closed it")
            }),
        )
    }
}
