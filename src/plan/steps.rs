//! The build steps: one stage a run of tasks, in their order.

use std::collections::{BTreeMap, BTreeSet};

use super::{BuildStep, ContextEntry, Copy, TaskPlan, place};
use crate::graph::Graph;
use crate::path::RepoPath;
use crate::tasks::{self, Because, Run, Tasks};
use crate::workspace::Workspace;

/// What steps are made from.
pub(super) struct Steps<'s> {
    pub(super) workspace: &'s Workspace,
    pub(super) graph: &'s Graph,
    pub(super) app: usize,
    /// The members that the app's build needs, in dependency order.
    pub(super) order: &'s [usize],
    pub(super) tasks: &'s Tasks,
    pub(super) runs: &'s [Run],
    /// The names of build arguments that will be given.
    pub(super) given: &'s BTreeSet<String>,
    /// The names of secrets that will be given as variables.
    pub(super) secrets: &'s BTreeSet<String>,
    pub(super) in_image: &'s BTreeSet<usize>,
    /// The directories that pnpm copies.
    pub(super) copied: &'s BTreeSet<RepoPath>,
    pub(super) context: &'s [ContextEntry],
    /// What the app's build must write.
    pub(super) writes: Option<String>,
    /// Variables that the app's build runs with.
    pub(super) build_env: &'s BTreeMap<String, String>,
}

impl Steps<'_> {
    /// The stages of all runs.
    pub(super) fn plan(&self) -> Vec<BuildStep> {
        let mut stages: Vec<String> = Vec::new();
        let mut steps = Vec::new();
        let last = self.runs.iter().rposition(|run| run.member == self.app);
        for (place, run) in self.runs.iter().enumerate() {
            let at = run.member;
            let member = &self.workspace.members[at];
            let stage = stage_name(&member.dir, stages.iter());
            let mut sources = self.needed(at);
            // The root's files are its own tasks' business: who waits for one of these gets what it wrote.
            sources.extend(run.members.iter().filter(|&&member| member != 0));
            let installs = run
                .tasks
                .iter()
                .any(|&task| self.tasks.nodes[task].because == Because::Lifecycle);
            let own = run
                .needs
                .iter()
                .filter(|&&need| self.runs[need].member == at);
            steps.push(BuildStep {
                dir: member.dir.clone(),
                name: member.label(),
                stage: stage.clone(),
                tasks: run.tasks.iter().map(|&task| self.task(task)).collect(),
                env: if at == self.app {
                    self.build_env.clone()
                } else {
                    BTreeMap::new()
                },
                copies: self.copies(at, &sources, installs),
                needs: run.needs.iter().map(|&need| stages[need].clone()).collect(),
                continues: own.map(|&need| stages[need].clone()).collect(),
                copied: self.copied.contains(&member.dir).then(|| member.label()),
                writes: self.writes.clone().filter(|_| Some(place) == last),
                in_image: at != 0 && self.in_image.contains(&at),
            });
            stages.push(stage);
        }
        steps
    }

    fn task(&self, task: usize) -> TaskPlan {
        let node = &self.tasks.nodes[task];
        let variables = |given| {
            self.tasks
                .arguments(self.workspace, task, given)
                .into_iter()
        };
        // No value that is handed over as a secret is to be a build argument too.
        let args = variables(self.given).filter(|name| !self.secrets.contains(name));
        let secrets = variables(self.secrets).filter(|name| self.secrets.contains(name));
        TaskPlan {
            script: node.name.clone(),
            because: node.because.clone(),
            args: args.collect(),
            secrets: secrets.collect(),
        }
    }

    /// All members that `at` needs, near or far, among those that stand before it in the order.
    fn needed(&self, at: usize) -> BTreeSet<usize> {
        let place = |member: usize| self.order.iter().position(|&other| other == member);
        let mut found = BTreeSet::new();
        // What the root depends on are its developers' tools.
        let mut queue = if at == 0 { vec![] } else { vec![at] };
        while let Some(next) = queue.pop() {
            for (to, _) in self.graph.dependencies(next) {
                if place(to).is_some_and(|to| Some(to) < place(at)) && found.insert(to) {
                    queue.push(to);
                }
            }
        }
        found
    }

    /// The sources that a stage copies: for the app all there are, for another package its own and those of what it needs, so that no change
    /// elsewhere builds it again. Scripts of the root's install may be about any package, and get all there are too.
    fn copies(&self, at: usize, needed: &BTreeSet<usize>, installs: bool) -> Vec<Copy> {
        let has = |prefix: &str| {
            self.context
                .iter()
                .any(|entry| entry.path.starts_with(prefix))
        };
        let all = at == self.app || (at == 0 && installs);
        let members = needed.iter().filter(|&&member| member != at).chain([&at]);
        let members = members
            .copied()
            .filter(|&member| !all || (member == 0 && at == 0));
        let copy = |dir: RepoPath, places: &[&str]| {
            let (below, to) = if dir.is_root() {
                (String::new(), "./".to_owned())
            } else {
                (format!("{dir}/"), format!("{dir}/"))
            };
            let from = places.iter().map(|place| format!("{place}/{below}"));
            let from: Vec<String> = from.filter(|prefix| has(prefix)).collect();
            (!from.is_empty()).then_some(Copy { from, to })
        };
        let whole = all
            .then(|| copy(RepoPath::ROOT, &[place::SRC, place::RUN]))
            .flatten();
        let each = members.filter_map(|member| {
            let places: &[&str] = if member == 0 {
                &[place::TOP]
            } else {
                &[place::SRC, place::RUN]
            };
            copy(self.workspace.members[member].dir.clone(), places)
        });
        whole.into_iter().chain(each).collect()
    }
}

/// What is odd about the build arguments of these names.
pub(super) fn argument_warnings(steps: &[BuildStep], given: &BTreeSet<String>) -> Vec<String> {
    let declared: BTreeSet<&String> = steps
        .iter()
        .flat_map(|step| &step.tasks)
        .flat_map(|task| &task.args)
        .collect();
    let warning = |name: &String| {
        if tasks::is_proxy(name) {
            return None;
        }
        if !declared.contains(name) {
            return Some(format!(
                "nobody gets the build argument `{name}`: no task that runs declares it in `env` or `passThroughEnv`"
            ));
        }
        tasks::looks_secret(name).then(|| {
            format!("the build argument `{name}` looks like a secret: the image does not hold it, but the build's cache and records do (`--secret id={name}` leaves no trace)")
        })
    };
    given.iter().filter_map(warning).collect()
}

/// `build-apps-server`: legal as a stage's name, and one of its kind.
fn stage_name<'s>(dir: &RepoPath, mut taken: impl Iterator<Item = &'s String>) -> String {
    let legal = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name = if dir.is_root() {
        "build-root".to_owned()
    } else {
        // BuildKit takes the name for that of an image too, which ends in a letter or a digit.
        let name = dir.as_str().chars().map(legal).collect::<String>();
        format!("build-{name}").trim_end_matches('-').to_owned()
    };
    let alike = taken
        .by_ref()
        .filter(|other| **other == name || other.starts_with(&format!("{name}-x")))
        .count();
    if alike == 0 {
        name
    } else {
        format!("{name}-x{}", alike + 1)
    }
}
