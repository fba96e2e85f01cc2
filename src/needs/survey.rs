//! The basis of every question about an app.
//!
//! Input: the workspace. Output: a [`Survey`]: the workspace, its parsed lockfiles, and the graph
//! of its members.

use crate::lockfile::{LockfileError, Lockfiles};
use crate::needs::graph::Graph;
use crate::workspace::Workspace;

/// A workspace, its lockfiles and its graph, made once for each command.
pub struct Survey<'w> {
    /// The workspace.
    pub workspace: &'w Workspace,
    /// Its lockfiles.
    pub lockfiles: Lockfiles<'w>,
    /// Which member depends on which.
    pub graph: Graph,
}

impl<'w> Survey<'w> {
    /// Parses the lockfiles and links the members.
    pub fn new(workspace: &'w Workspace) -> Result<Self, LockfileError> {
        let lockfiles = Lockfiles::parse(&workspace.lockfiles)?;
        let graph = Graph::new(workspace, &lockfiles);
        Ok(Self {
            workspace,
            lockfiles,
            graph,
        })
    }
}
