//! Expands the globs of `packages:` as pnpm does.

use super::WorkspaceError;
use crate::files::glob::{self, Dialect};
use crate::files::tree::{FileKind, Tree, optional};
use crate::model::path::RepoPath;
use crate::workspace::manifest::{ManifestError, package};

/// Appended to a glob, because pnpm searches for manifests: `packages/**` also matches `packages`.
/// The manifest's name does not matter.
const MANIFEST: &str = "/package.json";

/// Compiled globs. A `!` glob excludes directories wherever it is in the list (tried with pnpm 8,
/// 9, 10 and 12).
pub(super) struct Globs {
    wanted: glob::Globs,
    /// The literal path parts that each including glob begins with.
    literal: Vec<Vec<String>>,
    unwanted: glob::Globs,
    /// How deep a match can be.
    depth: usize,
}

impl Globs {
    pub(super) fn compile(globs: &[String]) -> Result<Self, WorkspaceError> {
        // Each with the original glob.
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        let (mut literal, mut depth) = (Vec::new(), 0);
        for glob in globs {
            let (set, pattern) = match glob.strip_prefix('!') {
                Some(pattern) => (&mut unwanted, pattern),
                None => (&mut wanted, glob.as_str()),
            };
            let pattern = pattern.trim_start_matches("./");
            let pattern = pattern.strip_suffix('/').unwrap_or(pattern);
            if let Some(problem) = unread(pattern) {
                return Err(WorkspaceError::Glob {
                    glob: glob.clone(),
                    problem: problem.to_owned(),
                });
            }
            set.push((format!("{}{MANIFEST}", plain(pattern)), glob));
            if !glob.starts_with('!') {
                let names = pattern
                    .split('/')
                    .take_while(|part| !part.contains(['*', '?', '[', ']', '{', '}', '\\']));
                literal.push(names.map(str::to_owned).collect());
                depth = depth.max(if pattern.contains("**") {
                    usize::MAX
                } else {
                    pattern.matches('/').count() + 1
                });
            }
        }
        Ok(Self {
            wanted: compile(&wanted)?,
            literal,
            unwanted: compile(&unwanted)?,
            depth,
        })
    }

    /// Whether the globs match this directory.
    pub(super) fn name(&self, dir: &str) -> bool {
        let manifest = format!("{dir}{MANIFEST}");
        let parts: Vec<&str> = dir.split('/').collect();
        let hidden = parts.iter().rposition(|part| part.starts_with('.'));
        let hidden = hidden.map_or(0, |at| at + 1);
        let mut wanted = self.wanted.matches(&manifest).into_iter();
        wanted.any(|at| self.literal[at].len() >= hidden) && !self.unwanted.is_match(&manifest)
    }

    /// Whether this directory may be or contain a member.
    fn enter(&self, dir: &str) -> bool {
        let name = dir.rsplit('/').next().unwrap_or_default();
        let names: Vec<&str> = dir.split('/').collect();
        !matches!(name, "node_modules" | "bower_components")
            && (!name.starts_with('.')
                || self.literal.iter().any(|own| {
                    own.len() >= names.len()
                        && own.iter().zip(&names).all(|(own, name)| own == name)
                }))
    }
}

/// Compiles patterns, each with its original glob.
fn compile(patterns: &[(String, &String)]) -> Result<glob::Globs, WorkspaceError> {
    let dialect = Dialect {
        empty_alternates: true,
    };
    let texts = patterns.iter().map(|(pattern, _)| pattern.as_str());
    glob::Globs::compile(texts, dialect).map_err(|(at, problem)| WorkspaceError::Glob {
        glob: patterns[at].1.chars().take(100).collect(),
        problem: problem.words(),
    })
}

/// The glob with each class of one escaped letter replaced by a backslash escape. Our matcher knows
/// no escapes in classes, but the `packages:` that slimbuild writes has them.
fn plain(pattern: &str) -> String {
    let mut plain = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find("[\\") {
        let mut class = rest[at + 2..].chars();
        if let (Some(letter), Some(']')) = (class.next(), class.next()) {
            plain.push_str(&rest[..at]);
            plain.extend(['\\', letter]);
            rest = class.as_str();
        } else {
            plain.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
        }
    }
    plain + rest
}

/// Syntax that pnpm supports and slimbuild does not. One known difference is accepted: here `?`
/// matches one byte, not one character.
fn unread(pattern: &str) -> Option<&'static str> {
    let group = |start: &str| pattern.contains(start);
    if ["@(", "!(", "+(", "*(", "?("].into_iter().any(group)
        || (pattern.contains('(') && pattern.contains('|'))
    {
        Some(
            "groups such as `@(a|b)` and `!(a)` are not supported: write `{a,b}`, or a glob with `!` before it on a line of its own",
        )
    } else if pattern.contains('{') && pattern.contains("..") {
        Some("ranges such as `{1..3}` are not supported: write `{1,2,3}`")
    } else if pattern.contains("[!") {
        Some("pnpm does not take `[!a]` for all but `a`: write `[^a]`")
    } else {
        None
    }
}

/// The directories with a manifest that the globs of `packages:` match, as pnpm finds them:
/// `node_modules` and `bower_components` are never entered, and no wildcard matches a leading dot
/// ([`find-packages`](https://github.com/pnpm/pnpm/blob/main/workspace/projects-reader)).
pub(super) fn expand(tree: &Tree, globs: &[String]) -> Result<Vec<RepoPath>, WorkspaceError> {
    let globs = Globs::compile(globs)?;
    let mut found = Vec::new();
    let mut queue = vec![(RepoPath::ROOT, 0)];
    while let Some((dir, depth)) = queue.pop() {
        if depth > 0 && globs.name(dir.as_str()) && is_member(tree, &dir)? {
            found.push(dir.clone());
        }
        if depth == globs.depth {
            continue;
        }
        // An unreadable directory cannot be a member; pnpm skips it too.
        let Ok(entries) = tree.directory(&dir).and_then(|mut dir| dir.entries()) else {
            continue;
        };
        for (name, kind) in entries {
            let Some(inner) = name.to_str().map(|name| RepoPath::child(&dir, name)) else {
                continue;
            };
            if !globs.enter(inner.as_str()) {
                continue;
            }
            if kind == FileKind::Directory || (kind == FileKind::Symlink && leads_on(tree, &inner))
            {
                queue.push((inner, depth + 1));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether to follow a link to a directory that may contain members, as pnpm does. At most one link
/// is followed on the way to a member, and none that leads up, since those could go on forever.
fn leads_on(tree: &Tree, link: &RepoPath) -> bool {
    let parent = link.parent().unwrap_or_default();
    let real = tree.real(link).ok();
    real.is_some_and(|real| {
        !parent.is_within(&real)
            && tree.real(&parent).is_ok_and(|real| real == parent)
            && tree.is_dir(&real).unwrap_or_default()
    })
}

/// Whether a directory has a manifest.
fn is_member(tree: &Tree, dir: &RepoPath) -> Result<bool, ManifestError> {
    for name in package::FILES {
        let manifest = RepoPath::child(dir, name);
        let found = optional(tree.metadata(&manifest)).map_err(ManifestError::from)?;
        // Special files are refused later, when the manifest is read.
        if found.is_some_and(|metadata| metadata.kind != FileKind::Directory) {
            return Ok(true);
        }
    }
    Ok(false)
}
