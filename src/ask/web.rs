//! The web of dependencies: members and lockfile entries with all edges between them.
//!
//! Input: the workspace and its lockfiles. Output: nodes and edges of the whole workspace, each
//! with its label.

use std::collections::BTreeMap;

use crate::lockfile::keys::{Reference, name_and_version, resolve};
use crate::lockfile::{Field, Lockfile, LockfileError, Lockfiles};
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::workspace::Workspace;

/// Appended to the directory of a package that pnpm copies instead of linking.
pub(super) const COPIED: &str = " (copied)";

/// A node of the web.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// A member.
    Member(MemberId),
    /// A directory that is not a member.
    Directory(RepoPath),
    /// An entry of a lockfile's `snapshots`, by the lockfile's position and the key.
    Entry(usize, String),
}

/// A dependency.
#[derive(Debug)]
pub(super) struct Edge {
    /// The target's position.
    pub(super) to: usize,
    /// The manifest's map that contains it; entries have no such maps.
    pub(super) field: Option<Field>,
    /// The name that it is imported by.
    pub(super) alias: String,
}

/// All nodes by position, with their outgoing edges.
#[derive(Debug, Default)]
pub(super) struct Web {
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<Vec<Edge>>,
    /// A node's label: a directory, or `name@version` without peers.
    pub(super) labels: Vec<String>,
    /// The package's name, if it has one.
    pub(super) names: Vec<Option<String>>,
    positions: BTreeMap<Node, usize>,
}

impl Web {
    pub(super) fn new(
        workspace: &Workspace,
        lockfiles: &Lockfiles<'_>,
    ) -> Result<Self, LockfileError> {
        let mut web = Self::default();
        let node = |node: Node| Named::new(node, workspace, lockfiles);
        let directory = |dir: RepoPath| {
            let member = workspace.member_in(&dir);
            member.map_or(Node::Directory(dir), Node::Member)
        };
        for at in workspace.members.ids() {
            web.node(node(Node::Member(at)));
        }
        for (at, member) in workspace.members.with_ids() {
            let Some((home, importer)) = lockfiles.project(&member.dir) else {
                continue;
            };
            let format = lockfiles.all()[home].format();
            for dependency in &importer.dependencies {
                let (alias, field) = (&*dependency.alias, Some(dependency.field));
                let target = match resolve(format, alias, &dependency.version) {
                    Reference::Link(target) => member.dir.join(target).ok().map(&directory),
                    Reference::Entry(key) => Some(Node::Entry(home, key.into_owned())),
                };
                web.edge(Self::member(at), field, alias, target.map(&node));
            }
        }
        for (home, lockfile) in lockfiles.all().iter().enumerate() {
            for key in lockfile.node_keys() {
                let at = web.node(node(Node::Entry(home, key.to_owned())));
                let needs = lockfile.needs(key);
                for (alias, version) in needs.map_err(|error| error.of(lockfile.dir()))? {
                    let target = match resolve(lockfile.format(), &alias, &version) {
                        Reference::Link(target) => lockfile.resolve(target).ok().map(&directory),
                        Reference::Entry(key) => Some(Node::Entry(home, key.into_owned())),
                    };
                    web.edge(at, None, &alias, target.map(&node));
                }
            }
        }
        // A copied member is still a project, whose own dependencies are installed.
        for at in 0..web.nodes.len() {
            if let Node::Entry(home, key) = &web.nodes[at]
                && let Some(dir) = copied_from(&lockfiles.all()[*home], key)
                && let Some(member) = workspace.member_in(&dir)
            {
                let name = web.names[at].clone().unwrap_or_default();
                web.edge(at, None, &name, Some(node(Node::Member(member))));
            }
        }
        Ok(web)
    }

    /// The position of a member's node: members come first, in their order.
    pub(super) fn member(id: MemberId) -> usize {
        id.position()
    }

    /// The position of a node, if there is one.
    pub(super) fn position(&self, node: &Node) -> Option<usize> {
        self.positions.get(node).copied()
    }

    fn node(&mut self, named: Named) -> usize {
        if let Some(at) = self.position(&named.node) {
            return at;
        }
        let at = self.nodes.len();
        self.nodes.push(named.node.clone());
        self.labels.push(named.label);
        self.names.push(named.name);
        self.edges.push(Vec::new());
        self.positions.insert(named.node, at);
        at
    }

    fn edge(&mut self, from: usize, field: Option<Field>, alias: &str, target: Option<Named>) {
        // Closures report links that leave the workspace.
        let Some(target) = target else { return };
        let to = self.node(target);
        let alias = alias.to_owned();
        self.edges[from].push(Edge { to, field, alias });
    }
}

/// A node and its label.
struct Named {
    node: Node,
    label: String,
    name: Option<String>,
}

impl Named {
    fn new(node: Node, workspace: &Workspace, lockfiles: &Lockfiles<'_>) -> Self {
        let name_of = |at: MemberId| workspace.members[at].manifest.name().map(str::to_owned);
        let (label, name) = match &node {
            Node::Member(at) => (workspace.members[*at].dir.to_string(), name_of(*at)),
            Node::Directory(dir) => (dir.to_string(), None),
            Node::Entry(home, key) => {
                let lockfile = &lockfiles.all()[*home];
                if let Some(dir) = copied_from(lockfile, key) {
                    let name = workspace.member_in(&dir).and_then(name_of);
                    (format!("{dir}{COPIED}"), name)
                } else {
                    let (name, version) = name_and_version(lockfile.format(), key);
                    let separator = if version.is_empty() { "" } else { "@" };
                    (format!("{name}{separator}{version}"), Some(name.to_owned()))
                }
            }
        };
        Self { node, label, name }
    }
}

/// The directory that a node is copied from. Older pnpm wrote no node for such a directory without
/// dependencies.
fn copied_from(lockfile: &Lockfile<'_>, key: &str) -> Option<RepoPath> {
    let without_node = || {
        let path = key.strip_prefix("file:")?;
        let is_archive = [".tgz", ".tar.gz", ".tar"]
            .iter()
            .any(|ending| path.ends_with(ending));
        lockfile.resolve(path).ok().filter(|_| !is_archive)
    };
    lockfile.copied_directory(key).or_else(without_node)
}
