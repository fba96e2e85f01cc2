//! Why an image that somebody else made is no base.

use std::io;

use crate::image::oci::Excess;
use crate::model::digest::Digest;
use crate::model::image::Platform;

/// Why an image of somebody else cannot be a base.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// JSON that is none, or that says something else.
    #[error("its {what} cannot be read: {reason}")]
    Malformed {
        /// Manifest or configuration.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// More than anybody takes.
    #[error("its {what}, and more than {most} are not taken")]
    TooMuch {
        /// manifest tells of 1000 layers
        what: String,
        /// The limit.
        most: String,
    },
    /// A manifest as registries had it before 2016.
    #[error("its manifest is of Docker's first format, which has no digests")]
    FirstFormat,
    /// A layer that is not where the image is.
    #[error("its layer {0} is kept elsewhere (a foreign layer)")]
    Elsewhere(Digest),
    /// A kind of layer that nobody has heard of.
    #[error("its layer {digest} is of an unknown kind, `{kind}`")]
    Kind {
        /// The layer.
        digest: Digest,
        /// Its media type.
        kind: String,
    },
    /// None for what it is to run on.
    #[error("it is for {}, and not for {wanted}", .there.join(", "))]
    Platform {
        /// What it is to run on.
        wanted: Platform,
        /// What there is.
        there: Vec<String>,
    },
    /// Instructions that only a build of Docker's carries out.
    #[error("it has ONBUILD instructions, which only a Docker daemon carries out")]
    OnBuild,
    /// A layer that does not hold what the configuration says.
    #[error("its layer {0} does not hold what its configuration says")]
    Contents(Digest),
    /// A blob of the cache that is gone or damaged.
    #[error("its layer {0} was damaged in the cache, and is thrown away")]
    Damaged(Digest),
    /// A layer that becomes far larger than any real one.
    #[error("its layer {0} has {1}, and slimbuild unpacks no such layer")]
    Excess(Digest, Excess),
    /// The cache, its disk most likely.
    #[error("cannot keep its layers")]
    Cache(#[source] io::Error),
}

impl ForeignError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Platform { there, .. } => format!(
                "name another image, or say what it is to run on: `--platform {}`",
                there.first().map_or("OS/ARCH", String::as_str)
            ),
            Self::OnBuild | Self::Elsewhere(_) => {
                "name another image, or build with a Docker daemon: `--engine docker`".to_owned()
            }
            Self::Damaged(_) => "try again: it is fetched anew".to_owned(),
            Self::Malformed { .. }
            | Self::FirstFormat
            | Self::TooMuch { .. }
            | Self::Kind { .. }
            | Self::Contents(_)
            | Self::Excess(..)
            | Self::Cache(_) => return None,
        })
    }
}
