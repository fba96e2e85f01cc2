//! A task's definition: all definitions in `turbo.json` files merged as turbo 2 does.

use std::collections::BTreeSet;

use super::{TaskError, id};
use crate::model::member::MemberId;
use crate::workspace::Workspace;
use crate::workspace::manifest::turbo::{List, Task, TurboManifest};

/// How many files may extend each other in a row.
pub(super) const MAX_EXTENDS: usize = 64;

/// A merged definition.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Definition {
    /// `build`, `^build`, `pkg#build`.
    pub depends_on: Vec<String>,
    /// Tasks that run alongside this one.
    pub with: Vec<String>,
    /// Globs of the files that the task reads.
    pub inputs: Vec<String>,
    /// Globs of the files that it writes.
    pub outputs: Vec<String>,
    /// Variables that it reads: names and patterns.
    pub env: Vec<String>,
    /// Variables that it sees although they are not in turbo's cache key.
    pub pass_through_env: Vec<String>,
    /// Whether it runs until it is stopped.
    pub persistent: bool,
}

/// Whether and how a task is defined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Defined {
    /// Its definition.
    As(Definition),
    /// The package's own file removes it with nothing but `"extends": false`.
    Away,
    /// No file mentions it.
    Nowhere,
}

/// Looks up a task of the member at `at`.
pub(super) fn definition(
    workspace: &Workspace,
    at: MemberId,
    task: &str,
) -> Result<Defined, TaskError> {
    let files = chain(workspace, at)?;
    let full = id(workspace, at, task);
    let for_all = speaks_of(workspace, at);
    // `web#build` in a file replaces its `build` instead of extending it.
    let of = |file: &&'_ TurboManifest| {
        let of_all = || file.tasks.get(task).filter(|_| for_all);
        file.tasks.get(&full).or_else(of_all).cloned()
    };
    let alone = files
        .iter()
        .rposition(|file| file.tasks.get(task).is_some_and(|task| task.alone));
    let found: Vec<Task> = match alone {
        Some(first) => {
            let own = of(&files[first]).filter(|task| task.says_something);
            own.into_iter()
                .chain(files[first + 1..].iter().filter_map(of))
                .collect()
        }
        None => files.iter().filter_map(of).collect(),
    };
    Ok(match (found.is_empty(), alone) {
        (true, Some(_)) => Defined::Away,
        (true, None) => Defined::Nowhere,
        (false, _) => Defined::As(merged(&found)),
    })
}

/// Whether a task's bare name in turbo.json means a member's task too. Tasks of a workspace's root
/// have names of their own (`//#build`), unless the root is the only package.
pub(super) fn speaks_of(workspace: &Workspace, at: MemberId) -> bool {
    !at.is_root() || workspace.members.is_alone()
}

/// The files that define a member's tasks, in turbo's order: the last one wins. They are its own
/// file and those that it extends.
fn chain(workspace: &Workspace, at: MemberId) -> Result<Vec<&TurboManifest>, TaskError> {
    let mut files = Vec::new();
    let mut seen: BTreeSet<MemberId> = BTreeSet::new();
    let mut open = vec![(at, Vec::<MemberId>::new())];
    while let Some((at, mut path)) = open.pop() {
        if let Some(start) = path.iter().position(|&other| other == at) {
            let names = path[start..]
                .iter()
                .chain([&at])
                .map(|&at| workspace.members[at].label());
            return Err(TaskError::ExtendsItself(
                names.collect::<Vec<_>>().join(" → "),
            ));
        }
        if seen.contains(&at) {
            continue;
        }
        if path.len() > MAX_EXTENDS {
            let file = file_name(workspace, path[0]).unwrap_or_default();
            return Err(TaskError::ExtendsTooDeep(file));
        }
        let Some(file) = file(workspace, at) else {
            if path.is_empty() && !at.is_root() {
                // A package without its own file uses the root's.
                open.push((MemberId::ROOT, path));
            } else if !path.is_empty() && !at.is_root() {
                return Err(TaskError::ExtendsNothing {
                    file: path
                        .last()
                        .and_then(|&at| file_name(workspace, at))
                        .unwrap_or_default(),
                    package: workspace.members[at].label(),
                });
            }
            continue;
        };
        seen.insert(at);
        files.push(file);
        path.push(at);
        if at.is_root() {
            continue;
        }
        if file.extends.first().is_none_or(|first| first != "//") {
            return Err(TaskError::ExtendsNoRoot(file.file.clone()));
        }
        for name in &file.extends {
            let base = if name == "//" {
                Some(MemberId::ROOT)
            } else {
                workspace.named(name)
            };
            let base = base.ok_or_else(|| TaskError::ExtendsNothing {
                file: file.file.clone(),
                package: name.clone(),
            })?;
            open.push((base, path.clone()));
        }
    }
    files.reverse();
    Ok(files)
}

/// The members whose files also define tasks of this one, apart from its own and the root's.
pub(super) fn bases(workspace: &Workspace, at: MemberId) -> BTreeSet<MemberId> {
    let (mut found, mut open) = (BTreeSet::new(), vec![at]);
    while let Some(next) = open.pop() {
        let file = workspace.members[next].turbo.as_ref();
        for name in file.into_iter().flat_map(|file| &file.extends) {
            if let Some(base) = workspace.named(name)
                && base != at
                && found.insert(base)
            {
                open.push(base);
            }
        }
    }
    found
}

fn file(workspace: &Workspace, at: MemberId) -> Option<&TurboManifest> {
    if at.is_root() {
        workspace.turbo.as_ref()
    } else {
        workspace.members[at].turbo.as_ref()
    }
}

fn file_name(workspace: &Workspace, at: MemberId) -> Option<String> {
    file(workspace, at).map(|file| file.file.clone())
}

/// Merges definitions; the last one wins.
fn merged(tasks: &[Task]) -> Definition {
    let list = |of: fn(&Task) -> Option<&List>| {
        let mut values: Vec<String> = Vec::new();
        for list in tasks.iter().filter_map(of) {
            if !list.extends {
                values.clear();
            }
            values.extend(list.values.iter().cloned());
        }
        let mut seen = BTreeSet::new();
        values.retain(|value| seen.insert(value.clone()));
        values
    };
    Definition {
        depends_on: list(|task| task.depends_on.as_ref()),
        with: list(|task| task.with.as_ref()),
        inputs: list(|task| task.inputs.as_ref()),
        outputs: list(|task| task.outputs.as_ref()),
        env: list(|task| task.env.as_ref()),
        pass_through_env: list(|task| task.pass_through_env.as_ref()),
        persistent: tasks
            .iter()
            .rev()
            .find_map(|task| task.persistent)
            .unwrap_or_default(),
    }
}
