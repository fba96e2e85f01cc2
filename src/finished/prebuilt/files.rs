//! Reads files from disk without git's and Docker's ignore rules, which exclude exactly the
//! installed modules and outputs.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::files::forbidden::{self, Area, RuleKind, left_out};
use crate::files::glob::{Globs, with_all_below};
use crate::files::tree::{FileKind, Metadata, Tree, optional};
use crate::files::{File, FilesError, holds_private_key};
use crate::model::path::RepoPath;

/// Secrets in build outputs that are left out of the image.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// Globs of files that are brought by name.
    included: Globs,
    /// Files of variables that hold no secret.
    public: Globs,
    /// Each file or directory left out, with the rule that bars it.
    found: BTreeMap<String, &'static str>,
}

impl LeftOut {
    pub(super) fn new(include: &[String], public: &[String]) -> Self {
        // A build may copy them to a place of its own, with the directories above.
        let public: Vec<String> = public
            .iter()
            .map(|glob| format!("**/{}", glob.trim_start_matches("./")))
            .collect();
        Self {
            included: glob_set(include.iter().map(|glob| glob.trim_start_matches("./"))),
            public: glob_set(public.iter().map(String::as_str)),
            found: BTreeMap::new(),
        }
    }

    /// Whether a rule bars a build's output. Secrets are recorded.
    fn bars(&mut self, path: &RepoPath, tree: &Tree) -> bool {
        let Some(rule) = forbidden::barred(path.as_str(), Area::Outputs) else {
            return false;
        };
        if rule.can_be_public() && self.public.is_match(path.as_str()) {
            return false;
        }
        if rule.kind == RuleKind::Key {
            let included = self.included.is_match(path.as_str());
            if included || !holds_private_key(tree, path) {
                return false;
            }
        }
        if rule.is_secret() {
            self.found.insert(path.to_string(), rule.name);
        }
        true
    }

    /// A warning for the user.
    pub(super) fn warning(&self) -> Option<String> {
        let files = self.found.iter();
        let files: Vec<String> = files
            .map(|(path, rule)| format!("`{path}` ({rule})"))
            .collect();
        (!files.is_empty()).then(|| left_out(&files.join(", ")))
    }
}

/// Which `node_modules` directories to take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Modules {
    /// All of them.
    Theirs,
    /// Those further down, such as in a package's tests, but not the one at its top.
    Below,
    /// None.
    None,
}

/// Which files of a directory are wanted.
pub(super) struct Wanted<'w> {
    /// Which `node_modules` directories to enter.
    pub(super) modules: Modules,
    /// Whether caches and secrets are left out. Packages from registries are taken as published.
    pub(super) outputs: bool,
    /// Globs of wanted and unwanted files, relative to the directory; `None` for all files.
    pub(super) globs: Option<(&'w Globs, &'w Globs)>,
}

/// A file and its times.
pub(super) struct Found {
    pub(super) file: File,
    pub(super) changed: Option<SystemTime>,
    /// The ctime, which nobody can set.
    pub(super) written: Option<SystemTime>,
}

/// The files and links below a directory, by path; empty if there is no such directory.
pub(super) fn below(
    tree: &Tree,
    dir: &RepoPath,
    wanted: &Wanted<'_>,
    left_out: &mut LeftOut,
) -> Result<Vec<Found>, FilesError> {
    let mut found = Vec::new();
    let Some(start) = optional(tree.link_metadata(dir))? else {
        return Ok(found);
    };
    let mut queue = Vec::new();
    match start.kind {
        FileKind::Directory => queue.push((dir.clone(), 0)),
        FileKind::Symlink if tree.is_dir(dir)? => queue.push((dir.clone(), 0)),
        _ if wanted.takes(dir, dir, start.kind)
            && !(wanted.outputs && left_out.bars(dir, tree)) =>
        {
            found.push(Found::new(tree, dir, &start)?);
        }
        _ => {}
    }
    while let Some((at, depth)) = queue.pop() {
        let mut opened = tree.directory(&at)?;
        for (name, kind) in opened.entries()? {
            let name = name
                .into_string()
                .map_err(|_| FilesError::NameNotUtf8(dir.clone()))?;
            let path = RepoPath::child(&at, &name);
            if kind == FileKind::Directory {
                if wanted.enters(&at, &name, depth + 1) {
                    queue.push((path, depth + 1));
                }
            } else if wanted.takes(dir, &path, kind)
                && !(wanted.outputs && is_barred(&path, dir, tree, left_out))
            {
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
    /// Whether to enter a directory.
    fn enters(&self, parent: &RepoPath, name: &str, depth: usize) -> bool {
        if name == "node_modules" {
            return match self.modules {
                Modules::Theirs => true,
                Modules::Below => depth > 1,
                Modules::None => false,
            };
        }
        !self.outputs || !is_leftover(parent, name)
    }

    /// Whether a file or link is wanted. Sockets and the like are never outputs.
    fn takes(&self, dir: &RepoPath, path: &RepoPath, kind: FileKind) -> bool {
        if let Some((globs, not)) = &self.globs {
            let inside = path.strip(dir).unwrap_or_default();
            if !globs.is_match(inside) || not.is_match(inside) {
                return false;
            }
        }
        matches!(kind, FileKind::Regular | FileKind::Symlink)
    }
}

/// Whether a directory holds a machine's own caches. It is not searched.
fn is_leftover(parent: &RepoPath, name: &str) -> bool {
    let rule = forbidden::barred(&format!("{parent}/{name}"), Area::Outputs);
    rule.is_some_and(|rule| rule.kind == RuleKind::Leftover)
}

/// Whether a file is barred by its own name or that of a directory above it.
fn is_barred(path: &RepoPath, below: &RepoPath, tree: &Tree, left_out: &mut LeftOut) -> bool {
    let above = std::iter::successors(path.parent(), RepoPath::parent);
    let mut above = above.take_while(|dir| dir != below && dir.is_within(below));
    above.any(|dir| {
        let rule = forbidden::barred(dir.as_str(), Area::Outputs);
        rule.is_some_and(|rule| rule.kind == RuleKind::Secret) && left_out.bars(&dir, tree)
    }) || left_out.bars(path, tree)
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

/// The globs, which also cover everything below a matching directory.
pub(super) fn glob_set<'g>(globs: impl Iterator<Item = &'g str>) -> Globs {
    let both = |glob: &str| with_all_below(glob.trim_end_matches('/'));
    let globs: Vec<String> = globs.flat_map(both).collect();
    Globs::lenient(globs.iter().map(String::as_str))
}
