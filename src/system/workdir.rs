//! [`WorkDir`]: a private temporary directory, on disk or in memory. All of slimbuild's work
//! directories are created, named and removed here.
//!
//! ```text
//! slimbuild-work-XXXXXXXX/    mode 0700
//!   lock                      locked for as long as the process lives
//!   work/                     the directory to work in
//! ```
//!
//! A killed process leaves its directory but loses its lock. Later runs remove only directories
//! whose lock they can take, so concurrent runs do not disturb each other. Everybody can write to
//! these places: a directory is not touched if somebody else owns it, if it is a link, or if it
//! does not look like this.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::Builder;

use crate::system::leftovers::{self, Note};

const PREFIX: &str = "slimbuild-work-";
const LOCK: &str = "lock";
const WORK: &str = "work";
/// Files here are kept in memory on Linux.
pub const MEMORY: &str = "/dev/shm";
/// How often to try again: another run may remove a new directory that has no lock yet.
const TRIES: u32 = 5;

/// A private directory. It is removed when the value is dropped or a signal ends the process.
#[derive(Debug)]
pub struct WorkDir {
    /// The directory that also holds the lock.
    whole: PathBuf,
    work: PathBuf,
    _lock: File,
    _note: Note,
}

impl WorkDir {
    /// Creates one in the machine's directory for temporary files.
    pub fn new() -> io::Result<Self> {
        Self::new_in(&tempfile::env::temp_dir())
    }

    /// Creates one in `base`.
    pub fn new_in(base: &Path) -> io::Result<Self> {
        let mut tried = 0;
        loop {
            match Self::attempt(base) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && tried < TRIES => {
                    tried += 1;
                }
                made => return made,
            }
        }
    }

    fn attempt(base: &Path) -> io::Result<Self> {
        let mut builder = Builder::new();
        builder.prefix(PREFIX).rand_bytes(8);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let made = builder.tempdir_in(base)?;
        let note = Note::path(made.path());
        let path = made.path().join(LOCK);
        let lock = fs_err::OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?
            .into_file();
        // On a file system without locks, no later run can lock it either, and it is left alone.
        let _without = lock.try_lock();
        if fs_err::symlink_metadata(&path).is_err() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let work = made.path().join(WORK);
        fs_err::create_dir(&work)?;
        Ok(Self {
            whole: made.keep(),
            work,
            _lock: lock,
            _note: note,
        })
    }

    /// The directory to work in, empty at first.
    pub fn path(&self) -> &Path {
        &self.work
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // A later run tries again.
        drop(leftovers::remove(&self.whole));
    }
}

/// Removes what killed processes left behind.
pub fn sweep() {
    for base in [tempfile::env::temp_dir(), PathBuf::from(MEMORY)] {
        sweep_in(&base);
    }
}

fn sweep_in(base: &Path) {
    let entries = fs_err::read_dir(base).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(PREFIX) {
            abandoned(&entry.path());
        }
    }
}

/// Removes a directory if it is ours and no process holds its lock.
#[cfg(unix)]
fn abandoned(path: &Path) {
    use rustix::fs::{FileType, Mode, OFlags, fstat, lstat, open, openat};

    let own = rustix::process::geteuid().as_raw();
    let kind = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    let Ok(dir) = open(path, kind, Mode::empty()) else {
        return;
    };
    let Ok(of_dir) = fstat(&dir) else { return };
    if of_dir.st_uid != own || of_dir.st_mode & 0o7777 != 0o700 {
        return;
    }
    let kind = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDWR | OFlags::NONBLOCK;
    let lock = match openat(&dir, LOCK, kind, Mode::empty()) {
        Ok(lock) => lock,
        Err(rustix::io::Errno::NOENT) => {
            // Its process was killed before it made the lock. Remove it if it is empty; a process
            // about to make the lock starts again.
            let _full = rustix::fs::unlinkat(rustix::fs::CWD, path, rustix::fs::AtFlags::REMOVEDIR);
            return;
        }
        Err(_) => return,
    };
    let is_lock = fstat(&lock).is_ok_and(|of| {
        of.st_uid == own && of.st_size == 0 && FileType::from_raw_mode(of.st_mode).is_file()
    });
    let lock = File::from(lock);
    if !is_lock || lock.try_lock().is_err() {
        return;
    }
    // The name must still mean the same directory, not one that somebody swapped in.
    let same = |of: &rustix::fs::Stat| (of.st_dev, of.st_ino) == (of_dir.st_dev, of_dir.st_ino);
    if lstat(path).is_ok_and(|of| same(&of)) {
        drop(leftovers::remove(path));
    }
}

#[cfg(not(unix))]
fn abandoned(_: &Path) {}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn base() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn names(base: &Path) -> Vec<String> {
        let entries = fs_err::read_dir(base).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// What a process leaves that was killed.
    fn left(base: &Path, name: &str) -> PathBuf {
        let path = base.join(name);
        fs_err::create_dir_all(path.join("work/sub")).unwrap();
        fs_err::write(path.join("lock"), "").unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    #[test]
    fn it_is_private_and_goes_with_the_value() {
        let base = base();
        let dir = WorkDir::new_in(base.path()).unwrap();
        fs_err::write(dir.path().join("file"), "").unwrap();
        let mode = fs_err::metadata(&dir.whole).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o700);
        drop(dir);
        assert_eq!(names(base.path()), [""; 0]);
    }

    #[test]
    fn what_was_left_behind_goes_and_what_is_in_use_stays() {
        let base = base();
        let used = WorkDir::new_in(base.path()).unwrap();
        left(base.path(), "slimbuild-work-abandoned");
        let empty = base.path().join("slimbuild-work-empty");
        fs_err::create_dir(&empty).unwrap();
        fs_err::set_permissions(&empty, std::fs::Permissions::from_mode(0o700)).unwrap();
        sweep_in(base.path());
        assert_eq!(names(base.path()).len(), 1);
        assert!(used.path().exists());
    }

    #[test]
    fn what_is_not_ours_is_not_touched() {
        let base = base();
        // A name that people give to directories of theirs.
        left(base.path(), "slimbuild-src");
        // Others may write to it.
        let open = left(base.path(), "slimbuild-work-open");
        fs_err::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        // No lock, and something in it.
        let foreign = left(base.path(), "slimbuild-work-foreign");
        fs_err::remove_file(foreign.join("lock")).unwrap();
        // A lock that is more than that.
        let text = left(base.path(), "slimbuild-work-text");
        fs_err::write(text.join("lock"), "words").unwrap();
        // Links: the directory, and the lock.
        let elsewhere = left(base.path(), "elsewhere");
        symlink(&elsewhere, base.path().join("slimbuild-work-link")).unwrap();
        let linked = left(base.path(), "slimbuild-work-linked");
        fs_err::remove_file(linked.join("lock")).unwrap();
        symlink(elsewhere.join("lock"), linked.join("lock")).unwrap();
        // Inside of one that goes.
        let gone = left(base.path(), "slimbuild-work-gone");
        symlink(&elsewhere, gone.join("work/link")).unwrap();
        let before = names(base.path());
        sweep_in(base.path());
        let mut expected = before;
        expected.retain(|name| name != "slimbuild-work-gone");
        assert_eq!(names(base.path()), expected);
        assert!(elsewhere.join("work/sub").exists());
    }
}
