//! Writes the output directory completely or not at all.
//!
//! Input: the list of files and the directory. Output: the directory with these files and no
//! others. An existing directory is replaced only if it is such an output; nothing outside of it is
//! touched.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::lockfile;
use crate::render::context::write_entries;
use crate::system::atomic_file::{AtomicDirectory, WriteError};
use crate::workspace::manifest::workspace as workspace_file;

use super::{FULL, JSON, Pruned};

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The directory contains something else.
    #[error("`{}` is not empty, and no output of an earlier `slimbuild prune`", .0.display())]
    NotEmpty(PathBuf),
    /// The directory cannot be written to.
    #[error(transparent)]
    Place(#[from] WriteError),
    /// The user cancelled it.
    #[error("interrupted: nothing was written")]
    Interrupted,
    /// Writing failed.
    #[error("cannot write `{}`", .path.display())]
    Unwritable {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl OutputError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotEmpty(_) => Some(
                "name a directory that does not exist yet, such as `--out out`, or empty this one"
                    .to_owned(),
            ),
            Self::Place(error) => error.hint(),
            Self::Interrupted | Self::Unwritable { .. } => None,
        }
    }
}

/// Writes `pruned`, with sources below `root`, to `dir`. Several threads call `stop` before each
/// file to see whether the user cancelled.
///
/// Everything is written next to the directory first, so that a half-written one is never visible.
pub fn write(
    pruned: &Pruned,
    root: &Path,
    dir: &Path,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<(), OutputError> {
    let unwritable = |source: io::Error| match source.kind() {
        io::ErrorKind::Interrupted => OutputError::Interrupted,
        _ => OutputError::Unwritable {
            path: dir.to_path_buf(),
            source,
        },
    };
    check(dir)?;
    dir.parent()
        .map_or(Ok(()), fs_err::create_dir_all)
        .map_err(unwritable)?;
    let whole = AtomicDirectory::begin(dir)?;
    let go_on = || {
        if stop() {
            Err(io::ErrorKind::Interrupted.into())
        } else {
            Ok(())
        }
    };
    write_entries(&pruned.entries, root, whole.part(), &go_on).map_err(unwritable)?;
    Ok(whole.finish()?)
}

/// Fails if the directory must not be replaced.
fn check(dir: &Path) -> Result<(), OutputError> {
    if AtomicDirectory::check(dir)?.is_none() {
        return Ok(());
    }
    match is_replaceable(dir) {
        Ok(true) => Ok(()),
        Ok(false) => Err(OutputError::NotEmpty(dir.to_path_buf())),
        Err(source) => Err(OutputError::Unwritable {
            path: dir.to_path_buf(),
            source,
        }),
    }
}

/// Whether a directory is empty or has exactly the layout that is written here, which is turbo's
/// too.
fn is_replaceable(dir: &Path) -> io::Result<bool> {
    let mut names = BTreeSet::new();
    for entry in fs_err::read_dir(dir)? {
        names.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    let layout = [FULL, JSON, lockfile::FILE, workspace_file::FILE];
    let is_file = |path: &str| {
        let metadata = fs_err::symlink_metadata(dir.join(path));
        metadata.is_ok_and(|metadata| metadata.is_file())
    };
    let is_output = names.iter().map(String::as_str).eq(layout)
        && is_file(lockfile::FILE)
        && is_file(&format!("{JSON}/{}", lockfile::FILE))
        && is_file(&format!("{FULL}/{}", workspace_file::FILE));
    Ok(names.is_empty() || is_output)
}
