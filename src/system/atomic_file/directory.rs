//! [`AtomicDirectory`]: like [`AtomicFile`](super::AtomicFile), for a directory.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{PREFIX, WriteError, cannot_begin, parent, system, temporary};
use crate::system::leftovers::{self, Note};

/// The name prefix of a directory that is about to be replaced.
const OLD: &str = ".slimbuild-old-";

/// A directory about to be written. If it is dropped before it is finished, it leaves nothing
/// behind.
#[derive(Debug)]
pub struct AtomicDirectory {
    path: PathBuf,
    part: TempDir,
    /// Held while it is written.
    _lock: Option<std::fs::File>,
    _note: Note,
    before: Option<std::fs::Metadata>,
}

impl AtomicDirectory {
    /// Starts a directory. What it may replace is for the caller to check first.
    pub fn begin(path: &Path) -> Result<Self, WriteError> {
        let path: PathBuf = path.components().collect();
        let before = Self::check(&path)?;
        leftovers::sweep(parent(&path), PREFIX);
        let part = temporary(0o777).tempdir_in(parent(&path));
        let part = part.map_err(|error| cannot_begin(&path, error))?;
        let lock = fs_err::File::open(part.path());
        let lock = lock.ok().map(fs_err::File::into_file);
        lock.iter().for_each(leftovers::hold);
        Ok(Self {
            _note: Note::path(part.path()),
            _lock: lock,
            part,
            path,
            before,
        })
    }

    /// Fails for anything that is not a directory, symlinks to directories included.
    pub fn check(path: &Path) -> Result<Option<std::fs::Metadata>, WriteError> {
        let kind = match fs_err::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot_begin(path, error)),
            Ok(metadata) if metadata.is_dir() && path.file_name().is_some() => {
                return Ok(Some(metadata));
            }
            Ok(metadata) if metadata.is_dir() => "a directory without a name of its own",
            Ok(metadata) if metadata.is_symlink() => "a symlink",
            Ok(_) => "a file",
        };
        Err(WriteError::Kind {
            path: path.to_path_buf(),
            kind,
        })
    }

    /// Where to write: an empty directory beside the target.
    pub fn part(&self) -> &Path {
        self.part.path()
    }

    /// Gives the directory its name. It replaces a directory of that name and takes over its
    /// permissions.
    pub fn finish(self) -> Result<(), WriteError> {
        let failed = system(&self.path);
        let Some(before) = self.before else {
            fs_err::rename(self.part.path(), &self.path).map_err(failed)?;
            drop(self.part.keep());
            return Ok(());
        };
        fs_err::set_permissions(self.part.path(), before.permissions()).map_err(&failed)?;
        // Both directories are complete at any time, under one name or the other. After a kill this
        // one may be the only copy, so it is never removed as a leftover.
        let old = temporary(0o700).prefix(OLD).tempdir_in(parent(&self.path));
        let old = old.map_err(&failed)?;
        fs_err::rename(&self.path, old.path()).map_err(&failed)?;
        if let Err(error) = fs_err::rename(self.part.path(), &self.path) {
            drop(fs_err::rename(old.path(), &self.path));
            return Err(failed(error));
        }
        drop(self.part.keep());
        Ok(())
    }
}
