//! Collects the tasks of builds: from the app's `build` along `dependsOn` and `with`, then over
//! dependencies that `turbo.json` does not request.

use std::collections::VecDeque;

use super::definition::{Defined, Definition, definition, speaks_of};
use super::{BUILD, Because, Bond, TaskError, TaskNode, Tasks, id, script};
use crate::lockfile::Field;
use crate::model::member::MemberId;
use crate::needs::graph::{Edge, Graph};
use crate::workspace::Workspace;

impl Tasks {
    /// All tasks for the builds of `apps`. An error of turbo is recorded but only reported by
    /// [`Tasks::runs`], so that callers who only ask what is needed get an answer.
    pub fn new(workspace: &Workspace, graph: &Graph, apps: &[MemberId]) -> Self {
        let mut tasks = Self {
            root_is_app: apps.contains(&MemberId::ROOT),
            ..Self::default()
        };
        let begin = |&app: &MemberId| tasks.add(workspace, app, BUILD, Because::App).0;
        let queue = apps.iter().map(begin).collect();
        tasks.complete(workspace, graph, queue)
    }

    /// Like [`Self::new`], for one app built by scripts other than `build`, one after the other.
    pub fn of_scripts(
        workspace: &Workspace,
        graph: &Graph,
        app: MemberId,
        scripts: &[String],
    ) -> Self {
        let mut tasks = Self {
            root_is_app: app.is_root(),
            ..Self::default()
        };
        let begin = |script: &String| tasks.add(workspace, app, script, Because::App).0;
        let queue: VecDeque<usize> = scripts.iter().map(begin).collect();
        for (first, then) in queue.iter().zip(queue.iter().skip(1)) {
            tasks.bond(*first, *then, Bond::Named);
        }
        tasks.complete(workspace, graph, queue)
    }

    /// Follows what `turbo.json` requests, then the remaining dependencies.
    pub(super) fn complete(
        mut self,
        workspace: &Workspace,
        graph: &Graph,
        mut queue: VecDeque<usize>,
    ) -> Self {
        let tasks = &mut self;
        // For the sake of the reasons, everything that turbo requests comes before the first build
        // that it does not; that build may request more.
        let mut settled = 0;
        loop {
            while let Some(node) = queue.pop_front() {
                queue.extend(tasks.follow(workspace, graph, node));
            }
            if settled == tasks.nodes.len() {
                return self;
            }
            let end = tasks.nodes.len();
            for node in settled..end {
                queue.extend(tasks.build_dependencies(workspace, graph, node));
            }
            settled = end;
        }
    }

    /// The number of a task, and whether it is new.
    pub(super) fn add(
        &mut self,
        workspace: &Workspace,
        at: MemberId,
        task: &str,
        because: Because,
    ) -> (usize, bool) {
        if let Some(&known) = self.by_id.get(&(at, task.to_owned())) {
            return (known, false);
        }
        let defined = definition(workspace, at, task).unwrap_or_else(|problem| {
            self.problem.get_or_insert(problem);
            Defined::Nowhere
        });
        let definition = match &defined {
            Defined::As(definition) => definition.clone(),
            Defined::Away | Defined::Nowhere => Definition::default(),
        };
        let number = self.nodes.len();
        self.nodes.push(TaskNode {
            member: at,
            name: task.to_owned(),
            runs: defined != Defined::Away && script(workspace, at, task),
            definition,
            because,
            defined,
        });
        self.by_id.insert((at, task.to_owned()), number);
        self.bonds.add_node(number);
        (number, true)
    }

    /// Adds the tasks that a task waits for in `turbo.json`; returns those still to be followed.
    fn follow(&mut self, workspace: &Workspace, graph: &Graph, node: usize) -> Vec<usize> {
        let at = self.nodes[node].member;
        let own = self.id(workspace, node);
        let mut new = Vec::new();
        for entry in self.nodes[node].definition.depends_on.clone() {
            let by = format!("`dependsOn` of `{own}`");
            let because = Because::Asked {
                by: own.clone(),
                entry: entry.clone(),
            };
            let mut targets: Vec<(MemberId, &str, Bond)> = Vec::new();
            if let Some(task) = entry.strip_prefix('^') {
                // turbo reaches the root only by its name, and does not follow peers.
                let others = graph
                    .dependencies(at)
                    .into_iter()
                    .filter(|&(to, edge)| to != at && !to.is_root() && !edge.peer);
                targets.extend(others.map(|(to, edge)| (to, task, Bond::Topological(edge.field))));
            } else {
                match target(workspace, at, &entry) {
                    Some((to, task)) => targets.push((to, task, Bond::Named)),
                    None => self.refuse(TaskError::NoPackage {
                        task: entry.clone(),
                        by: by.clone(),
                    }),
                }
            }
            for (to, task, bond) in targets {
                let Some((to, follow)) = self.ask(workspace, (to, task), because.clone(), &by)
                else {
                    continue;
                };
                new.extend(follow.then_some(to));
                if self.nodes[to].runs && self.nodes[to].definition.persistent {
                    let (task, by) = (self.id(workspace, to), by.clone());
                    self.refuse(TaskError::Persistent { task, by });
                }
                self.bond(to, node, bond);
            }
        }
        for entry in self.nodes[node].definition.with.clone() {
            let by = format!("`with` of `{own}`");
            let Some(target) = target(workspace, at, &entry) else {
                self.refuse(TaskError::NoPackage { task: entry, by });
                continue;
            };
            let because = Because::Beside { of: own.clone() };
            let Some((to, follow)) = self.ask(workspace, target, because, &by) else {
                continue;
            };
            new.extend(follow.then_some(to));
            if self.nodes[to].runs && self.nodes[to].definition.persistent {
                self.nodes[to].runs = false;
                let task = self.id(workspace, to);
                self.warnings.push(format!(
                    "`{task}` does not run beside `{own}`: it is persistent, and a build ends"
                ));
            }
            self.bond(to, node, Bond::Own(Edge::of(Field::Dev)));
        }
        new
    }

    /// Adds a task that `turbo.json` requests and that must be defined. Returns its number, and
    /// whether it must be followed.
    fn ask(
        &mut self,
        workspace: &Workspace,
        (at, task): (MemberId, &str),
        because: Because,
        by: &str,
    ) -> Option<(usize, bool)> {
        let full = id(workspace, at, task);
        // A task of the root needs its own entry, so that `^build` does not run the whole build
        // again.
        let turbo = workspace.turbo.as_ref();
        let undefined = || turbo.is_none_or(|turbo| !turbo.tasks.contains_key(&full));
        let (node, new) = if !speaks_of(workspace, at) && undefined() {
            (None, false)
        } else {
            let (node, new) = self.add(workspace, at, task, because.clone());
            (
                Some(node).filter(|&node| self.nodes[node].defined != Defined::Nowhere),
                new,
            )
        };
        let Some(node) = node else {
            self.refuse(TaskError::Unknown {
                task: full,
                by: by.to_owned(),
            });
            return None;
        };
        let known = matches!(self.nodes[node].because, Because::Dependency { .. });
        if known {
            self.nodes[node].because = because;
        }
        // A task that was known only as a dependency has not been followed yet.
        Some((node, new || known))
    }

    /// Records an error of turbo. Only the first is reported.
    fn refuse(&mut self, problem: TaskError) {
        self.problem.get_or_insert(problem);
    }

    /// Adds the builds of a package's dependencies; returns those still to be followed.
    fn build_dependencies(
        &mut self,
        workspace: &Workspace,
        graph: &Graph,
        node: usize,
    ) -> Vec<usize> {
        let (at, runs) = (self.nodes[node].member, self.nodes[node].runs);
        let away = self.nodes[node].defined == Defined::Away;
        let mut new = Vec::new();
        // The root's dependencies are development tools.
        let tools = at.is_root() && !self.root_is_app;
        if tools || away || !(runs || self.nodes[node].name == BUILD) {
            return new;
        }
        for (to, edge) in graph.dependencies(at) {
            if to == at || to.is_root() {
                continue;
            }
            let of = workspace.members[at].label();
            let (to, added) = self.add(workspace, to, BUILD, Because::Dependency { of });
            // Without a script, it only passes on its own dependencies.
            new.extend((added && self.nodes[to].runs).then_some(to));
            if to != node {
                self.bond(to, node, Bond::Own(edge));
            }
        }
        new
    }

    pub(super) fn bond(&mut self, first: usize, then: usize, bond: Bond) {
        let strongest = self
            .bonds
            .edge_weight(first, then)
            .map_or(bond, |&known| known.min(bond));
        self.bonds.add_edge(first, then, strongest);
    }
}

/// The task that an entry of `dependsOn` or `with` means; `None` if there is no such package.
pub(super) fn target<'e>(
    workspace: &Workspace,
    at: MemberId,
    entry: &'e str,
) -> Option<(MemberId, &'e str)> {
    match entry.split_once('#') {
        None => Some((at, entry)),
        Some(("//", task)) => Some((MemberId::ROOT, task)),
        Some((package, task)) => Some((workspace.named(package)?, task)),
    }
}
