//! The study of an app: the tasks that build it, what they need, how it starts, and its two
//! closures.
//!
//! Input: a survey of the workspace, an app, and its options. Output: a [`Study`], which the plan
//! and every answer about an app use. It computes only what a caller asks for.

use std::collections::BTreeSet;

use super::{LeftOut, PlanOptions, code, generate, inputs, lifecycle};
use crate::detect::script::{self, Command};
use crate::detect::{self, Delivery, DetectError, Detection, Subject, WantedStart, loader};
use crate::files::ignore::Rules;
use crate::lockfile::LockfileError;
use crate::model::member::MemberId;
use crate::needs::closure::Closure;
use crate::needs::graph::Graph;
use crate::needs::survey::Survey;
use crate::needs::tasks::{self, BUILD, Needed, Tasks};
use crate::plan::PlanError;
use crate::plan::config::{ConfigError, NodeArguments};
use crate::workspace::toolchain;
use crate::workspace::{Member, Workspace};

/// Facts about an app; further ones are computed on request.
pub(crate) struct Study<'s, 'a> {
    survey: &'s Survey<'a>,
    app: MemberId,
    options: &'s PlanOptions,
    /// The tasks that build the app.
    pub(crate) tasks: Tasks,
    /// Install scripts that do not run.
    pub(crate) left_out: Vec<LeftOut>,
    /// The members that the tasks need.
    pub(crate) needed: Needed,
}

impl<'s, 'a> Study<'s, 'a> {
    /// Finds the tasks that build the app, and what they need.
    pub(crate) fn new(
        survey: &'s Survey<'a>,
        app: MemberId,
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

    /// The build closure.
    pub(crate) fn build(&self) -> Result<Closure<'s, 'a>, LockfileError> {
        let survey = self.survey;
        let named = &self.needed.named;
        Closure::build(survey.workspace, &survey.lockfiles, &[self.app], named)
    }

    /// The runtime closure; `None` if the build's output includes everything.
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

    /// What the app depends on at run time, even if its build includes it.
    pub(crate) fn dependencies(&self) -> Result<Closure<'s, 'a>, PlanError> {
        self.closure_of_start(self.start_needs()?, None)
    }

    /// The closure for a start that needs these dev dependencies, and the root's dependencies that
    /// its code loads.
    fn closure_of_start(
        &self,
        mut named: BTreeSet<(MemberId, String)>,
        start: Option<&detect::Start>,
    ) -> Result<Closure<'s, 'a>, PlanError> {
        let survey = self.survey;
        let workspace = survey.workspace;
        let rules = self.options.rules(&workspace.root)?;
        loop {
            let (lockfiles, apps) = (&survey.lockfiles, [self.app]);
            let closure =
                Closure::runtime(workspace, lockfiles, &apps, &named, self.options.tools())?;
            let packages = closure.packages();
            let of_root = code::of_root(workspace, &rules, self.app, start, packages)?;
            let known = named.len();
            // A root dependency may be a member whose code loads more of them.
            named.extend(of_root);
            if named.len() == known {
                return Ok(closure);
            }
        }
    }

    /// The kind of the app and its start, from its files (relative to its directory) and the user's
    /// options.
    pub(crate) fn detection(
        &self,
        files: &BTreeSet<String>,
        node: &str,
    ) -> Result<Detection, DetectError> {
        let (options, survey) = (self.options, self.survey);
        let wanted = wanted(options);
        // Rules that do not parse are refused where files are selected.
        let rules = options.rules(&survey.workspace.root).ok();
        // An app without a `build` script may be built by an install script.
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
            rules: rules.as_ref(),
        };
        let kind = options.kind.as_ref();
        let mut detection = detect::detect(&subject, kind.map(|kind| kind.value))?;
        let said = kind.map(|kind| kind.source.to_string());
        detection.detected.evidence.extend(said);
        detection.delivery.forget(options.env.keys());
        Ok(detection)
    }

    /// The dev dependencies that the app needs to start, by member; empty if it is unknown how the
    /// app starts.
    pub(crate) fn start_needs(&self) -> Result<BTreeSet<(MemberId, String)>, PlanError> {
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

/// The dev dependencies that the image gets by way of exception, by member: what loads TypeScript
/// when the app starts.
fn start_needs(
    workspace: &Workspace,
    rules: &Rules,
    app: MemberId,
    delivery: &Delivery,
) -> Result<BTreeSet<(MemberId, String)>, PlanError> {
    let Some(start) = delivery.start().filter(|_| delivery.has_modules()) else {
        return Ok(BTreeSet::new());
    };
    let loaded = code::readers(workspace, rules, app)?;
    Ok(loader::needs(workspace, app, start, &loaded))
}

/// What the user wants node to start.
fn wanted(options: &PlanOptions) -> Option<WantedStart> {
    let start = options.start.as_ref()?;
    let NodeArguments { flags, file, args } = start.value.clone();
    Some(WantedStart {
        entry: file,
        node_args: flags,
        args,
        reason: start.source.to_string(),
    })
}

/// The tasks that build the app: `build`, or the scripts that the user names, which must exist.
/// Install scripts run before a package's tasks; those that do not run are returned too.
pub(crate) fn tasks(
    survey: &Survey<'_>,
    app: MemberId,
    options: &PlanOptions,
) -> Result<(Tasks, Vec<LeftOut>), PlanError> {
    let (workspace, graph) = (survey.workspace, &survey.graph);
    let mut tasks = named_tasks(workspace, graph, app, options)?;
    let conducts = app.is_root() && options.tasks.is_none() && only_conducts(workspace);
    if conducts {
        tasks.leave_out(app, BUILD);
    }
    let needed = tasks.needed(workspace, graph, &[app]).members;
    let mut lifecycle = lifecycle::decide(workspace, &needed, &tasks, options)?;
    tasks.add_lifecycle(workspace, graph, &lifecycle.run);
    let missing = generate::missing(workspace, &needed, &tasks, options);
    tasks.add_generators(workspace, graph, &missing.run);
    tasks.warnings.extend(missing.warnings);
    if conducts {
        lifecycle.left_out.push(LeftOut {
            dir: workspace.members[app].dir.clone(),
            script: BUILD.to_owned(),
            reason: lifecycle::OF_PACKAGES.to_owned(),
        });
    }
    Ok((tasks, lifecycle.left_out))
}

/// Whether the root's `build` script only builds packages. Their builds are tasks already, so
/// turbo would call itself.
fn only_conducts(workspace: &Workspace) -> bool {
    let commands = script::commands(&workspace.root_member().manifest, BUILD);
    !commands.is_empty() && commands.iter().all(Command::conducts)
}

fn named_tasks(
    workspace: &Workspace,
    graph: &Graph,
    app: MemberId,
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

#[cfg(test)]
mod tests;
