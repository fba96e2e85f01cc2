//! `.gitignore` files, as git reads them.
//!
//! Input: the workspace root, then directories from it downwards, each with or without a
//! `.gitignore`. Output: the pattern that ignores a path, if one does. It does not walk.
//!
//! The rules are <https://git-scm.com/docs/gitignore> without two sources: the user's global
//! excludes and `.git/info/exclude` exist on one machine only, and the same tree must give the same
//! context everywhere. For the same reason, case always matters. The files of the directories above
//! the root count too, up to the directory that holds `.git`, unless they ignore the root itself:
//! then the workspace is not part of that repository.
//!
//! A limit: git keeps tracking a committed file that a later pattern ignores. The index is not read
//! here, so such a file is dropped; the `include` option brings it back.

mod pattern;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use fs_err as fs;

use self::pattern::Pattern;
use crate::files::tree::{FileKind, Limit, Tree, TreeError};
use crate::model::path::RepoPath;

const NAME: &str = ".gitignore";

/// The files of directories that were read before, by directory.
type Known = Mutex<BTreeMap<RepoPath, Option<Arc<Link>>>>;

/// The `.gitignore` files that apply in one directory: its own and those above.
#[derive(Debug, Clone)]
pub(super) struct GitIgnores {
    /// The path of the workspace root in the repository: empty, or with a trailing slash.
    prefix: Arc<str>,
    deepest: Option<Arc<Link>>,
    /// Whether no file is read: nothing is ignored.
    off: bool,
    /// What [`GitIgnores::again_in`] found. All files of one workspace share it.
    known: Arc<Known>,
}

#[derive(Debug)]
struct Link {
    /// The file's path from the workspace root.
    file: String,
    patterns: Vec<Pattern>,
    /// The length in bytes of the file's directory, with its slash, in a path from the top of the
    /// repository.
    skip: usize,
    above: Option<Arc<Link>>,
}

/// The pattern that ignores a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ignored {
    pub(super) file: String,
    pub(super) pattern: String,
}

/// The kind of a path. Patterns with a trailing slash match only directories; git treats a symlink
/// as a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    File,
    Directory,
}

impl GitIgnores {
    /// Ignores nothing.
    pub(super) fn off() -> Self {
        Self {
            prefix: Arc::from(""),
            deepest: None,
            off: true,
            known: Arc::default(),
        }
    }

    /// Loads the root's file and those above it.
    pub(super) fn load(root: &Path, tree: &Tree) -> Result<Self, TreeError> {
        let alone = Self {
            prefix: Arc::from(""),
            deepest: None,
            off: false,
            known: Arc::default(),
        };
        let Some(top) = root
            .ancestors()
            .find(|dir| fs::symlink_metadata(dir.join(".git")).is_ok())
        else {
            return alone.with_file_in(tree, &RepoPath::ROOT);
        };
        let below = root
            .strip_prefix(top)
            .map(Path::to_string_lossy)
            .unwrap_or_default()
            .replace('\\', "/");
        let names: Vec<&str> = below.split('/').filter(|name| !name.is_empty()).collect();

        let mut above: Option<Arc<Link>> = None;
        // Files above the workspace are read on purpose: git reads them too.
        let repository = Tree::open(top)?;
        let mut dir = RepoPath::ROOT;
        let mut skip = 0;
        for (depth, name) in names.iter().enumerate() {
            let up = "../".repeat(names.len() - depth);
            above = read(
                &repository,
                &dir,
                format!("{up}{NAME}"),
                skip,
                above.as_ref(),
            )?
            .or(above);
            dir = RepoPath::child(&dir, name);
            skip += name.len() + 1;
            let seen = Self {
                prefix: Arc::from(""),
                deepest: above.clone(),
                off: false,
                known: Arc::default(),
            };
            if seen
                .ignored_at(&names[..=depth].join("/"), Entry::Directory)
                .is_some()
            {
                return alone.with_file_in(tree, &RepoPath::ROOT);
            }
        }
        let prefix = names
            .iter()
            .flat_map(|name| [*name, "/"])
            .collect::<String>();
        Self {
            prefix: Arc::from(prefix),
            deepest: above,
            off: false,
            known: Arc::default(),
        }
        .with_file_in(tree, &RepoPath::ROOT)
    }

    /// The files that apply in `dir`, derived from those of its parent.
    pub(super) fn with_file_in(&self, tree: &Tree, dir: &RepoPath) -> Result<Self, TreeError> {
        if self.off {
            return Ok(self.clone());
        }
        let link = self.link_in(tree, dir)?;
        Ok(self.with(link))
    }

    /// Like [`GitIgnores::with_file_in`], for a directory that is asked for often.
    pub(super) fn again_in(&self, tree: &Tree, dir: &RepoPath) -> Result<Self, TreeError> {
        if self.off {
            return Ok(self.clone());
        }
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = known().get(dir) {
            return Ok(self.with(link.clone()));
        }
        let link = self.link_in(tree, dir)?;
        known().insert(dir.clone(), link.clone());
        Ok(self.with(link))
    }

    fn link_in(&self, tree: &Tree, dir: &RepoPath) -> Result<Option<Arc<Link>>, TreeError> {
        let slash = if dir.is_root() { "" } else { "/" };
        let own = format!("{dir}{slash}", dir = dir.as_str());
        read(
            tree,
            dir,
            format!("{own}{NAME}"),
            self.prefix.len() + own.len(),
            self.deepest.as_ref(),
        )
    }

    fn with(&self, link: Option<Arc<Link>>) -> Self {
        Self {
            deepest: link.or_else(|| self.deepest.clone()),
            ..self.clone()
        }
    }

    /// A single root file with this text.
    #[cfg(any(test, fuzzing))]
    pub(super) fn of_text(text: &str) -> Self {
        Self {
            off: false,
            known: Arc::default(),
            prefix: Arc::from(""),
            deepest: Some(Arc::new(Link {
                file: NAME.to_owned(),
                patterns: parse(text.as_bytes()),
                skip: 0,
                above: None,
            })),
        }
    }

    /// Whether the deepest file ignores a path; `None` if it has no matching pattern.
    #[cfg(any(test, fuzzing))]
    pub(super) fn verdict(&self, path: &str, entry: Entry) -> Option<bool> {
        let pattern = self.deepest.as_ref()?.last_on(path, entry);
        pattern.map(|pattern| !pattern.negative)
    }

    /// The pattern that ignores a path in this directory, if any.
    pub(super) fn ignored(&self, path: &RepoPath, entry: Entry) -> Option<Ignored> {
        self.deepest.as_ref()?;
        self.ignored_at(&format!("{}{}", self.prefix, path.as_str()), entry)
    }

    /// Like [`Self::ignored`], for a path from the top of the repository. The deepest file with a
    /// matching pattern decides.
    fn ignored_at(&self, path: &str, entry: Entry) -> Option<Ignored> {
        let mut link = self.deepest.as_ref();
        while let Some(at) = link {
            match at.last_on(&path[at.skip..], entry) {
                Some(pattern) if pattern.negative => return None,
                Some(pattern) => {
                    return Some(Ignored {
                        file: at.file.clone(),
                        pattern: pattern.written.clone(),
                    });
                }
                None => link = at.above.as_ref(),
            }
        }
        None
    }
}

impl Link {
    /// The last pattern that matches a path.
    fn last_on(&self, path: &str, entry: Entry) -> Option<&Pattern> {
        let mut patterns = self.patterns.iter().rev();
        patterns.find(|pattern| pattern.matches(path, entry == Entry::Directory))
    }
}

/// Reads a directory's `.gitignore`, if it has one. Like git, it does not follow a symlink of that
/// name, and ignores a directory.
fn read(
    tree: &Tree,
    dir: &RepoPath,
    file: String,
    skip: usize,
    above: Option<&Arc<Link>>,
) -> Result<Option<Arc<Link>>, TreeError> {
    let path = RepoPath::child(dir, NAME);
    // Most directories have none, and this takes one system call to find out.
    let read = tree.read_optional(&path, Limit::Settings);
    if let Ok(None) = read {
        return Ok(None);
    }
    if let FileKind::Symlink | FileKind::Directory = tree.link_metadata(&path)?.kind {
        return Ok(None);
    }
    let patterns = parse(&read?.unwrap_or_default());
    if patterns.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Link {
        file,
        patterns,
        skip,
        above: above.cloned(),
    })))
}

/// The patterns of a file, in order.
fn parse(text: &[u8]) -> Vec<Pattern> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter_map(Pattern::parse)
        .collect()
}

#[cfg(test)]
mod tests;
