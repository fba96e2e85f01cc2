//! Who is using the cache: each run has a directory whose lock it holds while it lives, and the
//! gate separates lookups from removals.

use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use fs_err::{File, OpenOptions};
use tempfile::{Builder, NamedTempFile, TempDir};

use super::named;
use crate::files::rooted::remove_all;

/// The name prefix of the runs' directories.
const PREFIX: &str = "run-";
/// The locked file in each of them.
const LOCK: &str = "lock";

/// How long to wait for the gate. A removal closes it only for a moment.
const GATE_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause between two tries.
const RETRY_INTERVAL: Duration = Duration::from_millis(2);

/// Locks the cache: shared for lookups, exclusive for removals. Dropping it opens the gate.
#[derive(Debug)]
pub(super) struct Gate {
    _lock: Option<File>,
}

impl Gate {
    pub(super) fn shared(root: &Path) -> Self {
        // No removal takes this long, unless its process was suspended.
        Self::new(root, std::fs::File::try_lock_shared).unwrap_or(Self { _lock: None })
    }

    /// `None` if others hold the gate all the time; then nothing is removed in this run.
    pub(super) fn alone(root: &Path) -> Option<Self> {
        Self::new(root, std::fs::File::try_lock)
    }

    /// On a file system without locks the gate is always open. Then a removal can cost another run
    /// its entry, which is made again.
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
        while began.elapsed() < GATE_TIMEOUT {
            match lock(file.file()) {
                Ok(()) => return Some(Self { _lock: Some(file) }),
                Err(TryLockError::WouldBlock) => thread::sleep(RETRY_INTERVAL),
                Err(TryLockError::Error(_)) => return Some(Self { _lock: None }),
            }
        }
        None
    }
}

/// A run's own directory in `tmp/`. It is removed with the run or, if that was killed, by a later
/// run.
#[derive(Debug)]
pub(super) struct Lease {
    directory: TempDir,
    _lock: File,
}

impl Drop for Lease {
    /// Unpacked layers may have directories of any mode.
    fn drop(&mut self) {
        drop(remove_all(self.path()));
    }
}

impl Lease {
    pub(super) fn take(root: &Path) -> io::Result<Self> {
        // Until it is locked, no other run may take the directory for a leftover.
        let _gate = Gate::shared(root);
        let directory = Builder::new().prefix(PREFIX).tempdir_in(temporary(root));
        let directory = directory.map_err(|error| named(&error, &temporary(root)))?;
        let lock = File::create(directory.path().join(LOCK))?;
        // Without locks, its age decides.
        drop(lock.file().lock());
        Ok(Self {
            directory,
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Creates a directory in it.
    pub(super) fn directory(&self) -> io::Result<TempDir> {
        let made = Builder::new().prefix("tree-").tempdir_in(self.path());
        made.map_err(|error| named(&error, self.path()))
    }

    /// Creates a file in it.
    pub(super) fn file(&self) -> io::Result<NamedTempFile> {
        let made = Builder::new().prefix("blob-").tempfile_in(self.path());
        made.map_err(|error| named(&error, self.path()))
    }
}

/// The directories of all other runs: those alive, with their start times, and those left behind.
#[derive(Debug, Default)]
pub(super) struct Others {
    pub(super) living: Vec<SystemTime>,
    pub(super) dead: Vec<PathBuf>,
}

impl Others {
    /// Finds them. The caller must hold the gate alone.
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
                // Without locks, there is no telling.
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
