//! Removes anything a program may leave behind, including directories without permissions or deeper
//! than a path can express.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, chmodat, fchmod, fstat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use super::open_dir;

/// Removes a file, or a directory and everything in it. Links are removed, not followed. A missing
/// path is no error.
///
/// Directories in it are moved to the top before they are emptied, so that depth is limited neither
/// by the number of open files nor by the length of a path.
pub fn remove_all(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let removed = match rustix::fs::open(parent, flags, Mode::empty()) {
        Ok(parent) => remove_at(&parent, name),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(|error| {
        let error = io::Error::from(error);
        io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
    })
}

/// Like [`remove_all`], for a name in an open directory.
pub(super) fn remove_at(parent: impl AsFd, name: &OsStr) -> Result<(), Errno> {
    let parent = parent.as_fd();
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(error) if !is_dir(parent, name) => return Err(error),
        Err(_) => {}
    }
    let top = open(parent, name)?;
    let mut grave = Grave {
        top,
        dirs: Vec::new(),
        moved: 0,
        failed: None,
    };
    let emptied = grave.empty(None);
    grave.note(emptied);
    while let Some(name) = grave.dirs.pop() {
        let removed = match open(&grave.top, &name) {
            Ok(dir) => grave
                .empty(Some(&dir))
                .and_then(|()| unlinkat(&grave.top, &name, AtFlags::REMOVEDIR)),
            // It was empty, and another directory was renamed over it.
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
        };
        grave.note(removed);
    }
    match (unlinkat(parent, name, AtFlags::REMOVEDIR), grave.failed) {
        (Err(_), Some(first)) => Err(first),
        (removed, _) => removed,
    }
}

/// A directory that is being removed.
struct Grave {
    top: OwnedFd,
    /// Directories in it that are still to be emptied.
    dirs: Vec<OsString>,
    /// How many were moved to the top.
    moved: u64,
    /// The first error. The rest is removed nevertheless.
    failed: Option<Errno>,
}

impl Grave {
    fn note(&mut self, done: Result<(), Errno>) {
        if let Err(error) = done {
            self.failed = self.failed.or(Some(error));
        }
    }

    /// Empties a directory in the grave, or the grave itself; directories found are moved to the
    /// top.
    fn empty(&mut self, dir: Option<&OwnedFd>) -> Result<(), Errno> {
        let inner = dir.unwrap_or(&self.top);
        let mut names = Vec::new();
        for entry in Dir::read_from(inner)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        let mut failed = None;
        for name in names {
            let gone = match (unlinkat(inner, &name, AtFlags::empty()), dir) {
                (Ok(()) | Err(Errno::NOENT), _) => Ok(()),
                (Err(error), _) if !is_dir(inner, &name) => Err(error),
                (Err(_), None) => {
                    self.dirs.push(name);
                    Ok(())
                }
                (Err(_), Some(dir)) => {
                    bury(dir, &name, &self.top, &mut self.moved).map(|moved| self.dirs.push(moved))
                }
            };
            failed = failed.or(gone.err());
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Moves a directory to the top, under an unused name.
fn bury(dir: &OwnedFd, name: &OsStr, top: &OwnedFd, moved: &mut u64) -> Result<OsString, Errno> {
    loop {
        *moved += 1;
        let free = OsString::from(format!(".removed-{moved}"));
        match renameat(dir, name, top, &free) {
            Ok(()) => return Ok(free),
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            // Moving a directory needs write permission on it.
            Err(Errno::ACCESS) => {
                let before = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
                if Mode::from_raw_mode(before.st_mode).contains(Mode::RWXU) {
                    return Err(Errno::ACCESS);
                }
                chmodat(dir, name, Mode::RWXU, AtFlags::empty())?;
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_dir(parent: impl AsFd, name: &OsStr) -> bool {
    statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory)
}

/// Opens a directory, and grants itself the permissions to empty it.
fn open(parent: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let parent = parent.as_fd();
    let dir = match open_dir(parent, name) {
        Err(Errno::ACCESS) if is_dir(parent, name) => {
            chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            open_dir(parent, name)?
        }
        opened => opened?,
    };
    let mode = Mode::from_raw_mode(fstat(&dir)?.st_mode);
    if !mode.contains(Mode::RWXU) {
        fchmod(&dir, Mode::RWXU)?;
    }
    Ok(dir)
}
