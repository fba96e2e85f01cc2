//! Images without a daemon: a build in a private directory of this machine, and its result put together as an image.

mod error;
mod process;
mod workshop;

pub use error::NativeError;
pub use workshop::{Tools, Workshop};
