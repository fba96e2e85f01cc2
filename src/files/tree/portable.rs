//! Opens files below a root on systems without directory descriptors, by comparing real paths with
//! the root's.
//!
//! A process that changes the workspace between the comparison and the opening can lead it outside;
//! a malicious pull request cannot.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{FileKind, Metadata, TreeError};
use crate::model::path::RepoPath;

#[derive(Debug)]
pub(super) struct Root {
    root: PathBuf,
}

#[derive(Debug)]
pub(super) struct Directory {
    dir: PathBuf,
}

impl Root {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let root = fs::canonicalize(root)?;
        Ok(Self { root })
    }

    pub(super) fn file(&self, path: &RepoPath) -> Result<(File, Metadata), TreeError> {
        let real = self.within(path)?;
        let found = fs::metadata(&real).map_err(|source| TreeError::io(path, source))?;
        if !found.is_file() {
            return Err(TreeError::NotAFile {
                path: path.clone(),
                kind: metadata(&found).kind.words(),
            });
        }
        let file = fs::OpenOptions::new().read(true).open(real);
        let file = file.map_err(|source| TreeError::io(path, source))?;
        let found = file
            .metadata()
            .map_err(|source| TreeError::io(path, source))?;
        Ok((file, metadata(&found)))
    }

    pub(super) fn metadata(&self, path: &RepoPath) -> Result<Metadata, TreeError> {
        let found = fs::metadata(self.within(path)?);
        found
            .map(|found| metadata(&found))
            .map_err(|source| TreeError::io(path, source))
    }

    pub(super) fn link_metadata(&self, path: &RepoPath) -> Result<Metadata, TreeError> {
        let found = fs::symlink_metadata(self.beside(path)?);
        found
            .map(|found| metadata(&found))
            .map_err(|source| TreeError::io(path, source))
    }

    pub(super) fn read_link(&self, path: &RepoPath) -> Result<PathBuf, TreeError> {
        fs::read_link(self.beside(path)?).map_err(|source| TreeError::io(path, source))
    }

    pub(super) fn directory(&self, path: &RepoPath) -> Result<Directory, TreeError> {
        let dir = self.within(path)?;
        Ok(Directory { dir })
    }

    pub(super) fn real(&self, path: &RepoPath) -> Result<RepoPath, TreeError> {
        RepoPath::from_disk(&self.root, &self.within(path)?)
            .map_err(|_| TreeError::NotUtf8(path.clone()))
    }

    /// The real path behind a path.
    fn within(&self, path: &RepoPath) -> Result<PathBuf, TreeError> {
        let real = fs::canonicalize(path.on_disk(&self.root))
            .map_err(|source| TreeError::io(path, source))?;
        if real.starts_with(&self.root) {
            return Ok(real);
        }
        Err(TreeError::Outside {
            path: path.clone(),
            link: path.clone(),
            target: real.display().to_string(),
        })
    }

    /// The path with its directory resolved, but not its last part.
    fn beside(&self, path: &RepoPath) -> Result<PathBuf, TreeError> {
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => {
                let parent = self.within(&parent);
                Ok(parent.map_err(|error| error.about(path))?.join(name))
            }
            _ => Ok(self.root.clone()),
        }
    }
}

impl Directory {
    pub(super) fn entries(&mut self) -> io::Result<Vec<(OsString, FileKind)>> {
        let entries = fs_err::read_dir(&self.dir)?;
        let entry = |entry: io::Result<fs_err::DirEntry>| {
            let entry = entry?;
            Ok((entry.file_name(), metadata(&entry.metadata()?).kind))
        };
        entries.map(entry).collect()
    }

    pub(super) fn metadata(&self, name: &OsStr) -> io::Result<Metadata> {
        fs::symlink_metadata(self.dir.join(name)).map(|found| metadata(&found))
    }
}

fn metadata(found: &fs::Metadata) -> Metadata {
    let kind = found.file_type();
    Metadata {
        kind: if kind.is_symlink() {
            FileKind::Symlink
        } else if kind.is_dir() {
            FileKind::Directory
        } else if kind.is_file() {
            FileKind::Regular
        } else {
            FileKind::Special("a special file")
        },
        size: found.len(),
        executable: false,
        modified: found.modified().ok(),
        changed: found.modified().ok(),
    }
}
