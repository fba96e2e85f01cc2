//! Turns a plan into BuildKit's input: the text of a Dockerfile, and the context.
//!
//! Input: a [`Plan`](crate::plan::Plan). Output: text, and a tar or a directory. Nothing is decided
//! here.

pub mod context;
pub mod dockerfile;
pub mod identity;
