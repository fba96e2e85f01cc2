//! The same names for systems without Unix's files. Nothing can be unpacked or read there: images are
//! made by Docker or a builder.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::error::PlaceError;

fn unsupported() -> io::Error {
    let words = "images can be unpacked on Linux and macOS only";
    io::Error::new(io::ErrorKind::Unsupported, words)
}

/// There is none.
#[derive(Debug)]
pub struct ImageTree(Infallible);

impl ImageTree {
    /// Fails.
    pub fn open(_: impl IntoIterator<Item = impl AsRef<Path>>) -> io::Result<Self> {
        Err(unsupported())
    }

    /// Is never called.
    pub fn file(&self, _: impl AsRef<Path>) -> io::Result<File> {
        match self.0 {}
    }

    /// Is never called.
    pub fn read(&self, _: impl AsRef<Path>, _: u64) -> io::Result<Vec<u8>> {
        match self.0 {}
    }

    /// Is never called.
    pub fn read_dir(&self, _: impl AsRef<Path>) -> io::Result<BTreeMap<OsString, bool>> {
        match self.0 {}
    }

    /// Is never called.
    pub fn real(&self, _: impl AsRef<Path>) -> io::Result<PathBuf> {
        match self.0 {}
    }

    /// Is never called.
    pub fn is_dir(&self, _: impl AsRef<Path>) -> bool {
        match self.0 {}
    }
}

/// There is none.
#[derive(Debug)]
pub struct Slot(Infallible);

impl Slot {
    /// Is never called.
    pub fn create(self, _: u32) -> Result<File, PlaceError> {
        match self.0 {}
    }
}

/// There is none.
#[derive(Debug)]
pub struct Writer(Infallible);

impl Writer {
    /// Fails.
    pub fn new(_: &Path, _: bool) -> Result<Self, PlaceError> {
        Err(unsupported().into())
    }

    /// Is never called.
    pub fn made(&self) -> u64 {
        match self.0 {}
    }

    /// Is never called.
    pub fn directory(&mut self, _: &Path, _: u32) -> Result<(), PlaceError> {
        match self.0 {}
    }

    /// Is never called.
    pub fn slot(&mut self, _: &Path) -> Result<Slot, PlaceError> {
        match self.0 {}
    }

    /// Is never called.
    pub fn symlink(&mut self, _: &Path, _: &Path) -> Result<(), PlaceError> {
        match self.0 {}
    }

    /// Is never called.
    pub fn hard_link(&mut self, _: &Path, _: &Path) -> Result<(), PlaceError> {
        match self.0 {}
    }

    /// Is never called.
    pub fn nothing(&mut self, _: &Path) -> Result<(), PlaceError> {
        match self.0 {}
    }

    /// Is never called.
    pub fn hide(&mut self, _: &Path) -> Result<(), PlaceError> {
        match self.0 {}
    }

    /// Is never called.
    pub fn hide_below(&mut self, _: &Path) -> Result<(), PlaceError> {
        match self.0 {}
    }
}

/// Removes a file, or a directory and everything in it. Links are removed, not followed. A missing
/// path is no error.
pub fn remove_all(path: &Path) -> io::Result<()> {
    let removed = match fs_err::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs_err::remove_dir_all(path),
        Ok(_) => fs_err::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
