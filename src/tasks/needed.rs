//! What follows from tasks for members: which are needed, which scripts make one, which files its tasks read.

use std::collections::{BTreeMap, BTreeSet};

use super::collect::target;
use super::definition::{Defined, Definition, bases, definition};
use super::{BUILD, Because, Tasks, script};
use crate::graph::Graph;
use crate::workspace::Workspace;

/// The members that builds need.
#[derive(Debug, Default)]
pub struct Needed {
    /// All of them, by position, without the root project.
    pub members: Vec<usize>,
    /// Those that `turbo.json` names and no manifest mentions, with the name: `pkg#task`.
    pub named: BTreeMap<usize, String>,
}

impl Tasks {
    /// All that the builds of `apps` need, whose tasks these are: what they reach over any kind of dependency, what `turbo.json` names for
    /// any of these, and so on. A package whose `turbo.json` another one extends is needed too: without it, turbo stops.
    pub fn needed(&self, workspace: &Workspace, graph: &Graph, apps: &[usize]) -> Needed {
        let mut needed = Needed::default();
        let reached = graph.reachable(apps.iter().copied());
        for node in &self.nodes {
            let name = match &node.because {
                Because::Asked { entry, .. } if entry.contains('#') => entry,
                Because::Beside { .. } => &node.name,
                _ => continue,
            };
            if node.member != 0 && reached.binary_search(&node.member).is_err() {
                needed
                    .named
                    .entry(node.member)
                    .or_insert_with(|| name.clone());
            }
        }
        loop {
            needed.members = graph.reachable(apps.iter().chain(needed.named.keys()).copied());
            let bases = needed.members.iter().flat_map(|&at| bases(workspace, at));
            let missing: Vec<usize> = bases
                .filter(|base| needed.members.binary_search(base).is_err())
                .collect();
            if missing.is_empty() {
                return needed;
            }
            needed.named.extend(
                missing
                    .into_iter()
                    .map(|at| (at, workspace.members[at].label())),
            );
        }
    }
}

/// The scripts that make this member by its own account, in order: what `build` waits for in the same package, then `build`.
pub fn scripts(workspace: &Workspace, at: usize) -> Vec<String> {
    fn visit(
        workspace: &Workspace,
        at: usize,
        task: &str,
        seen: &mut BTreeSet<String>,
        order: &mut Vec<String>,
    ) {
        if !seen.insert(task.to_owned()) {
            return;
        }
        let definition = match definition(workspace, at, task) {
            Ok(Defined::As(definition)) => definition,
            Ok(Defined::Away) => return,
            Ok(Defined::Nowhere) | Err(_) => Definition::default(),
        };
        for need in definition
            .depends_on
            .iter()
            .filter(|need| !need.starts_with('^'))
        {
            if let Some((to, task)) = target(workspace, at, need)
                && to == at
            {
                visit(workspace, at, task, seen, order);
            }
        }
        if script(workspace, at, task) {
            order.push(task.to_owned());
        }
    }
    let mut order = Vec::new();
    visit(workspace, at, BUILD, &mut BTreeSet::new(), &mut order);
    order
}

/// Globs of files that the tasks of these members read.
pub fn inputs(tasks: &Tasks, of: impl Fn(usize) -> bool) -> impl Iterator<Item = &String> {
    tasks
        .nodes
        .iter()
        .filter(move |node| of(node.member))
        .flat_map(|node| &node.definition.inputs)
}
