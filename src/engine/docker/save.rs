//! Takes an image out of a daemon, as `docker save` does.

use std::io;

use futures_util::StreamExt;

use super::{Docker, EngineError, LONG_TIMEOUT, error, runtime};
use crate::engine::Interrupt;
use crate::system::atomic_file::AtomicFile;

impl Docker {
    /// Writes an image, which the daemon has under this id, to a file.
    pub fn save(
        &self,
        id: &str,
        file: AtomicFile,
        interrupt: &Interrupt,
    ) -> Result<(), EngineError> {
        let runtime = runtime()?;
        let client = self.client.clone().with_timeout(LONG_TIMEOUT);
        let mut failed = None;
        let written = file.write(|out| {
            runtime.block_on(async {
                let mut pieces = Box::pin(client.export_image(id));
                loop {
                    let piece = tokio::select! {
                        biased;
                        () = interrupt.raised() => {
                            failed = Some(EngineError::Interrupted);
                            break Err(io::ErrorKind::Interrupted.into());
                        }
                        piece = pieces.next() => piece,
                    };
                    match piece {
                        None => break Ok(()),
                        Some(Ok(piece)) => out.write_all(&piece)?,
                        Some(Err(broken)) => {
                            let doing = "give the image away".to_owned();
                            failed = Some(error::after_build(doing, &broken));
                            break Err(io::ErrorKind::Other.into());
                        }
                    }
                }
            })
        });
        match (failed, written) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(EngineError::Layer(error.into())),
            (None, Ok(())) => Ok(()),
        }
    }
}
