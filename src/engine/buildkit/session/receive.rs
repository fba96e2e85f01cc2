//! Takes the archives that BuildKit exports (`FileSend/DiffCopy`).

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use bollard::moby::filesync::v1::BytesMessage;
use bollard::moby::filesync::v1::file_send_server::FileSend;
use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

/// Which of the exporters sends, by its place in the request. BuildKit says it since 0.13.
const EXPORTER: &str = "buildkit-attachable-exporter-id";

/// Where the bytes of an archive go. `None` is its end: without it, the archive is incomplete.
pub(in crate::engine::buildkit) type Sink = mpsc::Sender<Option<Bytes>>;

/// The archives that are expected, by the exporter's place in the request.
pub(in crate::engine::buildkit) struct Receiver(Mutex<BTreeMap<usize, Sink>>);

impl Receiver {
    pub(in crate::engine::buildkit) fn new(sinks: BTreeMap<usize, Sink>) -> Self {
        Self(Mutex::new(sinks))
    }

    /// The sink for an exporter, if it did not send yet.
    fn take(&self, exporter: Option<usize>) -> Option<Sink> {
        let mut sinks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match exporter {
            Some(exporter) => sinks.remove(&exporter),
            None => sinks.pop_first().map(|(_, sink)| sink),
        }
    }
}

#[tonic::async_trait]
impl FileSend for Receiver {
    type DiffCopyStream = Pin<Box<dyn Stream<Item = Result<BytesMessage, Status>> + Send>>;

    async fn diff_copy(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        let exporter = request.metadata().get(EXPORTER);
        let exporter = exporter.and_then(|place| place.to_str().ok()?.parse().ok());
        let sink = self.take(exporter);
        let sink = sink.ok_or_else(|| Status::not_found("nobody waits for this export"))?;
        let closed = |_| Status::aborted("slimbuild cannot write the image");
        let mut messages = request.into_inner();
        while let Some(BytesMessage { data }) = messages.message().await? {
            sink.send(Some(data.into())).await.map_err(closed)?;
        }
        sink.send(None).await.map_err(closed)?;
        Ok(Response::new(Box::pin(stream::empty())))
    }
}
