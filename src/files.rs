//! The files of a directory of the workspace that enter a context.
//!
//! Goes in: a directory, the directories in it that other members own, and the [`Rules`]. Comes out: a [`Walk`], sorted by path, of what
//! is kept and of what is dropped and why. No content is read, and no symlink followed.
//!
//! What comes out depends on names, kinds, sizes and the executable bit alone: neither on the order in which the disk lists a directory,
//! nor on owners, times or the remaining permission bits. Empty directories are not recorded, as git does not record them either.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{FileType, Metadata};
use std::io;
use std::path::Path;

use fs_err as fs;
use serde::Serialize;

use crate::ignore::{IgnoreError, Reason, Rules, Scope, Verdict};
use crate::path::RepoPath;

mod link;
mod measure;

pub use self::measure::{Measure, measure};

/// What was found, each list sorted by the bytes of the path.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Walk {
    /// What is kept.
    pub files: Vec<File>,
    /// What is dropped, without `node_modules` and `.git`. A directory stands for all below it: nothing is kept there, and nothing in
    /// there is listed.
    pub dropped: Vec<Dropped>,
}

/// A file or symlink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// Where it lies.
    pub path: RepoPath,
    /// What it is.
    pub kind: Kind,
    /// The length of its content in bytes; nought for a symlink.
    pub size: u64,
}

/// The kinds of entry that a context has, directories apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Kind {
    /// A file.
    Regular {
        /// Whether anyone may execute it; on Windows, never.
        executable: bool,
    },
    /// A symlink that leads to somewhere in the workspace.
    Symlink {
        /// Where to, as written in the link: relative to the directory that the link lies in.
        target: String,
    },
}

/// A path that is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Where it lies.
    pub path: RepoPath,
    /// Why it is dropped.
    pub reason: Reason,
}

/// Why files cannot be selected.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file or directory cannot be read.
    #[error("cannot read `{path}`")]
    Unreadable {
        /// Which one.
        path: RepoPath,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is to be walked is something else.
    #[error("`{0}` is not a directory")]
    NotADirectory(RepoPath),
    /// What was asked for by name can not be in a context.
    #[error("`{path}` is {kind}, not a file")]
    NotAFile {
        /// Its path.
        path: RepoPath,
        /// What it is.
        kind: &'static str,
    },
    /// A name that neither a lockfile nor a Dockerfile can express.
    #[error("the name of `{0}` is not valid UTF-8")]
    NameNotUtf8(RepoPath),
    /// A symlink's target that a `String` cannot hold.
    #[error("the target `{target}` of the symlink `{link}` is not valid UTF-8")]
    TargetNotUtf8 {
        /// The symlink.
        link: RepoPath,
        /// Its target, as far as it can be shown.
        target: String,
    },
    /// A symlink that means something else in every container.
    #[error("the symlink `{link}` has the absolute target `{target}`")]
    AbsoluteTarget {
        /// The symlink.
        link: RepoPath,
        /// Its target.
        target: String,
    },
    /// A symlink to what no context holds.
    #[error("the symlink `{link}` leaves the workspace: its target is `{target}`")]
    TargetOutside {
        /// The symlink.
        link: RepoPath,
        /// Its target.
        target: String,
    },
    /// The rules cannot be had.
    #[error(transparent)]
    Ignore(#[from] IgnoreError),
}

impl FilesError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { path, .. } => Some(format!(
                "make it readable, or leave it out with `--exclude {path}`"
            )),
            Self::NotADirectory(_) | Self::NotAFile { .. } => None,
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
            Self::Ignore(error) => error.hint(),
        }
    }
}

/// Selects the files of `dir`, without the directories `nested` below it, which belong to other members. `root` is absolute.
pub fn walk(
    root: &Path,
    dir: &RepoPath,
    nested: &BTreeSet<RepoPath>,
    rules: &Rules,
) -> Result<Walk, FilesError> {
    let on_disk = dir.on_disk(root);
    // the root itself may be reached by a symlink; a directory below it may not be one, since links are not followed
    let metadata = if dir.is_root() {
        fs::metadata(on_disk)
    } else {
        fs::symlink_metadata(on_disk)
    };
    if !metadata.map_err(|source| unreadable(dir, source))?.is_dir() {
        return Err(FilesError::NotADirectory(dir.clone()));
    }
    let mut walker = Walker {
        root,
        nested,
        walk: Walk::default(),
    };
    let (verdict, scope) = rules.scope(dir)?;
    walker.enter(dir, verdict, scope)?;
    let mut walk = walker.walk;
    // going down sorts by name, in which `a.b` and `a/b` come in another order than by path
    walk.files.sort_by(|a, b| a.path.cmp(&b.path));
    walk.dropped.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walk)
}

impl File {
    /// Reads what a context needs to know of a single file, which the rules are not asked about.
    pub fn load(root: &Path, path: &RepoPath) -> Result<Self, FilesError> {
        let metadata =
            fs::symlink_metadata(path.on_disk(root)).map_err(|source| unreadable(path, source))?;
        Self::from_metadata(root, path, &metadata)
    }

    fn from_metadata(
        root: &Path,
        path: &RepoPath,
        metadata: &Metadata,
    ) -> Result<Self, FilesError> {
        let (kind, size) = if metadata.is_symlink() {
            let target =
                fs::read_link(path.on_disk(root)).map_err(|source| unreadable(path, source))?;
            (
                Kind::Symlink {
                    target: link::checked(path, &target)?,
                },
                0,
            )
        } else if metadata.is_file() {
            (
                Kind::Regular {
                    executable: is_executable(metadata),
                },
                metadata.len(),
            )
        } else {
            return Err(FilesError::NotAFile {
                path: path.clone(),
                kind: special_kind(metadata.file_type()),
            });
        };
        Ok(Self {
            path: path.clone(),
            kind,
            size,
        })
    }
}

struct Walker<'a> {
    root: &'a Path,
    nested: &'a BTreeSet<RepoPath>,
    walk: Walk,
}

impl Walker<'_> {
    /// Descends into a directory on which this is the verdict, if there is a scope to descend with.
    fn enter(
        &mut self,
        dir: &RepoPath,
        verdict: Verdict,
        scope: Option<Scope>,
    ) -> Result<(), FilesError> {
        let (kept, dropped) = (self.walk.files.len(), self.walk.dropped.len());
        if let Some(scope) = scope {
            self.list(dir, &scope)?;
        }
        // as long as nothing below was brought back, the directory stands for all that it holds
        if let Verdict::Drop(reason) = verdict
            && self.walk.files.len() == kept
        {
            self.walk.dropped.truncate(dropped);
            self.drop(dir.clone(), reason);
        }
        Ok(())
    }

    fn list(&mut self, dir: &RepoPath, scope: &Scope) -> Result<(), FilesError> {
        let entries =
            fs::read_dir(dir.on_disk(self.root)).map_err(|source| unreadable(dir, source))?;
        for entry in entries {
            let entry = entry.map_err(|source| unreadable(dir, source))?;
            let name = entry.file_name();
            // a name that is not UTF-8 is no matter as long as a rule drops it
            let is_utf8 = name.to_str().is_some();
            let path = child(dir, &name);
            let file_type = entry
                .file_type()
                .map_err(|source| unreadable(&path, source))?;
            if file_type.is_dir() {
                if self.nested.contains(&path) {
                    continue;
                }
                let (verdict, inner) = scope.directory(&path)?;
                if inner.is_some() && !is_utf8 {
                    return Err(FilesError::NameNotUtf8(path));
                }
                self.enter(&path, verdict, inner)?;
                continue;
            }
            match scope.file(&path) {
                Verdict::Drop(reason) => self.drop(path, reason),
                Verdict::Keep if !is_utf8 => return Err(FilesError::NameNotUtf8(path)),
                Verdict::Keep if !file_type.is_file() && !file_type.is_symlink() => {
                    self.drop(
                        path,
                        Reason::Special {
                            kind: special_kind(file_type),
                        },
                    );
                }
                Verdict::Keep => {
                    let metadata = entry
                        .metadata()
                        .map_err(|source| unreadable(&path, source))?;
                    self.walk
                        .files
                        .push(File::from_metadata(self.root, &path, &metadata)?);
                }
            }
        }
        Ok(())
    }

    fn drop(&mut self, path: RepoPath, reason: Reason) {
        // every package has the one and every clone the other: there is no news in them
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

/// The path of an entry of `dir`. Not by [`RepoPath::join`], which would split a name that has a backslash in it.
fn child(dir: &RepoPath, name: &OsStr) -> RepoPath {
    let path = Path::new(dir.as_str()).join(name.to_string_lossy().as_ref());
    RepoPath::from_disk(Path::new(""), &path)
        .expect("a directory lists plain names, and this one was made UTF-8")
}

fn unreadable(path: &RepoPath, source: io::Error) -> FilesError {
    FilesError::Unreadable {
        path: path.clone(),
        source,
    }
}

#[cfg(unix)]
fn is_executable(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    false
}

/// When a file came to be what it is, as `find -cnewer` compares it: nobody can set this time.
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

fn special_kind(file_type: FileType) -> &'static str {
    if file_type.is_dir() {
        return "a directory";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if file_type.is_socket() {
            return "a socket";
        }
        if file_type.is_fifo() {
            return "a named pipe";
        }
        if file_type.is_block_device() || file_type.is_char_device() {
            return "a device";
        }
    }
    "a special file"
}

#[cfg(test)]
mod tests;
