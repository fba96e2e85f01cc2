//! Unneeded files of production modules: whether they are left out, and the program that does it.

use super::{ContextEntry, Place, PlanOptions, Trim};
use crate::detect::Delivery;
use crate::model::path::RepoPath;
use crate::needs::closure::Closure;
use crate::workspace::Workspace;

const PROGRAM: &str = include_str!("../../templates/trim.mjs");

/// Packages that read source maps at run time.
const READERS: [&str; 2] = ["source-map-support", "@cspotcode/source-map-support"];

/// What is left out.
pub(super) fn trim(
    workspace: &Workspace,
    runtime: Option<&Closure<'_, '_>>,
    delivery: &Delivery,
    options: &PlanOptions,
) -> Option<Trim> {
    let runtime = runtime.filter(|_| !options.whole_modules)?;
    let flag = "--enable-source-maps";
    let by_start = delivery.start().is_some_and(|start| {
        let options = start.env.get("NODE_OPTIONS");
        start.node_args.iter().any(|word| word == flag)
            || options.is_some_and(|options| options.contains(flag))
    });
    let by_package = runtime.members.keys().any(|&at| {
        let dependencies = workspace.members[at].manifest.get("dependencies");
        dependencies.is_some_and(|map| READERS.iter().any(|name| map.get(name).is_some()))
    });
    Some(Trim {
        maps: by_start || by_package,
    })
}

/// The program's file in the context.
pub(super) fn entry() -> ContextEntry {
    let why = "leaves out of modules what cannot matter when the app runs";
    ContextEntry::made(
        Place::Trim,
        RepoPath::file("trim.mjs"),
        PROGRAM.to_owned(),
        why,
    )
}
