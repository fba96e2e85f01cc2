//! One look at an app: the tasks that make it, what they need, how it starts, and its two closures.
//!
//! In: a survey of the workspace, an app, and the options that count for it. Out: a [`Study`], which the plan and every answer
//! about an app take. What a question does not ask for is not worked out.

use std::collections::BTreeSet;

use super::{LeftOut, PlanOptions, code, inputs, lifecycle};
use crate::detect::{self, Delivery, DetectError, Detection, Subject, Wanted, loader};
use crate::files::ignore::Rules;
use crate::lockfile::LockfileError;
use crate::needs::closure::Closure;
use crate::needs::graph::Graph;
use crate::needs::survey::Survey;
use crate::needs::tasks::{self, Needed, Tasks};
use crate::plan::PlanError;
use crate::plan::config::{ConfigError, NodeArguments};
use crate::workspace::toolchain;
use crate::workspace::{Member, Workspace};

/// What is known of an app, and what can be found out.
pub(crate) struct Study<'s, 'a> {
    survey: &'s Survey<'a>,
    app: usize,
    options: &'s PlanOptions,
    /// The tasks that make the app.
    pub(crate) tasks: Tasks,
    /// Scripts of installs that do not run.
    pub(crate) left_out: Vec<LeftOut>,
    /// The members that the tasks need.
    pub(crate) needed: Needed,
}

impl<'s, 'a> Study<'s, 'a> {
    /// Finds out which tasks make the app, and what they need.
    pub(crate) fn new(
        survey: &'s Survey<'a>,
        app: usize,
        options: &'s PlanOptions,
    ) -> Result<Self, PlanError> {
        let (tasks, left_out) = tasks(survey, app, options)?;
        let needed = tasks.needed(survey.workspace, &survey.graph, &[app]);
        Ok(Self {
            survey,
            app,
            options,
            tasks,
            left_out,
            needed,
        })
    }

    /// What a build of the app needs.
    pub(crate) fn build(&self) -> Result<Closure<'s, 'a>, LockfileError> {
        let survey = self.survey;
        let named = &self.needed.named;
        Closure::build(survey.workspace, &survey.lockfiles, &[self.app], named)
    }

    /// What the image gets; nothing where the build's output brings all of it along.
    pub(crate) fn runtime(
        &self,
        delivery: &Delivery,
    ) -> Result<Option<Closure<'s, 'a>>, PlanError> {
        if !delivery.has_modules() {
            return Ok(None);
        }
        let rules = self.options.rules(&self.survey.workspace.root)?;
        let starts = start_needs(self.survey.workspace, &rules, self.app, delivery)?;
        self.closure_of_start(starts, delivery.start()).map(Some)
    }

    /// What the app depends on when it runs, whether or not its build brings that along.
    pub(crate) fn dependencies(&self) -> Result<Closure<'s, 'a>, PlanError> {
        self.closure_of_start(self.start_needs()?, None)
    }

    /// The closure of a start that needs these dev dependencies, with what its code loads of the root project's dependencies.
    fn closure_of_start(
        &self,
        mut named: BTreeSet<(usize, String)>,
        start: Option<&detect::Start>,
    ) -> Result<Closure<'s, 'a>, PlanError> {
        let survey = self.survey;
        let workspace = survey.workspace;
        let rules = self.options.rules(&workspace.root)?;
        loop {
            let closure = Closure::runtime(workspace, &survey.lockfiles, &[self.app], &named)?;
            let members = closure.members.keys().copied();
            let of_root = code::of_root(workspace, &rules, self.app, start, members)?;
            let known = named.len();
            // A package of the root may be a member, whose code loads more of them.
            named.extend(of_root);
            if named.len() == known {
                return Ok(closure);
            }
        }
    }

    /// What the app is and how it starts, as its own files (relative to its directory) and the user tell it.
    pub(crate) fn detection(
        &self,
        files: &BTreeSet<String>,
        node: &str,
    ) -> Result<Detection, DetectError> {
        let (options, survey) = (self.options, self.survey);
        let wanted = wanted(options);
        // An app without a `build` script may be built when it is installed.
        let installed = self.tasks.lifecycle_of(self.app);
        let has_tasks = !tasks::scripts(survey.workspace, self.app).is_empty();
        let installed = Some(&*installed).filter(|scripts| !scripts.is_empty() && !has_tasks);
        let subject = Subject {
            workspace: survey.workspace,
            lockfiles: &survey.lockfiles,
            app: self.app,
            files,
            entry: wanted.as_ref(),
            tasks: options
                .tasks
                .as_ref()
                .map(|tasks| &*tasks.value)
                .or(installed),
            node,
        };
        let kind = options.kind.as_ref();
        let mut detection = detect::detect(&subject, kind.map(|kind| kind.value))?;
        let said = kind.map(|kind| kind.source.to_string());
        detection.detected.evidence.extend(said);
        detection.delivery.forget(options.env.keys());
        Ok(detection)
    }

    /// The dev dependencies that the app's start cannot do without, by the member that has them; none where it cannot be told how the app starts.
    pub(crate) fn start_needs(&self) -> Result<BTreeSet<(usize, String)>, PlanError> {
        let (workspace, options) = (self.survey.workspace, self.options);
        let member = &workspace.members[self.app];
        let rules = options.rules(&workspace.root)?;
        let walk = inputs::walk(workspace, self.app, &rules)?;
        let own = inputs::relative(&walk.files, &member.dir);
        let Ok((node, _)) = toolchain::decide(workspace, member, options.node()) else {
            return Ok(BTreeSet::new());
        };
        Ok(match self.detection(&own, &node.value) {
            Ok(found) => start_needs(workspace, &rules, self.app, &found.delivery)?,
            Err(_) => BTreeSet::new(),
        })
    }
}

/// The dev dependencies that the image gets all the same, by the member that has them: what loads TypeScript when the app starts.
fn start_needs(
    workspace: &Workspace,
    rules: &Rules,
    app: usize,
    delivery: &Delivery,
) -> Result<BTreeSet<(usize, String)>, PlanError> {
    let Some(start) = delivery.start().filter(|_| delivery.has_modules()) else {
        return Ok(BTreeSet::new());
    };
    let loaded = code::of_app(workspace, rules, app)?;
    Ok(loader::needs(workspace, app, start, &loaded))
}

/// What node is to start.
fn wanted(options: &PlanOptions) -> Option<Wanted> {
    let start = options.start.as_ref()?;
    let NodeArguments { flags, file, args } = start.value.clone();
    Some(Wanted {
        entry: file,
        node_args: flags,
        args,
        reason: start.source.to_string(),
    })
}

/// The tasks that make the app: `build`, or the scripts that the user names, which must be there. Before the tasks of a package run the scripts of
/// its install; those that do not come beside the tasks.
pub(crate) fn tasks(
    survey: &Survey<'_>,
    app: usize,
    options: &PlanOptions,
) -> Result<(Tasks, Vec<LeftOut>), PlanError> {
    let (workspace, graph) = (survey.workspace, &survey.graph);
    let mut tasks = named_tasks(workspace, graph, app, options)?;
    let needed = tasks.needed(workspace, graph, &[app]).members;
    let lifecycle = lifecycle::decide(workspace, &needed, &tasks, options)?;
    tasks.add_lifecycle(workspace, graph, &lifecycle.run);
    Ok((tasks, lifecycle.left_out))
}

fn named_tasks(
    workspace: &Workspace,
    graph: &Graph,
    app: usize,
    options: &PlanOptions,
) -> Result<Tasks, PlanError> {
    let Some(tasks) = &options.tasks else {
        return Ok(Tasks::new(workspace, graph, &[app]));
    };
    let member: &Member = &workspace.members[app];
    let missing = |name: &&String| member.manifest.script(name).is_none();
    match tasks.value.iter().find(missing) {
        Some(name) => Err(ConfigError::unfit(
            &tasks.source,
            format!("{} has no script `{name}`", member.manifest.file()),
            "name scripts of that file, as in `[\"build\"]`",
        )
        .into()),
        None => Ok(Tasks::of_scripts(workspace, graph, app, &tasks.value)),
    }
}
