//! Images of an app that is already installed and built: nothing runs, files are only put into
//! layers.
//!
//! Input: a plan and the tree on disk. Output: a plan of finished files, and
//! [`Layer`](crate::image::layer::Layer)s.

pub mod assemble;
pub mod modules;
pub mod prebuilt;
