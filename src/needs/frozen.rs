//! The frozen check: finds what `pnpm install --frozen-lockfile` would refuse before anything is
//! sent.
//!
//! Input: the workspace, its lockfiles, the members of the install. Output: nothing, or the first
//! error of pnpm, in its terms and with the file to fix. The order is pnpm's: the lockfile's
//! format, the settings that it records ([`settings`], `ERR_PNPM_LOCKFILE_CONFIG_MISMATCH`), each
//! project ([`project`], `ERR_PNPM_OUTDATED_LOCKFILE`).
//!
//! The rules differ between pnpm's major versions; each was tried with pnpm 7.33, 8.15, 9.15,
//! 10.34, 11.22 and 12.21. If pnpm runs code of the workspace before it compares (a pnpmfile), or
//! its versions disagree, the check passes: a lockfile that pnpm accepts is never refused.

mod config;
pub mod installs;
pub mod integrity;
mod local;
mod object_hash;
mod overrides;
mod project;
pub mod self_check;
mod settings;
mod specifier;

use std::collections::BTreeMap;

use nodejs_semver::{Range, Version};
use serde_json::Value;

use crate::lockfile::keys::Format;
use crate::lockfile::v13;
use crate::lockfile::{Home, Lockfile, LockfileError, Lockfiles};
use crate::model::member::MemberId;
use crate::system::threads;
use crate::workspace::Workspace;
use config::Config;
use project::Projects;

/// How many projects a thread takes at a time.
const BATCH: usize = 16;

/// Checks the lockfiles of these members against the workspace's settings and the members'
/// manifests. `pnpm` is the version that will install. If it is unknown, it is enough that any
/// version that reads the format accepts them.
pub fn check(
    workspace: &Workspace,
    lockfiles: &Lockfiles<'_>,
    members: impl IntoIterator<Item = MemberId>,
    pnpm: Option<&str>,
) -> Result<(), LockfileError> {
    let mut projects: BTreeMap<usize, Vec<(String, MemberId)>> = BTreeMap::new();
    let members: Vec<MemberId> = members.into_iter().collect();
    if let Some(version) = pnpm.and_then(|text| Version::parse(text).ok()) {
        check_engines(workspace, members.iter().copied(), &version)?;
    }
    for at in members {
        let member = &workspace.members[at];
        match lockfiles.home(&member.dir) {
            Some(Home { lockfile, key }) => projects.entry(lockfile).or_default().push((key, at)),
            // pnpm requires a lockfile only if there are dependencies to record.
            None if member.manifest.has_dependencies() => {
                return Err(LockfileError::NoLockfile(member.dir.clone()));
            }
            None => {}
        }
    }
    for (at, projects) in projects {
        let lockfile = &lockfiles.all()[at];
        check_one(workspace, lockfile, &projects, pnpm)
            .map_err(|error| error.of(lockfile.dir()))?;
    }
    Ok(())
}

/// Checks that the manifests of these members take this version of pnpm: pnpm stops where
/// `engines.pnpm` of any project does not.
fn check_engines(
    workspace: &Workspace,
    members: impl IntoIterator<Item = MemberId>,
    pnpm: &Version,
) -> Result<(), LockfileError> {
    if !pnpm.pre_release().is_empty() {
        return Ok(());
    }
    for at in members {
        let manifest = &workspace.members[at].manifest;
        let range = manifest.get("engines").and_then(|map| map.get("pnpm"));
        let Some(range) = range.and_then(Value::as_str) else {
            continue;
        };
        if Range::parse(range).is_ok_and(|range| !range.satisfies(pnpm)) {
            return Err(LockfileError::Engine {
                manifest: manifest.file().to_owned(),
                range: range.to_owned(),
                pnpm: pnpm.to_string(),
            });
        }
    }
    Ok(())
}

/// Checks a lockfile against the settings, and against the manifests of the members with these
/// importer keys.
fn check_one(
    workspace: &Workspace,
    lockfile: &Lockfile<'_>,
    members: &[(String, MemberId)],
    pnpm: Option<&str>,
) -> Result<(), LockfileError> {
    let exact = pnpm.and_then(|text| Version::parse(text).ok());
    if let Some(version) = &exact {
        check_format(lockfile, version)?;
    }
    let candidates = exact.map_or_else(|| writers(lockfile), |exact| vec![exact]);
    let config = first_that_fits(workspace, lockfile, &candidates)?;
    let projects = Projects::new(lockfile, &config)?;
    let checked = threads::map(members, BATCH, |(key, at)| {
        let manifest = &workspace.members[*at].manifest;
        projects.check(key, manifest)?;
        local::check(workspace, lockfile, &config, &projects, key, manifest)
    });
    checked.into_iter().collect()
}

/// The configuration as read by the first of these versions that accepts the lockfile.
fn first_that_fits<'w>(
    workspace: &'w Workspace,
    lockfile: &Lockfile<'_>,
    candidates: &[Version],
) -> Result<Config<'w>, LockfileError> {
    let mut refused = None;
    for version in candidates {
        let config = Config::new(workspace, lockfile.dir(), version)?;
        match settings::check(lockfile, &config) {
            Ok(()) => return Ok(config),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    // The list is never empty.
    let newest = writer(10, 34);
    refused.map_or_else(|| Config::new(workspace, lockfile.dir(), &newest), Err)
}

fn writer(major: u64, minor: u64) -> Version {
    Version::from((major, minor, 0))
}

/// Versions that represent all that read a format, the most likely first.
fn writers(lockfile: &Lockfile<'_>) -> Vec<Version> {
    match lockfile.format() {
        Format::V9 if lockfile.is_v13() => vec![writer(12, 21)],
        Format::V5 => vec![writer(7, 33)],
        Format::V6 => vec![writer(8, 15), writer(9, 15)],
        Format::V9 => vec![writer(10, 34), writer(9, 15), writer(10, 0), writer(11, 22)],
    }
}

/// Which pnpm reads which format with a frozen lockfile. (Otherwise, later versions convert some
/// older formats.)
fn check_format(lockfile: &Lockfile<'_>, pnpm: &Version) -> Result<(), LockfileError> {
    let (fits, name, readers) = match lockfile.format() {
        Format::V9 if lockfile.is_v13() => (
            (pnpm.major(), pnpm.minor()) >= v13::OLDEST_READER,
            "13",
            "pnpm 12.19 and later",
        ),
        Format::V5 => (pnpm.major() <= 7, "5", "pnpm 6 and 7"),
        Format::V6 => ((7..=9).contains(&pnpm.major()), "6", "pnpm 8 and 9"),
        Format::V9 => (pnpm.major() >= 9, "9", "pnpm 9 and later"),
    };
    if fits {
        Ok(())
    } else {
        Err(LockfileError::Incompatible {
            format: name,
            readers,
            pnpm: pnpm.to_string(),
        })
    }
}

#[cfg(test)]
mod tests;
