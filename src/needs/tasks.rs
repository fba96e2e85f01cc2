//! Tasks: which scripts run for the app's build, in which package, in which order, and with which variables, by `turbo.json` where there is one.
//!
//! Goes in: the workspace, its graph, the apps. Comes out: a graph whose nodes are tasks (a package and a script's name), in the end as a list of
//! [`Run`]s: tasks of one package that run one after the other. turbo itself never runs.
//!
//! **What turbo runs is run.** The graph begins at the app's `build` and follows `dependsOn` (`task`, `^task`, `pkg#task`, `//#task`) and `with` as
//! `turbo run build --filter=APP` does, on definitions that are merged as turbo 2 merges them. A task without a script does nothing and hands on
//! what it waits for. What turbo refuses is refused here too: a task that nothing defines, a package that is not there, a circle.
//!
//! **What turbo forgets is run as well.** Before a script of a package runs, the packages that it depends on are built, whether or not somebody
//! wrote `^build`: on a developer's disk they have been built some day, in an image they have not. Such tasks say so in their reason
//! ([`Because::Dependency`]). Among them is what `peerDependencies` alone names: turbo has no edge there. These edges come last: where one contradicts what `turbo.json` says, it is the one that goes. Without a `turbo.json`
//! there are no others.
//!
//! Three differences remain. Edges between packages come from the lockfile, where turbo compares ranges: it misses members that are reached
//! by `link:` or `file:`. A circle of dev dependencies, or of packages that all have nothing to run, is passed over, where turbo stops. And a persistent task that should run beside
//! another one (`with`) is left out, for in a build nobody would stop it.

mod collect;
mod definition;
mod lifecycle;
mod needed;
mod order;
mod variables;

use std::collections::{BTreeMap, BTreeSet};

use petgraph::graphmap::DiGraphMap;
use serde::Serialize;

use crate::lockfile::Field;
use crate::needs::graph::Edge;
use crate::workspace::Workspace;

pub use definition::Definition;
pub use needed::{Needed, inputs, scripts};
pub use order::{Run, Runs};
pub use variables::{is_proxy, looks_secret};

use definition::{DEPTH, Defined};

/// The task that makes an app or a library.
pub const BUILD: &str = "build";

/// A `turbo.json` that turbo would refuse.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum TaskError {
    /// A task that is asked for and that no file defines.
    #[error("{by} asks for `{task}`, which no turbo.json defines")]
    Unknown {
        /// `web#codegen`
        task: String,
        /// Where it is asked for.
        by: String,
    },
    /// A package that is asked for and is not there.
    #[error("{by} asks for `{task}`, and there is no package of that name")]
    NoPackage {
        /// `web#codegen`
        task: String,
        /// Where it is asked for.
        by: String,
    },
    /// A task that never ends and that another one waits for.
    #[error("{by} waits for `{task}`, which is persistent: it never ends")]
    Persistent {
        /// `web#dev`
        task: String,
        /// Where it is asked for.
        by: String,
    },
    /// Tasks that wait for each other.
    #[error("tasks wait for each other: {0}")]
    Circle(String),
    /// A package's own file that builds on none.
    #[error("`{0}` does not begin with the root's: `\"extends\": [\"//\"]`")]
    ExtendsNoRoot(String),
    /// A file that builds on a package which has none.
    #[error("`{file}` extends `{package}`, which has no turbo.json")]
    ExtendsNothing {
        /// The file.
        file: String,
        /// The package's name.
        package: String,
    },
    /// Files that build on each other.
    #[error("turbo.json files extend each other: {0}")]
    ExtendsItself(String),
    /// Files that build on each other in a long row.
    #[error("`{0}`: more than {DEPTH} turbo.json files extend each other in a row")]
    ExtendsTooDeep(String),
}

impl TaskError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { task, .. } => {
                let name = task.split_once('#').map_or(task.as_str(), |(_, name)| name);
                let key = if task.starts_with("//#") { task } else { name };
                Some(format!(
                    "define it: `\"tasks\": {{\"{key}\": {{}}}}`; `turbo run build --dry` says the same"
                ))
            }
            Self::NoPackage { .. } | Self::Persistent { .. } | Self::Circle(_) => {
                Some("mend `dependsOn`; `turbo run build --dry` says the same".to_owned())
            }
            Self::ExtendsNoRoot(_)
            | Self::ExtendsNothing { .. }
            | Self::ExtendsItself(_)
            | Self::ExtendsTooDeep(_) => None,
        }
    }
}

/// Why a task runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "because")]
pub enum Because {
    /// It makes the app.
    App,
    /// `turbo.json` asks for it.
    Asked {
        /// The task that waits for it: `web#build`.
        by: String,
        /// As it is written there: `^build`.
        entry: String,
    },
    /// `turbo.json` has it run beside another one.
    Beside {
        /// The other one: `web#build`.
        of: String,
    },
    /// A package whose scripts run depends on this one, and `turbo.json` does not ask for its build.
    Dependency {
        /// The package's name.
        of: String,
    },
    /// `pnpm install` runs it.
    Lifecycle,
}

/// A task.
#[derive(Debug)]
pub struct Node {
    /// The member whose it is, by position.
    pub member: usize,
    /// The task's name, which is the script's.
    pub name: String,
    /// Whether there is a script to run.
    pub runs: bool,
    /// Its definition.
    pub definition: Definition,
    /// Why it is here.
    pub because: Because,
    /// Whether any file defines it, or takes it away.
    defined: Defined,
}

/// What lies between two tasks; the stronger first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bond {
    /// `dependsOn` names the task.
    Named,
    /// `^task`, over this kind of dependency.
    Topological(Field),
    /// Nobody asked; see the module's second principle.
    Own(Edge),
}

/// The tasks that the builds of some apps need.
#[derive(Debug, Default)]
pub struct Tasks {
    /// All of them, those without a script too.
    pub nodes: Vec<Node>,
    /// What a reader should know.
    pub warnings: Vec<String>,
    /// Why turbo would refuse.
    problem: Option<TaskError>,
    /// From what is waited for to what waits.
    bonds: DiGraphMap<usize, Bond>,
    /// Whether the root project is an app, and so a package like all others.
    root_is_app: bool,
    by_id: BTreeMap<(usize, String), usize>,
}

/// `web#build`; the root's are `//#build`.
fn id(workspace: &Workspace, at: usize, task: &str) -> String {
    if at == 0 {
        return format!("//#{task}");
    }
    format!("{}#{task}", workspace.members[at].label())
}

fn script(workspace: &Workspace, at: usize, task: &str) -> bool {
    let script = workspace.members[at].manifest.script(task);
    script.is_some_and(|text| !text.is_empty())
}

impl Tasks {
    /// What a task is called: `web#build`.
    pub fn id(&self, workspace: &Workspace, node: usize) -> String {
        id(workspace, self.nodes[node].member, &self.nodes[node].name)
    }

    /// The numbers of a member's tasks, in no order that means anything.
    fn numbers_of(&self, at: usize) -> impl Iterator<Item = usize> {
        let own = self.by_id.range((at, String::new())..);
        own.take_while(move |((member, _), _)| *member == at)
            .map(|(_, &number)| number)
    }

    /// The tasks of a member, in the order in which they were found.
    pub fn of(&self, at: usize) -> impl Iterator<Item = &Node> {
        let mut own: Vec<usize> = self.numbers_of(at).collect();
        own.sort_unstable();
        own.into_iter().map(|number| &self.nodes[number])
    }

    /// Leaves the script of a task out: what it would run has tasks of its own.
    pub fn leave_out(&mut self, at: usize, task: &str) {
        if let Some(&node) = self.by_id.get(&(at, task.to_owned())) {
            self.nodes[node].runs = false;
        }
    }

    /// Whether any script of a member runs.
    pub fn run_in(&self, at: usize) -> bool {
        self.of(at).any(|node| node.runs)
    }

    /// The variables of a task that become build arguments, of those whose names are `given`; see [`variables`].
    pub fn arguments(
        &self,
        workspace: &Workspace,
        node: usize,
        given: &BTreeSet<String>,
    ) -> Vec<String> {
        let node = &self.nodes[node];
        // turbo knows nothing of a script of the root's that turbo.json does not name.
        let unknown = node.member == 0 && node.defined == Defined::Nowhere;
        let turbo = workspace.turbo.as_ref();
        let loose = unknown || turbo.is_none_or(|turbo| !turbo.strict);
        variables::arguments(
            workspace,
            node,
            given,
            loose && node.because == Because::App,
        )
    }

    /// What turbo asks each task to wait for, as ids: for comparisons.
    pub fn asked(&self, workspace: &Workspace) -> BTreeMap<String, BTreeSet<String>> {
        let mut asked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in 0..self.nodes.len() {
            asked.insert(self.id(workspace, node), BTreeSet::new());
        }
        for (first, then, bond) in self.bonds.all_edges() {
            if !matches!(bond, Bond::Own(_)) {
                asked
                    .entry(self.id(workspace, then))
                    .or_default()
                    .insert(self.id(workspace, first));
            }
        }
        asked
    }
}

#[cfg(test)]
mod tests;
