//! Entries of a context, and of a pruned workspace: what each file holds, where it goes, and why it
//! is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::files::{File, Kind};
use crate::model::digest::hex;
use crate::model::path::RepoPath;

/// A file below a directory of the output. `P` names that directory: a [`Place`] in a context, a
/// plain text elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedFile<P> {
    /// The directory.
    pub place: P,
    /// The path below it.
    pub path: RepoPath,
    /// What it holds.
    pub content: Content,
    /// Why it is there.
    pub why: String,
}

/// A file of the context.
pub type ContextEntry = PlacedFile<Place>;

impl<P> PlacedFile<P> {
    /// A file of the workspace, at its path in the workspace.
    pub fn source(place: P, file: &File, why: &str) -> Self {
        Self::moved(place, file.path.clone(), file, why)
    }

    /// A file of the workspace, at another path.
    pub fn moved(place: P, path: RepoPath, file: &File, why: &str) -> Self {
        let content = Content::Source {
            path: file.path.clone(),
            kind: file.kind.clone(),
            size: file.size,
        };
        Self::new(place, path, content, why)
    }

    /// Text that slimbuild made.
    pub fn made(place: P, path: RepoPath, text: impl Into<Arc<String>>, why: &str) -> Self {
        let content = Content::Made {
            text: text.into(),
            executable: false,
        };
        Self::new(place, path, content, why)
    }

    /// Any content.
    pub fn new(place: P, path: RepoPath, content: Content, why: &str) -> Self {
        Self {
            place,
            path,
            content,
            why: why.to_owned(),
        }
    }

    /// The same file elsewhere.
    pub fn at<Q>(&self, place: Q) -> PlacedFile<Q> {
        PlacedFile {
            place,
            path: self.path.clone(),
            content: self.content.clone(),
            why: self.why.clone(),
        }
    }
}

impl<P: AsRef<str>> PlacedFile<P> {
    /// The path with the directory before it.
    pub fn full_path(&self) -> String {
        match self.place.as_ref() {
            "" => self.path.as_str().to_owned(),
            place => format!("{place}/{}", self.path.as_str()),
        }
    }
}

impl Serialize for ContextEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'e> {
            path: String,
            #[serde(flatten)]
            content: &'e Content,
            why: &'e str,
        }
        let shown = Shown {
            path: self.full_path(),
            content: &self.content,
            why: &self.why,
        };
        shown.serialize(serializer)
    }
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text that slimbuild made.
    Made {
        /// The text, which several entries may share.
        text: Arc<String>,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A file that slimbuild compressed.
    Packed {
        /// What it holds.
        bytes: Arc<[u8]>,
    },
    /// A file of the workspace.
    Source {
        /// Its path in the workspace.
        path: RepoPath,
        /// What it is.
        kind: Kind,
        /// Its length in bytes when the plan was made.
        size: u64,
    },
}

impl Content {
    /// The length in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Made { text, .. } => text.len() as u64,
            Self::Packed { bytes } => bytes.len() as u64,
            Self::Source { size, .. } => *size,
        }
    }

    /// The target of a symlink; `None` for any other file.
    pub fn link(&self) -> Option<&str> {
        match self {
            Self::Source {
                kind: Kind::Symlink { target },
                ..
            } => Some(target),
            _ => None,
        }
    }
}

impl Serialize for Content {
    /// A generated text is shown by its digest, because a lockfile would swamp the plan.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map: BTreeMap<&str, serde_json::Value> = BTreeMap::new();
        map.insert("size", self.size().into());
        match self {
            Self::Made { text, .. } => {
                map.insert("sha256", hex(&Sha256::digest(text.as_bytes())).into());
            }
            Self::Packed { bytes } => {
                map.insert("sha256", hex(&Sha256::digest(bytes)).into());
            }
            Self::Source { path, .. } => {
                map.insert("source", path.to_string().into());
                if let Some(target) = self.link() {
                    map.insert("link", target.into());
                }
            }
        }
        map.serialize(serializer)
    }
}

/// A directory of the context. The variants are in the order of the directories' names, so that
/// sorted entries are in the order of their full paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The app as it is built in the workspace.
    App,
    /// Files from elsewhere in the workspace, each at its own place in the image.
    Beside,
    /// Manifests and lockfile of the build closure.
    Build,
    /// Files of the root project that the image keeps unchanged, if the root is the app.
    Home,
    /// Modules as they are installed in the workspace.
    Modules,
    /// The program that makes writable directories.
    Own,
    /// Packages as they are built in the workspace, without the app.
    Packages,
    /// Manifests and lockfile of the runtime closure.
    Prod,
    /// Files of the workspace's root that builds read.
    Root,
    /// Files that the image keeps unchanged.
    Run,
    /// The web server's configuration.
    Serve,
    /// Sources that only builds read.
    Src,
    /// Files of the root project that its own tasks read.
    Top,
    /// The program that leaves unneeded files out of modules.
    Trim,
    /// The proof of the image, which is not in it.
    Verify,
    /// The app's writable files.
    Writable,
}

impl Place {
    /// The places with files of packages that the image keeps.
    pub const KEPT: [Self; 2] = [Self::Run, Self::Home];

    /// The place for files of a package that the image keeps. All other packages are below the root,
    /// so the root's own files have a place of their own.
    pub fn kept(package: &RepoPath) -> Self {
        if package.is_root() {
            Self::Home
        } else {
            Self::Run
        }
    }

    /// The place for files of a package that only builds read.
    pub fn read(package: &RepoPath) -> Self {
        if package.is_root() {
            Self::Top
        } else {
            Self::Src
        }
    }
}

impl AsRef<str> for Place {
    fn as_ref(&self) -> &str {
        match self {
            Self::App => "app",
            Self::Beside => "beside",
            Self::Build => "build",
            Self::Home => "home",
            Self::Modules => "modules",
            Self::Own => "own",
            Self::Packages => "packages",
            Self::Prod => "prod",
            Self::Root => "root",
            Self::Run => "run",
            Self::Serve => "serve",
            Self::Src => "src",
            Self::Top => "top",
            Self::Trim => "trim",
            Self::Verify => "verify",
            Self::Writable => "writable",
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_ref())
    }
}

/// Sorts entries, and keeps the first of those with the same path.
pub fn sort(entries: &mut Vec<ContextEntry>) {
    entries.sort_by(|left, right| (left.place, &left.path).cmp(&(right.place, &right.path)));
    entries.dedup_by(|later, first| (later.place, &later.path) == (first.place, &first.path));
}

/// Whether a sorted context has anything at a place below a directory.
pub fn holds(context: &[ContextEntry], place: Place, dir: &RepoPath) -> bool {
    let prefix = dir.prefix();
    let before = |entry: &ContextEntry| (entry.place, entry.path.as_str()) < (place, &*prefix);
    let first = context.get(context.partition_point(before));
    first.is_some_and(|entry| entry.place == place && entry.path.as_str().starts_with(&prefix))
}
