//! Opens files below a root by directory descriptors.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::{FileKind, Metadata, TreeError};
use crate::model::path::RepoPath;

/// How many links a path may have. The kernel has the same limit.
const MAX_LINKS: usize = 40;

/// Opening for reading must neither wait for a pipe's writer nor acquire a controlling terminal.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
/// For metadata only.
#[cfg(target_os = "linux")]
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

#[derive(Debug)]
pub(super) struct Root {
    dir: OwnedFd,
}

#[derive(Debug)]
pub(super) struct Directory {
    dir: Dir,
}

/// A path without links: its directory, and its name in it.
struct Place {
    /// `None` for the root.
    dir: Option<OwnedFd>,
    name: OsString,
    names: Vec<OsString>,
}

impl Root {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let dir = fs::open(root, DIRECTORY, Mode::empty())?;
        Ok(Self { dir })
    }

    pub(super) fn file(&self, path: &RepoPath) -> Result<(File, Metadata), TreeError> {
        let opened = self.open_beneath(path, READ);
        // A socket cannot be opened; the error should say what it is.
        let opened = opened.map_err(|error| self.special(path).unwrap_or(error))?;
        let stat = fs::fstat(&opened).map_err(|errno| TreeError::io(path, errno))?;
        Ok((File::from(opened), metadata(&stat)))
    }

    fn special(&self, path: &RepoPath) -> Option<TreeError> {
        match self.metadata(path).ok()?.kind {
            FileKind::Special(kind) => Some(TreeError::NotAFile {
                path: path.clone(),
                kind,
            }),
            _ => None,
        }
    }

    #[cfg(target_os = "linux")]
    pub(super) fn metadata(&self, path: &RepoPath) -> Result<Metadata, TreeError> {
        let opened = self.open_beneath(path, LOOK)?;
        let stat = fs::fstat(opened).map_err(|errno| TreeError::io(path, errno))?;
        Ok(metadata(&stat))
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn metadata(&self, path: &RepoPath) -> Result<Metadata, TreeError> {
        let place = self.resolve(path)?;
        let dir = place.dir.as_ref().unwrap_or(&self.dir);
        let stat = fs::statat(dir, &place.name, AtFlags::SYMLINK_NOFOLLOW);
        Ok(metadata(&stat.map_err(|errno| TreeError::io(path, errno))?))
    }

    pub(super) fn link_metadata(&self, path: &RepoPath) -> Result<Metadata, TreeError> {
        self.in_parent(path, |dir, name| {
            fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| metadata(&stat))
        })
    }

    pub(super) fn read_link(&self, path: &RepoPath) -> Result<PathBuf, TreeError> {
        let target = self.in_parent(path, |dir, name| fs::readlinkat(dir, name, Vec::new()))?;
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    pub(super) fn directory(&self, path: &RepoPath) -> Result<Directory, TreeError> {
        let dir = Dir::new(self.open_beneath(path, DIRECTORY)?);
        let dir = dir.map_err(|errno| TreeError::io(path, errno))?;
        Ok(Directory { dir })
    }

    pub(super) fn real(&self, path: &RepoPath) -> Result<RepoPath, TreeError> {
        let place = self.resolve(path)?;
        if let Some(dir) = &place.dir {
            fs::statat(dir, &place.name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|errno| TreeError::io(path, errno))?;
        }
        shown(&place.names).ok_or_else(|| TreeError::NotUtf8(path.clone()))
    }

    /// Queries a path without following a link at its end.
    fn in_parent<T>(
        &self,
        path: &RepoPath,
        ask: impl FnOnce(&OwnedFd, &str) -> Result<T, Errno>,
    ) -> Result<T, TreeError> {
        let name = path.file_name().unwrap_or(".");
        let answer = match path.parent().filter(|parent| !parent.is_root()) {
            Some(parent) => {
                let opened = self.open_beneath(&parent, DIRECTORY);
                ask(&opened.map_err(|error| error.about(path))?, name)
            }
            None => ask(&self.dir, name),
        };
        answer.map_err(|errno| TreeError::io(path, errno))
    }

    /// Opens a path, with one system call if the kernel supports it.
    fn open_beneath(&self, path: &RepoPath, flags: OFlags) -> Result<OwnedFd, TreeError> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::ResolveFlags;
            let shown = if path.is_root() { "." } else { path.as_str() };
            let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
            match fs::openat2(&self.dir, shown, flags, Mode::empty(), beneath) {
                Ok(opened) => return Ok(opened),
                // A link leaves the root or loops, and walking finds out which one; or something
                // was renamed meanwhile; or the kernel or its substitute does not know the call.
                Err(Errno::XDEV | Errno::LOOP | Errno::AGAIN | Errno::NOSYS | Errno::PERM) => {}
                Err(errno) => return Err(TreeError::io(path, errno)),
            }
        }
        self.open_by_steps(path, flags)
    }

    pub(super) fn open_by_steps(
        &self,
        path: &RepoPath,
        flags: OFlags,
    ) -> Result<OwnedFd, TreeError> {
        let place = self.resolve(path)?;
        let dir = place.dir.as_ref().unwrap_or(&self.dir);
        fs::openat(dir, &place.name, flags | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|errno| TreeError::io(path, errno))
    }

    /// Walks from the root to a path, one name at a time, resolving links itself.
    fn resolve(&self, path: &RepoPath) -> Result<Place, TreeError> {
        let fail = |errno: Errno| TreeError::io(path, errno);
        let mut queue: VecDeque<OsString> = path.parts().map(OsString::from).collect();
        // The directories walked so far. None of them is a link.
        let mut names: Vec<OsString> = Vec::new();
        let mut dir: Option<OwnedFd> = None;
        let mut links = 0;
        let mut last_link = (path.clone(), String::new());
        while let Some(name) = queue.pop_front() {
            if name == ".." {
                if names.pop().is_none() {
                    let (link, target) = last_link;
                    let path = path.clone();
                    return Err(TreeError::Outside { path, link, target });
                }
                dir = self.reopen(&names).map_err(fail)?;
                continue;
            }
            let at = dir.as_ref().unwrap_or(&self.dir);
            let stat = fs::statat(at, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(fail)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                let target = fs::readlinkat(at, &name, Vec::new()).map_err(fail)?;
                let target = target.as_bytes();
                names.push(name);
                let link = shown(&names).unwrap_or_else(|| path.clone());
                names.pop();
                let text = String::from_utf8_lossy(target).into_owned();
                if target.starts_with(b"/") {
                    let path = path.clone();
                    let target = text;
                    return Err(TreeError::Outside { path, link, target });
                }
                last_link = (link, text);
                links += 1;
                if links > MAX_LINKS {
                    return Err(TreeError::Loop(path.clone()));
                }
                let parts = target.split(|byte| *byte == b'/');
                let parts = parts.filter(|part| !matches!(*part, b"" | b"."));
                for part in parts.rev() {
                    queue.push_front(OsStr::from_bytes(part).to_owned());
                }
            } else if queue.is_empty() {
                names.push(name.clone());
                return Ok(Place { dir, name, names });
            } else {
                let flags = DIRECTORY | OFlags::NOFOLLOW;
                let inner = fs::openat(at, &name, flags, Mode::empty()).map_err(fail)?;
                names.push(name);
                dir = Some(inner);
            }
        }
        // A link led to a parent directory or the root.
        Ok(Place {
            dir,
            name: OsString::from("."),
            names,
        })
    }

    /// Opens a directory by names that are not links.
    fn reopen(&self, names: &[OsString]) -> Result<Option<OwnedFd>, Errno> {
        let mut dir: Option<OwnedFd> = None;
        for name in names {
            let at = dir.as_ref().unwrap_or(&self.dir);
            dir = Some(fs::openat(
                at,
                name,
                DIRECTORY | OFlags::NOFOLLOW,
                Mode::empty(),
            )?);
        }
        Ok(dir)
    }
}

impl Directory {
    pub(super) fn entries(&mut self) -> io::Result<Vec<(OsString, FileKind)>> {
        let mut found = Vec::new();
        while let Some(entry) = self.dir.read() {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                // Not every file system reports the kind.
                FileType::Unknown => self.metadata(name)?.kind,
                kind => file_kind(kind),
            };
            found.push((name.to_owned(), kind));
        }
        Ok(found)
    }

    pub(super) fn metadata(&self, name: &OsStr) -> io::Result<Metadata> {
        let stat = fs::statat(self.dir.fd()?, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(metadata(&stat))
    }
}

/// Names as a path of the workspace; `None` if one is not UTF-8.
fn shown(names: &[OsString]) -> Option<RepoPath> {
    let path: PathBuf = names.iter().collect();
    RepoPath::from_disk(Path::new(""), &path).ok()
}

fn metadata(stat: &Stat) -> Metadata {
    let mode = stat.st_mode;
    Metadata {
        kind: file_kind(FileType::from_raw_mode(mode)),
        size: u64::try_from(stat.st_size).unwrap_or_default(),
        executable: mode & 0o111 != 0,
        modified: time(stat.st_mtime.into(), stat.st_mtime_nsec.into()),
        changed: time(stat.st_ctime.into(), stat.st_ctime_nsec.into()),
    }
}

fn time(seconds: i128, nanos: i128) -> Option<SystemTime> {
    let since = Duration::new(seconds.try_into().ok()?, nanos.try_into().ok()?);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

fn file_kind(kind: FileType) -> FileKind {
    match kind {
        FileType::RegularFile => FileKind::Regular,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        FileType::Fifo => FileKind::Special("a named pipe"),
        FileType::Socket => FileKind::Special("a socket"),
        FileType::CharacterDevice | FileType::BlockDevice => FileKind::Special("a device"),
        FileType::Unknown => FileKind::Special("a special file"),
    }
}
