//! The words that all rooms share: a path in the workspace, the name of an image, a digest, a span of time; and which names look alike.
//!
//! Plain values with their syntax. Nothing is read or written here.

pub mod digest;
pub mod image;
pub mod path;
pub mod similar;
pub mod span;
