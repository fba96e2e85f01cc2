//! A file that is announced, and may be written by another thread.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags, fchmod, fstat, openat, unlinkat};
use rustix::io::Errno;

use super::PlaceError;

/// How many slots are filled, for threads that wait for them.
#[derive(Debug, Default)]
pub(super) struct Pending {
    done: Mutex<u64>,
    changed: Condvar,
}

impl Pending {
    /// Waits until this many are filled.
    pub(super) fn wait(&self, count: u64) {
        let done = self.done.lock();
        let mut done = done.unwrap_or_else(PoisonError::into_inner);
        while *done < count {
            let waited = self.changed.wait(done);
            done = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The place of one file. Another thread may fill it; operations that depend on it wait.
#[derive(Debug)]
pub struct Slot {
    pub(super) dir: Arc<OwnedFd>,
    pub(super) name: OsString,
    pub(super) pending: Arc<Pending>,
}

impl Slot {
    /// Creates the file with these permissions.
    pub fn create(self, mode: u32) -> Result<File, PlaceError> {
        let mode = bits(mode);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let create = || openat(&self.dir, &self.name, flags | OFlags::CLOEXEC, mode);
        let file = match create() {
            // Some file systems treat `A` and `a` as the same name.
            Err(Errno::EXIST) => {
                unlinkat(&self.dir, &self.name, AtFlags::empty()).and_then(|()| create())
            }
            created => created,
        };
        let file = file.and_then(|file| {
            // The umask may have removed some.
            if Mode::from_raw_mode(fstat(&file)?.st_mode) != mode {
                fchmod(&file, mode)?;
            }
            Ok(file)
        });
        Ok(File::from(file.map_err(|error| {
            PlaceError::of(Path::new(&self.name), error)
        })?))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let done = self.pending.done.lock();
        *done.unwrap_or_else(PoisonError::into_inner) += 1;
        self.pending.changed.notify_all();
    }
}

/// The permission bits for owner, group and others, without setuid, setgid and sticky.
pub(super) fn bits(mode: u32) -> Mode {
    Mode::from_raw_mode((mode & 0o777) as rustix::fs::RawMode)
}
