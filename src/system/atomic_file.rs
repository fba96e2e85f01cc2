//! [`AtomicFile`]: what slimbuild writes for its user takes its name when all of it is written, or not at all.
//!
//! This is the one place that writes such files and directories. Until it is whole, a file has a random name beside its target and is made with
//! `O_EXCL`: neither another run nor a link that somebody committed can stand in its place. A symlink is never written through, whoever typed
//! its name: in CI, the names are in a workflow that everybody can read, and the files in the workspace are a stranger's. A device or a pipe is
//! written to, and never replaced.

mod directory;

use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::system::leftovers::{self, Note};

pub use directory::AtomicDirectory;

/// What the names of unfinished files and directories begin with. Nobody else names anything so.
const PREFIX: &str = ".slimbuild-part-";

/// Why a place cannot be written to.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system said no.
    #[error("cannot write `{}`", path.display())]
    System {
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// There is something else of that name.
    #[error("cannot write `{}`: it is {kind}", path.display())]
    Kind {
        /// The file or directory.
        path: PathBuf,
        /// What it is: `a symlink`
        kind: &'static str,
    },
    /// The directory that it should lie in.
    #[error("cannot write `{}`: there is no directory `{}`", path.display(), directory.display())]
    NoDirectory {
        /// The file or directory.
        path: PathBuf,
        /// What is missing.
        directory: PathBuf,
    },
    /// A symlink in the workspace leads elsewhere.
    #[error("cannot write `{}`: a symlink leads from there to `{}`, out of the workspace", path.display(), real.display())]
    LeadsOut {
        /// The file.
        path: PathBuf,
        /// Where it would lie.
        real: PathBuf,
    },
    /// The disk is too small, which is known before.
    #[error("cannot write `{}`: it will have {needed} bytes, and the disk has room for {free}", path.display())]
    NoRoom {
        /// The file.
        path: PathBuf,
        /// Its size.
        needed: u64,
        /// What is free.
        free: u64,
    },
}

impl WriteError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Kind {
                kind: "a symlink", ..
            } => {
                "slimbuild writes through no symlink: name the place that it leads to, or delete it"
            }
            Self::Kind { .. } => "name a file that does not exist yet, or one that may be replaced",
            Self::NoDirectory { .. } => "make the directory first",
            Self::LeadsOut { .. } => "delete the symlink",
            Self::NoRoom { .. } => "name a place on another disk",
            Self::System { .. } => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether the reader of a pipe had enough.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::System { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// A file that is about to be written. Dropped before it is finished, it leaves nothing behind.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    to: To,
}

#[derive(Debug)]
enum To {
    /// A file with another name. What has the name now is replaced, and hands on its permissions.
    Beside(NamedTempFile, Option<Permissions>, Note),
    /// A device or a pipe, which is opened when there is something to write: a pipe may not have a reader yet.
    Stream,
}

impl AtomicFile {
    /// Begins to write: what cannot be written to fails here.
    pub fn begin(path: &Path) -> Result<Self, WriteError> {
        let path: PathBuf = path.components().collect();
        let to = match place(&path)? {
            Place::Stream => To::Stream,
            Place::Free => {
                let (file, note) = beside(&path)?;
                To::Beside(file, None, note)
            }
            Place::File(permissions) => {
                // Renaming would succeed where writing is not allowed.
                let open = fs_err::OpenOptions::new().write(true).open(&path);
                open.map_err(system(&path))?;
                let (file, note) = beside(&path)?;
                To::Beside(file, Some(permissions), note)
            }
        };
        Ok(Self { path, to })
    }

    /// The same for a name that the user did not type: no symlink leads it out of the workspace.
    pub fn begin_inside(root: &Path, path: &Path) -> Result<Self, WriteError> {
        let real = |path: &Path| fs_err::canonicalize(path).map_err(system(path));
        let directory = real(parent(path))?;
        if !directory.starts_with(real(root)?) {
            return Err(WriteError::LeadsOut {
                path: path.to_path_buf(),
                real: directory,
            });
        }
        Self::begin(path)
    }

    /// Fails where so many bytes do not fit on the disk.
    pub fn needs(self, bytes: u64) -> Result<Self, WriteError> {
        #[cfg(unix)]
        if let To::Beside(..) = self.to
            && let Ok(disk) = rustix::fs::statvfs(parent(&self.path))
        {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            if free < bytes {
                return Err(WriteError::NoRoom {
                    path: self.path.clone(),
                    needed: bytes,
                    free,
                });
            }
        }
        Ok(self)
    }

    /// Writes all of it.
    pub fn write(
        self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), WriteError> {
        self.try_write(|out| Ok(write(out)))
    }

    /// The same where something else than the writing may fail too, which is the outer error.
    pub fn try_write<E: From<WriteError>>(
        self,
        write: impl FnOnce(&mut dyn Write) -> Result<io::Result<()>, E>,
    ) -> Result<(), E> {
        let Self { path, to } = self;
        let (mut file, done) = match to {
            To::Beside(file, before, note) => (None, Some((file, before, note))),
            To::Stream => {
                // What is appended to a file behind `/dev/stdout` does not overwrite what stands there.
                let mut options = fs_err::OpenOptions::new();
                (
                    Some(options.append(true).open(&path).map_err(system(&path))?),
                    None,
                )
            }
        };
        match (&mut file, done) {
            (Some(stream), _) => filled(stream, write)?.map_err(system(&path))?,
            (None, Some((mut file, before, _note))) => {
                filled(&mut file, write)?.map_err(system(&path))?;
                keep_permissions(&file, before).map_err(system(&path))?;
                let kept = file.persist(&path);
                kept.map_err(|error| system(&path)(error.error))?;
            }
            (None, None) => {}
        }
        Ok(())
    }
}

/// Writes through a buffer. The inner error is the system's.
fn filled<E>(
    to: &mut dyn Write,
    write: impl FnOnce(&mut dyn Write) -> Result<io::Result<()>, E>,
) -> Result<io::Result<()>, E> {
    let mut out = BufWriter::with_capacity(1 << 16, to);
    let written = write(&mut out)?;
    Ok(written.and_then(|()| out.flush()))
}

/// What is there before.
enum Place {
    Free,
    File(Permissions),
    Stream,
}

fn place(path: &Path) -> Result<Place, WriteError> {
    let own = is_own_stream(path);
    let metadata = if own {
        fs_err::metadata(path)
    } else {
        fs_err::symlink_metadata(path)
    };
    let metadata = match metadata {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !own => return Ok(Place::Free),
        Err(error) => return Err(cannot_begin(path, error)),
        Ok(metadata) => metadata,
    };
    let kind = metadata.file_type();
    let refused = |kind| {
        Err(WriteError::Kind {
            path: path.to_path_buf(),
            kind,
        })
    };
    if kind.is_symlink() {
        refused("a symlink")
    } else if kind.is_dir() {
        refused("a directory")
    } else if kind.is_file() && own {
        Ok(Place::Stream)
    } else if kind.is_file() {
        Ok(Place::File(metadata.permissions()))
    } else {
        match special(kind) {
            None => writable(path).map(|()| Place::Stream),
            Some(kind) => refused(kind),
        }
    }
}

/// What of the special files is not written to. A block device is a disk, which somebody would lose.
#[cfg(unix)]
fn special(kind: std::fs::FileType) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    if kind.is_fifo() || kind.is_char_device() {
        None
    } else if kind.is_block_device() {
        Some("a disk")
    } else {
        Some("a socket")
    }
}

#[cfg(not(unix))]
fn special(_: std::fs::FileType) -> Option<&'static str> {
    Some("no file")
}

#[cfg(unix)]
fn writable(path: &Path) -> Result<(), WriteError> {
    let access = rustix::fs::access(path, rustix::fs::Access::WRITE_OK);
    access.map_err(|error| system(path)(error.into()))
}

#[cfg(not(unix))]
fn writable(_: &Path) -> Result<(), WriteError> {
    Ok(())
}

/// Whether a name means one of the process's own streams. These are symlinks of the kernel's.
fn is_own_stream(path: &Path) -> bool {
    let named = ["/dev/stdout", "/dev/stderr"].map(Path::new);
    let directories = ["/dev/fd", "/proc/self/fd"].map(Path::new);
    named.contains(&path)
        || path
            .parent()
            .is_some_and(|parent| directories.contains(&parent))
}

/// An unfinished file. The process's mask decides who may read it, as with any new file.
fn beside(path: &Path) -> Result<(NamedTempFile, Note), WriteError> {
    if path.file_name().is_none() {
        let kind = "a directory";
        let path = path.to_path_buf();
        return Err(WriteError::Kind { path, kind });
    }
    leftovers::sweep(parent(path), PREFIX);
    let file = temporary(0o666).tempfile_in(parent(path));
    let file = file.map_err(|error| cannot_begin(path, error))?;
    leftovers::hold(file.as_file());
    let note = Note::path(file.path());
    Ok((file, note))
}

/// What keeps something from being made beside a target.
fn cannot_begin(path: &Path, error: io::Error) -> WriteError {
    let directory = parent(path);
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if !directory.is_dir() => {
            WriteError::NoDirectory {
                path: path.to_path_buf(),
                directory: directory.to_path_buf(),
            }
        }
        _ => system(path)(error),
    }
}

#[cfg(unix)]
fn temporary(mode: u32) -> Builder<'static, 'static> {
    use std::os::unix::fs::PermissionsExt;
    let mut builder = Builder::new();
    let permissions = std::fs::Permissions::from_mode(mode);
    builder.prefix(PREFIX).permissions(permissions);
    builder
}

#[cfg(not(unix))]
fn temporary(_: u32) -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX);
    builder
}

fn keep_permissions(file: &NamedTempFile, before: Option<Permissions>) -> io::Result<()> {
    match before {
        Some(before) => file.as_file().set_permissions(before),
        None => Ok(()),
    }
}

fn parent(path: &Path) -> &Path {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

fn system(path: &Path) -> impl Fn(io::Error) -> WriteError {
    let path = path.to_path_buf();
    move |error| WriteError::System {
        path: path.clone(),
        source: bare(error),
    }
}

/// The system's words alone: a temporary name tells nobody anything.
fn bare(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|error| error.source());
    let inner = inner.and_then(|error| error.downcast_ref::<io::Error>());
    match inner.and_then(io::Error::raw_os_error) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error,
    }
}

#[cfg(test)]
mod tests;
