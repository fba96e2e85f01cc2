//! Sends what a blocking writer on its own thread writes: the context of a build, or an image to
//! load.
//!
//! A short queue between them keeps memory use low for contexts of any size: the writer waits until
//! the engine has read what is queued.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::{mpsc, oneshot};

/// Writes the context, a tar archive with the Dockerfile in it.
pub type ContextWriter<'a> = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'a>;

/// Large enough to keep the overhead low, small enough to let a build start early.
const CHUNK: usize = 128 * 1024;
/// How many chunks may be queued.
const QUEUE_LENGTH: usize = 4;

enum Message {
    Chunk(Bytes),
    End,
}

/// The writing end.
pub(super) struct Source {
    messages: mpsc::Sender<Message>,
    failure: oneshot::Sender<io::Error>,
}

/// The observing end.
pub(super) struct Upload {
    progress: Arc<Progress>,
    failure: oneshot::Receiver<io::Error>,
}

#[derive(Default)]
struct Progress {
    bytes: AtomicU64,
    done: AtomicBool,
}

/// The writing end, the observing end, and the body.
pub(super) fn upload() -> (
    Source,
    Upload,
    impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) {
    let (messages, queue) = mpsc::channel(QUEUE_LENGTH);
    let (raise, failure) = oneshot::channel();
    let progress = Arc::new(Progress::default());
    let source = Source {
        messages,
        failure: raise,
    };
    let upload = Upload {
        progress: progress.clone(),
        failure,
    };
    let body = unfold((queue, progress), |(mut queue, progress)| async move {
        match queue.recv().await {
            Some(Message::Chunk(bytes)) => {
                progress
                    .bytes
                    .fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Some((Ok(bytes), (queue, progress)))
            }
            Some(Message::End) => {
                progress.done.store(true, Ordering::Relaxed);
                None
            }
            // The writer failed. The body must not look complete, since half a context is a valid
            // tar archive.
            None => Some((
                Err(io::Error::other("the context is incomplete")),
                (queue, progress),
            )),
        }
    });
    (source, upload, body)
}

impl Source {
    /// Runs the writer to its end, or until the body is no longer read.
    pub(super) fn run(self, write: ContextWriter<'_>) {
        let mut chunks = Chunks {
            messages: self.messages,
            buffer: BytesMut::with_capacity(CHUNK),
            hung_up: false,
        };
        let result = write(&mut chunks).and_then(|()| chunks.end());
        match result {
            // The engine closed the stream, so its error is reported, not ours.
            Err(error) if !chunks.hung_up => {
                // If the send fails, the build has already ended.
                let _ended = self.failure.send(error);
            }
            _ => {}
        }
    }
}

impl Upload {
    /// How many bytes the engine has read, and whether that was everything.
    pub(super) fn progress(&self) -> (u64, bool) {
        let done = self.progress.done.load(Ordering::Relaxed);
        (self.progress.bytes.load(Ordering::Relaxed), done)
    }

    /// Returns when the writer fails; never, if it succeeds.
    pub(super) async fn failed(&mut self) -> io::Error {
        if !self.failure.is_terminated()
            && let Ok(error) = (&mut self.failure).await
        {
            return error;
        }
        std::future::pending().await
    }
}

struct Chunks {
    messages: mpsc::Sender<Message>,
    buffer: BytesMut,
    hung_up: bool,
}

impl Chunks {
    fn send(&mut self, message: Message) -> io::Result<()> {
        self.messages.blocking_send(message).map_err(|_| {
            self.hung_up = true;
            io::Error::from(io::ErrorKind::BrokenPipe)
        })
    }

    fn end(&mut self) -> io::Result<()> {
        self.flush()?;
        self.send(Message::End)
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.put_slice(&bytes[..taken]);
        if self.buffer.len() == CHUNK {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(CHUNK));
        self.send(Message::Chunk(chunk.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    /// What arrives of what `write` writes: the bytes, and whether the body ended correctly.
    fn arrive(write: ContextWriter<'_>) -> (Vec<u8>, bool, Option<io::Error>) {
        let (source, mut upload, body) = upload();
        std::thread::scope(|scope| {
            scope.spawn(|| source.run(write));
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut body = Box::pin(body);
                let mut bytes = Vec::new();
                while let Some(chunk) = body.next().await {
                    match chunk {
                        Ok(chunk) => bytes.extend(chunk),
                        Err(_) => return (bytes, false, Some(upload.failed().await)),
                    }
                }
                assert_eq!(upload.progress(), (bytes.len() as u64, true));
                (bytes, true, None)
            })
        })
    }

    #[test]
    fn every_byte_arrives_in_order() {
        let sent: Vec<u8> = (0..=250).cycle().take(3 * CHUNK + 17).collect();
        let (bytes, complete, _) = arrive(Box::new(|out| {
            sent.chunks(1000).try_for_each(|part| out.write_all(part))
        }));
        assert!(complete);
        assert_eq!(bytes, sent);
    }

    #[test]
    fn a_failed_writer_leaves_the_body_incomplete() {
        let (_, complete, error) = arrive(Box::new(|out| {
            out.write_all(&[0; 1024])?;
            Err(io::Error::other("cannot read `a`"))
        }));
        assert!(!complete);
        assert_eq!(error.unwrap().to_string(), "cannot read `a`");
    }

    #[test]
    fn a_writer_stops_when_nobody_reads() {
        let (source, upload, body) = upload();
        drop(body);
        let mut written = 0;
        source.run(Box::new(|out| {
            loop {
                out.write_all(&[0; 1024])?;
                written += 1;
            }
        }));
        assert!(written < CHUNK / 1024, "nothing leaves the buffer");
        drop(upload);
    }
}
