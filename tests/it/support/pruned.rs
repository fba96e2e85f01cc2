//! Pruned trees: what `slimbuild prune` writes, and the same with the manifests that an image's install gets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use slimbuild::internals::{
    Closure, LockfileError, Lockfiles, MemberId, PruneOptions, Pruned, Scope, Tools, Workspace,
    pruned::output,
};

/// The closure of these apps; that of builds without what tasks add.
pub(crate) fn closure<'l, 'a>(
    workspace: &Workspace,
    lockfiles: &'l Lockfiles<'a>,
    apps: &[MemberId],
    scope: Scope,
) -> Result<Closure<'l, 'a>, LockfileError> {
    match scope {
        Scope::Build => Closure::build(workspace, lockfiles, apps, &BTreeMap::new()),
        Scope::Production => {
            Closure::runtime(workspace, lockfiles, apps, &BTreeSet::new(), Tools::Stay)
        }
    }
}

/// Writes the pruned workspace to `dir`.
pub(crate) fn write(
    workspace: &Workspace,
    apps: &[MemberId],
    options: &PruneOptions,
    dir: &Path,
) -> Result<(), String> {
    let pruned = Pruned::new(workspace, apps, options).map_err(|error| error.to_string())?;
    output::write(&pruned, &workspace.root, dir, &|| false).map_err(|error| error.to_string())
}

/// Puts the manifests that an image's install gets into a written tree.
pub(crate) fn skeletons(
    workspace: &Workspace,
    apps: &[MemberId],
    scope: Scope,
    out: &Path,
) -> Result<(), String> {
    let lockfiles = Lockfiles::parse(&workspace.lockfiles).map_err(|error| error.to_string())?;
    let closure = closure(workspace, &lockfiles, apps, scope).map_err(|error| error.to_string())?;
    for at in closure.members.keys().copied().chain([MemberId::ROOT]) {
        let path = workspace.members[at].dir.join("package.json").unwrap();
        let path = path.on_disk(&out.join("json"));
        fs_err::write(path, closure.skeleton(workspace, at)).unwrap();
    }
    Ok(())
}
