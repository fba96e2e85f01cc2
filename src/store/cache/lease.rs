//! Who is using the cache now: a run's own directory, whose lock is held while the run lives, and the gate between looking up and removing.

use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use fs_err::{File, OpenOptions};
use tempfile::{Builder, NamedTempFile, TempDir};

use super::named;
use crate::files::rooted::remove_all;

/// How the directories of runs are called.
const PREFIX: &str = "run-";
/// The file in it that is locked.
const LOCK: &str = "lock";

/// How long the gate may be closed. A removal takes a moment.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is tried.
const GLANCE: Duration = Duration::from_millis(2);

/// Held by who looks something up, together with others, or by who removes something, alone. It goes with the value.
#[derive(Debug)]
pub(super) struct Gate {
    _lock: Option<File>,
}

impl Gate {
    pub(super) fn shared(root: &Path) -> Self {
        // Nobody removes anything for that long, unless it was stopped in the middle.
        Self::new(root, std::fs::File::try_lock_shared).unwrap_or(Self { _lock: None })
    }

    /// Nothing where others are at the gate all the time: then nothing is removed now.
    pub(super) fn alone(root: &Path) -> Option<Self> {
        Self::new(root, std::fs::File::try_lock)
    }

    /// Where a file system knows no locks, there are none: then a removal can cost another run its entry, which is made again.
    fn new(root: &Path, lock: impl Fn(&std::fs::File) -> Result<(), TryLockError>) -> Option<Self> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(root.join(LOCK));
        let Ok(file) = file else {
            return Some(Self { _lock: None });
        };
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            match lock(file.file()) {
                Ok(()) => return Some(Self { _lock: Some(file) }),
                Err(TryLockError::WouldBlock) => thread::sleep(GLANCE),
                Err(TryLockError::Error(_)) => return Some(Self { _lock: None }),
            }
        }
        None
    }
}

/// A run's own directory in `tmp/`. What lies in it goes with the run, and where that was killed, with the next one.
#[derive(Debug)]
pub(super) struct Lease {
    directory: TempDir,
    _lock: File,
}

impl Drop for Lease {
    /// Directories of layers may have any modes.
    fn drop(&mut self) {
        drop(remove_all(self.path()));
    }
}

impl Lease {
    pub(super) fn take(root: &Path) -> io::Result<Self> {
        // Nobody may take the directory for one that was left behind before it is locked.
        let _gate = Gate::shared(root);
        let directory = Builder::new().prefix(PREFIX).tempdir_in(temporary(root));
        let directory = directory.map_err(|error| named(&error, &temporary(root)))?;
        let lock = File::create(directory.path().join(LOCK))?;
        // Without locks it lives by its age.
        drop(lock.file().lock());
        Ok(Self {
            directory,
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A new directory in it.
    pub(super) fn directory(&self) -> io::Result<TempDir> {
        let made = Builder::new().prefix("tree-").tempdir_in(self.path());
        made.map_err(|error| named(&error, self.path()))
    }

    /// A new file in it.
    pub(super) fn file(&self) -> io::Result<NamedTempFile> {
        let made = Builder::new().prefix("blob-").tempfile_in(self.path());
        made.map_err(|error| named(&error, self.path()))
    }
}

/// The directories of runs, but for one's own: those that live, with the time when they began, and those that were left behind.
#[derive(Debug, Default)]
pub(super) struct Others {
    pub(super) living: Vec<SystemTime>,
    pub(super) dead: Vec<PathBuf>,
}

impl Others {
    /// Looks for them. Who calls it is alone at the gate.
    pub(super) fn find(root: &Path, own: Option<&Lease>) -> Self {
        let mut others = Self::default();
        for entry in fs_err::read_dir(temporary(root))
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            let is_own = own.is_some_and(|own| own.path() == path);
            if is_own || !entry.file_name().to_string_lossy().starts_with(PREFIX) {
                continue;
            }
            let lock = File::open(path.join(LOCK));
            let began = lock
                .as_ref()
                .ok()
                .and_then(|lock| lock.metadata().ok()?.modified().ok());
            match lock.map(|lock| lock.file().try_lock_shared()) {
                Ok(Err(TryLockError::WouldBlock)) => {
                    others.living.push(began.unwrap_or_else(SystemTime::now));
                }
                // Without locks, nobody knows.
                Ok(Err(TryLockError::Error(_))) => {}
                Ok(Ok(())) | Err(_) => others.dead.push(path),
            }
        }
        others
    }
}

pub(super) fn temporary(root: &Path) -> PathBuf {
    root.join("tmp")
}
