//! Connections over the input and output of `buildctl dial-stdio`, which a daemon runs in a container.

use std::io;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::StreamExt;

use crate::engine::piped::{Begins, Piece, Piped};

/// What connects to a BuildKit beside it.
pub(super) const DIAL: [&str; 2] = ["buildctl", "dial-stdio"];

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
    Ok(Piped::new(Begins::Http2, output, input))
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
