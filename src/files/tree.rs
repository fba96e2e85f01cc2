//! [`Tree`]: the only way to open a file of the workspace.
//!
//! Input: the workspace's root, then paths below it. Output: contents, metadata and names of files
//! below that root, and of nothing else. A workspace may be a stranger's pull request: a committed
//! symlink must not bring a file of this machine into a decision or an image.
//!
//! The rules:
//!
//! 1. The user chose the root, which may itself be reached through symlinks. Everything below is
//!    opened relative to it.
//! 2. A symlink that stays below the root is followed. One that leaves it is an error that names the
//!    link. An absolute target counts as leaving, even if it leads back inside: it would mean
//!    something else on other machines and in the image.
//! 3. Only regular files are read. A pipe, a socket or a device is refused at once, and opening one
//!    never blocks.
//! 4. Files that are read whole have a size limit, given by [`Limit`].
//!
//! Linux resolves a path with `openat2` and `RESOLVE_BENEATH`, so no race between checking and
//! opening can lead outside. Other Unix systems, and kernels without the call, resolve each
//! component relative to the last without following links. Windows compares real paths.
//!
//! Paths from the command line that are not files of the workspace do not use this module: `-C`,
//! `-o`, `--out`, `--cache-dir`, files of secrets, `--build-arg-file`, archives and layouts of base
//! images. The user may name any file of their machine.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::model::path::RepoPath;

#[cfg(not(unix))]
#[path = "tree/portable.rs"]
mod system;
#[cfg(unix)]
#[path = "tree/unix.rs"]
mod system;

/// An open directory, and access to everything below it.
#[derive(Debug, Clone)]
pub struct Tree {
    root: Arc<system::Root>,
}

/// The size limit for reading a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Manifests, settings, rules and templates: files that people write.
    Settings,
    /// Lockfiles.
    Lockfile,
    /// Source files that detection reads, patches, pnpmfiles, scanned files.
    Source,
}

impl Limit {
    /// The limit in bytes.
    pub fn bytes(self) -> u64 {
        const MIB: u64 = 1024 * 1024;
        match self {
            Self::Settings => 16 * MIB,
            Self::Source => 64 * MIB,
            Self::Lockfile => 256 * MIB,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Settings => "a settings file",
            Self::Source => "a source file",
            Self::Lockfile => "a lockfile",
        }
    }
}

/// Why a file of the workspace is not read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A symlink leads out of the workspace.
    #[error("{}", leaves(path, link, target))]
    Outside {
        /// The requested path.
        path: RepoPath,
        /// The symlink.
        link: RepoPath,
        /// Its target.
        target: String,
    },
    /// Symlinks lead to each other.
    #[error("`{0}` leads through too many symlinks: they may form a loop")]
    Loop(RepoPath),
    /// It is not a regular file.
    #[error("`{path}` is {kind}, not a file")]
    NotAFile {
        /// The requested path.
        path: RepoPath,
        /// Its kind.
        kind: &'static str,
    },
    /// It is larger than the limit.
    #[error(
        "`{path}` has {size} bytes; slimbuild reads {} of at most {} bytes", limit.what(), limit.bytes()
    )]
    TooLarge {
        path: RepoPath,
        /// Its size, or the bytes read until the limit was exceeded.
        size: u64,
        limit: Limit,
    },
    /// The text is not UTF-8.
    #[error("`{0}` is not valid UTF-8")]
    NotUtf8(RepoPath),
    /// The system cannot read it.
    #[error("cannot read `{path}`")]
    Io {
        /// The requested path.
        path: RepoPath,
        /// The system's error.
        source: io::Error,
    },
}

fn leaves(path: &RepoPath, link: &RepoPath, target: &str) -> String {
    if path == link {
        format!("the symlink `{link}` leaves the workspace: its target is `{target}`")
    } else {
        format!("`{path}` leaves the workspace: the target of the symlink `{link}` is `{target}`")
    }
}

impl TreeError {
    /// Whether the file does not exist.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Io { source, .. } if matches!(
            source.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        ))
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Outside { target, .. } if target.starts_with('/') => Some(
                "make the link relative to its directory, and keep what it leads to in the workspace"
                    .to_owned(),
            ),
            Self::Outside { .. } => {
                Some("move what the link leads to into the workspace".to_owned())
            }
            Self::Loop(_) => Some("remove the links".to_owned()),
            Self::NotAFile { path, .. } => {
                Some(format!("put a regular file at `{path}`, or remove it"))
            }
            Self::TooLarge { .. } => Some("is it the right file? make it smaller".to_owned()),
            Self::NotUtf8(path) => Some(format!("save `{path}` as UTF-8")),
            Self::Io { .. } => None,
        }
    }

    /// Reports the error for the requested path, which this one is a part of.
    fn about(mut self, asked: &RepoPath) -> Self {
        match &mut self {
            Self::Outside { path, .. }
            | Self::Loop(path)
            | Self::NotAFile { path, .. }
            | Self::TooLarge { path, .. }
            | Self::NotUtf8(path)
            | Self::Io { path, .. } => path.clone_from(asked),
        }
        self
    }

    fn io(path: &RepoPath, source: impl Into<io::Error>) -> Self {
        Self::Io {
            path: path.clone(),
            source: source.into(),
        }
    }
}

/// For readers that stream files.
impl From<TreeError> for io::Error {
    fn from(error: TreeError) -> Self {
        let kind = match &error {
            TreeError::Io { source, .. } => source.kind(),
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symlink.
    Symlink,
    /// Anything else, with a description: "a named pipe".
    Special(&'static str),
}

impl FileKind {
    /// A description.
    pub fn words(self) -> &'static str {
        match self {
            Self::Regular => "a file",
            Self::Directory => "a directory",
            Self::Symlink => "a symlink",
            Self::Special(words) => words,
        }
    }
}

/// A file's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    pub kind: FileKind,
    /// The length of its content in bytes.
    pub size: u64,
    /// Whether anyone may execute it. Always false on Windows.
    pub executable: bool,
    /// The modification time.
    pub modified: Option<SystemTime>,
    /// The ctime, which nobody can set. `find -cnewer` compares it too.
    pub changed: Option<SystemTime>,
}

/// An open directory.
#[derive(Debug)]
pub struct Directory {
    inner: system::Directory,
    path: RepoPath,
}

impl Directory {
    /// The entries in the disk's order, each with its kind. Links are not followed.
    pub fn entries(&mut self) -> Result<Vec<(OsString, FileKind)>, TreeError> {
        self.inner
            .entries()
            .map_err(|source| TreeError::io(&self.path, source))
    }

    /// The metadata of one entry. Links are not followed.
    pub fn metadata(&self, name: &std::ffi::OsStr) -> io::Result<Metadata> {
        self.inner.metadata(name)
    }
}

impl Tree {
    /// Opens a root. The user chose it, so links in its path are followed.
    pub fn open(root: &Path) -> Result<Self, TreeError> {
        let opened = system::Root::open(root);
        let named = |source: io::Error| {
            io::Error::new(
                source.kind(),
                format!("cannot open `{}`: {source}", root.display()),
            )
        };
        let opened = opened.map_err(|source| TreeError::io(&RepoPath::ROOT, named(source)))?;
        Ok(Self {
            root: Arc::new(opened),
        })
    }

    /// Opens a regular file for streaming. The metadata is that of the opened file.
    pub fn file(&self, path: &RepoPath) -> Result<(fs::File, Metadata), TreeError> {
        let (file, metadata) = self.root.file(path)?;
        if metadata.kind != FileKind::Regular {
            return Err(TreeError::NotAFile {
                path: path.clone(),
                kind: metadata.kind.words(),
            });
        }
        Ok((file, metadata))
    }

    /// Reads a whole file.
    pub fn read(&self, path: &RepoPath, limit: Limit) -> Result<Vec<u8>, TreeError> {
        let (file, metadata) = self.file(path)?;
        let too_large = |size| TreeError::TooLarge {
            path: path.clone(),
            size,
            limit,
        };
        if metadata.size > limit.bytes() {
            return Err(too_large(metadata.size));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.size).unwrap_or_default());
        // The file may grow while it is read.
        let read = file.take(limit.bytes() + 1).read_to_end(&mut bytes);
        let read = read.map_err(|source| TreeError::io(path, source))? as u64;
        if read > limit.bytes() {
            return Err(too_large(read));
        }
        Ok(bytes)
    }

    /// Like [`Self::read`]; `None` if there is no such file.
    pub fn read_optional(
        &self,
        path: &RepoPath,
        limit: Limit,
    ) -> Result<Option<Vec<u8>>, TreeError> {
        optional(self.read(path, limit))
    }

    /// Reads a whole text file.
    pub fn read_text(&self, path: &RepoPath, limit: Limit) -> Result<String, TreeError> {
        let bytes = self.read(path, limit)?;
        String::from_utf8(bytes).map_err(|_| TreeError::NotUtf8(path.clone()))
    }

    /// Like [`Self::read_text`]; `None` if there is no such file.
    pub fn read_text_optional(
        &self,
        path: &RepoPath,
        limit: Limit,
    ) -> Result<Option<String>, TreeError> {
        optional(self.read_text(path, limit))
    }

    /// The metadata of a path. Links are followed.
    pub fn metadata(&self, path: &RepoPath) -> Result<Metadata, TreeError> {
        self.root.metadata(path)
    }

    /// The metadata of a path. A link at its end is not followed.
    pub fn link_metadata(&self, path: &RepoPath) -> Result<Metadata, TreeError> {
        self.root.link_metadata(path)
    }

    /// Whether there is a regular file. Links are followed. A path that leaves the workspace is an
    /// error.
    pub fn is_file(&self, path: &RepoPath) -> Result<bool, TreeError> {
        self.is(path, FileKind::Regular)
    }

    /// Whether there is a directory. Links are followed. A path that leaves the workspace is an
    /// error.
    pub fn is_dir(&self, path: &RepoPath) -> Result<bool, TreeError> {
        self.is(path, FileKind::Directory)
    }

    fn is(&self, path: &RepoPath, kind: FileKind) -> Result<bool, TreeError> {
        Ok(optional(self.metadata(path))?.is_some_and(|metadata| metadata.kind == kind))
    }

    /// The target of a symlink, as written.
    pub fn read_link(&self, path: &RepoPath) -> Result<PathBuf, TreeError> {
        self.root.read_link(path)
    }

    /// The real path: all links are resolved, including one at the end.
    pub fn real(&self, path: &RepoPath) -> Result<RepoPath, TreeError> {
        self.root.real(path)
    }

    /// Opens a directory to list it.
    pub fn directory(&self, path: &RepoPath) -> Result<Directory, TreeError> {
        Ok(Directory {
            inner: self.root.directory(path)?,
            path: path.clone(),
        })
    }
}

/// Turns the error about a missing file into `None`.
pub fn optional<T>(result: Result<T, TreeError>) -> Result<Option<T>, TreeError> {
    match result {
        Err(error) if error.is_absent() => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
