//! [`AtomicFile`]: a file that slimbuild writes for the user gets its name only once it is
//! complete.
//!
//! All such files and directories are written here. Until it is complete, a file has a random name
//! beside its target and is created with `O_EXCL`, so neither another run nor a committed symlink
//! can take its place. Symlinks are never written through, not even if the user typed the name: in
//! CI the names stand in a public workflow, and the files in the workspace are a stranger's. A
//! device or a pipe is written to, never replaced.

mod directory;

use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::system::leftovers::{self, Note};

pub use directory::AtomicDirectory;

/// The name prefix of unfinished files and directories. Nothing else uses it.
const PREFIX: &str = ".slimbuild-part-";

/// Why a place cannot be written to.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system refused.
    #[error("cannot write `{}`", path.display())]
    System {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Something of another kind already has that name.
    #[error("cannot write `{}`: it is {kind}", path.display())]
    Kind {
        /// The file or directory.
        path: PathBuf,
        /// Its kind: `a symlink`
        kind: &'static str,
    },
    /// The parent directory does not exist.
    #[error("cannot write `{}`: there is no directory `{}`", path.display(), directory.display())]
    NoDirectory {
        /// The file or directory.
        path: PathBuf,
        /// The missing directory.
        directory: PathBuf,
    },
    /// A symlink in the workspace leads out of it.
    #[error("cannot write `{}`: a symlink leads from there to `{}`, out of the workspace", path.display(), real.display())]
    LeadsOut {
        /// The file.
        path: PathBuf,
        /// Where the file would really be written.
        real: PathBuf,
    },
    /// The disk does not have enough space. This is known before writing.
    #[error("cannot write `{}`: it will have {needed} bytes, and the disk has room for {free}", path.display())]
    NoRoom {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        needed: u64,
        /// Free bytes on the disk.
        free: u64,
    },
}

impl WriteError {
    /// What the user can do about it.
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

    /// Whether the reader of a pipe closed it.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::System { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// A file about to be written. If it is dropped before it is finished, it leaves nothing behind.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    to: To,
}

#[derive(Debug)]
enum To {
    /// An unfinished file beside the target. It replaces a file of that name and takes over its
    /// permissions.
    Beside(NamedTempFile, Option<Permissions>, Note),
    /// A device or a pipe. It is opened only when writing starts: a pipe may not have a reader yet.
    Stream,
}

impl AtomicFile {
    /// Starts a file. Fails if the target cannot be written to.
    pub fn begin(path: &Path) -> Result<Self, WriteError> {
        let path: PathBuf = path.components().collect();
        let to = match place(&path)? {
            Place::Stream => To::Stream,
            Place::Free => {
                let (file, note) = beside(&path)?;
                To::Beside(file, None, note)
            }
            Place::File(permissions) => {
                // Renaming would replace a file that the user may not write to.
                let open = fs_err::OpenOptions::new().write(true).open(&path);
                open.map_err(system(&path))?;
                let (file, note) = beside(&path)?;
                To::Beside(file, Some(permissions), note)
            }
        };
        Ok(Self { path, to })
    }

    /// Like [`Self::begin`], for a name that the user did not type: fails if a symlink leads out of
    /// the workspace.
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

    /// Fails if the disk has fewer free bytes than this.
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

    /// Writes the content and gives the file its name.
    pub fn write(
        self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), WriteError> {
        self.try_write(|out| Ok(write(out)))
    }

    /// Like [`Self::write`], for a writer with an error type of its own, which is the outer error.
    pub fn try_write<E: From<WriteError>>(
        self,
        write: impl FnOnce(&mut dyn Write) -> Result<io::Result<()>, E>,
    ) -> Result<(), E> {
        let Self { path, to } = self;
        let (mut file, done) = match to {
            To::Beside(file, before, note) => (None, Some((file, before, note))),
            To::Stream => {
                // Appends, so that existing content of a file behind `/dev/stdout` is kept.
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

/// Writes through a buffer. The inner error comes from the system.
fn filled<E>(
    to: &mut dyn Write,
    write: impl FnOnce(&mut dyn Write) -> Result<io::Result<()>, E>,
) -> Result<io::Result<()>, E> {
    let mut out = BufWriter::with_capacity(1 << 16, to);
    let written = write(&mut out)?;
    Ok(written.and_then(|()| out.flush()))
}

/// What the target is before writing.
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

/// The kind of a special file that must not be written to: writing to a block device would destroy
/// a disk.
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

/// Whether a path means one of the process's own streams. The kernel provides these as symlinks.
fn is_own_stream(path: &Path) -> bool {
    let named = ["/dev/stdout", "/dev/stderr"].map(Path::new);
    let directories = ["/dev/fd", "/proc/self/fd"].map(Path::new);
    named.contains(&path)
        || path
            .parent()
            .is_some_and(|parent| directories.contains(&parent))
}

/// Creates an unfinished file. Like any new file, it gets its permissions from the umask.
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

/// Explains why nothing can be created beside a target.
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
        source: without_path(error),
    }
}

/// The system's error without the path: a temporary name means nothing to the user.
fn without_path(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|error| error.source());
    let inner = inner.and_then(|error| error.downcast_ref::<io::Error>());
    match inner.and_then(io::Error::raw_os_error) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error,
    }
}

#[cfg(test)]
mod tests;
