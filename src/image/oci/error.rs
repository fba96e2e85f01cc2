//! Errors between a layer's files and an image on disk.

use std::io;
use std::path::PathBuf;

use super::limits::Excess;
use crate::model::digest::Digest;
use crate::system::atomic_file::WriteError;

/// Why an image could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// A file of the image changed while it was read.
    #[error("`{}` changed while it was read", .0.display())]
    Changed(PathBuf),
    /// A file of the image cannot be read.
    #[error("cannot read a file of the image")]
    Read(#[source] io::Error),
    /// A directory, a socket or the like is where a file was expected.
    #[error("`{}` is no file", .0.display())]
    NoFile(PathBuf),
    /// An archive cannot hold this path.
    #[error("cannot put `{path}` into a layer")]
    Entry {
        /// The path in the image.
        path: String,
        /// The archive writer's error.
        source: io::Error,
    },
    /// Writing to the cache failed, most likely because of its disk.
    #[error("cannot pack a layer")]
    Cache(#[source] io::Error),
    /// A layer cannot be unpacked here.
    #[error("cannot unpack a layer")]
    Unpack(#[source] io::Error),
    /// A blob of the cache is damaged or missing.
    #[error("a layer in the cache was damaged, and is thrown away: {0}")]
    Damaged(Digest),
    /// A layer matches its digest but cannot be unpacked.
    #[error("layer {layer} is not a valid tar: {reason}")]
    Malformed {
        /// The layer.
        layer: Digest,
        /// What is wrong.
        reason: String,
    },
    /// A layer exceeds a limit.
    #[error("layer {layer} has {excess}, and slimbuild unpacks no such layer")]
    Excess { layer: Digest, excess: Excess },
    /// The image cannot be written to its destination.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The directory contains something else.
    #[error("`{}` is not empty, and holds no OCI layout", .0.display())]
    Occupied(PathBuf),
    /// The user cancelled it.
    #[error("interrupted")]
    Interrupted,
}

impl OciError {
    /// What the user can do about it.
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

    /// Whether building again restores what is missing.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_))
    }

    /// Whether a layer is at fault, not this machine.
    pub fn is_of_a_layer(&self) -> bool {
        matches!(
            self,
            Self::Damaged(_) | Self::Malformed { .. } | Self::Excess { .. }
        )
    }
}
