//! Adds lifecycle scripts as tasks: `pnpm install` runs them in a fresh clone before anything is
//! built.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Because, Bond, Tasks};
use crate::lockfile::Field;
use crate::model::member::MemberId;
use crate::needs::graph::{Edge, Graph};
use crate::workspace::Workspace;

impl Tasks {
    /// The members of these tasks, including the root project if a task is its.
    pub fn members(&self) -> BTreeSet<MemberId> {
        self.nodes.iter().map(|node| node.member).collect()
    }

    /// Whether a member runs this script as a task or at install time.
    pub fn runs_script(&self, at: MemberId, script: &str) -> bool {
        self.of(at).any(|node| node.runs && node.name == script)
    }

    /// The lifecycle scripts of a member, in pnpm's order.
    pub fn lifecycle_of(&self, at: MemberId) -> Vec<String> {
        let own = self.of(at);
        own.filter(|node| node.runs && node.because == Because::Lifecycle)
            .map(|node| node.name.clone())
            .collect()
    }

    /// Adds lifecycle scripts by member, in pnpm's order. They run before the tasks of their
    /// package, the root's before everything. Like tasks, they wait for the builds of their
    /// package's dependencies.
    pub fn add_lifecycle(
        &mut self,
        workspace: &Workspace,
        graph: &Graph,
        scripts: &BTreeMap<MemberId, Vec<&'static str>>,
    ) {
        let scripts = scripts.iter().map(|(&at, names)| (at, names.clone()));
        self.add_first(workspace, graph, scripts, &Because::Lifecycle);
    }

    /// Adds scripts that generate code, by member. They run as install scripts do.
    pub fn add_generators(
        &mut self,
        workspace: &Workspace,
        graph: &Graph,
        scripts: &[(MemberId, String)],
    ) {
        let scripts = scripts.iter().map(|(at, name)| (*at, vec![name.as_str()]));
        self.add_first(workspace, graph, scripts, &Because::Generates);
    }

    /// Adds scripts before the tasks of their package.
    fn add_first<'s>(
        &mut self,
        workspace: &Workspace,
        graph: &Graph,
        scripts: impl Iterator<Item = (MemberId, Vec<&'s str>)>,
        because: &Because,
    ) {
        let others = self.nodes.len();
        let mut new: Vec<usize> = Vec::new();
        for (at, names) in scripts {
            let mut before = None;
            for name in names {
                let (node, added) = self.add(workspace, at, name, because.clone());
                if !added {
                    continue;
                }
                if let Some(before) = before {
                    self.bond(before, node, Bond::Named);
                }
                before = Some(node);
                new.push(node);
            }
            let Some(last) = before else { continue };
            let mut own: Vec<usize> = self.numbers_of(at).collect();
            own.retain(|&other| other < others);
            own.sort_unstable();
            for other in own {
                self.bond(last, other, Bond::Named);
            }
        }
        *self = std::mem::take(self).complete(workspace, graph, VecDeque::new());
        let of_root = |&&node: &&usize| self.nodes[node].member.is_root() && !self.root_is_app;
        let last = new.iter().rfind(of_root).copied();
        for node in 0..self.nodes.len() {
            if let Some(last) = last.filter(|_| !self.nodes[node].member.is_root()) {
                self.bond(last, node, Bond::Own(Edge::of(Field::Dev)));
            }
        }
    }
}
