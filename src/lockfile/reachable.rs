//! Reachability: which entries of the lockfile, and which local directories, a dependency pulls in.
//!
//! Follows the lockfile's edges; version ranges of manifests are never matched. Optional peers that
//! the caller spares are followed last, and only to what something else needs.

use std::collections::BTreeSet;
use std::ops::Range;

use super::index::LocalSource;
use super::keys::{Format, Reference, package_key, resolve};
use super::{Dependency, Field, Importer, Lockfile, LockfileError};
use crate::model::path::RepoPath;

/// What has been reached so far.
#[derive(Debug)]
pub struct Reach<'l, 'a> {
    lockfile: &'l Lockfile<'a>,
    nodes: Vec<Option<Box<Reached>>>,
    packages: Vec<bool>,
    asked: BTreeSet<usize>,
    directories: BTreeSet<RepoPath>,
    copied: BTreeSet<RepoPath>,
    tarballs: BTreeSet<RepoPath>,
    /// Names of packages that are not followed as optional peers.
    spared: fn(&str) -> bool,
    /// Edges to these. An edge leaves the list when something else needs its target.
    waiting: Vec<Waiting>,
}

/// An edge to an optional peer that is not followed.
#[derive(Debug)]
struct Waiting {
    from: usize,
    to: usize,
    alias: String,
}

/// A node that was reached, with its edges resolved once.
#[derive(Debug)]
pub(super) struct Reached {
    edges: Vec<Edge>,
    ways: Ways,
    /// The line `optional: true`.
    pub(super) optional: Option<Range<usize>>,
    /// The line `dev: …`, and its value.
    pub(super) dev: Option<(bool, Range<usize>)>,
}

#[derive(Debug, Clone, Copy)]
struct Edge {
    to: usize,
    optional: bool,
}

/// How a node is reached. pnpm's `pruneSharedLockfile` derives the flags `dev` and `optional` from
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Way {
    dev: bool,
    optional: bool,
}

/// The ways in which a node has been reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ways(u8);

impl Ways {
    fn bit(way: Way) -> u8 {
        1 << (2 * u8::from(way.dev) + u8::from(way.optional))
    }

    /// Records a way. Returns false if it adds nothing: a node that is needed is not also optional.
    fn add(&mut self, way: Way) -> bool {
        let needed = Self::bit(Way {
            optional: false,
            ..way
        });
        if self.0 & (needed | Self::bit(way)) != 0 && (self.0 & needed != 0 || way.optional) {
            return false;
        }
        self.0 |= Self::bit(way);
        true
    }

    /// The ways that were recorded.
    fn all(self) -> impl Iterator<Item = Way> {
        let both = [false, true].into_iter();
        let ways = both.flat_map(|dev| [false, true].map(|optional| Way { dev, optional }));
        ways.filter(move |&way| self.0 & Self::bit(way) != 0)
    }

    fn any(self, wanted: impl Fn(Way) -> bool) -> bool {
        self.all().any(wanted)
    }
}

impl Reached {
    /// Whether the node is only reached by optional edges.
    pub(super) fn is_optional(&self) -> bool {
        !self.ways.any(|way| !way.optional)
    }

    /// `Some(true)` if only dev dependencies lead here, `Some(false)` if only others do, `None` for
    /// both.
    pub(super) fn is_dev(&self) -> Option<bool> {
        match (self.ways.any(|way| way.dev), self.ways.any(|way| !way.dev)) {
            (true, true) => None,
            (dev, _) => Some(dev),
        }
    }
}

impl<'l, 'a> Reach<'l, 'a> {
    /// Starts with nothing, and follows every edge.
    pub fn new(lockfile: &'l Lockfile<'a>) -> Self {
        Self::sparing(lockfile, |_| false)
    }

    /// Starts with nothing. Packages with a spared name are reached by an optional peer only if
    /// something else reaches them, too. Call [`settle`](Self::settle) at the end.
    pub fn sparing(lockfile: &'l Lockfile<'a>, spared: fn(&str) -> bool) -> Self {
        Self {
            lockfile,
            nodes: std::iter::repeat_with(|| None)
                .take(lockfile.nodes().len())
                .collect(),
            packages: vec![false; lockfile.packages().len()],
            asked: BTreeSet::new(),
            directories: BTreeSet::new(),
            copied: BTreeSet::new(),
            tarballs: BTreeSet::new(),
            spared,
            waiting: Vec::new(),
        }
    }

    /// Follows the optional peers that were spared to those that are reached all the same.
    pub fn settle(&mut self) -> Result<(), LockfileError> {
        loop {
            let nodes = &self.nodes;
            let needed = |edge: &Waiting| nodes[edge.to].is_some();
            let Some(at) = self.waiting.iter().position(needed) else {
                return Ok(());
            };
            let edge = self.waiting.swap_remove(at);
            let Some(from) = &mut self.nodes[edge.from] else {
                continue;
            };
            from.edges.push(Edge {
                to: edge.to,
                optional: true,
            });
            for way in from.ways.all() {
                let way = Way {
                    optional: true,
                    ..way
                };
                // What is below was found when the target was reached.
                self.visit(edge.to, way, &mut Vec::new())?;
            }
        }
    }

    /// The edges that were not followed: who has the optional peer, and the peer's key.
    pub fn spared(&self) -> impl Iterator<Item = (&'l str, &'l str)> {
        let nodes = self.lockfile.nodes();
        let edges = self.waiting.iter();
        edges.map(|edge| (&*nodes[edge.from].key, &*nodes[edge.to].key))
    }

    /// The names of the peers of a node that were not followed.
    pub(super) fn spared_of(&self, at: usize) -> Vec<&str> {
        let edges = self.waiting.iter().filter(|edge| edge.from == at);
        edges.map(|edge| &*edge.alias).collect()
    }

    /// Follows one direct dependency to its end. Returns the local directories that were not
    /// reached before: members, or other directories of a `link:` or `file:`.
    pub fn follow(
        &mut self,
        importer: &Importer<'a>,
        dependency: &Dependency<'a>,
    ) -> Result<Vec<RepoPath>, LockfileError> {
        let from = || format!("`{}` in `{}`", dependency.alias, importer.key);
        let mut found = Vec::new();
        match resolve(
            self.lockfile.format(),
            &dependency.alias,
            &dependency.version,
        ) {
            Reference::Link(target) => {
                let outside = || LockfileError::Outside {
                    from: from(),
                    target: format!("link:{target}"),
                };
                let base = self
                    .lockfile
                    .resolve(&importer.key)
                    .map_err(|_| outside())?;
                self.enter(base.join(target).map_err(|_| outside())?, &mut found);
            }
            Reference::Entry(key) => {
                let way = Way {
                    dev: dependency.field == Field::Dev,
                    optional: dependency.field == Field::Optional,
                };
                if let Some(at) = self.locate(&key, from, &mut found)? {
                    if way.optional {
                        self.asked.insert(at);
                    }
                    self.visit(at, way, &mut found)?;
                }
            }
        }
        Ok(found)
    }

    /// How many packages have been reached, which is how many an install unpacks. Format 9.0 counts
    /// a package once, whatever its peers.
    pub fn package_count(&self) -> usize {
        match self.lockfile.format() {
            Format::V9 => self.packages.iter().filter(|reached| **reached).count(),
            Format::V5 | Format::V6 => self.nodes.iter().flatten().count(),
        }
    }

    /// The keys of all nodes that have been reached: depPaths.
    #[cfg(any(test, fuzzing))]
    pub fn snapshot_keys(&self) -> impl Iterator<Item = &str> {
        let nodes = self.lockfile.nodes().iter().zip(&self.nodes);
        nodes
            .filter(|(_, reached)| reached.is_some())
            .map(|(entry, _)| &*entry.key)
    }

    /// The lockfile, key and optionality of each reached node.
    pub fn entries(&self) -> impl Iterator<Item = (&'l Lockfile<'a>, &'l str, bool)> {
        let nodes = self.lockfile.nodes().iter().zip(&self.nodes);
        nodes.filter_map(|(entry, reached)| {
            let optional = reached.as_ref()?.is_optional();
            Some((self.lockfile, &*entry.key, optional))
        })
    }

    /// The keys of reached nodes that a member's own `optionalDependencies` name.
    pub fn asked_optional(&self) -> impl Iterator<Item = &'l str> {
        let nodes = self.lockfile.nodes();
        self.asked.iter().map(|&at| &*nodes[at].key)
    }

    /// Directories that pnpm copies into the virtual store when it installs (`file:` and injected
    /// packages).
    pub fn copied_directories(&self) -> &BTreeSet<RepoPath> {
        &self.copied
    }

    /// Tarballs in the workspace.
    pub fn tarballs(&self) -> &BTreeSet<RepoPath> {
        &self.tarballs
    }

    pub(super) fn node(&self, at: usize) -> Option<&Reached> {
        self.nodes[at].as_deref()
    }

    pub(super) fn has_package(&self, at: usize) -> bool {
        self.packages[at]
    }

    fn enter(&mut self, directory: RepoPath, found: &mut Vec<RepoPath>) {
        if self.directories.insert(directory.clone()) {
            found.push(directory);
        }
    }

    /// The position of a key. Older versions of pnpm left out entries of local directories without
    /// dependencies; a missing one is no error.
    fn locate(
        &mut self,
        key: &str,
        from: impl Fn() -> String,
        found: &mut Vec<RepoPath>,
    ) -> Result<Option<usize>, LockfileError> {
        let nodes = self.lockfile.nodes();
        if let Some(at) = nodes.find(key) {
            return Ok(Some(at));
        }
        if let (Format::V5 | Format::V6, Some(path)) =
            (self.lockfile.format(), key.strip_prefix("file:"))
            && !path.ends_with(".tgz")
            && !path.ends_with(".tar.gz")
            && !path.ends_with(".tar")
        {
            let outside = |_| LockfileError::Outside {
                from: from(),
                target: key.to_owned(),
            };
            let directory = self.lockfile.resolve(path).map_err(outside)?;
            self.copied.insert(directory.clone());
            self.enter(directory, found);
            return Ok(None);
        }
        Err(LockfileError::Dangling {
            from: from(),
            key: key.to_owned(),
        })
    }

    /// Marks a node and everything it needs. Iterates with an explicit stack, because real chains
    /// are long.
    fn visit(
        &mut self,
        start: usize,
        way: Way,
        found: &mut Vec<RepoPath>,
    ) -> Result<(), LockfileError> {
        let mut stack = vec![(start, way)];
        while let Some((at, way)) = stack.pop() {
            if self.nodes[at].is_none() {
                let reached = self.load(at, found)?;
                self.nodes[at] = Some(Box::new(reached));
            }
            let Some(reached) = &mut self.nodes[at] else {
                continue;
            };
            if !reached.ways.add(way) {
                continue;
            }
            let onward = reached.edges.iter().map(|edge| {
                (
                    edge.to,
                    Way {
                        optional: way.optional || edge.optional,
                        ..way
                    },
                )
            });
            stack.extend(onward);
        }
        Ok(())
    }

    /// Parses a node when it is first reached: its edges, its package, its directory.
    fn load(&mut self, at: usize, found: &mut Vec<RepoPath>) -> Result<Reached, LockfileError> {
        let lockfile = self.lockfile;
        let key = &lockfile.nodes()[at].key;
        let from = || format!("`{key}`");
        if lockfile.format() == Format::V9 {
            let package = lockfile.packages().find(package_key(key));
            let missing = || LockfileError::NoPackage(key.to_string());
            self.packages[package.ok_or_else(missing)?] = true;
        }
        let mut own = None;
        if let Some(source) = lockfile.local_source(key) {
            let outside = |target: &str| LockfileError::Outside {
                from: from(),
                target: format!("file:{target}"),
            };
            match source {
                LocalSource::Directory(path) => {
                    let directory = lockfile.resolve(&path).map_err(|_| outside(&path))?;
                    self.copied.insert(directory.clone());
                    own = Some(directory.clone());
                    self.enter(directory, found);
                }
                LocalSource::Tarball(path) => {
                    self.tarballs
                        .insert(lockfile.resolve(path).map_err(|_| outside(path))?);
                }
            }
        }
        let node = lockfile.node(at)?;
        let mut edges = Vec::with_capacity(node.edges.len());
        for (alias, version, optional) in node.edges {
            match resolve(lockfile.format(), &alias, &version) {
                Reference::Link(target) => {
                    // Links in entries are relative to the lockfile, except a `link:` in the
                    // manifest of a copied member, which is written unchanged. pnpm then makes a
                    // dangling link and ignores it.
                    let outside = |_| LockfileError::Outside {
                        from: from(),
                        target: format!("link:{target}"),
                    };
                    let below = |own: &RepoPath| own.join(target).ok();
                    let directory = lockfile
                        .resolve(target)
                        .or_else(|error| own.as_ref().and_then(below).ok_or(error))
                        .map_err(outside)?;
                    self.enter(directory, found);
                }
                Reference::Entry(key) => {
                    let Some(to) = self.locate(&key, from, found)? else {
                        continue;
                    };
                    if (self.spared)(&alias) && lockfile.is_optional_peer(at, &alias) {
                        self.waiting.push(Waiting {
                            from: at,
                            to,
                            alias: alias.into_owned(),
                        });
                    } else {
                        edges.push(Edge { to, optional });
                    }
                }
            }
        }
        Ok(Reached {
            edges,
            ways: Ways::default(),
            optional: node.optional,
            dev: node.dev,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_needed_is_not_also_optional() {
        let way = |dev, optional| Way { dev, optional };
        let mut ways = Ways::default();
        assert!(ways.add(way(false, true)));
        assert!(!ways.add(way(false, true)));
        assert!(ways.add(way(false, false)));
        assert!(!ways.add(way(false, true)));
        assert!(ways.add(way(true, true)));
        assert!(ways.any(|way| way.dev) && ways.any(|way| !way.optional));
    }
}
