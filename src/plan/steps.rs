//! Makes the build steps: one stage for each run of tasks, in order.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    BuildStep, ContextEntry, Copy, Declared, Gather, MAX_COPIES, Place, TaskPlan, context_entry,
};
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::needs::graph::Graph;
use crate::needs::sets::{Item, Set};
use crate::needs::tasks::{self, Because, TaskRun, TaskRuns, Tasks};
use crate::workspace::Workspace;

/// The input of the steps.
pub(super) struct Steps<'s> {
    pub(super) workspace: &'s Workspace,
    pub(super) graph: &'s Graph,
    pub(super) app: MemberId,
    /// The members that the app's build needs, in dependency order.
    pub(super) order: &'s [MemberId],
    pub(super) tasks: &'s Tasks,
    /// The names of build arguments that will be given.
    pub(super) given: &'s BTreeSet<String>,
    /// The names of secrets that will be given as variables.
    pub(super) secrets: &'s BTreeSet<String>,
    pub(super) in_image: &'s BTreeSet<MemberId>,
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
    pub(super) fn plan(&self, mut runs: TaskRuns) -> Vec<BuildStep> {
        let sources = self.sources(&mut runs);
        // The package's own sources take one more copy.
        let sources = runs.sets.blocks(&sources, MAX_COPIES - 1);
        let needs: Vec<Set> = runs.all.iter().map(|run| run.needs).collect();
        let needs = runs.sets.blocks(&needs, MAX_COPIES);
        let mut sources_of = Gathering::new("sources", &sources.blocks);
        let mut outputs_of = Gathering::new("outputs", &needs.blocks);
        let last = runs.all.iter().rposition(|run| run.member == self.app);
        let mut names: BTreeSet<String> = BTreeSet::new();
        let mut stages: Vec<String> = Vec::new();
        let mut own: BTreeMap<MemberId, Vec<String>> = BTreeMap::new();
        let mut steps = Vec::new();
        for (place, run) in runs.all.iter().enumerate() {
            let at = run.member;
            let member = &self.workspace.members[at];
            let stage = stage_name(&member.dir, &names);
            let mut gathers = Vec::new();
            let mut taken =
                sources_of.take(&sources.lists[place], &mut gathers, &|member, held| {
                    held.copies.extend(self.copy(MemberId::new(member)));
                });
            let needed = outputs_of.take(&needs.lists[place], &mut gathers, &|need, held| {
                held.needs.push(stages[need].clone());
            });
            taken.copies.extend(self.own_sources(run));
            let continues = own.entry(at).or_default();
            steps.push(BuildStep {
                dir: member.dir.clone(),
                name: member.label(),
                stage: stage.clone(),
                gathers,
                tasks: run.tasks.iter().map(|&task| self.task(task)).collect(),
                env: if at == self.app {
                    self.build_env.clone()
                } else {
                    BTreeMap::new()
                },
                sources: taken.needs,
                copies: taken.copies,
                needs: needed.needs,
                continues: continues.clone(),
                copied: self.copied.contains(&member.dir).then(|| member.label()),
                writes: self.writes.clone().filter(|_| Some(place) == last),
                in_image: (!at.is_root() || self.app.is_root()) && self.in_image.contains(&at),
            });
            continues.push(stage.clone());
            names.insert(stage.clone());
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
        // A secret must not be a build argument too.
        let args = variables(self.given).filter(|name| !self.secrets.contains(name));
        let secrets = variables(self.secrets).filter(|name| self.secrets.contains(name));
        TaskPlan {
            script: node.name.clone(),
            because: node.because.clone(),
            args: args.collect(),
            secrets: secrets.collect(),
            declared: if self.tasks.takes_all(self.workspace, task) {
                Declared::Nowhere
            } else if self.workspace.turbo.is_some() {
                Declared::Turbo
            } else {
                Declared::Missing
            },
        }
    }

    /// The other members whose sources each run needs: for the app all of them; for another package
    /// those that it depends on, so that no change elsewhere rebuilds it. Runs that take everything
    /// need no list.
    fn sources(&self, runs: &mut TaskRuns) -> Vec<Set> {
        let needed = self.graph.needed(self.order, &mut runs.sets);
        let mut sources = Vec::new();
        for run in &runs.all {
            if self.takes_all(run) {
                sources.push(Set::EMPTY);
                continue;
            }
            // The root's dependencies are development tools.
            let needed = needed.get(&run.member).filter(|_| !run.member.is_root());
            let needed = needed.copied().unwrap_or(Set::EMPTY);
            // The root's files are for its own tasks. Tasks that wait for one of these get what it
            // wrote.
            let waits_for = runs.sets.without(run.members, MemberId::ROOT);
            let all = runs.sets.union(needed, waits_for);
            sources.push(runs.sets.without(all, run.member));
        }
        sources
    }

    /// Whether a run gets all sources. Install scripts of the root may concern any package.
    fn takes_all(&self, run: &TaskRun) -> bool {
        let installs = |task: &usize| {
            let because = &self.tasks.nodes[*task].because;
            matches!(because, Because::Lifecycle | Because::Generates)
        };
        run.member == self.app || (run.member.is_root() && run.tasks.iter().any(installs))
    }

    /// What a run copies of its own package, or everything.
    fn own_sources(&self, run: &TaskRun) -> Vec<Copy> {
        let all = self.copy_below(&RepoPath::ROOT, &[Place::Src, Place::Run]);
        if !self.takes_all(run) {
            return self.copy(run.member).into_iter().collect();
        }
        let files_of_root = run.member.is_root().then(|| self.copy(run.member));
        all.into_iter().chain(files_of_root.flatten()).collect()
    }

    /// The sources of a member.
    fn copy(&self, member: MemberId) -> Option<Copy> {
        let places: &[Place] = if member.is_root() {
            &[Place::Top, Place::Home]
        } else {
            &[Place::Src, Place::Run]
        };
        self.copy_below(&self.workspace.members[member].dir, places)
    }

    fn copy_below(&self, dir: &RepoPath, places: &[Place]) -> Option<Copy> {
        let (below, to) = (dir.prefix(), format!("{dir}/"));
        let places = places.iter();
        let from: Vec<String> = places
            .filter(|place| context_entry::holds(self.context, **place, dir))
            .map(|place| format!("{place}/{below}"))
            .collect();
        (!from.is_empty()).then_some(Copy { from, to })
    }
}

/// The stages that gather one kind of content.
struct Gathering<'b> {
    kind: &'static str,
    blocks: &'b [Vec<Item>],
    /// The stage of each block; `None` if the block is empty.
    stages: BTreeMap<usize, Option<String>>,
    count: usize,
}

/// The content of a stage: directories of the context, and other stages.
#[derive(Default)]
struct Held {
    copies: Vec<Copy>,
    needs: Vec<String>,
}

impl<'b> Gathering<'b> {
    fn new(kind: &'static str, blocks: &'b [Vec<Item>]) -> Self {
        Self {
            kind,
            blocks,
            stages: BTreeMap::new(),
            count: 0,
        }
    }

    /// Converts a list; `one` adds what a number stands for. Stages that are used for the first
    /// time are added to `gathers`.
    fn take(
        &mut self,
        list: &[Item],
        gathers: &mut Vec<Gather>,
        one: &dyn Fn(usize, &mut Held),
    ) -> Held {
        let mut held = Held::default();
        for item in list {
            match *item {
                Item::One(number) => one(number, &mut held),
                Item::Block(block) => held.needs.extend(self.stage(block, gathers, one)),
            }
        }
        held
    }

    fn stage(
        &mut self,
        block: usize,
        gathers: &mut Vec<Gather>,
        one: &dyn Fn(usize, &mut Held),
    ) -> Option<String> {
        if let Some(known) = self.stages.get(&block) {
            return known.clone();
        }
        let blocks = self.blocks;
        let Held { copies, needs } = self.take(&blocks[block], gathers, one);
        let stage = (!copies.is_empty() || !needs.is_empty()).then(|| {
            self.count += 1;
            format!("{}-{}", self.kind, self.count)
        });
        gathers.extend(stage.clone().map(|stage| Gather {
            stage,
            copies,
            needs,
        }));
        self.stages.insert(block, stage.clone());
        stage
    }
}

/// Warnings about these build arguments.
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

/// A unique, valid stage name: `build-apps-server`.
fn stage_name(dir: &RepoPath, taken: &BTreeSet<String>) -> String {
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
        // BuildKit also parses the name as an image's, which must end in a letter or a digit.
        let name = dir.as_str().chars().map(legal).collect::<String>();
        format!("build-{name}").trim_end_matches('-').to_owned()
    };
    let numbered = format!("{name}-x");
    let alike = taken.range(numbered.clone()..);
    let alike = alike
        .take_while(|other| other.starts_with(&numbered))
        .count();
    match alike + usize::from(taken.contains(&name)) {
        0 => name,
        alike => format!("{numbered}{}", alike + 1),
    }
}
