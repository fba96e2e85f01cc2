//! The client of BuildKit's `Control` service over one connection.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bollard::moby::buildkit::v1::control_client::ControlClient;
use hyper_util::rt::TokioIo;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response, Uri};
use tonic::transport::{self, Endpoint};

use super::dial::{dial, judge};
use super::{Builder, BuildkitError};
use crate::engine::wire::Connection;
use crate::system::trail::{self, Trail};

/// How many bytes may be under way. HTTP/2's default of 64 kB would make slow links slower.
pub(super) const WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// The size of the largest message, which is BuildKit's own limit.
pub(super) const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

pub(super) type Client = ControlClient<Channel>;

/// A connection to a builder, whose calls are noted.
#[derive(Clone)]
pub(super) struct Channel {
    calls: transport::Channel,
    address: String,
    trail: Trail,
}

/// Connects to a builder.
pub(super) async fn connect(builder: &Builder) -> Result<Channel, BuildkitError> {
    let stream = dial(builder).await?;
    // The address is only a header here: the connection exists.
    let calls = Endpoint::from_static("http://buildkit")
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .connect_with_connector(Once(Some(stream)))
        .await
        .map_err(|error| judge(builder, &error))?;
    Ok(Channel {
        calls,
        address: builder.address(),
        trail: trail::own(),
    })
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.calls.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let began = Instant::now();
        let method = request.method().clone();
        let address = format!("{}{}", self.address, request.uri().path());
        let trail = self.trail.clone();
        let answer = self.calls.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
            trail.request(method.as_str(), &address, status, began);
            answer
        })
    }
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
