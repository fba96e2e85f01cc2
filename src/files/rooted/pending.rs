//! A file that is promised, and may be made by another thread.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags, fchmod, fstat, openat, unlinkat};
use rustix::io::Errno;

use super::PlaceError;

/// How many slots are done, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct Pending {
    done: Mutex<u64>,
    changed: Condvar,
}

impl Pending {
    /// Waits until so many are done.
    pub(super) fn wait(&self, count: u64) {
        let done = self.done.lock();
        let mut done = done.unwrap_or_else(PoisonError::into_inner);
        while *done < count {
            let waited = self.changed.wait(done);
            done = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The place of one file. It may be filled by another thread: whatever depends on it waits.
#[derive(Debug)]
pub struct Slot {
    pub(super) dir: Arc<OwnedFd>,
    pub(super) name: OsString,
    pub(super) pending: Arc<Pending>,
}

impl Slot {
    /// Makes the file, with these permissions.
    pub fn create(self, mode: u32) -> Result<File, PlaceError> {
        let mode = bits(mode);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let create = || openat(&self.dir, &self.name, flags | OFlags::CLOEXEC, mode);
        let file = match create() {
            // Some file systems take `A` and `a` for the same.
            Err(Errno::EXIST) => {
                unlinkat(&self.dir, &self.name, AtFlags::empty()).and_then(|()| create())
            }
            created => created,
        };
        let file = file.and_then(|file| {
            // The process's mask may say otherwise.
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

/// Permissions for who owns, its group and all others. Bits that give a program the rights of its owner are left out.
pub(super) fn bits(mode: u32) -> Mode {
    Mode::from_raw_mode((mode & 0o777) as rustix::fs::RawMode)
}
