//! Reads an image whose layers are directories, stacked like the image's file system.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::error::short;
use super::steps::{Endless, Step, Steps};
use super::{MAX_DEPTH, is_no_dir, open_dir};

/// An image with its layers on this machine.
#[derive(Debug)]
pub struct ImageTree {
    /// The layers, highest first.
    layers: Vec<OwnedFd>,
}

/// A directory of the image: the directories of the layers that have it.
struct Level {
    name: OsString,
    dirs: Vec<OwnedFd>,
}

/// Where a path leads.
enum Place {
    Directory(Vec<Level>),
    /// Something else, in a directory of one layer.
    Other(Vec<Level>, usize, OsString),
}

/// What a name in a directory is.
enum Seen {
    Directory(Vec<OwnedFd>),
    Link(PathBuf),
    /// Something else, in this layer.
    Other(usize),
}

impl ImageTree {
    /// Opens an image from its layers' directories, highest first.
    pub fn open(layers: impl IntoIterator<Item = impl AsRef<Path>>) -> io::Result<Self> {
        let open = |layer: &Path| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open(layer, flags, Mode::empty()).map_err(|error| named(layer, error))
        };
        let layers = layers.into_iter().map(|layer| open(layer.as_ref()));
        Ok(Self {
            layers: layers.collect::<io::Result<_>>()?,
        })
    }

    /// Opens a regular file for reading. Anything else is an error, without blocking.
    pub fn file(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let path = path.as_ref();
        let Place::Other(above, layer, name) = self.walk(path)? else {
            return Err(no_file(path));
        };
        let dir = &self.dirs(&above)[layer];
        let kind = |raw| FileType::from_raw_mode(raw) == FileType::RegularFile;
        let seen = statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW);
        if !kind(seen.map_err(|error| named(path, error))?.st_mode) {
            return Err(no_file(path));
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(dir, &name, flags, Mode::empty());
        let file = file.map_err(|error| named(path, error))?;
        if !kind(fstat(&file).map_err(|error| named(path, error))?.st_mode) {
            return Err(no_file(path));
        }
        Ok(File::from(file))
    }

    /// Reads a file. More than `most` bytes are an error.
    pub fn read(&self, path: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        let file = self.file(path)?;
        file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            let words = format!("`{}` has more than {most} bytes", short(path));
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, words));
        }
        Ok(bytes)
    }

    /// The names in a directory, and whether each is a directory. Links are not.
    pub fn read_dir(&self, path: impl AsRef<Path>) -> io::Result<BTreeMap<OsString, bool>> {
        let path = path.as_ref();
        let failed = |error| named(path, error);
        let Place::Directory(above) = self.walk(path)? else {
            return Err(named(path, Errno::NOTDIR));
        };
        let mut found = BTreeMap::new();
        for dir in self.dirs(&above) {
            for entry in Dir::read_from(dir).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let name = entry.file_name().to_bytes();
                if name == b"." || name == b".." {
                    continue;
                }
                let name = OsStr::from_bytes(name);
                let kind = match entry.file_type() {
                    FileType::Unknown => {
                        let seen = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
                        FileType::from_raw_mode(seen.map_err(failed)?.st_mode)
                    }
                    known => known,
                };
                let is_dir = kind == FileType::Directory;
                found.entry(name.to_owned()).or_insert(is_dir);
            }
        }
        Ok(found)
    }

    /// The path with its links resolved. Every part but the last must be a directory.
    pub fn real(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        let (above, name) = match self.walk(path.as_ref())? {
            Place::Directory(above) => (above, None),
            Place::Other(above, _, name) => (above, Some(name)),
        };
        let names = above.into_iter().map(|level| level.name);
        Ok(names.chain(name).collect())
    }

    /// Whether a path leads to a directory.
    pub fn is_dir(&self, path: impl AsRef<Path>) -> bool {
        matches!(self.walk(path.as_ref()), Ok(Place::Directory(_)))
    }

    fn dirs<'t>(&'t self, above: &'t [Level]) -> &'t [OwnedFd] {
        above.last().map_or(&self.layers, |level| &level.dirs)
    }

    fn walk(&self, path: &Path) -> io::Result<Place> {
        let mut steps = Steps::new(path);
        let mut above: Vec<Level> = Vec::new();
        while let Some(step) = steps.next() {
            let Step::Into(name) = step else {
                above.pop();
                continue;
            };
            let seen = look(self.dirs(&above), &name).map_err(|error| named(path, error))?;
            match seen {
                Seen::Directory(_) if above.len() >= MAX_DEPTH => {
                    return Err(named(path, Errno::NAMETOOLONG));
                }
                Seen::Directory(dirs) => above.push(Level { name, dirs }),
                Seen::Link(target) => match steps.follow(&target) {
                    Ok(true) => above.clear(),
                    Ok(false) => {}
                    Err(Endless) => return Err(named(path, Errno::LOOP)),
                },
                Seen::Other(_) if !steps.is_done() => return Err(named(path, Errno::NOTDIR)),
                Seen::Other(layer) => return Ok(Place::Other(above, layer, name)),
            }
        }
        Ok(Place::Directory(above))
    }
}

/// Looks up a name in stacked directories. The highest that has it decides what it is; directories
/// are merged.
fn look(dirs: &[OwnedFd], name: &OsStr) -> Result<Seen, Errno> {
    let mut found = Vec::new();
    for (layer, dir) in dirs.iter().enumerate() {
        match open_dir(dir, name) {
            Ok(inner) => found.push(inner),
            Err(Errno::NOENT) => {}
            Err(error) if is_no_dir(error) => {
                if !found.is_empty() {
                    break;
                }
                return match readlinkat(dir, name, Vec::new()) {
                    Ok(target) => Ok(Seen::Link(OsStr::from_bytes(target.to_bytes()).into())),
                    Err(Errno::INVAL) => Ok(Seen::Other(layer)),
                    Err(error) => Err(error),
                };
            }
            Err(error) => return Err(error),
        }
    }
    if found.is_empty() {
        return Err(Errno::NOENT);
    }
    Ok(Seen::Directory(found))
}

fn named(path: &Path, error: Errno) -> io::Error {
    let error = io::Error::from(error);
    io::Error::new(error.kind(), format!("`{}`: {error}", short(path)))
}

fn no_file(path: &Path) -> io::Error {
    let words = format!("`{}` is not a file", short(path));
    io::Error::new(io::ErrorKind::InvalidInput, words)
}
