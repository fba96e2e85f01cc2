//! The web of dependencies: members and the lockfile's entries, with every edge between them.
//!
//! Goes in: the workspace and its lockfile. Comes out: nodes and edges of the whole workspace, each with the word it is called by.

use std::collections::BTreeMap;

use crate::lockfile::keys::{Format, Reference, name_and_version, resolve};
use crate::lockfile::{Field, Lockfile, LockfileError};
use crate::path::RepoPath;
use crate::workspace::Workspace;

/// What depends, or is depended on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// A member, by position.
    Member(usize),
    /// A directory that is no member.
    Directory(RepoPath),
    /// An entry of the lockfile's `snapshots`, by key.
    Entry(String),
}

/// A dependency.
#[derive(Debug)]
pub(super) struct Edge {
    /// Where it leads, by position.
    pub(super) to: usize,
    /// The manifest's map that it stands in; entries have no such maps.
    pub(super) field: Option<Field>,
    /// The name that it is imported by.
    pub(super) alias: String,
}

/// All nodes, by position, and the edges that leave each.
#[derive(Debug)]
pub(super) struct Web {
    format: Format,
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<Vec<Edge>>,
    /// What a node is called: a directory, or `name@version`.
    pub(super) labels: Vec<String>,
    /// The package's name, where it has one.
    pub(super) names: Vec<Option<String>>,
    positions: BTreeMap<Node, usize>,
}

impl Web {
    pub(super) fn new(
        workspace: &Workspace,
        lockfile: &Lockfile<'_>,
    ) -> Result<Self, LockfileError> {
        let mut web = Self {
            format: lockfile.format(),
            nodes: Vec::new(),
            edges: Vec::new(),
            labels: Vec::new(),
            names: Vec::new(),
            positions: BTreeMap::new(),
        };
        for at in 0..workspace.members.len() {
            web.node(Node::Member(at), workspace);
        }
        for (at, member) in workspace.members.iter().enumerate() {
            let Some(importer) = lockfile.importer(&member.importer_key()) else {
                continue;
            };
            for dependency in &importer.dependencies {
                let (alias, field) = (&*dependency.alias, Some(dependency.field));
                let target = match resolve(lockfile.format(), alias, &dependency.version) {
                    Reference::Link(target) => {
                        member.dir.join(target).ok().map(directory(workspace))
                    }
                    Reference::Entry(key) => Some(Node::Entry(key.into_owned())),
                };
                web.edge(at, field, alias, target, workspace);
            }
        }
        for key in lockfile.node_keys() {
            let at = web.node(Node::Entry(key.to_owned()), workspace);
            for (alias, version) in lockfile.needs(key)? {
                // In snapshots, links are relative to the lockfile.
                let target = match resolve(lockfile.format(), &alias, &version) {
                    Reference::Link(target) => RepoPath::new(target).ok().map(directory(workspace)),
                    Reference::Entry(key) => Some(Node::Entry(key.into_owned())),
                };
                web.edge(at, None, &alias, target, workspace);
            }
            // A member that is copied is still a project, whose own dependencies are installed.
            let copied = lockfile.copied_directory(key);
            if let Some(member) = copied.and_then(|dir| workspace.position(&dir)) {
                let (name, _) = name_and_version(lockfile.format(), key);
                web.edge(at, None, name, Some(Node::Member(member)), workspace);
            }
        }
        Ok(web)
    }

    /// The position of a node, if there is one.
    pub(super) fn position(&self, node: &Node) -> Option<usize> {
        self.positions.get(node).copied()
    }

    fn node(&mut self, node: Node, workspace: &Workspace) -> usize {
        if let Some(at) = self.position(&node) {
            return at;
        }
        let at = self.nodes.len();
        self.labels.push(match &node {
            Node::Member(at) => workspace.members[*at].dir.to_string(),
            Node::Directory(dir) => dir.to_string(),
            Node::Entry(key) => match name_and_version(self.format, key) {
                (name, "") => name.to_owned(),
                (name, version) => format!("{name}@{version}"),
            },
        });
        self.names.push(match &node {
            Node::Member(at) => workspace.members[*at].manifest.name().map(str::to_owned),
            Node::Directory(_) => None,
            Node::Entry(key) => Some(name_and_version(self.format, key).0.to_owned()),
        });
        self.nodes.push(node.clone());
        self.edges.push(Vec::new());
        self.positions.insert(node, at);
        at
    }

    fn edge(
        &mut self,
        from: usize,
        field: Option<Field>,
        alias: &str,
        target: Option<Node>,
        workspace: &Workspace,
    ) {
        // A link that leaves the workspace is what closures complain about.
        let Some(target) = target else { return };
        let to = self.node(target, workspace);
        let alias = alias.to_owned();
        self.edges[from].push(Edge { to, field, alias });
    }
}

fn directory(workspace: &Workspace) -> impl Fn(RepoPath) -> Node {
    |dir| {
        workspace
            .position(&dir)
            .map_or(Node::Directory(dir), Node::Member)
    }
}
