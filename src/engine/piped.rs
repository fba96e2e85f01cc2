//! [`Piped`]: a connection over the input and output of a program, here or in a container.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::Command;
use tokio::sync::mpsc;

/// How much of a program's complaints is kept.
const MAX_WORDS_BYTES: usize = 2000;
/// The size in bytes of the pieces that are read.
const PIECE_BYTES: usize = 32 * 1024;
/// How many pieces may be queued.
const QUEUE_LENGTH: usize = 4;

/// How a connection begins. What comes before it is text: a daemon that cannot run a program says
/// so as the program's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begins {
    /// As the answer of a server of HTTP/1.
    Http1,
    /// As one of HTTP/2: with the size of a small frame.
    Http2,
}

impl Begins {
    fn is(self, bytes: &[u8]) -> bool {
        match self {
            Self::Http1 => bytes.starts_with(b"HTTP/"),
            Self::Http2 => bytes.first() == Some(&0),
        }
    }
}

/// A piece of what a program writes.
pub(super) enum Piece {
    Output(Bytes),
    /// On standard error.
    Words(Bytes),
}

/// The connection.
pub(super) struct Piped {
    output: Pin<Box<dyn Stream<Item = io::Result<Piece>> + Send>>,
    input: Pin<Box<dyn AsyncWrite + Send>>,
    rest: Bytes,
    words: Vec<u8>,
    begins: Begins,
    /// Whether the connection began.
    begun: bool,
}

impl Piped {
    pub(super) fn new(
        begins: Begins,
        output: impl Stream<Item = io::Result<Piece>> + Send + 'static,
        input: impl AsyncWrite + Send + 'static,
    ) -> Self {
        Self {
            output: Box::pin(output),
            input: Box::pin(input),
            rest: Bytes::new(),
            words: Vec::new(),
            begins,
            begun: false,
        }
    }

    /// Why a program ended that never connected: its own last words.
    fn complaint(&self) -> io::Error {
        let words = String::from_utf8_lossy(&self.words);
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        io::Error::other(if words.is_empty() {
            "the program that connects ended without a word".to_owned()
        } else {
            words
        })
    }
}

impl AsyncRead for Piped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.output.poll_next_unpin(context)) {
                Some(Ok(Piece::Output(bytes))) if self.begun || self.begins.is(&bytes) => {
                    self.begun = true;
                    self.rest = bytes;
                }
                Some(Ok(Piece::Words(bytes) | Piece::Output(bytes))) => {
                    let spare = MAX_WORDS_BYTES - self.words.len().min(MAX_WORDS_BYTES);
                    self.words
                        .extend_from_slice(&bytes[..bytes.len().min(spare)]);
                }
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None if self.begun => return Poll::Ready(Ok(())),
                None => return Poll::Ready(Err(self.complaint())),
            }
        }
        let size = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest[..size]);
        self.rest.advance(size);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Piped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.input.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.as_mut().poll_shutdown(context)
    }
}

/// Runs a program on this machine. It ends with the connection.
pub(super) fn command(words: &[String], begins: Begins) -> io::Result<Piped> {
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::new(
                error.kind(),
                format!("there is no program `{program}` here"),
            ),
            _ => error,
        })?;
    let (input, output, words) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let input = input.ok_or(io::ErrorKind::BrokenPipe)?;
    let (sender, pieces) = mpsc::channel(QUEUE_LENGTH);
    if let Some(output) = output {
        drop(tokio::spawn(pass(output, sender.clone(), Piece::Output)));
    }
    if let Some(words) = words {
        drop(tokio::spawn(pass(words, sender, Piece::Words)));
    }
    // The program lives as long as what reads its output.
    let output = unfold((pieces, child), |(mut pieces, child)| async move {
        let piece = pieces.recv().await?;
        Some((piece, (pieces, child)))
    });
    Ok(Piped::new(begins, output, input))
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    to: mpsc::Sender<io::Result<Piece>>,
    piece: fn(Bytes) -> Piece,
) {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(0) => return,
            Ok(size) => Ok(piece(Bytes::copy_from_slice(&buffer[..size]))),
            Err(error) => Err(error),
        };
        let failed = read.is_err();
        // Nobody reads after the build.
        if to.send(read).await.is_err() || failed {
            return;
        }
    }
}
