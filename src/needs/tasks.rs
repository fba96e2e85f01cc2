//! Tasks: which scripts an app's build runs, in which packages, in which order, and with which
//! variables, after `turbo.json` if there is one.
//!
//! Input: the workspace, its graph, the apps. Output: a graph of tasks (a package and a script's
//! name), and finally a list of [`TaskRun`]s: tasks of one package that run one after the other. turbo
//! itself never runs.
//!
//! **Everything that turbo runs is run.** The graph starts at the app's `build` and follows
//! `dependsOn` (`task`, `^task`, `pkg#task`, `//#task`) and `with` as `turbo run build
//! --filter=APP` does, with definitions merged as in turbo 2. A task without a script does nothing
//! but passes on what it waits for. What turbo refuses is refused here too: an undefined task, a
//! missing package, a circle.
//!
//! **What turbo leaves out is run as well.** Before a package's script runs, the packages that it
//! depends on are built, even without `^build`: on a developer's disk they were built at some time,
//! in an image they were not. Such tasks say so in their reason ([`Because::Dependency`]). They
//! include packages that only `peerDependencies` contains, which turbo ignores. These edges rank
//! last: one that contradicts `turbo.json` is dropped. Without a `turbo.json` there are no others.
//!
//! Three differences remain. Edges between packages come from the lockfile, while turbo compares
//! ranges and misses members reached by `link:` or `file:`. A circle of dev dependencies, or of
//! packages without scripts to run, is ignored, while turbo fails. A persistent task that should
//! run alongside another one (`with`) is left out, since nothing would stop it in a build.

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
use crate::model::member::MemberId;
use crate::needs::graph::Edge;
use crate::workspace::Workspace;

pub use definition::Definition;
pub use needed::{Needed, inputs, scripts};
pub use order::{TaskRun, TaskRuns};
pub use variables::{is_proxy, looks_secret};

pub use crate::workspace::manifest::turbo::BUILD;

use definition::{Defined, MAX_EXTENDS};

/// A `turbo.json` that turbo would refuse.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum TaskError {
    /// A requested task that no file defines.
    #[error("{by} asks for `{task}`, which no turbo.json defines")]
    Unknown {
        /// `web#codegen`
        task: String,
        /// The place that requests it.
        by: String,
    },
    /// A requested package that does not exist.
    #[error("{by} asks for `{task}`, and there is no package of that name")]
    NoPackage {
        /// `web#codegen`
        task: String,
        /// The place that requests it.
        by: String,
    },
    /// A persistent task that another task waits for.
    #[error("{by} waits for `{task}`, which is persistent: it never ends")]
    Persistent {
        /// `web#dev`
        task: String,
        /// The place that requests it.
        by: String,
    },
    /// Tasks that wait for each other.
    #[error("tasks wait for each other: {0}")]
    Circle(String),
    /// A package's own file that does not extend the root's.
    #[error("`{0}` does not begin with the root's: `\"extends\": [\"//\"]`")]
    ExtendsNoRoot(String),
    /// A file extends a package that has none.
    #[error("`{file}` extends `{package}`, which has no turbo.json")]
    ExtendsNothing {
        /// The file.
        file: String,
        /// The package's name.
        package: String,
    },
    /// Files that extend each other in a circle.
    #[error("turbo.json files extend each other: {0}")]
    ExtendsItself(String),
    /// Too many files extend each other in a row.
    #[error("`{0}`: more than {MAX_EXTENDS} turbo.json files extend each other in a row")]
    ExtendsTooDeep(String),
}

impl TaskError {
    /// What the user can do about it.
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "because")]
pub enum Because {
    /// It builds the app.
    App,
    /// `turbo.json` requests it.
    Asked {
        /// The task that waits for it: `web#build`.
        by: String,
        /// The entry as written: `^build`.
        entry: String,
    },
    /// `turbo.json` runs it alongside another task.
    Beside {
        /// The other task: `web#build`.
        of: String,
    },
    /// A package whose scripts run depends on this one, and `turbo.json` does not request its
    /// build.
    Dependency {
        /// The package's name.
        of: String,
    },
    /// `pnpm install` runs it.
    Lifecycle,
    /// It generates code that nothing else in the build does.
    Generates,
}

/// A task.
#[derive(Debug)]
pub struct TaskNode {
    /// The position of its member.
    pub member: MemberId,
    /// The name of the task and its script.
    pub name: String,
    /// Whether there is a script to run.
    pub runs: bool,
    /// Its definition.
    pub definition: Definition,
    /// Why it runs.
    pub because: Because,
    /// Whether a file defines or removes it.
    defined: Defined,
}

/// Why a task waits for another; stronger reasons sort first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bond {
    /// `dependsOn` names the task.
    Named,
    /// `^task`, over a dependency of this kind.
    Topological(Field),
    /// Added by slimbuild; see the module's second principle.
    Own(Edge),
}

/// The tasks of some apps' builds.
#[derive(Debug, Default)]
pub struct Tasks {
    /// All tasks, including those without a script.
    pub nodes: Vec<TaskNode>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
    /// Why turbo would fail.
    problem: Option<TaskError>,
    /// Edges from a task to those that wait for it.
    bonds: DiGraphMap<usize, Bond>,
    /// Whether the root project is an app, and so a package like all others.
    root_is_app: bool,
    by_id: BTreeMap<(MemberId, String), usize>,
}

/// `web#build`; the root's are `//#build`.
fn id(workspace: &Workspace, at: MemberId, task: &str) -> String {
    if at.is_root() {
        return format!("//#{task}");
    }
    format!("{}#{task}", workspace.members[at].label())
}

fn script(workspace: &Workspace, at: MemberId, task: &str) -> bool {
    let script = workspace.members[at].manifest.script(task);
    script.is_some_and(|text| !text.is_empty())
}

impl Tasks {
    /// What a task is called: `web#build`.
    pub fn id(&self, workspace: &Workspace, node: usize) -> String {
        id(workspace, self.nodes[node].member, &self.nodes[node].name)
    }

    /// The numbers of a member's tasks, in arbitrary order.
    fn numbers_of(&self, at: MemberId) -> impl Iterator<Item = usize> {
        let own = self.by_id.range((at, String::new())..);
        own.take_while(move |((member, _), _)| *member == at)
            .map(|(_, &number)| number)
    }

    /// The tasks of a member, in the order in which they were found.
    pub fn of(&self, at: MemberId) -> impl Iterator<Item = &TaskNode> {
        let mut own: Vec<usize> = self.numbers_of(at).collect();
        own.sort_unstable();
        own.into_iter().map(|number| &self.nodes[number])
    }

    /// Leaves the script of a task out: what it would run has tasks of its own.
    pub fn leave_out(&mut self, at: MemberId, task: &str) {
        if let Some(&node) = self.by_id.get(&(at, task.to_owned())) {
            self.nodes[node].runs = false;
        }
    }

    /// Whether any script of a member runs.
    pub fn run_in(&self, at: MemberId) -> bool {
        self.of(at).any(|node| node.runs)
    }

    /// The variables of a task that become build arguments; `given` are the names that the user
    /// gave. See [`variables`].
    pub fn arguments(
        &self,
        workspace: &Workspace,
        node: usize,
        given: &BTreeSet<String>,
    ) -> Vec<String> {
        let all = self.takes_all(workspace, node);
        variables::arguments(workspace, &self.nodes[node], given, all)
    }

    /// Whether a task gets all build arguments, declared or not.
    pub fn takes_all(&self, workspace: &Workspace, node: usize) -> bool {
        let node = &self.nodes[node];
        // turbo knows nothing of a script of the root's that turbo.json does not name.
        let unknown = node.member.is_root() && node.defined == Defined::Nowhere;
        let turbo = workspace.turbo.as_ref();
        let loose = unknown || turbo.is_none_or(|turbo| !turbo.strict);
        loose && node.because == Because::App
    }

    /// The tasks that turbo makes each task wait for, as ids, for comparisons.
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
