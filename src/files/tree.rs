//! [`Tree`]: the one way to open a file of the workspace.
//!
//! Goes in: the workspace's root, then paths below it. Comes out: contents, metadata and names of what lies below that root, and never of
//! anything else. A workspace may be a stranger's pull request: a committed symlink must not bring a file of this machine into a decision
//! or an image.
//!
//! The rules:
//!
//! 1. The root is the user's choice, and may itself be reached through symlinks. All below it is opened relative to it.
//! 2. A symlink that stays below the root is followed. One that leaves it is an error that names the link. An absolute target leaves it,
//!    also where it leads back inside: it would mean something else on every other machine, and in the image.
//! 3. Only regular files are read. A pipe, a socket or a device is refused at once, and opening one never waits.
//! 4. Files that are read whole have a limit, said by [`Limit`].
//!
//! Linux resolves a path with `openat2` and `RESOLVE_BENEATH`, so no race between looking and opening can lead outside. Other Unix systems,
//! and kernels without the call, resolve it component by component, each opened relative to the last without following links. Windows
//! compares real paths.
//!
//! Paths that the user gives on the command line and that are no files of the workspace do not come through here: `-C`, `-o`, `--out`,
//! `--cache-dir`, files of secrets, `--build-arg-file`, archives and layouts of base images. The user may name any file of their machine.

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

/// A directory, and all that lies below it.
#[derive(Debug, Clone)]
pub struct Tree {
    root: Arc<system::Root>,
}

/// How much is read of one file at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Manifests, settings, rules and templates: what people write.
    Settings,
    /// Lockfiles.
    Lockfile,
    /// Source files that detection looks into, patches, pnpmfiles, files that are scanned.
    Source,
}

impl Limit {
    /// The number of bytes.
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

/// Why something of the workspace is not read.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A symlink on the way leads out of the workspace.
    #[error("{}", leaves(path, link, target))]
    Outside {
        /// What was asked for.
        path: RepoPath,
        /// The link on the way.
        link: RepoPath,
        /// Where it leads.
        target: String,
    },
    /// Symlinks that lead to each other.
    #[error("`{0}` leads through too many symlinks: they may form a loop")]
    Loop(RepoPath),
    /// It is no regular file.
    #[error("`{path}` is {kind}, not a file")]
    NotAFile {
        /// What was asked for.
        path: RepoPath,
        /// What it is.
        kind: &'static str,
    },
    /// It is larger than what is read of such a file.
    #[error(
        "`{path}` has {size} bytes; slimbuild reads {} of at most {} bytes", limit.what(), limit.bytes()
    )]
    TooLarge {
        /// The file.
        path: RepoPath,
        /// Its size, or what was read until it was too much.
        size: u64,
        /// What is read at most.
        limit: Limit,
    },
    /// A text that is none.
    #[error("`{0}` is not valid UTF-8")]
    NotUtf8(RepoPath),
    /// The system cannot read it.
    #[error("cannot read `{path}`")]
    Io {
        /// What was asked for.
        path: RepoPath,
        /// The system's words.
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
    /// Whether there simply is no such file.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Io { source, .. } if matches!(
            source.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        ))
    }

    /// What to do about it.
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

    /// The same where a path was asked for that this one is on the way to.
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

/// For what streams files, and reports errors as a reader does.
impl From<TreeError> for io::Error {
    fn from(error: TreeError) -> Self {
        let kind = match &error {
            TreeError::Io { source, .. } => source.kind(),
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// What something on the disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symlink.
    Symlink,
    /// Anything else, in words: "a named pipe".
    Special(&'static str),
}

impl FileKind {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Regular => "a file",
            Self::Directory => "a directory",
            Self::Symlink => "a symlink",
            Self::Special(words) => words,
        }
    }
}

/// What the disk says of a file beside its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// The length of its content.
    pub size: u64,
    /// Whether anyone may execute it; on Windows, never.
    pub executable: bool,
    /// When its content was changed, by its own account.
    pub modified: Option<SystemTime>,
    /// When it came to be what it is, as `find -cnewer` compares it: nobody can set this time.
    pub changed: Option<SystemTime>,
}

/// A directory that is open, to list it and to look at what it holds.
#[derive(Debug)]
pub struct Directory {
    inner: system::Directory,
    path: RepoPath,
}

impl Directory {
    /// The names that it holds, in the disk's order, each with its kind; links are not followed.
    pub fn entries(&mut self) -> Result<Vec<(OsString, FileKind)>, TreeError> {
        self.inner
            .entries()
            .map_err(|source| TreeError::io(&self.path, source))
    }

    /// What one of these names is; links are not followed.
    pub fn metadata(&self, name: &std::ffi::OsStr) -> io::Result<Metadata> {
        self.inner.metadata(name)
    }
}

impl Tree {
    /// Opens a root. The user chose it, so links on the way to it are followed.
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

    /// Opens a regular file to read it in pieces. What is opened is what was looked at.
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

    /// Reads a file whole.
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
        // It may grow while it is read.
        let read = file.take(limit.bytes() + 1).read_to_end(&mut bytes);
        let read = read.map_err(|source| TreeError::io(path, source))? as u64;
        if read > limit.bytes() {
            return Err(too_large(read));
        }
        Ok(bytes)
    }

    /// The same; nothing where there is no such file.
    pub fn read_optional(
        &self,
        path: &RepoPath,
        limit: Limit,
    ) -> Result<Option<Vec<u8>>, TreeError> {
        optional(self.read(path, limit))
    }

    /// Reads a text whole.
    pub fn read_text(&self, path: &RepoPath, limit: Limit) -> Result<String, TreeError> {
        let bytes = self.read(path, limit)?;
        String::from_utf8(bytes).map_err(|_| TreeError::NotUtf8(path.clone()))
    }

    /// The same; nothing where there is no such file.
    pub fn read_text_optional(
        &self,
        path: &RepoPath,
        limit: Limit,
    ) -> Result<Option<String>, TreeError> {
        optional(self.read_text(path, limit))
    }

    /// What the path is; links are followed.
    pub fn metadata(&self, path: &RepoPath) -> Result<Metadata, TreeError> {
        self.root.metadata(path)
    }

    /// What the path is; a link at its end is not followed.
    pub fn link_metadata(&self, path: &RepoPath) -> Result<Metadata, TreeError> {
        self.root.link_metadata(path)
    }

    /// Whether a regular file is there; links are followed. A path that leaves the workspace is an error.
    pub fn is_file(&self, path: &RepoPath) -> Result<bool, TreeError> {
        self.is(path, FileKind::Regular)
    }

    /// Whether a directory is there; links are followed. A path that leaves the workspace is an error.
    pub fn is_dir(&self, path: &RepoPath) -> Result<bool, TreeError> {
        self.is(path, FileKind::Directory)
    }

    fn is(&self, path: &RepoPath, kind: FileKind) -> Result<bool, TreeError> {
        Ok(optional(self.metadata(path))?.is_some_and(|metadata| metadata.kind == kind))
    }

    /// The target of a symlink, as it is written.
    pub fn read_link(&self, path: &RepoPath) -> Result<PathBuf, TreeError> {
        self.root.read_link(path)
    }

    /// Where the path really lies: all links on the way, and at its end, are followed.
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

/// Nothing where there is no such file.
pub fn optional<T>(result: Result<T, TreeError>) -> Result<Option<T>, TreeError> {
    match result {
        Err(error) if error.is_absent() => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
