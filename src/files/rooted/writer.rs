//! Writes an archive's entries into a directory, in the archive's order.
//!
//! A [`Writer`] writes one layer. It records what it made, so that a whiteout removes only what was
//! there before.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher as _, RandomState};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, fchmod, linkat, mkdirat, readlinkat, statat, symlinkat,
    unlinkat,
};
use rustix::io::Errno;

use super::error::{PlaceError, short};
use super::pending::{Pending, Slot, bits};
use super::remove::remove_at;
use super::steps::{Endless, Step, Steps, split};
use super::{MAX_DEPTH, is_no_dir, open_dir};

/// The mode of parent directories that are created.
const PARENT_MODE: Mode = Mode::from_raw_mode(0o755);

/// Writes into a directory, and nowhere else.
///
/// The last part of a path is never followed: what is there is replaced, except that an existing
/// directory is kept where a directory is wanted. The parts before it are followed within the root,
/// and created if they are missing.
#[derive(Debug)]
pub struct Writer {
    /// The root and the directories of the last path, which neighbours in an archive share.
    pub(super) levels: Vec<Level>,
    /// What this writer made, by an id of its path.
    pub(super) placed: BTreeMap<u64, Placed>,
    random: RandomState,
    pending: Arc<Pending>,
    /// How many slots were given out.
    sent: u64,
    /// How many of them are known to be filled.
    settled: u64,
    made: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Level {
    name: OsString,
    pub(super) dir: Arc<OwnedFd>,
    /// Identifies the path without links.
    pub(super) id: u64,
    /// Whether everything in it was made by this writer.
    pub(super) own: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    /// The slot of the file; 0 if it already exists.
    slot: u64,
    /// Whether this writer made all of it; false for a directory that existed before.
    pub(super) whole: bool,
}

pub(super) const VISIBLE: Placed = Placed {
    slot: 0,
    whole: true,
};

/// What to do about missing parent directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Make,
    Tell,
}

/// Why a directory cannot be entered.
pub(super) enum Barred {
    /// It does not exist.
    Missing,
    Other(PlaceError),
}

impl From<PlaceError> for Barred {
    fn from(error: PlaceError) -> Self {
        Self::Other(error)
    }
}

impl Writer {
    /// Starts to write into this directory. With `empty`, the caller says that it is empty.
    pub fn new(root: &Path, empty: bool) -> Result<Self, PlaceError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(root, flags, Mode::empty());
        let dir = dir.map_err(|error| PlaceError::of(root, error))?;
        let root = Level {
            name: OsString::new(),
            dir: Arc::new(dir),
            id: 0,
            own: empty,
        };
        Ok(Self {
            levels: vec![root],
            placed: BTreeMap::new(),
            random: RandomState::new(),
            pending: Arc::default(),
            sent: 0,
            settled: 0,
            made: 0,
        })
    }

    /// How many files and directories were made.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// Makes a directory. An existing one is kept and gets the new permissions. Its owner always
    /// has access.
    pub fn directory(&mut self, path: &Path, mode: u32) -> Result<(), PlaceError> {
        let Some((parent, name)) = place(path)? else {
            return Ok(());
        };
        self.enter(parent, Missing::Make).map_err(made)?;
        let failed = |error| PlaceError::of(path, error);
        let (level, id) = self.at(name);
        self.settle(id);
        let known = self.placed.contains_key(&id);
        let here = if level.own && !known {
            Err(Errno::NOENT)
        } else {
            open_dir(&level.dir, name)
        };
        let dir = match here {
            Ok(dir) => {
                self.placed.entry(id).or_insert(Placed {
                    slot: 0,
                    whole: false,
                });
                dir
            }
            Err(error) => {
                if is_no_dir(error) {
                    self.clear_place(&level, name).map_err(failed)?;
                } else if error != Errno::NOENT {
                    return Err(failed(error));
                }
                self.make(&level, name, id).map_err(failed)?
            }
        };
        fchmod(&dir, bits(mode) | Mode::RWXU).map_err(failed)?;
        let own = level.own || self.placed.get(&id).is_some_and(|placed| placed.whole);
        self.push(name, dir, id, own, path)
    }

    /// Reserves the place of a file. What was there is removed.
    pub fn slot(&mut self, path: &Path) -> Result<Slot, PlaceError> {
        let (level, name, id) = self.room(path)?;
        self.sent += 1;
        let placed = Placed {
            slot: self.sent,
            whole: true,
        };
        self.placed.insert(id, placed);
        Ok(Slot {
            dir: level.dir,
            name,
            pending: Arc::clone(&self.pending),
        })
    }

    /// Makes a symlink with this target, wherever it leads.
    pub fn symlink(&mut self, path: &Path, target: &Path) -> Result<(), PlaceError> {
        let (level, name, id) = self.room(path)?;
        let link = || symlinkat(target, &level.dir, &name);
        let linked = match link() {
            Err(Errno::EXIST) => {
                unlinkat(&level.dir, &name, AtFlags::empty()).and_then(|()| link())
            }
            linked => linked,
        };
        linked.map_err(|error| match error {
            Errno::NOENT => {
                PlaceError::Impossible(format!("`{}` is a link to nothing", short(path)))
            }
            Errno::NAMETOOLONG => {
                PlaceError::Impossible(format!("the target of `{}` is too long", short(path)))
            }
            error => PlaceError::of(path, error),
        })?;
        self.placed.insert(id, VISIBLE);
        Ok(())
    }

    /// Makes a hard link to a file of the tree, or to a symlink itself.
    pub fn hard_link(&mut self, path: &Path, target: &Path) -> Result<(), PlaceError> {
        let shown = short(target);
        let gone = || {
            let words = format!(
                "`{}` is a hard link to `{shown}`, which is not there",
                short(path)
            );
            PlaceError::Impossible(words)
        };
        let (parent, file) = place(target)?.ok_or_else(gone)?;
        match self.enter(parent, Missing::Tell) {
            Ok(()) => {}
            Err(Barred::Missing) => return Err(gone()),
            Err(Barred::Other(error)) => return Err(error),
        }
        let (from, from_id) = self.at(file);
        self.settle(from_id);
        if let Some((parent, name)) = place(path)? {
            self.enter(parent, Missing::Make).map_err(made)?;
            if self.at(name).1 == from_id {
                let there = statat(&from.dir, file, AtFlags::SYMLINK_NOFOLLOW);
                return there.map(drop).map_err(|_| gone());
            }
        }
        let (level, name, id) = self.room(path)?;
        match linkat(&from.dir, file, &level.dir, &name, AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Err(gone()),
            Err(error) => {
                let kind = statat(&from.dir, file, AtFlags::SYMLINK_NOFOLLOW);
                if kind.is_ok_and(|of| FileType::from_raw_mode(of.st_mode) == FileType::Directory) {
                    let words = format!("`{}` is a hard link to a directory", short(path));
                    return Err(PlaceError::Impossible(words));
                }
                return Err(PlaceError::of(path, error));
            }
        }
        self.placed.insert(id, VISIBLE);
        Ok(())
    }

    /// Removes what is at a path, for an entry that cannot be made.
    pub fn nothing(&mut self, path: &Path) -> Result<(), PlaceError> {
        self.room(path).map(drop)
    }

    /// Enters the directory above a path, and removes what is there.
    fn room(&mut self, path: &Path) -> Result<(Level, OsString, u64), PlaceError> {
        let Some((parent, name)) = place(path)? else {
            let words = "the root is a directory, and cannot be anything else";
            return Err(PlaceError::Impossible(words.to_owned()));
        };
        self.enter(parent, Missing::Make).map_err(made)?;
        let (level, id) = self.at(name);
        self.settle(id);
        if !level.own || self.placed.contains_key(&id) {
            self.clear_place(&level, name)
                .map_err(|error| PlaceError::of(path, error))?;
        }
        self.made += 1;
        Ok((level, name.to_owned(), id))
    }

    fn clear_place(&mut self, level: &Level, name: &OsStr) -> Result<(), Errno> {
        match unlinkat(&level.dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(_) => {
                // Other threads may still be writing files into it.
                self.settle_all();
                remove_at(level.dir.as_fd(), name)
            }
        }
    }

    /// The current directory, and the id of this name in it.
    pub(super) fn at(&self, name: &OsStr) -> (Level, u64) {
        let level = &self.levels[self.levels.len() - 1];
        (level.clone(), self.id(level.id, name))
    }

    pub(super) fn id(&self, above: u64, name: &OsStr) -> u64 {
        self.random.hash_one((above, name))
    }

    fn make(&mut self, level: &Level, name: &OsStr, id: u64) -> Result<OwnedFd, Errno> {
        match mkdirat(&level.dir, name, PARENT_MODE) {
            Ok(()) => {
                self.made += 1;
                self.placed.insert(id, VISIBLE);
            }
            // Some file systems treat `A` and `a` as the same name.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        open_dir(&level.dir, name)
    }

    fn push(
        &mut self,
        name: &OsStr,
        dir: OwnedFd,
        id: u64,
        own: bool,
        path: &Path,
    ) -> Result<(), PlaceError> {
        if self.levels.len() > MAX_DEPTH {
            let words = format!(
                "`{}` lies in more than {MAX_DEPTH} directories",
                short(path)
            );
            return Err(PlaceError::Impossible(words));
        }
        self.levels.push(Level {
            name: name.to_owned(),
            dir: Arc::new(dir),
            id,
            own,
        });
        Ok(())
    }

    /// Walks to a directory, which is then the last level.
    pub(super) fn enter(&mut self, path: &Path, missing: Missing) -> Result<(), Barred> {
        let failed = |error| PlaceError::of(path, error);
        let mut steps = Steps::new(path);
        // The level reached so far; later ones in the list are from the previous walk.
        let mut depth = 0;
        while let Some(step) = steps.next() {
            let Step::Into(name) = step else {
                depth = usize::saturating_sub(depth, 1);
                continue;
            };
            if self
                .levels
                .get(depth + 1)
                .is_some_and(|level| level.name == name)
            {
                depth += 1;
                continue;
            }
            self.levels.truncate(depth + 1);
            let (level, id) = self.at(&name);
            // A file that is still being written is not a directory.
            self.settle(id);
            let dir = match open_dir(&level.dir, &name) {
                Err(Errno::NOENT) if missing == Missing::Tell => return Err(Barred::Missing),
                Err(Errno::NOENT) => self.make(&level, &name, id).map_err(failed)?,
                Err(error) if is_no_dir(error) => {
                    let Ok(target) = readlinkat(&level.dir, &name, Vec::new()) else {
                        if missing == Missing::Tell {
                            return Err(Barred::Missing);
                        }
                        let name = Path::new(&name);
                        let words =
                            format!("`{}`: `{}` is not a directory", short(path), short(name));
                        return Err(PlaceError::Impossible(words).into());
                    };
                    match steps.follow(Path::new(OsStr::from_bytes(target.to_bytes()))) {
                        Ok(true) => depth = 0,
                        Ok(false) => {}
                        Err(Endless) => {
                            let words = format!("`{}` has links without end", short(path));
                            return Err(PlaceError::Impossible(words).into());
                        }
                    }
                    continue;
                }
                opened => opened.map_err(failed)?,
            };
            let own = level.own || self.placed.get(&id).is_some_and(|placed| placed.whole);
            self.push(&name, dir, id, own, path)?;
            depth += 1;
        }
        self.levels.truncate(depth + 1);
        Ok(())
    }

    /// Waits until an announced file exists.
    fn settle(&mut self, id: u64) {
        let placed = self.placed.get(&id);
        if placed.is_some_and(|placed| placed.slot > self.settled) {
            self.settle_all();
        }
    }

    pub(super) fn settle_all(&mut self) {
        self.pending.wait(self.sent);
        self.settled = self.sent;
    }
}

/// Splits a path of an archive into directory and name; `None` for the root.
pub(super) fn place(path: &Path) -> Result<Option<(&Path, &OsStr)>, PlaceError> {
    if path.components().any(|part| part == Component::ParentDir) {
        let words = format!("`{}` leaves the image", short(path));
        return Err(PlaceError::Impossible(words));
    }
    Ok(split(path))
}

/// The error if directories are created, so none is missing.
fn made(barred: Barred) -> PlaceError {
    match barred {
        Barred::Missing => PlaceError::of(Path::new(""), Errno::NOENT),
        Barred::Other(error) => error,
    }
}
