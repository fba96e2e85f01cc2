//! Values that every room uses: numbers of bytes, a path in the workspace, which member, names of images and modules, tags, a digest, a
//! time span, the page of a repository; and which names look alike.
//!
//! Plain values and their syntax. This room does no I/O.

pub mod bytes;
pub mod digest;
pub mod image;
pub mod member;
pub mod module;
pub mod path;
pub mod similar;
pub mod span;
pub mod tag;
pub mod web_address;
