//! What must not stay behind when the process ends without unwinding: files, directories,
//! containers, child processes.
//!
//! Code that creates such a thing notes it here for as long as it exists, and removes it itself in
//! the normal case. On a signal that ends the process, everything noted is removed, and nothing new
//! can be created.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often to try again to remove a directory that a process still writes to.
const TRIES: u32 = 20;
/// Anything younger than this is left alone.
const NEW: Duration = Duration::from_secs(1);
/// The longest pause between two tries.
const PAUSE: Duration = Duration::from_millis(50);

static NOTED: Mutex<Noted> = Mutex::new(Noted {
    next: 0,
    paths: BTreeMap::new(),
    acts: BTreeMap::new(),
});
/// Whether the process is about to end and is removing what is noted.
static ENDING: AtomicBool = AtomicBool::new(false);

struct Noted {
    next: u64,
    paths: BTreeMap<u64, PathBuf>,
    acts: BTreeMap<u64, Box<dyn FnOnce() + Send>>,
}

/// A note. Dropping it takes the note back.
#[derive(Debug)]
#[must_use = "what is not held is not noted"]
pub(crate) struct Note(u64);

impl Note {
    /// Notes a file or a whole directory.
    pub(crate) fn path(path: &Path) -> Self {
        let mut noted = noted();
        noted.next += 1;
        let number = noted.next;
        noted.paths.insert(number, path.to_path_buf());
        Self(number)
    }

    /// Notes an action that ends something else. Actions run before paths are removed. One should
    /// take a few seconds at most and must not note anything.
    pub(crate) fn act(act: impl FnOnce() + Send + 'static) -> Self {
        let mut noted = noted();
        noted.next += 1;
        let number = noted.next;
        noted.acts.insert(number, Box::new(act));
        Self(number)
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let mut noted = noted();
        noted.paths.remove(&self.0);
        drop(noted.acts.remove(&self.0));
    }
}

fn noted() -> MutexGuard<'static, Noted> {
    NOTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs and removes everything noted, and blocks all later notes: the caller is about to end the
/// process.
pub(crate) fn remove_all() {
    ENDING.store(true, Ordering::SeqCst);
    let mut noted = noted();
    let acts = std::mem::take(&mut noted.acts);
    // In parallel, so that a slow one does not delay the others.
    std::thread::scope(|scope| {
        for act in acts.into_values() {
            scope.spawn(act);
        }
    });
    for path in std::mem::take(&mut noted.paths).values().rev() {
        drop(remove(path));
    }
    // A thread that notes something new waits for this lock until the process ends.
    std::mem::forget(noted);
}

/// Returns unless the process is about to end. If another thread is ending it, this blocks, so that
/// nothing more is said or done.
pub(crate) fn wait_if_ending() {
    while ENDING.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// Locks a new file or directory for as long as it is open, so that [`sweep`] skips it.
pub(crate) fn hold(file: &std::fs::File) {
    // On a file system without locks, `sweep` cannot lock it either, and skips it.
    let _without = file.try_lock();
}

/// Removes what killed processes left behind: files and directories with this name prefix that
/// belong to this user and that no process holds. Links are not followed.
#[cfg(unix)]
pub(crate) fn sweep(dir: &Path, prefix: &str) {
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    let entries = fs_err::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_name().to_string_lossy().starts_with(prefix) && is_left(&entry.path()) {
            drop(remove(&entry.path()));
        }
    }
}

#[cfg(not(unix))]
pub(crate) fn sweep(_: &Path, _: &str) {}

#[cfg(unix)]
fn is_left(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    use rustix::fs::{Mode, OFlags, open};

    let Ok(seen) = fs_err::symlink_metadata(path) else {
        return false;
    };
    let own = seen.uid() == rustix::process::geteuid().as_raw();
    // Something that was just created may not be locked yet.
    let age = seen.modified().ok().and_then(|at| at.elapsed().ok());
    if !own || !(seen.is_file() || seen.is_dir()) || age.is_none_or(|age| age < NEW) {
        return false;
    }
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY | OFlags::NONBLOCK;
    let Ok(file) = open(path, flags, Mode::empty()) else {
        return false;
    };
    let file = std::fs::File::from(file);
    let same = |of: &std::fs::Metadata| (of.dev(), of.ino()) == (seen.dev(), seen.ino());
    file.try_lock().is_ok() && file.metadata().is_ok_and(|of| same(&of))
}

/// Removes a file or a whole directory, even if a build made it unreadable or a process still
/// writes to it.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let mut tried = 0;
    loop {
        let removed = match fs_err::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => fs_err::remove_dir_all(path),
            Ok(_) => fs_err::remove_file(path),
            Err(error) => Err(error),
        };
        match removed {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_there(path) => {
                return Ok(());
            }
            Err(error) if tried == TRIES => return Err(error),
            Err(_) => {}
        }
        tried += 1;
        open_up(path);
        std::thread::sleep(PAUSE.min(PAUSE * (tried - 1)));
    }
}

fn is_there(path: &Path) -> bool {
    fs_err::symlink_metadata(path).is_ok()
}

/// Makes all directories accessible to their owner.
#[cfg(unix)]
fn open_up(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let is_dir = |path: &Path| fs_err::symlink_metadata(path).is_ok_and(|of| of.is_dir());
    let mut dirs = vec![path.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        if is_dir(&dir) {
            let owner = std::fs::Permissions::from_mode(0o700);
            drop(fs_err::set_permissions(&dir, owner));
            let entries = fs_err::read_dir(&dir).into_iter().flatten().flatten();
            dirs.extend(entries.map(|entry| entry.path()));
        }
    }
}

#[cfg(not(unix))]
fn open_up(_: &Path) {}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_shut_is_removed_too() {
        let tree = crate::testing::tree(&[("work/a/b/file", ""), ("work/c/file", "")]);
        for dir in ["work/a/b", "work/a", "work/c"] {
            let mode = std::fs::Permissions::from_mode(0o000);
            fs_err::set_permissions(tree.path().join(dir), mode).unwrap();
        }
        remove(&tree.path().join("work")).unwrap();
        assert!(!tree.path().join("work").exists());
        remove(&tree.path().join("work")).unwrap();
    }

    #[test]
    fn a_link_is_removed_and_not_followed() {
        let tree = crate::testing::tree(&[("kept/file", "")]);
        let link = tree.path().join("link");
        std::os::unix::fs::symlink(tree.path().join("kept"), &link).unwrap();
        remove(&link).unwrap();
        assert!(!is_there(&link) && tree.path().join("kept/file").exists());
    }

    #[test]
    fn what_is_held_or_somebody_elses_or_a_link_stays() {
        let tree = crate::testing::tree(&[
            (".part-held", ""),
            (".part-left", ""),
            (".part-dir/file", ""),
            ("other", ""),
        ]);
        let at = |name: &str| tree.path().join(name);
        std::os::unix::fs::symlink(at("other"), at(".part-link")).unwrap();
        let held = std::fs::File::options()
            .write(true)
            .open(at(".part-held"))
            .unwrap();
        hold(&held);
        sweep(tree.path(), ".part-");
        assert!(is_there(&at(".part-left")), "it is new");
        let old = std::time::SystemTime::now() - NEW * 2;
        for name in [".part-held", ".part-left", ".part-dir", "other"] {
            let file = fs_err::File::open(at(name)).unwrap().into_file();
            file.set_modified(old).unwrap();
        }
        sweep(tree.path(), ".part-");
        let gone = [".part-left", ".part-dir"].map(|name| is_there(&at(name)));
        let kept = [".part-held", ".part-link", "other"].map(|name| is_there(&at(name)));
        assert_eq!((gone, kept), ([false; 2], [true; 3]));
        drop(held);
        sweep(tree.path(), ".part-");
        assert!(!is_there(&at(".part-held")));
    }

    #[test]
    fn notes_go_with_their_values() {
        let note = Note::path(Path::new("/nowhere/of/this/test"));
        let number = note.0;
        assert!(noted().paths.contains_key(&number));
        drop(note);
        assert!(!noted().paths.contains_key(&number));
    }
}
