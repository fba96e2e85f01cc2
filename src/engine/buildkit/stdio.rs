//! Connections over the input and output of a program: `buildctl dial-stdio`, run in a container by
//! its daemon, or in a cluster by `kubectl exec`.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, ready};

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bytes::{Buf, Bytes};
use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::Command;
use tokio::sync::mpsc;

/// What connects to a BuildKit beside it.
pub(super) const DIAL: [&str; 2] = ["buildctl", "dial-stdio"];

/// How much of a program's complaints is kept.
const MAX_WORDS_BYTES: usize = 2000;
/// The size in bytes of the pieces that are read.
const PIECE_BYTES: usize = 32 * 1024;
/// How many pieces may be queued.
const QUEUE_LENGTH: usize = 4;

/// A piece of what a program writes.
enum Piece {
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
    /// Whether any output came.
    begun: bool,
}

impl Piped {
    fn new(
        output: impl Stream<Item = io::Result<Piece>> + Send + 'static,
        input: impl AsyncWrite + Send + 'static,
    ) -> Self {
        Self {
            output: Box::pin(output),
            input: Box::pin(input),
            rest: Bytes::new(),
            words: Vec::new(),
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
                // HTTP/2 begins with the size of a small frame. Before that, it is text: a daemon
                // that cannot run a program says so as the program's output.
                Some(Ok(Piece::Output(bytes))) if self.begun || bytes.first() == Some(&0) => {
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

/// Runs the program in a container.
pub(super) async fn in_container(client: &bollard::Docker, name: &str) -> io::Result<Piped> {
    let options = CreateExecOptions {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(DIAL.to_vec()),
        ..CreateExecOptions::default()
    };
    let exec = client.create_exec(name, options).await.map_err(other)?;
    let started = client.start_exec(&exec.id, None::<StartExecOptions>).await;
    let StartExecResults::Attached { output, input } = started.map_err(other)? else {
        return Err(io::Error::other(
            "the daemon does not attach to the program",
        ));
    };
    let output = output.map(|piece| match piece {
        Ok(LogOutput::StdErr { message }) => Ok(Piece::Words(message)),
        Ok(piece) => Ok(Piece::Output(piece.into_bytes())),
        Err(error) => Err(other(error)),
    });
    Ok(Piped::new(output, input))
}

/// The daemon's own words.
fn other(error: bollard::errors::Error) -> io::Error {
    match error {
        bollard::errors::Error::DockerResponseServerError { message, .. } => {
            io::Error::other(message)
        }
        error => io::Error::other(error),
    }
}

/// Runs a program on this machine. It ends with the connection.
pub(super) fn command(words: &[String]) -> io::Result<Piped> {
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
    Ok(Piped::new(output, input))
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
