//! The two closures of one or more apps: what their builds need, and what they need at run time.
//!
//! Input: the workspace, its lockfiles, the apps. Output: members with the reason for each, and the
//! lockfile entries that they reach. Each closure is pruned separately, so that the production
//! install does not depend on dev dependencies.

mod install;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::lockfile::reachable::Reach;
use crate::lockfile::{Field, Lockfile, LockfileError, Lockfiles};
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::needs::local::{Local, unrecorded};
use crate::needs::spared::{Tools, is_tool};
use crate::workspace::Workspace;

/// Why a member is in a closure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "because")]
pub enum Because {
    /// It is the app.
    App,
    /// It is the root project, whose tools every build may use.
    Root,
    /// Another member depends on it.
    Dependency {
        /// That member's directory.
        of: RepoPath,
        /// The manifest's map.
        field: &'static str,
    },
    /// A task in turbo's task graph names it.
    Task {
        /// The task as in `turbo.json`: `codegen#build`.
        task: String,
    },
}

impl Because {
    /// Whether the member counts as a package. The root project is usually there only for its tools
    /// or for pnpm, unless it is the app.
    pub fn is_package(&self, dir: &RepoPath) -> bool {
        !dir.is_root() || *self == Self::App
    }

    /// Whether another member's dependency is the reason.
    pub fn is_dependency(&self) -> bool {
        matches!(self, Self::Dependency { .. })
    }
}

/// An optional peer that was not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SparedPeer<'l> {
    /// The lockfile, by position.
    pub home: usize,
    /// The key of the entry that has the peer.
    pub of: &'l str,
    /// The peer's key.
    pub peer: &'l str,
}

/// A closure: members, and everything that they reach in the lockfiles.
#[derive(Debug)]
pub struct Closure<'l, 'a> {
    /// Positions of members, with the reason for each.
    pub members: BTreeMap<MemberId, Because>,
    /// Directories of a `link:` that are not members.
    pub linked: BTreeSet<RepoPath>,
    lockfiles: &'l Lockfiles<'a>,
    /// The reached entries of each lockfile.
    reaches: Vec<Reach<'l, 'a>>,
    /// Dev dependencies needed at run time because they are peers, by member: see
    /// [`Closure::runtime`].
    peers: BTreeSet<(MemberId, String)>,
    /// Dev dependencies needed at run time because the caller named them, by member.
    named: BTreeSet<(MemberId, String)>,
    with_dev: bool,
}

impl<'l, 'a> Closure<'l, 'a> {
    /// What builds need: the apps, the root project, the members that `tasks` names, and all
    /// dependencies of these, of any kind.
    pub fn build(
        workspace: &Workspace,
        lockfiles: &'l Lockfiles<'a>,
        apps: &[MemberId],
        tasks: &BTreeMap<MemberId, String>,
    ) -> Result<Self, LockfileError> {
        let mut closure = Self::empty(lockfiles, true);
        let mut queue: Vec<(MemberId, Because)> =
            apps.iter().map(|&app| (app, Because::App)).collect();
        queue.push((MemberId::ROOT, Because::Root));
        queue.extend(
            tasks
                .iter()
                .map(|(&at, task)| (at, Because::Task { task: task.clone() })),
        );
        closure.extend(workspace, queue)?;
        Ok(closure)
    }

    /// What the apps need at run time: themselves, and what they reach through `dependencies` and
    /// `optionalDependencies`.
    ///
    /// A linked member resolves its peers from its own directory, where only a dev dependency
    /// installs them. So a dev dependency counts if it is also a peer and a member of this closure
    /// has the same package among its dependencies: that is the peer which the member needs.
    ///
    /// `named` are further dev dependencies to include, by member: packages that load TypeScript
    /// when the app starts. If the root project has them, it joins the closure for these alone.
    /// `tools` says what becomes of developers' tools that nothing but optional peers asks for.
    pub fn runtime(
        workspace: &Workspace,
        lockfiles: &'l Lockfiles<'a>,
        apps: &[MemberId],
        named: &BTreeSet<(MemberId, String)>,
        tools: Tools,
    ) -> Result<Self, LockfileError> {
        let mut closure = Self::empty(lockfiles, false);
        if tools == Tools::Spared {
            let spare = |one| Reach::sparing(one, is_tool);
            closure.reaches = lockfiles.all().iter().map(spare).collect();
        }
        closure.named.clone_from(named);
        let mut queue: Vec<(MemberId, Because)> =
            apps.iter().map(|&app| (app, Because::App)).collect();
        if named.iter().any(|(at, _)| at.is_root()) {
            queue.push((MemberId::ROOT, Because::Root));
        }
        let mut fresh = closure.extend(workspace, queue)?;
        let (mut seen, mut provided) = (BTreeSet::new(), BTreeSet::new());
        let mut waiting: BTreeMap<&str, Vec<MemberId>> = BTreeMap::new();
        loop {
            fresh.retain(|at| seen.insert(*at));
            let mut found: BTreeMap<MemberId, BTreeSet<&str>> = BTreeMap::new();
            for &at in &fresh {
                let manifest = &workspace.members[at].manifest;
                let fields = [Field::Prod, Field::Optional].into_iter();
                let names = fields.flat_map(|field| manifest.dependencies(field).into_keys());
                for name in names.filter(|name| provided.insert(*name)) {
                    for at in waiting.remove(name).unwrap_or_default() {
                        found.entry(at).or_default().insert(name);
                    }
                }
            }
            for &at in &fresh {
                let manifest = &workspace.members[at].manifest;
                let dev = manifest.dependencies(Field::Dev);
                let peers = manifest.peers().into_keys();
                for peer in peers.filter(|peer| dev.contains_key(peer)) {
                    if provided.contains(peer) {
                        found.entry(at).or_default().insert(peer);
                    } else {
                        waiting.entry(peer).or_default().push(at);
                    }
                }
            }
            if found.is_empty() {
                for reach in &mut closure.reaches {
                    reach.settle()?;
                }
                return Ok(closure);
            }
            fresh.clear();
            for (at, peers) in found {
                let peers = peers.into_iter().map(|peer| (at, peer.to_owned()));
                closure.peers.extend(peers);
                let because = closure.members.remove(&at).unwrap_or(Because::App);
                fresh.extend(closure.extend(workspace, vec![(at, because)])?);
            }
        }
    }

    fn empty(lockfiles: &'l Lockfiles<'a>, with_dev: bool) -> Self {
        let (members, linked, peers) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self {
            members,
            linked,
            lockfiles,
            reaches: lockfiles.all().iter().map(Reach::new).collect(),
            peers,
            named: BTreeSet::new(),
            with_dev,
        }
    }

    /// Adds members and everything they need; returns the members that are new.
    fn extend(
        &mut self,
        workspace: &Workspace,
        mut queue: Vec<(MemberId, Because)>,
    ) -> Result<Vec<MemberId>, LockfileError> {
        let mut added = Vec::new();
        // Breadth first, so that each reason is a shortest one.
        let mut next = 0;
        while next < queue.len() {
            let (at, because) = queue[next].clone();
            next += 1;
            if self.members.contains_key(&at) {
                continue;
            }
            self.members.insert(at, because);
            added.push(at);
            let member = &workspace.members[at];
            let project = self.lockfiles.project(&member.dir);
            // A member without an importer still belongs to the shared lockfile.
            let home = self.lockfiles.home(&member.dir).map(|home| home.lockfile);
            let text = home.map(|home| &self.lockfiles.all()[home]);
            for link in unrecorded(text, project.map(|(_, importer)| importer), member) {
                if self.keeps(at, link.field, link.alias) {
                    let dir = link.dir(member)?;
                    self.land(workspace, (at, link.field), dir, &mut queue);
                }
            }
            let Some((lockfile, importer)) = project else {
                continue;
            };
            let lies_in = self.lockfiles.all()[lockfile].dir();
            for dependency in &importer.dependencies {
                if !self.keeps(at, dependency.field, &dependency.alias) {
                    continue;
                }
                let found = self.reaches[lockfile].follow(importer, dependency);
                for dir in found.map_err(|error| error.of(lies_in))? {
                    self.land(workspace, (at, dependency.field), dir, &mut queue);
                }
            }
        }
        Ok(added)
    }

    /// Adds what a local directory that a member depends on needs.
    fn land(
        &mut self,
        workspace: &Workspace,
        (from, field): (MemberId, Field),
        dir: RepoPath,
        queue: &mut Vec<(MemberId, Because)>,
    ) {
        let because = Because::Dependency {
            of: workspace.members[from].dir.clone(),
            field: field.key(),
        };
        match Local::of(workspace, &dir) {
            // Packages that pnpm copies need no more.
            Local::Member(to) if workspace.members[to].dir != dir && self.copies(&dir) => {
                self.linked.insert(dir);
            }
            Local::Member(to) => queue.push((to, because)),
            Local::Installed(to, name) => {
                let fresh = !self.with_dev && self.named.insert((to, name));
                // Its dependencies were followed without this one, so follow them again.
                let known = if fresh {
                    self.members.remove(&to)
                } else {
                    None
                };
                let root = to.is_root().then_some(Because::Root);
                queue.push((to, known.or(root).unwrap_or(because)));
            }
            Local::Nothing => {}
            Local::Directory => {
                self.linked.insert(dir);
            }
        }
    }

    fn copies(&self, dir: &RepoPath) -> bool {
        let mut all = self.reaches.iter();
        all.any(|reach| reach.copied_directories().contains(dir))
    }

    /// The positions of its packages: all members, but for a root project that is not the app.
    pub fn packages(&self) -> impl Iterator<Item = MemberId> {
        let members = self.members.iter();
        let packages = members.filter(|(at, because)| !at.is_root() || **because == Because::App);
        packages.map(|(&at, _)| at)
    }

    /// Whether the closure keeps a direct dependency of the member at `at`.
    pub fn keeps(&self, at: MemberId, field: Field, alias: &str) -> bool {
        if self.with_dev {
            return true;
        }
        let key = (at, alias.to_owned());
        if self.named.contains(&key) {
            return true;
        }
        let for_named = at.is_root() && self.members.get(&MemberId::ROOT) == Some(&Because::Root);
        !for_named && (field != Field::Dev || self.peers.contains(&key))
    }

    /// Like [`Closure::keeps`]. A root project that is there only because pnpm needs one keeps
    /// nothing.
    pub fn keeps_in(&self, at: MemberId, field: Field, alias: &str) -> bool {
        self.members.contains_key(&at) && self.keeps(at, field, alias)
    }

    /// Dev dependencies needed at run time because they are peers, as (member, package).
    pub fn peers(&self) -> &BTreeSet<(MemberId, String)> {
        &self.peers
    }

    /// Dev dependencies needed at run time because the caller named them, as (member, package).
    pub fn named(&self) -> &BTreeSet<(MemberId, String)> {
        &self.named
    }

    /// Developers' tools that were not followed as optional peers: see [`Tools::Spared`].
    pub fn spared(&self) -> impl Iterator<Item = SparedPeer<'l>> {
        self.reaches.iter().enumerate().flat_map(|(home, reach)| {
            let spared = reach.spared();
            spared.map(move |(of, peer)| SparedPeer { home, of, peer })
        })
    }

    /// A lockfile by its position, which says how its keys are written.
    pub fn lockfile(&self, home: usize) -> &'l Lockfile<'a> {
        &self.lockfiles.all()[home]
    }

    /// The number of packages from registries that an install unpacks, counted separately for each
    /// lockfile.
    pub fn package_count(&self) -> usize {
        self.reaches.iter().map(Reach::package_count).sum()
    }

    /// The reached entries: the lockfile, the entry's key, and whether the entry is optional.
    pub fn entries(&self) -> impl Iterator<Item = (&'l Lockfile<'a>, &'l str, bool)> {
        self.reaches.iter().flat_map(Reach::entries)
    }

    /// The keys of reached entries that a member's own `optionalDependencies` name.
    pub fn asked_optional(&self) -> BTreeSet<&'l str> {
        let all = self.reaches.iter();
        all.flat_map(Reach::asked_optional).collect()
    }

    /// Directories that pnpm copies when it installs (`file:` and injected packages).
    pub fn copied_directories(&self) -> BTreeSet<&RepoPath> {
        let all = self.reaches.iter();
        all.flat_map(Reach::copied_directories).collect()
    }

    /// Tarballs in the workspace.
    pub fn tarballs(&self) -> BTreeSet<&RepoPath> {
        self.reaches.iter().flat_map(Reach::tarballs).collect()
    }
}

#[cfg(test)]
mod tests;
