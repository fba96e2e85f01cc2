//! Why an image from elsewhere cannot be a base.

use std::io;

use crate::image::oci::Excess;
use crate::model::digest::Digest;
use crate::model::image::Platform;

/// Why an image from elsewhere cannot be a base.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// The JSON is invalid or has the wrong content.
    #[error("its {what} cannot be read: {reason}")]
    Malformed {
        /// `manifest` or `configuration`.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A limit is exceeded.
    #[error("its {what}, and more than {most} are not taken")]
    TooMuch {
        /// What exceeds it: `manifest tells of 1000 layers`
        what: String,
        /// The limit.
        most: String,
    },
    /// A manifest in the format that registries used before 2016.
    #[error("its manifest is of Docker's first format, which has no digests")]
    FirstFormat,
    /// A layer is stored outside the image.
    #[error("its layer {0} is kept elsewhere (a foreign layer)")]
    Elsewhere(Digest),
    /// A layer is of an unknown kind.
    #[error("its layer {digest} is of an unknown kind, `{kind}`")]
    Kind {
        /// The layer.
        digest: Digest,
        /// Its media type.
        kind: String,
    },
    /// The image does not exist for the platform.
    #[error("it is for {}, and not for {wanted}", .there.join(", "))]
    Platform {
        wanted: Platform,
        /// The existing platforms.
        there: Vec<String>,
    },
    /// The image has `ONBUILD` instructions, which only a Docker build carries out.
    #[error("it has ONBUILD instructions, which only a Docker daemon carries out")]
    OnBuild,
    /// A layer does not match the configuration.
    #[error("its layer {0} does not hold what its configuration says")]
    Contents(Digest),
    /// A blob of the cache is missing or damaged.
    #[error("its layer {0} was damaged in the cache, and is thrown away")]
    Damaged(Digest),
    /// A layer unpacks to far more than any real one.
    #[error("its layer {0} has {1}, and slimbuild unpacks no such layer")]
    Excess(Digest, Excess),
    /// Writing to the cache failed, most likely because of its disk.
    #[error("cannot keep its layers")]
    Cache(#[source] io::Error),
}

impl ForeignError {
    /// What the user can do about it.
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
