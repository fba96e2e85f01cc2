//! A directory of this machine that stands for the root of a file system: a base image that somebody else made, or files of an image to come.
//!
//! Goes in: a directory, and paths as the image has them. Comes out: files of that directory and of nothing else. Links are followed as in the
//! image itself: an absolute target counts from the directory, and `..` ends there. [`ImageTree`] reads, [`Writer`] writes, [`remove_all`] removes.
//!
//! No path is ever handed to the kernel as a whole. Each part is opened by its name alone, below the directory that was opened before it, and never
//! through a link (`O_NOFOLLOW`); what a link says is read and walked in the same way. So there is no path that leads outside. `openat2` with
//! `RESOLVE_IN_ROOT` would do the same on new kernels of Linux; it is refused on old ones, by gVisor and by filters of system calls, it makes no
//! directories on the way, and a walk that is always taken is a walk that is always tested.

mod error;
mod hide;
mod pending;
mod remove;
mod steps;
mod tree;
mod writer;

pub use error::PlaceError;
pub use pending::Slot;
pub use remove::remove_all;
pub use tree::ImageTree;
pub use writer::Writer;

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

/// How many directories may lie in each other. Whatever reads or removes a tree holds one open for each.
pub const DEEPEST: usize = 256;

/// Opens a directory by its name. A link to one is none.
fn open_dir(below: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(below, name, flags, Mode::empty())
}

/// Whether the kernel says so of what is there and no directory: a file, or a link.
fn is_no_dir(error: Errno) -> bool {
    matches!(error, Errno::NOTDIR | Errno::LOOP)
}

#[cfg(test)]
mod tests;
