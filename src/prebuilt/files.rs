//! Files as they lie on the disk, past all rules of git and Docker: installed modules and outputs are what these leave out.

use std::time::SystemTime;

use globset::GlobSet;

use crate::files::{File, FilesError, Kind};
use crate::path::RepoPath;
use crate::plan::{Content, ContextEntry};
use crate::tree::{FileKind, Metadata, Tree, optional};

/// What no output is, whatever a glob says: caches, and what builds keep to themselves.
const CACHES: [&str; 4] = [".turbo", ".cache", ".vite", ".git"];

/// Names that hold secrets wherever they lie.
pub(super) fn is_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let rest = lower.strip_prefix(".env");
    rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric)) || lower == ".npmrc"
}

/// Which `node_modules` directories belong to what is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Modules {
    /// All of them.
    Theirs,
    /// Those of a package's tests and the like, but not the one at its top.
    Below,
    /// None.
    None,
}

/// Which files of a directory are wanted.
pub(super) struct Wanted<'w> {
    /// Which `node_modules` directories to go into.
    pub(super) modules: Modules,
    /// Whether caches and secrets are left out: yes, but for packages of registries, which are taken as they were published.
    pub(super) outputs: bool,
    /// Globs of what is wanted, from the directory; nothing for all.
    pub(super) globs: Option<(&'w GlobSet, &'w GlobSet)>,
}

/// A file, and when it was changed.
pub(super) struct Found {
    pub(super) file: File,
    pub(super) changed: Option<SystemTime>,
    /// When it came to be what it is: nobody can set this time.
    pub(super) written: Option<SystemTime>,
}

/// The files and links below a directory, by path; none where there is no such directory.
pub(super) fn below(
    tree: &Tree,
    dir: &RepoPath,
    wanted: &Wanted<'_>,
) -> Result<Vec<Found>, FilesError> {
    let mut found = Vec::new();
    let Some(start) = optional(tree.link_metadata(dir))? else {
        return Ok(found);
    };
    let mut queue = Vec::new();
    match start.kind {
        FileKind::Directory => queue.push((dir.clone(), 0)),
        FileKind::Symlink if tree.is_dir(dir)? => queue.push((dir.clone(), 0)),
        _ if wanted.takes(dir, dir, start.kind) => found.push(Found::new(tree, dir, &start)?),
        _ => {}
    }
    while let Some((at, depth)) = queue.pop() {
        let opened = tree.directory(&at)?;
        for (name, kind) in opened.entries()? {
            let name = name
                .into_string()
                .map_err(|_| FilesError::NameNotUtf8(dir.clone()))?;
            let path = RepoPath::child(&at, &name);
            if kind == FileKind::Directory {
                if wanted.enters(&at, &name, depth + 1) {
                    queue.push((path, depth + 1));
                }
            } else if wanted.takes(dir, &path, kind) {
                let cannot = |source| FilesError::Unreadable {
                    path: path.clone(),
                    source,
                };
                let metadata = opened.metadata(name.as_ref()).map_err(cannot)?;
                found.push(Found::new(tree, &path, &metadata)?);
            }
        }
    }
    Ok(found)
}

impl Wanted<'_> {
    /// Whether what lies in a directory is wanted.
    fn enters(&self, parent: &RepoPath, name: &str, depth: usize) -> bool {
        if name == "node_modules" {
            return match self.modules {
                Modules::Theirs => true,
                Modules::Below => depth > 1,
                Modules::None => false,
            };
        }
        let next_cache = name == "cache" && parent.file_name() == Some(".next");
        !self.outputs || !(CACHES.contains(&name) || next_cache)
    }

    /// Whether a file or link is wanted. Sockets and the like are nobody's output.
    fn takes(&self, dir: &RepoPath, path: &RepoPath, kind: FileKind) -> bool {
        let name = path.file_name().unwrap_or_default();
        if self.outputs && (is_secret(name) || name.ends_with(".tsbuildinfo")) {
            return false;
        }
        if let Some((globs, not)) = &self.globs {
            let inside = path.strip(dir).unwrap_or_default();
            if !globs.is_match(inside) || not.is_match(inside) {
                return false;
            }
        }
        matches!(kind, FileKind::Regular | FileKind::Symlink)
    }
}

impl Found {
    fn new(tree: &Tree, path: &RepoPath, metadata: &Metadata) -> Result<Self, FilesError> {
        Ok(Self {
            file: File::from_metadata(tree, path, metadata)?,
            changed: metadata.modified,
            written: metadata.changed,
        })
    }
}

/// A file at its place in the context.
pub(super) fn entry(place: &str, path: &str, file: File, why: &str) -> ContextEntry {
    ContextEntry {
        path: format!("{place}/{path}"),
        content: Content::Source {
            path: file.path,
            kind: file.kind,
            size: file.size,
        },
        why: why.to_owned(),
    }
}

/// A link at its place in the context.
pub(super) fn link(place: &str, path: &RepoPath, target: &str, why: &str) -> ContextEntry {
    let kind = Kind::Symlink {
        target: target.to_owned(),
    };
    let file = File {
        path: path.clone(),
        kind,
        size: 0,
    };
    entry(place, path.as_str(), file, why)
}
