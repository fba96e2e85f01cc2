//! A plan as what BuildKit takes: the text of a Dockerfile, and the context.
//!
//! In: a [`Plan`](crate::plan::Plan). Out: text, and a tar or a directory. Nothing is decided here.

pub mod context;
pub mod dockerfile;
