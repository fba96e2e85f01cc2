//! Checks what a project links or copies from the workspace, as pnpm 12 does.
//!
//! Mirrors pnpm's
//! [`linkedPackagesAreUpToDate`](https://github.com/pnpm/pnpm/blob/main/lockfile/verification/src/linkedPackagesAreUpToDate.ts),
//! which earlier versions ask only if the lockfile is not frozen. (Tried with 12.4, 12.10, 12.15
//! and 12.21; for the versions between these, the check passes.)

use std::collections::BTreeSet;

use nodejs_semver::{Range, Version};

use super::config::Config;
use super::project::Projects;
use crate::files::tree::Limit;
use crate::lockfile::keys::{Reference, resolve};
use crate::lockfile::{Dependency, Field, Importer, Lockfile, LockfileError};
use crate::model::path::RepoPath;
use crate::workspace::Workspace;
use crate::workspace::manifest::package::{FILES, Manifest};

/// Compares the members and directories that a project's dependencies lead to with its manifest.
pub(super) fn check(
    workspace: &Workspace,
    lockfile: &Lockfile<'_>,
    config: &Config<'_>,
    projects: &Projects<'_, '_>,
    key: &str,
    manifest: &Manifest,
) -> Result<(), LockfileError> {
    let since = |minor| (config.major, config.minor) >= (12, minor);
    let Some(importer) = lockfile.importer(key).filter(|_| since(10)) else {
        return Ok(());
    };
    let links_all = config.switch("linkWorkspacePackages", "link-workspace-packages");
    let links_all = links_all.and_then(|reading| reading.value);
    let links_all = matches!(links_all.as_deref(), Some("true" | "deep"));
    for dependency in &importer.dependencies {
        let wanted = manifest.dependencies(dependency.field);
        let Some(specifier) = wanted.get(&*dependency.alias) else {
            continue;
        };
        let problem = if dependency.version.starts_with("link:") {
            let stale = |range| linked(workspace, lockfile, importer, dependency, range);
            let range = specifier.strip_prefix("workspace:");
            let range = range.or_else(|| links_all.then_some(*specifier));
            range.filter(|_| since(15)).and_then(stale)
        } else if dependency.specifier.starts_with("file:") {
            copied(workspace, lockfile, projects, dependency)
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(LockfileError::Outdated {
                manifest: manifest.file().to_owned(),
                problem,
            });
        }
    }
    Ok(())
}

/// What a linked member is not, though its dependent asks for it.
fn linked(
    workspace: &Workspace,
    lockfile: &Lockfile<'_>,
    importer: &Importer<'_>,
    dependency: &Dependency<'_>,
    range: &str,
) -> Option<String> {
    // A path, or another name than the alias.
    if range.starts_with(['.', '/']) || range.get(1..)?.contains('@') {
        return None;
    }
    let asked = match range {
        "*" | "^" | "~" => None,
        range => Some(Range::parse(range).ok()?),
    };
    let dir = lockfile.local_target(importer, dependency)?;
    let member = &workspace.members[workspace.member_in(&dir)?];
    let alias = &*dependency.alias;
    let name = member.manifest.name()?;
    if name != alias {
        return Some(format!(
            "it links `{alias}` to `{dir}`, which has the name `{name}` now"
        ));
    }
    let version = member.manifest.text("version")?;
    let parsed = Version::parse(version).ok()?;
    let asked = asked.filter(|_| parsed.pre_release().is_empty())?;
    (!asked.satisfies(&parsed)).then(|| {
        format!(
            "it links `{alias}` to `{dir}`, whose version {version} is not in the range `{range}`"
        )
    })
}

/// The first dependency in which a copied directory's manifest differs from its entry.
fn copied(
    workspace: &Workspace,
    lockfile: &Lockfile<'_>,
    projects: &Projects<'_, '_>,
    dependency: &Dependency<'_>,
) -> Option<String> {
    let alias = &*dependency.alias;
    let version = &dependency.version;
    let Reference::Entry(key) = resolve(lockfile.format(), alias, version) else {
        return None;
    };
    let dir = lockfile.copied_directory(&key)?;
    let manifest = manifest_in(workspace, &dir)?;
    if projects.may_change(&manifest) {
        return None;
    }
    let needs = lockfile.needs(&key).ok()?;
    let was: BTreeSet<&str> = needs.iter().map(|(alias, _)| &**alias).collect();
    let fields = [Field::Prod, Field::Optional].map(|field| manifest.dependencies(field));
    let is: BTreeSet<&str> = fields.iter().flat_map(|map| map.keys().copied()).collect();
    let peers = manifest.peers();
    let differs = |name: &&&str| !peers.contains_key(**name) && !projects.may_lack(&manifest, name);
    let added = is.difference(&was).find(differs);
    let added = added.map(|name| format!("`{name}` of `{dir}` is not recorded for `{alias}`"));
    added.or_else(|| {
        let gone = was.difference(&is).find(|name| !peers.contains_key(**name));
        gone.map(|name| {
            format!("it records `{name}` for `{alias}`, which `{dir}` does not have any more")
        })
    })
}

/// The manifest in a directory, which need not be a member's.
fn manifest_in(workspace: &Workspace, dir: &RepoPath) -> Option<Manifest> {
    if let Some(at) = workspace.member_in(dir) {
        return Some(workspace.members[at].manifest.clone());
    }
    let file = RepoPath::child(dir, FILES[0]);
    let text = workspace.tree.read_text_optional(&file, Limit::Settings);
    Manifest::parse(file.as_str(), &text.ok()??).ok()
}
