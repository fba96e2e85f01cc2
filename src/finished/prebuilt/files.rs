//! Files as they lie on the disk, past all rules of git and Docker: installed modules and outputs are what these leave out.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::files::forbidden::{self, Area, Kind, left_out};
use crate::files::glob::{Globs, with_all_below};
use crate::files::tree::{FileKind, Metadata, Tree, optional};
use crate::files::{self, File, FilesError, holds_private_key};
use crate::model::path::RepoPath;
use crate::plan::{Content, ContextEntry};

/// Secrets that builds wrote, and that stay out of the image.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// What comes along by name.
    included: Globs,
    /// Files of variables that hold no secret.
    public: Globs,
    /// Each file or directory with the rule that bars it.
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

    /// Whether something that a build wrote stays out. A secret is noted.
    fn bars(&mut self, path: &RepoPath, tree: &Tree) -> bool {
        let Some(rule) = forbidden::barred(path.as_str(), Area::Outputs) else {
            return false;
        };
        if rule.can_be_public() && self.public.is_match(path.as_str()) {
            return false;
        }
        if rule.kind == Kind::Key {
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

    /// What the user should know.
    pub(super) fn warning(&self) -> Option<String> {
        let files = self.found.iter();
        let files: Vec<String> = files
            .map(|(path, rule)| format!("`{path}` ({rule})"))
            .collect();
        (!files.is_empty()).then(|| left_out(&files.join(", ")))
    }
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
    pub(super) globs: Option<(&'w Globs, &'w Globs)>,
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
    /// Whether what lies in a directory is wanted.
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

    /// Whether a file or link is wanted. Sockets and the like are nobody's output.
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

/// A directory that a machine keeps for itself: nothing in there is looked at.
fn is_leftover(parent: &RepoPath, name: &str) -> bool {
    let rule = forbidden::barred(&format!("{parent}/{name}"), Area::Outputs);
    rule.is_some_and(|rule| rule.kind == Kind::Leftover)
}

/// Whether a file stays out, by its own name or by that of a directory above it.
fn is_barred(path: &RepoPath, below: &RepoPath, tree: &Tree, left_out: &mut LeftOut) -> bool {
    let above = std::iter::successors(path.parent(), RepoPath::parent);
    let mut above = above.take_while(|dir| dir != below && dir.is_within(below));
    above.any(|dir| {
        let rule = forbidden::barred(dir.as_str(), Area::Outputs);
        rule.is_some_and(|rule| rule.kind == Kind::Secret) && left_out.bars(&dir, tree)
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
    let kind = files::Kind::Symlink {
        target: target.to_owned(),
    };
    let file = File {
        path: path.clone(),
        kind,
        size: 0,
    };
    entry(place, path.as_str(), file, why)
}

/// A directory stands for all below it.
pub(super) fn glob_set<'g>(globs: impl Iterator<Item = &'g str>) -> Globs {
    let both = |glob: &str| with_all_below(glob.trim_end_matches('/'));
    let globs: Vec<String> = globs.flat_map(both).collect();
    Globs::lenient(globs.iter().map(String::as_str))
}
