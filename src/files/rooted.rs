//! A directory of this machine that serves as a file system root: a base image from elsewhere, or
//! the files of a future image.
//!
//! Input: a directory, and paths inside the image. Output: files of that directory and of nothing
//! else. Links are followed as in the image itself: an absolute target starts at the directory, and
//! `..` stops there. [`ImageTree`] reads, [`Writer`] writes, [`remove_all`] removes.
//!
//! The kernel never gets a whole path. Each part is opened by name below the directory opened
//! before it, never through a link (`O_NOFOLLOW`); a link's target is read and walked in the same
//! way. So no path leads outside. `openat2` with `RESOLVE_IN_ROOT` would do the same on new Linux
//! kernels, but old kernels, gVisor and system call filters refuse it, and it does not create
//! parent directories. A walk that is always used is also always tested.

mod error;
#[cfg(unix)]
mod hide;
#[cfg(unix)]
mod pending;
#[cfg(not(unix))]
mod portable;
#[cfg(unix)]
mod remove;
#[cfg(unix)]
mod steps;
#[cfg(unix)]
mod tree;
#[cfg(unix)]
mod writer;

pub use error::PlaceError;
#[cfg(unix)]
pub use pending::Slot;
#[cfg(not(unix))]
pub use portable::{ImageTree, Slot, Writer, remove_all};
#[cfg(unix)]
pub use remove::remove_all;
#[cfg(unix)]
pub use tree::ImageTree;
#[cfg(unix)]
pub use writer::Writer;

#[cfg(unix)]
use std::ffi::OsStr;
#[cfg(unix)]
use std::os::fd::{AsFd, OwnedFd};

#[cfg(unix)]
use rustix::fs::{Mode, OFlags, openat};
#[cfg(unix)]
use rustix::io::Errno;

/// How deep directories may be nested. Reading or removing a tree holds one open for each level.
#[cfg(unix)]
pub const MAX_DEPTH: usize = 256;

/// Opens a directory by name, without following a link.
#[cfg(unix)]
fn open_dir(below: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(below, name, flags, Mode::empty())
}

/// Whether the error means that something else than a directory is there: a file or a link.
#[cfg(unix)]
fn is_no_dir(error: Errno) -> bool {
    matches!(error, Errno::NOTDIR | Errno::LOOP)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
