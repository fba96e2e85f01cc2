//! Whiteouts: removes what was in a tree before, and keeps what this writer made.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, unlinkat};
use rustix::io::Errno;

use super::writer::{Barred, Missing, VISIBLE, Writer, place};
use super::{PlaceError, is_no_dir, open_dir};

impl Writer {
    /// Removes what was at a path before, except what this writer made.
    pub fn hide(&mut self, path: &Path) -> Result<(), PlaceError> {
        let Some((parent, name)) = place(path)? else {
            return Ok(());
        };
        if !self.is_entered(parent)? {
            return Ok(());
        }
        let (level, id) = self.at(name);
        if level.own {
            return Ok(());
        }
        self.settle_all();
        self.hide_at(&level.dir, name, id)
            .map_err(|error| PlaceError::of(path, error))
    }

    /// Removes everything that was in a directory before, except what this writer made.
    pub fn hide_below(&mut self, path: &Path) -> Result<(), PlaceError> {
        if !self.is_entered(path)? {
            return Ok(());
        }
        let Some(level) = self.levels.last().cloned() else {
            return Ok(());
        };
        if level.own {
            return Ok(());
        }
        self.settle_all();
        self.hide_all(&level.dir, level.id)
            .map_err(|error| PlaceError::of(path, error))?;
        if self.levels.len() == 1 {
            self.levels[0].own = true;
        }
        self.placed.insert(level.id, VISIBLE);
        // So that the directory is entered again, now as this writer's own.
        let above = self.levels.len().saturating_sub(1).max(1);
        self.levels.truncate(above);
        Ok(())
    }

    fn is_entered(&mut self, path: &Path) -> Result<bool, PlaceError> {
        match self.enter(path, Missing::Tell) {
            Ok(()) => Ok(true),
            Err(Barred::Missing) => Ok(false),
            Err(Barred::Other(error)) => Err(error),
        }
    }

    fn hide_at(&mut self, dir: &OwnedFd, name: &OsStr, id: u64) -> Result<(), Errno> {
        let placed = self.placed.get(&id).copied();
        if placed.is_some_and(|placed| placed.whole) {
            return Ok(());
        }
        let inner = match open_dir(dir, name) {
            Ok(inner) => inner,
            Err(error) if is_no_dir(error) => return unlinkat(dir, name, AtFlags::empty()),
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error),
        };
        self.hide_all(&inner, id)?;
        if placed.is_none() {
            match unlinkat(dir, name, AtFlags::REMOVEDIR) {
                Ok(()) => return Ok(()),
                // It contains something that this writer made.
                Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
        }
        self.placed.insert(id, VISIBLE);
        Ok(())
    }

    fn hide_all(&mut self, dir: &OwnedFd, id: u64) -> Result<(), Errno> {
        let mut names = Vec::new();
        for entry in Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        for name in names {
            let inner = self.id(id, &name);
            self.hide_at(dir, &name, inner)?;
        }
        Ok(())
    }
}
