//! What can keep the built-in base from being made.

use std::io;
use std::path::PathBuf;

use crate::image::oci::OciError;
use crate::store::fetch::FetchError;

/// Why there is no base.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// A platform that the packages are not fetched for.
    #[error("there is no built-in base for {0}")]
    Platform(String),
    /// A download.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// An image's layer.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// A list of a mirror that nobody signed whom slimbuild believes.
    #[error("`{url}` is not signed by Debian: {reason}")]
    Signature {
        /// Where it is.
        url: String,
        /// What was found instead.
        reason: String,
    },
    /// A list of a mirror that is signed, but another one, or an old one.
    #[error("`{url}` is not the list that was asked for: {reason}")]
    Release {
        /// Where it is.
        url: String,
        /// What it is instead.
        reason: String,
    },
    /// A package that no list has.
    #[error("`{mirror}` has no package `{name}`")]
    NoPackage {
        /// The mirror.
        mirror: String,
        /// The package.
        name: String,
    },
    /// A list or package that cannot be read.
    #[error("cannot read {what}")]
    Read {
        /// Which, in words.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// A version of node that npm does not have.
    #[error("npm has no `{package}` of version `{version}`")]
    NoNode {
        /// npm's package.
        package: String,
        /// What was asked for.
        version: String,
    },
    /// An answer of the npm registry that is not understood.
    #[error("`{url}` answers something else than npm's registry: {reason}")]
    Registry {
        /// Where.
        url: String,
        /// What is missing.
        reason: String,
    },
    /// A version that a lock names, or that was there a while ago.
    #[error("the mirror does not have {name} {version} any more")]
    Superseded {
        /// The package.
        name: String,
        /// Its version.
        version: String,
    },
    /// A lock that cannot be read.
    #[error("`{}` is not a lock of a base: {reason}", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A lock of something else than was asked for.
    #[error("`{}` locks {locked}, and {wanted} was asked for", path.display())]
    LockedOther {
        /// The file.
        path: PathBuf,
        /// `node 22.1.0`, or `no node`.
        locked: String,
        /// `node 22`, or `nginx`.
        wanted: String,
    },
    /// The cache.
    #[error("cannot write to the cache")]
    Cache(#[source] io::Error),
}

impl BaseError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Fetch(error) => return error.hint(),
            Self::Oci(error) => return error.hint(),
            Self::Platform(_) => "there is one for linux/amd64 and linux/arm64",
            Self::Signature { .. } => {
                "nothing of it was used; if a mirror was named with `--debian-mirror`, ask who runs it"
            }
            Self::Release { .. } => {
                "the mirror may be out of date: name another with `--debian-mirror`"
            }
            Self::NoNode { .. } => "name a line (22) or an exact version (22.11.0)",
            Self::Superseded { .. } => {
                "`--pull` asks what there is now, and a lock that names it must be removed: Debian's mirrors keep the newest versions only"
            }
            Self::Lock { .. } | Self::LockedOther { .. } => "remove it, and it is written anew",
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether other arguments would do.
    pub fn is_argument(&self) -> bool {
        matches!(self, Self::Platform(_) | Self::NoNode { .. })
    }

    /// Whether somebody wanted to stop.
    pub fn is_interrupt(&self) -> bool {
        match self {
            Self::Fetch(error) => error.is_interrupt(),
            Self::Oci(OciError::Interrupted) => true,
            _ => false,
        }
    }

    /// Whether a file of the user's is wrong.
    pub fn is_file(&self) -> bool {
        matches!(self, Self::Lock { .. } | Self::LockedOther { .. })
    }

    /// Whether making the base again makes what is missing.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Oci(error) if error.is_damage())
    }
}
