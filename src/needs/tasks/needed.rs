//! What the tasks mean for members: which ones are needed, which scripts build one, which files its
//! tasks read.

use std::collections::{BTreeMap, BTreeSet};

use super::collect::target;
use super::definition::{Defined, Definition, bases, definition};
use super::{BUILD, Because, Tasks, script};
use crate::model::member::MemberId;
use crate::needs::graph::Graph;
use crate::workspace::Workspace;

/// The members that builds need.
#[derive(Debug, Default)]
pub struct Needed {
    /// All of them in order, without the root project unless it is the app.
    pub members: Vec<MemberId>,
    /// Those that only `turbo.json` names, with the name: `pkg#task`.
    pub named: BTreeMap<MemberId, String>,
}

impl Tasks {
    /// All members needed to build `apps` with these tasks: what they reach through dependencies of
    /// any kind, what `turbo.json` names for any of these, and so on. A package whose `turbo.json`
    /// another one extends is needed too, because turbo fails without it.
    pub fn needed(&self, workspace: &Workspace, graph: &Graph, apps: &[MemberId]) -> Needed {
        let mut needed = Needed::default();
        let reached = graph.reachable(apps.iter().copied());
        for node in &self.nodes {
            let name = match &node.because {
                Because::Asked { entry, .. } if entry.contains('#') => entry,
                Because::Beside { .. } => &node.name,
                _ => continue,
            };
            if !node.member.is_root() && reached.binary_search(&node.member).is_err() {
                needed
                    .named
                    .entry(node.member)
                    .or_insert_with(|| name.clone());
            }
        }
        loop {
            needed.members = graph.reachable(apps.iter().chain(needed.named.keys()).copied());
            let bases = needed.members.iter().flat_map(|&at| bases(workspace, at));
            let missing: Vec<MemberId> = bases
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

/// The scripts of this member's own build, in order: what `build` waits for in the same package,
/// then `build`.
pub fn scripts(workspace: &Workspace, at: MemberId) -> Vec<String> {
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    // Tasks, and whether everything they wait for is done. An explicit stack, because chains of
    // tasks may be long.
    let mut open = vec![(BUILD.to_owned(), false)];
    while let Some((task, behind)) = open.pop() {
        if behind {
            if script(workspace, at, &task) {
                order.push(task);
            }
            continue;
        }
        if !seen.insert(task.clone()) {
            continue;
        }
        let definition = match definition(workspace, at, &task) {
            Ok(Defined::As(definition)) => definition,
            Ok(Defined::Away) => continue,
            Ok(Defined::Nowhere) | Err(_) => Definition::default(),
        };
        open.push((task, true));
        let needs = definition.depends_on.iter().rev();
        for need in needs.filter(|need| !need.starts_with('^')) {
            if let Some((to, task)) = target(workspace, at, need)
                && to == at
            {
                open.push((task.to_owned(), false));
            }
        }
    }
    order
}

/// Globs of files that the tasks of these members read.
pub fn inputs(tasks: &Tasks, of: impl Fn(MemberId) -> bool) -> impl Iterator<Item = &String> {
    tasks
        .nodes
        .iter()
        .filter(move |node| of(node.member))
        .flat_map(|node| &node.definition.inputs)
}
