//! Images without a daemon: builds in a private directory of this machine, and assembles the result
//! as an image.
//!
//! Input: a plan and a base. Output: an [`Image`](crate::image::oci::Image) whose layers are in the
//! cache. The plan has decided its content.

mod enter;
mod error;
mod image;
mod injected;
#[cfg(unix)]
pub mod keeper;
#[cfg(not(unix))]
#[path = "native/unkept.rs"]
pub mod keeper;
mod mounts;
mod namespace;
mod node;
#[cfg(unix)]
mod process;
#[cfg(not(unix))]
#[path = "native/elsewhere.rs"]
mod process;
mod proof;
mod proof_tree;
mod rebased;
mod rootfs;
mod site;
mod smoke;
mod start;
mod subject;
mod tools;
mod user;
mod workshop;

pub use enter::enter;
pub use error::NativeError;
pub use image::{Request, image};
pub use mounts::mount;
pub use namespace::{Outside, READY, available};
pub use node::TrustedNode;
pub use proof::Trial;
pub use rebased::{Verdict, prove_rebased};
pub use rootfs::{apart, base as unpacked_base};
pub use subject::Subject;
pub use tools::{Source, Tools};
pub use workshop::Workshop;
