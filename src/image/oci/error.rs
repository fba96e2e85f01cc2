//! What can go wrong between a layer's files and an image on the disk.

use std::io;
use std::path::PathBuf;

use super::limits::Excess;
use crate::model::digest::Digest;
use crate::system::atomic_file::WriteError;

/// Why an image could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// A file of the image that is written by somebody else.
    #[error("`{}` changed while it was read", .0.display())]
    Changed(PathBuf),
    /// A file of the image that cannot be read.
    #[error("cannot read a file of the image")]
    Read(#[source] io::Error),
    /// A directory, a socket or the like, where a file was expected.
    #[error("`{}` is no file", .0.display())]
    NoFile(PathBuf),
    /// A path that no archive can hold.
    #[error("cannot put `{path}` into a layer")]
    Entry {
        /// The path in the image.
        path: String,
        /// What the writer of archives says.
        source: io::Error,
    },
    /// The cache, its disk most likely.
    #[error("cannot pack a layer")]
    Cache(#[source] io::Error),
    /// A layer that cannot be laid out as files.
    #[error("cannot unpack a layer")]
    Unpack(#[source] io::Error),
    /// A blob of the cache that is not what it should be, or that is gone.
    #[error("a layer in the cache was damaged, and is thrown away: {0}")]
    Damaged(Digest),
    /// A layer that is what its digest says, and cannot be unpacked all the same.
    #[error("layer {layer} is not a valid tar: {reason}")]
    Malformed {
        /// The layer.
        layer: Digest,
        /// What is wrong.
        reason: String,
    },
    /// A layer that asks for more than any real one needs.
    #[error("layer {layer} has {excess}, and slimbuild unpacks no such layer")]
    Excess {
        /// The layer.
        layer: Digest,
        /// The limit.
        excess: Excess,
    },
    /// The place that the image is written to.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A directory that holds something else.
    #[error("`{}` is not empty, and holds no OCI layout", .0.display())]
    Occupied(PathBuf),
    /// Somebody wished to stop.
    #[error("interrupted")]
    Interrupted,
}

impl OciError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Changed(_) => "wait for the program that writes it, then build again",
            Self::Damaged(_) => "build again: it is made anew",
            Self::Occupied(_) => {
                "name a directory that does not exist yet, is empty, or holds images: those of other names stay"
            }
            Self::Write(error) => return error.hint(),
            Self::Malformed { .. } | Self::Excess { .. } => {
                "the base image is wrong, and building again does not help: name another one with `--base`"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether building again makes what is missing.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_))
    }

    /// Whether the fault is in a layer, and not in this machine.
    pub fn is_of_a_layer(&self) -> bool {
        matches!(
            self,
            Self::Damaged(_) | Self::Malformed { .. } | Self::Excess { .. }
        )
    }
}
