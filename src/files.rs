//! Selects the files of a workspace directory that enter a context.
//!
//! Input: a directory, the directories in it that belong to other members, and the [`Rules`].
//! Output: a [`Walk`], sorted by path, of the files that are kept and those that are dropped, with
//! reasons. It reads no contents and follows no symlinks below the directory.
//!
//! The result depends only on names, kinds, sizes and the executable bit, not on the order of
//! directory entries, owners, times or other permission bits. Like git, it does not record empty
//! directories.

use std::collections::BTreeSet;
use std::io;

use serde::Serialize;

use crate::files::ignore::{IgnoreError, Reason, RuleScope, Rules, Verdict};
use crate::files::tree::{Directory, FileKind, Limit, Metadata, Tree, TreeError};
use crate::model::path::RepoPath;

pub mod forbidden;
pub mod glob;
pub mod ignore;
mod link;
mod measure;
pub mod rooted;
pub mod tree;

pub use self::measure::{Measure, measure};

/// How deep a directory may be. Each level of the walk uses stack space, and no real build has this
/// many.
const MAX_DEPTH: usize = 256;

/// The result of a walk, each list sorted by the bytes of the path.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Walk {
    /// What is kept.
    pub files: Vec<File>,
    /// What is dropped, without `node_modules` and `.git`. A directory stands for everything below
    /// it: nothing there is kept or listed.
    pub dropped: Vec<Dropped>,
}

/// A file or symlink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    pub path: RepoPath,
    pub kind: Kind,
    /// The length of its content in bytes; 0 for a symlink.
    pub size: u64,
}

/// The kinds of entry that a context has, directories apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Kind {
    /// A file.
    Regular {
        /// Whether anyone may execute it. Always false on Windows.
        executable: bool,
    },
    /// A symlink to a place in the workspace.
    Symlink {
        /// Its target as written, relative to the directory that contains the link.
        target: String,
    },
}

/// A path that is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Dropped {
    pub path: RepoPath,
    /// The rule that drops it.
    pub reason: Reason,
}

/// Why files cannot be selected.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file or directory cannot be read.
    #[error("cannot read `{path}`")]
    Unreadable {
        path: RepoPath,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The path to walk is not a directory.
    #[error("`{0}` is not a directory")]
    NotADirectory(RepoPath),
    /// A path that was asked for by name cannot be in a context.
    #[error("`{path}` is {kind}, not a file")]
    NotAFile {
        path: RepoPath,
        /// What it is instead.
        kind: &'static str,
    },
    /// Directories are nested too deeply.
    #[error("`{0}` lies more than {MAX_DEPTH} directories deep")]
    TooDeep(RepoPath),
    /// A name that neither a lockfile nor a Dockerfile can express.
    #[error("the name of `{0}` is not valid UTF-8")]
    NameNotUtf8(RepoPath),
    /// A symlink's target is not UTF-8.
    #[error("the target `{target}` of the symlink `{link}` is not valid UTF-8")]
    TargetNotUtf8 {
        /// The symlink.
        link: RepoPath,
        /// Its target, converted lossily.
        target: String,
    },
    /// A symlink's target is absolute, so it means something else in a container.
    #[error("the symlink `{link}` has the absolute target `{target}`")]
    AbsoluteTarget {
        /// The symlink.
        link: RepoPath,
        /// Its target.
        target: String,
    },
    /// A symlink leads out of the workspace.
    #[error("the symlink `{link}` leaves the workspace: its target is `{target}`")]
    TargetOutside {
        /// The symlink.
        link: RepoPath,
        /// Its target.
        target: String,
    },
    /// It must not or cannot be opened.
    #[error(transparent)]
    Tree(TreeError),
    /// The rules cannot be read.
    #[error(transparent)]
    Ignore(#[from] IgnoreError),
}

impl From<TreeError> for FilesError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Io { path, source } => Self::Unreadable { path, source },
            TreeError::NotAFile { path, kind } => Self::NotAFile { path, kind },
            other => Self::Tree(other),
        }
    }
}

impl FilesError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { path, .. } => Some(format!(
                "make it readable, or leave it out with `--exclude {path}`"
            )),
            Self::NotADirectory(_) | Self::NotAFile { .. } => None,
            Self::TooDeep(path) => {
                let top: Vec<&str> = path.parts().take(3).collect();
                Some(format!("leave it out with `--exclude {}`", top.join("/")))
            }
            Self::NameNotUtf8(path) => {
                let dir = path.parent().unwrap_or_default();
                Some(format!(
                    "rename it in `{dir}`, or have a `.gitignore` or `.dockerignore` ignore it"
                ))
            }
            Self::TargetNotUtf8 { link, .. } => Some(format!(
                "rename the target, or leave the link out with `--exclude {link}`"
            )),
            Self::AbsoluteTarget { link, .. } => Some(format!(
                "make the link relative to its directory, or leave it out with `--exclude {link}`"
            )),
            Self::TargetOutside { link, .. } => Some(format!(
                "move what it leads to into the workspace, or leave the link out with `--exclude {link}`"
            )),
            Self::Tree(error) => error.hint(),
            Self::Ignore(error) => error.hint(),
        }
    }
}

/// Selects the files of `dir`, without the `nested` directories below it, which belong to other
/// members.
pub fn walk(
    tree: &Tree,
    dir: &RepoPath,
    nested: &BTreeSet<RepoPath>,
    rules: &Rules,
) -> Result<Walk, FilesError> {
    // No link is followed on the way down, but the directory itself may be one. Rules apply to real
    // paths.
    let real = tree.real(dir)?;
    if real != *dir {
        let below = |path: &RepoPath| path.strip(dir).map(|rest| RepoPath::child(&real, rest));
        let nested = nested.iter().filter_map(below).collect();
        let mut walk = walk(tree, &real, &nested, rules)?;
        let back = |path: &mut RepoPath| {
            if let Some(rest) = path.strip(&real) {
                *path = RepoPath::child(dir, rest);
            }
        };
        walk.files.iter_mut().for_each(|file| back(&mut file.path));
        walk.dropped
            .iter_mut()
            .for_each(|dropped| back(&mut dropped.path));
        return Ok(walk);
    }
    if tree.metadata(dir)?.kind != FileKind::Directory {
        return Err(FilesError::NotADirectory(dir.clone()));
    }
    let mut walker = Walker {
        tree,
        nested,
        walk: Walk::default(),
    };
    let (verdict, scope) = rules.scope(dir)?;
    walker.enter(dir, verdict, scope)?;
    let mut walk = walker.walk;
    // The walk sorts by name, which orders `a.b` and `a/b` differently than by path.
    walk.files.sort_by(|a, b| a.path.cmp(&b.path));
    walk.dropped.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walk)
}

impl File {
    /// Describes a single file for a context. The rules do not apply.
    pub fn load(tree: &Tree, path: &RepoPath) -> Result<Self, FilesError> {
        Self::from_metadata(tree, path, &tree.link_metadata(path)?)
    }

    /// Like [`Self::load`], with known metadata.
    pub(crate) fn from_metadata(
        tree: &Tree,
        path: &RepoPath,
        metadata: &Metadata,
    ) -> Result<Self, FilesError> {
        let (kind, size) = match metadata.kind {
            FileKind::Symlink => {
                let target = link::checked(path, &tree.read_link(path)?)?;
                (Kind::Symlink { target }, 0)
            }
            FileKind::Regular => {
                let executable = metadata.executable;
                (Kind::Regular { executable }, metadata.size)
            }
            other => {
                return Err(FilesError::NotAFile {
                    path: path.clone(),
                    kind: other.words(),
                });
            }
        };
        Ok(Self {
            path: path.clone(),
            kind,
            size,
        })
    }
}

struct Walker<'a> {
    tree: &'a Tree,
    nested: &'a BTreeSet<RepoPath>,
    walk: Walk,
}

impl Walker<'_> {
    /// Descends into a directory with this verdict, if there is a scope to descend with.
    fn enter(
        &mut self,
        dir: &RepoPath,
        verdict: Verdict,
        scope: Option<RuleScope>,
    ) -> Result<(), FilesError> {
        let (kept, dropped) = (self.walk.files.len(), self.walk.dropped.len());
        if let Some(scope) = scope {
            self.list(dir, &scope)?;
        }
        // As long as no file below was brought back, the directory stands for everything in it.
        if let Verdict::Drop(reason) = verdict
            && self.walk.files.len() == kept
        {
            self.walk.dropped.truncate(dropped);
            self.drop(dir.clone(), reason);
        }
        Ok(())
    }

    fn list(&mut self, dir: &RepoPath, scope: &RuleScope) -> Result<(), FilesError> {
        if dir.parts().count() > MAX_DEPTH {
            return Err(FilesError::TooDeep(dir.clone()));
        }
        let mut opened = self.tree.directory(dir)?;
        // Directories are entered after this one is closed, so that depth costs no open files.
        let mut inner = Vec::new();
        for (name, kind) in opened.entries()? {
            // A name that is not UTF-8 does not matter if a rule drops it.
            let is_utf8 = name.to_str().is_some();
            let path = RepoPath::child(dir, &name.to_string_lossy());
            if self.nested.contains(&path) {
                continue;
            }
            if kind == FileKind::Directory {
                inner.push((path, is_utf8));
                continue;
            }
            match scope.file(&path) {
                Verdict::Drop(Reason::Secret {
                    if_private: true, ..
                }) if is_utf8
                    && kind == FileKind::Regular
                    && !holds_private_key(self.tree, &path) =>
                {
                    self.keep(&path, &opened, &name)?;
                }
                Verdict::Drop(reason) => self.drop(path, reason),
                Verdict::Keep if !is_utf8 => return Err(FilesError::NameNotUtf8(path)),
                Verdict::Keep => {
                    if let FileKind::Special(kind) = kind {
                        self.drop(path, Reason::Special { kind });
                        continue;
                    }
                    self.keep(&path, &opened, &name)?;
                }
            }
        }
        drop(opened);
        for (path, is_utf8) in inner {
            let (verdict, inner) = scope.directory(&path)?;
            if inner.is_some() && !is_utf8 {
                return Err(FilesError::NameNotUtf8(path));
            }
            self.enter(&path, verdict, inner)?;
        }
        Ok(())
    }

    fn keep(
        &mut self,
        path: &RepoPath,
        dir: &Directory,
        name: &std::ffi::OsStr,
    ) -> Result<(), FilesError> {
        let metadata = dir
            .metadata(name)
            .map_err(|source| unreadable(path, source))?;
        let file = File::from_metadata(self.tree, path, &metadata)?;
        self.walk.files.push(file);
        Ok(())
    }

    fn drop(&mut self, path: RepoPath, reason: Reason) {
        // Every package has the one and every clone the other, so listing them tells nothing.
        if !matches!(
            reason,
            Reason::Never {
                name: "node_modules" | ".git"
            }
        ) {
            self.walk.dropped.push(Dropped { path, reason });
        }
    }
}

fn unreadable(path: &RepoPath, source: io::Error) -> FilesError {
    FilesError::Unreadable {
        path: path.clone(),
        source,
    }
}

/// Whether a file contains a private key, if its name also fits a certificate. An unreadable file,
/// or one too large for a certificate, counts as one with a key.
pub(crate) fn holds_private_key(tree: &Tree, path: &RepoPath) -> bool {
    let read = tree.read(path, Limit::Settings);
    let find = |bytes: Vec<u8>| memchr::memmem::find(&bytes, forbidden::PRIVATE.as_bytes());
    read.map_or(true, |bytes| find(bytes).is_some())
}

/// The file's ctime, which nobody can set. `find -cnewer` compares it too.
#[cfg(unix)]
pub(crate) fn status_changed(metadata: &std::fs::Metadata) -> Option<std::time::SystemTime> {
    use std::os::unix::fs::MetadataExt as _;
    let seconds = u64::try_from(metadata.ctime()).ok()?;
    let nanos = u32::try_from(metadata.ctime_nsec()).ok()?;
    std::time::SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::new(seconds, nanos))
}

#[cfg(not(unix))]
pub(crate) fn status_changed(metadata: &std::fs::Metadata) -> Option<std::time::SystemTime> {
    metadata.modified().ok()
}

#[cfg(test)]
mod tests;
