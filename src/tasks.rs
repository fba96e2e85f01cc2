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
//! ([`Because::Dependency`]). These edges come last: where one contradicts what `turbo.json` says, it is the one that goes. Without a `turbo.json`
//! there are no others.
//!
//! Three differences remain. Edges between packages come from the lockfile, where turbo compares ranges: it misses members that are reached
//! by `link:`, `file:` or as a peer. A circle of dev dependencies is passed over, where turbo stops. And a persistent task that should run beside
//! another one (`with`) is left out, for in a build nobody would stop it.

mod definition;
mod order;
mod variables;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use petgraph::graphmap::DiGraphMap;
use serde::Serialize;

use crate::graph::Graph;
use crate::lockfile::Field;
use crate::workspace::Workspace;

pub use definition::Definition;
pub use order::Run;
pub use variables::{is_proxy, looks_secret};

use definition::{Defined, bases, definition};

/// The task that makes an app or a library.
pub const BUILD: &str = "build";

/// A `turbo.json` that turbo would refuse.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
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
            Self::ExtendsNoRoot(_) | Self::ExtendsNothing { .. } | Self::ExtendsItself(_) => None,
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
    Own(Field),
}

/// The tasks that the builds of some apps need.
#[derive(Debug, Default)]
pub struct Tasks {
    /// All of them, those without a script too.
    pub nodes: Vec<Node>,
    /// What a reader should know.
    pub warnings: Vec<String>,
    /// From what is waited for to what waits.
    bonds: DiGraphMap<usize, Bond>,
    by_id: BTreeMap<(usize, String), usize>,
}

/// `web#build`; the root's are `//#build`.
fn id(workspace: &Workspace, at: usize, task: &str) -> String {
    if at == 0 {
        return format!("//#{task}");
    }
    format!("{}#{task}", workspace.members[at].label())
}

fn named_member(workspace: &Workspace, name: &str) -> Option<usize> {
    (1..workspace.members.len()).find(|&at| workspace.members[at].manifest.name() == Some(name))
}

fn script(workspace: &Workspace, at: usize, task: &str) -> bool {
    let script = workspace.members[at].manifest.script(task);
    script.is_some_and(|text| !text.is_empty())
}

impl Tasks {
    /// All tasks that the builds of `apps` need.
    pub fn new(workspace: &Workspace, graph: &Graph, apps: &[usize]) -> Result<Self, TaskError> {
        let mut tasks = Self::default();
        let mut queue = VecDeque::new();
        for &app in apps {
            queue.extend(tasks.add(workspace, app, BUILD, Because::App)?);
        }
        // All that turbo asks for comes before the first thing that it does not, for the reasons' sake; that may ask for more in its turn.
        let mut settled = 0;
        loop {
            while let Some(node) = queue.pop_front() {
                queue.extend(tasks.follow(workspace, graph, node)?);
            }
            if settled == tasks.nodes.len() {
                return Ok(tasks);
            }
            let end = tasks.nodes.len();
            for node in settled..end {
                queue.extend(tasks.build_dependencies(workspace, graph, node)?);
            }
            settled = end;
        }
    }

    /// The number of a task, which is new where it is returned a second time.
    fn add(
        &mut self,
        workspace: &Workspace,
        at: usize,
        task: &str,
        because: Because,
    ) -> Result<Option<usize>, TaskError> {
        if self.by_id.contains_key(&(at, task.to_owned())) {
            return Ok(None);
        }
        let defined = definition(workspace, at, task)?;
        let (runs, definition) = match &defined {
            Defined::As(definition) => (script(workspace, at, task), definition.clone()),
            Defined::Away => (false, Definition::default()),
            Defined::Nowhere => (script(workspace, at, task), Definition::default()),
        };
        let number = self.nodes.len();
        self.nodes.push(Node {
            member: at,
            name: task.to_owned(),
            runs,
            definition,
            because,
            defined,
        });
        self.by_id.insert((at, task.to_owned()), number);
        self.bonds.add_node(number);
        Ok(Some(number))
    }

    /// Adds what `turbo.json` has a task wait for; gives those that are new.
    fn follow(
        &mut self,
        workspace: &Workspace,
        graph: &Graph,
        node: usize,
    ) -> Result<Vec<usize>, TaskError> {
        let (at, name) = (self.nodes[node].member, self.nodes[node].name.clone());
        let own = id(workspace, at, &name);
        let mut new = Vec::new();
        for entry in self.nodes[node].definition.depends_on.clone() {
            let by = format!("`dependsOn` of `{own}`");
            let because = Because::Asked {
                by: own.clone(),
                entry: entry.clone(),
            };
            let targets = match entry.strip_prefix('^') {
                Some(task) => graph
                    .dependencies(at)
                    .into_iter()
                    // turbo knows no way to the root but its name.
                    .filter(|&(to, _)| to != at && to != 0)
                    .map(|(to, field)| (to, task, Bond::Topological(field)))
                    .collect(),
                None => {
                    let (to, task) = target(workspace, at, &entry, &by)?;
                    vec![(to, task, Bond::Named)]
                }
            };
            for (to, task, bond) in targets {
                new.extend(self.ask(workspace, (to, task), because.clone(), &by)?);
                let to = self.by_id[&(to, task.to_owned())];
                if self.nodes[to].runs && self.nodes[to].definition.persistent {
                    let task = id(workspace, self.nodes[to].member, task);
                    return Err(TaskError::Persistent { task, by });
                }
                self.bond(to, node, bond);
            }
        }
        for entry in self.nodes[node].definition.with.clone() {
            let by = format!("`with` of `{own}`");
            let (to, task) = target(workspace, at, &entry, &by)?;
            new.extend(self.ask(
                workspace,
                (to, task),
                Because::Beside { of: own.clone() },
                &by,
            )?);
            let to = self.by_id[&(to, task.to_owned())];
            let beside = &mut self.nodes[to];
            if beside.definition.persistent {
                beside.runs = false;
                let task = id(workspace, beside.member, task);
                self.warnings.push(format!(
                    "`{task}` does not run beside `{own}`: it is persistent, and a build ends"
                ));
            }
            self.bond(to, node, Bond::Own(Field::Dev));
        }
        Ok(new)
    }

    /// Adds a task that `turbo.json` asks for: it must be defined.
    fn ask(
        &mut self,
        workspace: &Workspace,
        (at, task): (usize, &str),
        because: Because,
        by: &str,
    ) -> Result<Option<usize>, TaskError> {
        let unknown = || TaskError::Unknown {
            task: id(workspace, at, task),
            by: by.to_owned(),
        };
        // A task of the root needs an entry of its own, lest `^build` should start all over.
        let turbo = workspace.turbo.as_ref();
        if at == 0 && !turbo.is_some_and(|turbo| turbo.tasks.contains_key(&id(workspace, 0, task)))
        {
            return Err(unknown());
        }
        let new = self.add(workspace, at, task, because.clone())?;
        let node = self.by_id[&(at, task.to_owned())];
        if self.nodes[node].defined == Defined::Nowhere {
            return Err(unknown());
        }
        if matches!(self.nodes[node].because, Because::Dependency { .. }) {
            self.nodes[node].because = because;
            // A package without a script, which nobody asked what it waits for.
            return Ok(Some(node));
        }
        Ok(new)
    }

    /// Adds the builds of the packages that a task's package depends on; gives those that have to be followed.
    fn build_dependencies(
        &mut self,
        workspace: &Workspace,
        graph: &Graph,
        node: usize,
    ) -> Result<Vec<usize>, TaskError> {
        let (at, runs) = (self.nodes[node].member, self.nodes[node].runs);
        let away = self.nodes[node].defined == Defined::Away;
        let mut new = Vec::new();
        // The root's dependencies are the tools of its developers.
        if at == 0 || away || !(runs || self.nodes[node].name == BUILD) {
            return Ok(new);
        }
        for (to, field) in graph.dependencies(at) {
            if to == at || to == 0 {
                continue;
            }
            let of = workspace.members[at].label();
            let added = self.add(workspace, to, BUILD, Because::Dependency { of })?;
            // Without a script of its own, it hands on what it depends on, and no more.
            new.extend(added.filter(|&added| self.nodes[added].runs));
            let to = self.by_id[&(to, BUILD.to_owned())];
            if to != node {
                self.bond(to, node, Bond::Own(field));
            }
        }
        Ok(new)
    }

    fn bond(&mut self, first: usize, then: usize, bond: Bond) {
        let strongest = self
            .bonds
            .edge_weight(first, then)
            .map_or(bond, |&known| known.min(bond));
        self.bonds.add_edge(first, then, strongest);
    }

    /// What a task is called: `web#build`.
    pub fn id(&self, workspace: &Workspace, node: usize) -> String {
        id(workspace, self.nodes[node].member, &self.nodes[node].name)
    }

    /// Whether any script of a member runs.
    pub fn run_in(&self, at: usize) -> bool {
        self.nodes.iter().any(|node| node.member == at && node.runs)
    }

    /// The variables of a task that become build arguments, of those whose names are `given`; see [`variables`].
    pub fn arguments(&self, workspace: &Workspace, node: usize, given: &[String]) -> Vec<String> {
        let node = &self.nodes[node];
        let loose = workspace.turbo.as_ref().is_none_or(|turbo| !turbo.strict);
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

/// Whom an entry of `dependsOn` or `with` means.
fn target<'e>(
    workspace: &Workspace,
    at: usize,
    entry: &'e str,
    by: &str,
) -> Result<(usize, &'e str), TaskError> {
    match entry.split_once('#') {
        None => Ok((at, entry)),
        Some(("//", task)) => Ok((0, task)),
        Some((package, task)) => match named_member(workspace, package) {
            Some(to) => Ok((to, task)),
            None => Err(TaskError::NoPackage {
                task: entry.to_owned(),
                by: by.to_owned(),
            }),
        },
    }
}

/// The members that builds need.
#[derive(Debug, Default)]
pub struct Needed {
    /// All of them, by position, without the root project.
    pub members: Vec<usize>,
    /// Those that `turbo.json` names and no manifest mentions, with the name: `pkg#task`.
    pub named: BTreeMap<usize, String>,
}

/// All that the builds of `apps` need: what they reach over any kind of dependency, what `turbo.json` names for any of these, and so on. A package
/// whose `turbo.json` another one extends is needed too: without it, turbo stops.
pub fn needed(workspace: &Workspace, graph: &Graph, apps: &[usize]) -> Result<Needed, TaskError> {
    let tasks = Tasks::new(workspace, graph, apps)?;
    let mut needed = Needed::default();
    let reached = graph.reachable(apps.iter().copied());
    for node in &tasks.nodes {
        let name = match &node.because {
            Because::Asked { entry, .. } if entry.contains('#') => entry,
            Because::Beside { .. } => &node.name,
            _ => continue,
        };
        if node.member != 0 && !reached.contains(&node.member) {
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
            .filter(|base| !needed.members.contains(base))
            .collect();
        if missing.is_empty() {
            return Ok(needed);
        }
        needed.named.extend(
            missing
                .into_iter()
                .map(|at| (at, workspace.members[at].label())),
        );
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
            let by = "";
            if let Ok((to, task)) = target(workspace, at, need, by)
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

/// Globs of files that the tasks of a member read, of those that run.
pub fn inputs<'t>(tasks: &'t Tasks, at: usize) -> impl Iterator<Item = &'t String> {
    tasks
        .nodes
        .iter()
        .filter(move |node| node.member == at)
        .flat_map(|node| &node.definition.inputs)
}

#[cfg(test)]
mod tests;
