//! Files as they lie on the disk, past all rules of git and Docker: installed modules and outputs are what these leave out.

use std::path::Path;
use std::time::SystemTime;

use globset::GlobSet;
use walkdir::WalkDir;

use crate::files::{File, FilesError, Kind, status_changed};
use crate::path::RepoPath;
use crate::plan::{Content, ContextEntry};

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
    root: &Path,
    dir: &RepoPath,
    wanted: &Wanted<'_>,
) -> Result<Vec<Found>, FilesError> {
    let mut found = Vec::new();
    let start = dir.on_disk(root);
    if fs_err::symlink_metadata(&start).is_err() {
        return Ok(found);
    }
    let walk = WalkDir::new(&start).into_iter().filter_entry(|entry| {
        if entry.depth() == 0 || !entry.file_type().is_dir() {
            return true;
        }
        let Some(name) = entry.file_name().to_str() else {
            return true;
        };
        if name == "node_modules" {
            return match wanted.modules {
                Modules::Theirs => true,
                Modules::Below => entry.depth() > 1,
                Modules::None => false,
            };
        }
        let next_cache = name == "cache"
            && entry.path().parent().and_then(Path::file_name) == Some(".next".as_ref());
        !wanted.outputs || !(CACHES.contains(&name) || next_cache)
    });
    for entry in walk {
        let entry = entry.map_err(|error| unreadable(dir, error))?;
        if entry.file_type().is_dir() {
            continue;
        }
        let path = RepoPath::from_disk(root, entry.path())
            .map_err(|_| FilesError::NameNotUtf8(dir.clone()))?;
        let name = path.file_name().unwrap_or_default();
        if wanted.outputs && (is_secret(name) || name.ends_with(".tsbuildinfo")) {
            continue;
        }
        if let Some((globs, not)) = &wanted.globs {
            let inside = path.strip(dir).unwrap_or_default();
            if !globs.is_match(inside) || not.is_match(inside) {
                continue;
            }
        }
        // Sockets and the like are nobody's output.
        if !entry.file_type().is_file() && !entry.file_type().is_symlink() {
            continue;
        }
        let file = File::load(root, &path)?;
        let metadata = entry.metadata().ok();
        found.push(Found {
            file,
            changed: metadata.as_ref().and_then(|meta| meta.modified().ok()),
            written: metadata.as_ref().and_then(status_changed),
        });
    }
    Ok(found)
}

fn unreadable(dir: &RepoPath, error: walkdir::Error) -> FilesError {
    FilesError::Unreadable {
        path: dir.clone(),
        source: error.into(),
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
