//! What the user wants of detection and tasks, as these take it.

use std::collections::BTreeSet;

use super::{LeftOut, PlanOptions, inputs, lifecycle};
use crate::detect::{self, Delivery, DetectError, Detection, Subject, Wanted, loader};
use crate::error::Error;
use crate::files::ignore::Rules;
use crate::lockfile::Lockfiles;
use crate::needs::graph::Graph;
use crate::needs::tasks::{self, Tasks};
use crate::plan::config::{ConfigError, NodeArguments};
use crate::workspace::toolchain;
use crate::workspace::{Member, Workspace};

/// What the app's own files (relative to its directory) and the user tell of it.
pub(crate) fn detection(
    workspace: &Workspace,
    lockfiles: &Lockfiles<'_>,
    app: usize,
    files: &BTreeSet<String>,
    options: &PlanOptions,
    tasks: &Tasks,
    node: &str,
) -> Result<Detection, DetectError> {
    let wanted = wanted(options);
    // An app without a `build` script may be built when it is installed.
    let installed = tasks.lifecycle_of(app);
    let installed = Some(&*installed)
        .filter(|scripts| !scripts.is_empty() && tasks::scripts(workspace, app).is_empty());
    let subject = Subject {
        workspace,
        lockfiles,
        app,
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

/// The dev dependencies that the image gets all the same, by the member that has them: what loads TypeScript when the app starts.
pub(crate) fn needs(
    workspace: &Workspace,
    app: usize,
    delivery: &Delivery,
) -> BTreeSet<(usize, String)> {
    let start = delivery.start().filter(|_| delivery.has_modules());
    start.map_or_else(BTreeSet::new, |start| loader::needs(workspace, app, start))
}

/// The same for an app that nobody has looked at yet; none where it cannot be told how the app starts.
pub(crate) fn start_needs(
    workspace: &Workspace,
    lockfiles: &Lockfiles<'_>,
    app: usize,
    options: &PlanOptions,
) -> Result<BTreeSet<(usize, String)>, Error> {
    let member = &workspace.members[app];
    let rules = Rules::load(&workspace.root, &options.include, &options.exclude)?;
    let walk = inputs::walk(workspace, app, &rules)?;
    let own = inputs::relative(&walk.files, &member.dir);
    let Ok((node, _)) = toolchain::decide(workspace, member, options.node()) else {
        return Ok(BTreeSet::new());
    };
    let graph = Graph::new(workspace, lockfiles);
    let (tasks, _) = tasks(workspace, &graph, app, options)?;
    let found = detection(
        workspace,
        lockfiles,
        app,
        &own,
        options,
        &tasks,
        &node.value,
    );
    Ok(found.map_or_else(
        |_| BTreeSet::new(),
        |found| needs(workspace, app, &found.delivery),
    ))
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
    workspace: &Workspace,
    graph: &Graph,
    app: usize,
    options: &PlanOptions,
) -> Result<(Tasks, Vec<LeftOut>), Error> {
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
) -> Result<Tasks, Error> {
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
