//! The words that all rooms share: a path in the workspace, the names of an image and of a module, a digest, a span of time; and which names look alike.
//!
//! Plain values with their syntax. Nothing is read or written here.

pub mod digest;
pub mod image;
pub mod module;
pub mod path;
pub mod similar;
pub mod span;
