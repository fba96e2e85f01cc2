//! Why the native engine did not make an image.

use std::io;

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
    /// The private directory.
    #[error("cannot lay out the build")]
    Workshop(#[source] io::Error),
    /// Somebody interrupted the build.
    #[error("interrupted")]
    Interrupted,
}
