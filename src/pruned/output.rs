//! The output directory: written whole or not at all.
//!
//! Goes in: the list of files and the directory. Comes out: the directory with these files and no others. What was there before is only
//! replaced when it is such an output itself; what lies outside of the directory is never touched.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::context::write_entries;
use crate::lockfile;
use crate::manifest::workspace as workspace_file;

use super::{FULL, JSON, Pruned};

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The directory holds something else.
    #[error("`{}` is not empty, and no output of an earlier `slimbuild prune`", .0.display())]
    NotEmpty(PathBuf),
    /// There is something else of that name.
    #[error("`{}` is {kind}, not a directory", .path.display())]
    NotADirectory {
        /// Its path.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A path without a name: `/`, `..`
    #[error("`{}` cannot be written to as a whole", .0.display())]
    Nameless(PathBuf),
    /// The user wished to stop.
    #[error("interrupted: nothing was written")]
    Interrupted,
    /// The disk said no.
    #[error("cannot write `{}`", .path.display())]
    Unwritable {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

impl OutputError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotEmpty(_) => Some(
                "name a directory that does not exist yet, such as `--out out`, or empty this one"
                    .to_owned(),
            ),
            Self::NotADirectory { .. } | Self::Nameless(_) => {
                Some("name a directory, or one that does not exist yet".to_owned())
            }
            Self::Interrupted | Self::Unwritable { .. } => None,
        }
    }
}

/// Writes `pruned`, whose sources lie below `root`, to `dir`. `stop` is asked before each file whether to give up,
/// by several threads.
///
/// All is written beside the directory and then takes its name, so that nobody ever sees half of it.
pub fn write(
    pruned: &Pruned,
    root: &Path,
    dir: &Path,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<(), OutputError> {
    let (Some(name), Some(parent)) = (dir.file_name(), dir.parent()) else {
        return Err(OutputError::Nameless(dir.to_path_buf()));
    };
    let unwritable = |source: io::Error| match source.kind() {
        io::ErrorKind::Interrupted => OutputError::Interrupted,
        _ => OutputError::Unwritable {
            path: dir.to_path_buf(),
            source,
        },
    };
    check(dir)?;
    // Two that write to one place at once do not share their halves.
    let beside = |what: &str| {
        let id = std::process::id();
        parent.join(format!(".{}.{what}-{id}", name.to_string_lossy()))
    };
    let (part, old) = (beside("part"), beside("old"));
    let go_on = || {
        if stop() {
            Err(io::ErrorKind::Interrupted.into())
        } else {
            Ok(())
        }
    };
    let written = (|| {
        fs_err::create_dir_all(parent)?;
        fs_err::create_dir(&part)?;
        write_entries(&pruned.entries, root, &part, &go_on)?;
        replace(dir, &part, &old)
    })();
    written.map_err(|error| {
        // The first error is the one to tell.
        drop(fs_err::remove_dir_all(&part));
        unwritable(error)
    })
}

/// Gives `part` the name `dir`; what had it goes.
fn replace(dir: &Path, part: &Path, old: &Path) -> io::Result<()> {
    if fs_err::symlink_metadata(dir).is_err() {
        return fs_err::rename(part, dir);
    }
    fs_err::rename(dir, old)?;
    if let Err(error) = fs_err::rename(part, dir) {
        drop(fs_err::rename(old, dir));
        return Err(error);
    }
    fs_err::remove_dir_all(old)
}

/// Refuses what may not be replaced.
fn check(dir: &Path) -> Result<(), OutputError> {
    let Ok(metadata) = fs_err::symlink_metadata(dir) else {
        return Ok(());
    };
    let not_a_directory = |kind| OutputError::NotADirectory {
        path: dir.to_path_buf(),
        kind,
    };
    if metadata.is_symlink() {
        return Err(not_a_directory("a symlink"));
    }
    if !metadata.is_dir() {
        return Err(not_a_directory("a file"));
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

/// Whether a directory is empty, or has exactly the layout that is written here (turbo's is the same).
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
