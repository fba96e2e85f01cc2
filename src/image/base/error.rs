//! Why the built-in base cannot be made.

use std::io;
use std::path::PathBuf;

use crate::image::oci::OciError;
use crate::store::fetch::FetchError;

/// Why there is no base.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// There are no packages for this platform.
    #[error("there is no built-in base for {0}")]
    Platform(String),
    /// A download failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A layer cannot be packed.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// A mirror's list has no trusted signature.
    #[error("`{url}` is not signed by Debian: {reason}")]
    Signature {
        /// The list's address.
        url: String,
        /// What is wrong with the signature.
        reason: String,
    },
    /// A mirror's list is signed, but is the wrong one or out of date.
    #[error("`{url}` is not the list that was asked for: {reason}")]
    Release {
        /// The list's address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No list contains the package.
    #[error("`{mirror}` has no package `{name}`")]
    NoPackage { mirror: String, name: String },
    /// A list or package cannot be read.
    #[error("cannot read {what}")]
    Read {
        /// A description of the file.
        what: String,
        /// The reason.
        source: io::Error,
    },
    /// npm has no such version of node.
    #[error("npm has no `{package}` of version `{version}`")]
    NoNode {
        /// The npm package.
        package: String,
        /// The requested version.
        version: String,
    },
    /// The npm registry's answer cannot be used.
    #[error("`{url}` answers something else than npm's registry: {reason}")]
    Registry {
        /// The address.
        url: String,
        /// What is missing.
        reason: String,
    },
    /// The source no longer has a version that is locked or was found before.
    #[error("the mirror does not have {name} {version} any more")]
    Superseded { name: String, version: String },
    /// A lock file cannot be read.
    #[error("`{}` is not a lock of a base: {reason}", path.display())]
    Lock {
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The lock is for another request.
    #[error("`{}` locks {locked}, and {wanted} was asked for", path.display())]
    LockedOther {
        /// The lock file.
        path: PathBuf,
        /// The locked part: `node 22.1.0`, or `no node`.
        locked: String,
        /// The requested part: `node 22`, or `nginx`.
        wanted: String,
    },
    /// Writing to the cache failed, most likely because of its disk.
    #[error("cannot write to the cache")]
    Cache(#[source] io::Error),
}

impl BaseError {
    /// What the user can do about it.
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

    /// Whether the arguments are wrong.
    pub fn is_argument(&self) -> bool {
        matches!(self, Self::Platform(_) | Self::NoNode { .. })
    }

    /// Whether the user cancelled it.
    pub fn is_interrupt(&self) -> bool {
        match self {
            Self::Fetch(error) => error.is_interrupt(),
            Self::Oci(OciError::Interrupted) => true,
            _ => false,
        }
    }

    /// Whether one of the user's files is wrong.
    pub fn is_file(&self) -> bool {
        matches!(self, Self::Lock { .. } | Self::LockedOther { .. })
    }

    /// Whether making the base again restores what is missing.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Oci(error) if error.is_damage())
    }
}
