//! Reachability: which entries of the lockfile, and which local directories, a dependency pulls in.
//!
//! Edges are the lockfile's own; version ranges of manifests are never matched.

use std::collections::BTreeSet;

use super::keys::{Reference, local_path, package_key, resolve};
use super::{Dependency, Importer, Lockfile, LockfileError};
use crate::path::RepoPath;

/// What has been reached so far.
#[derive(Debug)]
pub struct Reach<'l, 'a> {
    lockfile: &'l Lockfile<'a>,
    snapshots: Vec<bool>,
    packages: Vec<bool>,
    directories: BTreeSet<RepoPath>,
    copied: BTreeSet<RepoPath>,
    tarballs: BTreeSet<RepoPath>,
}

impl<'l, 'a> Reach<'l, 'a> {
    /// Starts with nothing.
    pub fn new(lockfile: &'l Lockfile<'a>) -> Self {
        Self {
            lockfile,
            snapshots: vec![false; lockfile.snapshots().len()],
            packages: vec![false; lockfile.packages().len()],
            directories: BTreeSet::new(),
            copied: BTreeSet::new(),
            tarballs: BTreeSet::new(),
        }
    }

    /// Follows one direct dependency to its end. Returns the local directories that were not reached before: members of the workspace, or
    /// other directories that a `link:` or `file:` names.
    pub fn follow(
        &mut self,
        importer: &Importer<'a>,
        dependency: &Dependency<'a>,
    ) -> Result<Vec<RepoPath>, LockfileError> {
        let from = || format!("`{}` in `{}`", dependency.alias, importer.key);
        let mut found = Vec::new();
        match resolve(&dependency.alias, &dependency.version) {
            Reference::Link(target) => {
                let outside = || LockfileError::Outside {
                    from: from(),
                    target: format!("link:{target}"),
                };
                let base = RepoPath::new(&importer.key).map_err(|_| outside())?;
                self.enter(base.join(target).map_err(|_| outside())?, &mut found);
            }
            Reference::Entry(key) => self.visit(&key, &from(), &mut found)?,
        }
        Ok(found)
    }

    /// How many entries of `packages` have been reached: what an install unpacks.
    pub fn package_count(&self) -> usize {
        self.packages.iter().filter(|reached| **reached).count()
    }

    /// The keys of all snapshots that have been reached.
    pub fn snapshot_keys(&self) -> impl Iterator<Item = &str> {
        self.lockfile
            .snapshots()
            .iter()
            .zip(&self.snapshots)
            .filter(|(_, reached)| **reached)
            .map(|(entry, _)| &*entry.key)
    }

    /// Directories that pnpm copies into the virtual store when it installs (`file:` and injected packages).
    pub fn copied_directories(&self) -> &BTreeSet<RepoPath> {
        &self.copied
    }

    /// Tarballs that lie in the workspace.
    pub fn tarballs(&self) -> &BTreeSet<RepoPath> {
        &self.tarballs
    }

    pub(super) fn has_snapshot(&self, at: usize) -> bool {
        self.snapshots[at]
    }

    pub(super) fn has_package(&self, at: usize) -> bool {
        self.packages[at]
    }

    fn enter(&mut self, directory: RepoPath, found: &mut Vec<RepoPath>) {
        if self.directories.insert(directory.clone()) {
            found.push(directory);
        }
    }

    /// Marks an entry and all that it needs. The stack is a list of its own: chains in real lockfiles are long.
    fn visit(
        &mut self,
        key: &str,
        from: &str,
        found: &mut Vec<RepoPath>,
    ) -> Result<(), LockfileError> {
        let mut stack = vec![self.mark(key, from, found)?];
        while let Some(at) = stack.pop() {
            let Some(at) = at else { continue };
            let entry = &self.lockfile.snapshots()[at].key;
            for (alias, version) in self.lockfile.edges(at)? {
                match resolve(&alias, &version) {
                    Reference::Link(target) => {
                        // In snapshots, links are relative to the lockfile.
                        let directory =
                            RepoPath::new(target).map_err(|_| LockfileError::Outside {
                                from: format!("`{entry}`"),
                                target: format!("link:{target}"),
                            })?;
                        self.enter(directory, found);
                    }
                    Reference::Entry(key) => {
                        stack.push(self.mark(&key, &format!("`{entry}`"), found)?);
                    }
                }
            }
        }
        Ok(())
    }

    /// Marks one snapshot and its package; returns its position where it is new.
    fn mark(
        &mut self,
        key: &str,
        from: &str,
        found: &mut Vec<RepoPath>,
    ) -> Result<Option<usize>, LockfileError> {
        let dangling = |key: &str| LockfileError::Dangling {
            from: from.to_owned(),
            key: key.to_owned(),
        };
        let at = Lockfile::find(self.lockfile.snapshots(), key).ok_or_else(|| dangling(key))?;
        if self.snapshots[at] {
            return Ok(None);
        }
        self.snapshots[at] = true;
        let package = Lockfile::find(self.lockfile.packages(), package_key(key))
            .ok_or_else(|| dangling(package_key(key)))?;
        self.packages[package] = true;
        if let Some(target) = local_path(key) {
            let outside = |_| LockfileError::Outside {
                from: from.to_owned(),
                target: format!("file:{target}"),
            };
            let path = RepoPath::new(target).map_err(outside)?;
            let range = self.lockfile.packages()[package].range.clone();
            if self.lockfile.text()[range].contains("type: directory") {
                self.copied.insert(path.clone());
                self.enter(path, found);
            } else {
                self.tarballs.insert(path);
            }
        }
        Ok(Some(at))
    }
}
