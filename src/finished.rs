//! Images of an app that is installed and built already: nothing runs, files are only laid into layers.
//!
//! In: a plan and the tree on the disk. Out: a plan of finished files, and [`Layer`](crate::image::layer::Layer)s.

pub mod assemble;
pub mod modules;
pub mod prebuilt;
