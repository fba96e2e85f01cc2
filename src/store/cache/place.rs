//! The cache's directory: created private to its owner, and used only if nobody else can write to
//! it.

use std::io;
use std::path::{Path, PathBuf};

/// The mode of the directory.
#[cfg(unix)]
const PRIVATE: u32 = 0o700;

/// Why a cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be created or written to.
    #[error("cannot use the cache `{}`", root.display())]
    Unusable {
        /// The cache's directory.
        root: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Somebody else owns it.
    #[error("the cache `{}` belongs to another user ({owner}), who could put anything into images", root.display())]
    Foreign {
        /// The cache's directory.
        root: PathBuf,
        /// The owner's user id.
        owner: u32,
    },
    /// Everybody can write to it.
    #[error("every user can write to the cache `{}`, and could put anything into images", .0.display())]
    Open(PathBuf),
    /// There is no home directory to put it in.
    #[error("there is no home directory to keep a cache in")]
    Homeless,
}

impl CacheError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Open(root) => format!(
                "remove it (`rm -r {0}`), since anybody may have written to it, or name another directory with `--cache-dir DIR`",
                root.display()
            ),
            _ => "name a directory of your own with `--cache-dir DIR`".to_owned(),
        })
    }

    /// The error and its causes in one line.
    pub fn in_one_line(&self) -> String {
        match self {
            Self::Unusable { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}

/// Creates the directory if there is none, and makes sure that it is private.
pub(super) fn claim(root: &Path) -> Result<(), CacheError> {
    let cannot = |source| CacheError::Unusable {
        root: root.to_path_buf(),
        source,
    };
    if let Some(parent) = root.parent() {
        fs_err::create_dir_all(parent).map_err(cannot)?;
    }
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, PRIVATE);
    match builder.create(root) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(cannot(error)),
        _ => {}
    }
    check(root)?;
    close(root).map_err(cannot)
}

/// Takes all rights from others.
#[cfg(unix)]
fn close(root: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let mode = fs_err::metadata(root)?.mode();
    if mode & 0o077 != 0 {
        let private = std::fs::Permissions::from_mode(mode & PRIVATE);
        fs_err::set_permissions(root, private)?;
    }
    Ok(())
}

/// Windows gives what is in a user's profile to that user.
#[cfg(not(unix))]
fn close(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Fails if somebody else can write to an existing directory.
pub(super) fn check(root: &Path) -> Result<(), CacheError> {
    let cannot = |source| CacheError::Unusable {
        root: root.to_path_buf(),
        source,
    };
    let metadata = fs_err::metadata(root).map_err(cannot)?;
    if !metadata.is_dir() {
        return Err(cannot(io::ErrorKind::NotADirectory.into()));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let user = rustix::process::geteuid().as_raw();
        trusted(root, metadata.uid(), metadata.mode(), user)?;
    }
    Ok(())
}

/// Whether this user may trust a directory of this owner and mode.
#[cfg(unix)]
fn trusted(root: &Path, owner: u32, mode: u32, user: u32) -> Result<(), CacheError> {
    if owner != user {
        return Err(CacheError::Foreign {
            root: root.to_path_buf(),
            owner,
        });
    }
    if mode & 0o002 != 0 {
        return Err(CacheError::Open(root.to_path_buf()));
    }
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn what_another_user_could_write_to_is_not_believed() {
        let verdict = |owner, mode, user| trusted(Path::new("/c"), owner, mode, user);
        assert!(verdict(1000, 0o40700, 1000).is_ok());
        assert!(verdict(1000, 0o40755, 1000).is_ok());
        for (owner, user) in [(1001, 1000), (0, 1000), (1000, 0)] {
            let error = verdict(owner, 0o40700, user).unwrap_err();
            let expected = format!(
                "the cache `/c` belongs to another user ({owner}), who could put anything into images"
            );
            assert_eq!(error.to_string(), expected);
        }
        assert!(matches!(
            verdict(1000, 0o41777, 1000),
            Err(CacheError::Open(_))
        ));
    }
}
