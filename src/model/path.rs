//! [`RepoPath`]: a path inside the workspace, and nothing else.
//!
//! Input: text from manifests, lockfiles and the command line, or a path on disk below the root.
//! Output: a `/`-separated path relative to the workspace root, without `.`, `..` or empty parts.
//! It does no I/O; the caller joins it to the root.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::{Serialize, Serializer};

/// A normalised path relative to the workspace root. The root itself is the empty path and is shown
/// as `.`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RepoPath(String);

/// Why a text is not a [`RepoPath`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PathError {
    /// The path leaves the workspace.
    #[error("`{0}` leaves the workspace")]
    Outside(String),
    /// The path starts at the root of the file system.
    #[error("`{0}` is an absolute path")]
    Absolute(String),
    /// The path is not UTF-8, which neither pnpm's lockfile nor a Dockerfile can express.
    #[error("`{0}` is not valid UTF-8")]
    NotUtf8(String),
}

impl RepoPath {
    /// The workspace root.
    pub const ROOT: Self = Self(String::new());

    /// Parses a path relative to the root.
    pub fn new(text: &str) -> Result<Self, PathError> {
        Self::ROOT.join(text)
    }

    /// Resolves `text` against this directory, as pnpm resolves `link:../lib` against an importer.
    pub fn join(&self, text: &str) -> Result<Self, PathError> {
        if text.starts_with('/') {
            return Err(PathError::Absolute(text.to_owned()));
        }
        let mut parts: Vec<&str> = self.parts().collect();
        for part in text.split(['/', '\\']) {
            match part {
                "" | "." => {}
                ".." => {
                    parts
                        .pop()
                        .ok_or_else(|| PathError::Outside(text.to_owned()))?;
                }
                name => parts.push(name),
            }
        }
        Ok(Self(parts.join("/")))
    }

    /// The file of this name in the root.
    pub fn file(name: &str) -> Self {
        Self::child(&Self::ROOT, name)
    }

    /// Appends a file name as the disk lists it. A backslash is part of the name, not a separator
    /// as in [`Self::join`].
    pub fn child(dir: &Self, name: &str) -> Self {
        debug_assert!(!name.is_empty() && !name.contains('/') && name != "." && name != "..");
        if dir.is_root() {
            Self(name.to_owned())
        } else {
            Self(format!("{}/{name}", dir.0))
        }
    }

    /// The path of `path` below `root`; both must be absolute and without `..`.
    pub fn from_disk(root: &Path, path: &Path) -> Result<Self, PathError> {
        let shown = || path.display().to_string();
        let below = path
            .strip_prefix(root)
            .map_err(|_| PathError::Outside(shown()))?;
        let mut parts = Vec::new();
        for component in below.components() {
            match component {
                Component::Normal(name) => {
                    parts.push(name.to_str().ok_or_else(|| PathError::NotUtf8(shown()))?);
                }
                Component::CurDir => {}
                _ => return Err(PathError::Outside(shown())),
            }
        }
        Ok(Self(parts.join("/")))
    }

    /// The text, empty for the root. Names of context entries are built from it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the paths of what lies in this directory: `apps/a/`, and nothing for the root.
    pub fn prefix(&self) -> String {
        if self.is_root() {
            String::new()
        } else {
            format!("{}/", self.0)
        }
    }

    /// Whether this is the workspace root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts between the slashes; none for the root.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// The last part; `None` for the root.
    pub fn file_name(&self) -> Option<&str> {
        self.parts().next_back()
    }

    /// The directory that holds this path; the root has none.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(Self(
            self.0
                .rsplit_once('/')
                .map_or_else(String::new, |(dir, _)| dir.to_owned()),
        ))
    }

    /// Whether this path is `dir` or lies below it.
    pub fn is_within(&self, dir: &Self) -> bool {
        self.strip(dir).is_some()
    }

    /// The part of this path below `dir`; empty if they are equal.
    pub fn strip<'a>(&'a self, dir: &Self) -> Option<&'a str> {
        if dir.is_root() {
            return Some(&self.0);
        }
        let rest = self.0.strip_prefix(dir.as_str())?;
        if rest.is_empty() {
            Some(rest)
        } else {
            rest.strip_prefix('/')
        }
    }

    /// Where this path lies on disk.
    pub fn on_disk(&self, root: &Path) -> PathBuf {
        let mut path = root.to_path_buf();
        path.extend(self.parts());
        path
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_root() { "." } else { &self.0 })
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

impl Serialize for RepoPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RepoPath {
        RepoPath::new(text).unwrap()
    }

    #[test]
    fn normalises() {
        for (text, shown) in [
            ("./apps/server/", "apps/server"),
            (".", "."),
            ("", "."),
            ("a//b/./c", "a/b/c"),
            ("a/b/../c", "a/c"),
            ("a\\b", "a/b"),
        ] {
            assert_eq!(path(text).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn refuses_what_leaves_the_workspace() {
        assert_eq!(
            RepoPath::new("../x"),
            Err(PathError::Outside("../x".into()))
        );
        assert_eq!(
            path("apps/a").join("../../../x"),
            Err(PathError::Outside("../../../x".into()))
        );
        assert_eq!(
            RepoPath::new("/etc"),
            Err(PathError::Absolute("/etc".into()))
        );
    }

    #[test]
    fn joins_links_as_pnpm_writes_them() {
        assert_eq!(
            path("apps/server").join("../../packages/lib"),
            Ok(path("packages/lib"))
        );
    }

    #[test]
    fn what_stands_before_the_paths_inside() {
        assert_eq!(path("apps/a").prefix(), "apps/a/");
        assert_eq!(RepoPath::ROOT.prefix(), "");
    }

    #[test]
    fn within_compares_whole_parts() {
        assert!(path("apps/a/src").is_within(&path("apps/a")));
        assert!(path("apps/a").is_within(&path("apps/a")));
        assert!(path("apps/a").is_within(&RepoPath::ROOT));
        assert!(!path("apps/ab").is_within(&path("apps/a")));
        assert_eq!(
            path("apps/a/src/x.ts").strip(&path("apps/a")),
            Some("src/x.ts")
        );
    }

    #[test]
    fn parents() {
        assert_eq!(path("a/b").parent(), Some(path("a")));
        assert_eq!(path("a").parent(), Some(RepoPath::ROOT));
        assert_eq!(RepoPath::ROOT.parent(), None);
    }
}
