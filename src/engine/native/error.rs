//! Why the native engine did not make an image.

use std::io;

use crate::fetch::npm::NpmError;
use crate::oci::OciError;

/// Why the native engine did not make an image.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// A step of the build failed; its log was shown.
    #[error("`{name}` failed: {message}")]
    Step {
        /// The step.
        name: String,
        /// How.
        message: String,
    },
    /// A step could not be started.
    #[error("cannot start a step of the build")]
    Spawn(#[source] io::Error),
    /// pnpm or node.
    #[error(transparent)]
    Npm(#[from] NpmError),
    /// The layers, or the cache that they lie in.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// The image was put together, and its own proof found that it cannot run.
    #[error("what is missing is said above")]
    Disproved,
    /// The private directory.
    #[error("cannot lay out the build")]
    Workshop(#[source] io::Error),
    /// Somebody interrupted the build.
    #[error("interrupted")]
    Interrupted,
}

impl NativeError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Npm(error) => error.hint(),
            Self::Oci(error) => error.hint(),
            Self::Step { .. }
            | Self::Spawn(_)
            | Self::Disproved
            | Self::Workshop(_)
            | Self::Interrupted => None,
        }
    }
}
