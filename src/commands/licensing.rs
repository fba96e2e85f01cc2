//! `licenses` of slimbuild.json: which licences the packages of an app may have.
//!
//! Input: the policy, and the licences of the packages that are installed. Output: an error that names
//! each package whose licence is not allowed, with the chain that needs it. Where no package is installed
//! in the workspace, a build that installs them itself checks then.

use std::path::Path;

use super::prepared::Prepared;
use crate::ask::licences::Licences;
use crate::ask::policy::refused;
use crate::ask::sbom::{Bill, Machine, Part};
use crate::ask::size::chains;
use crate::commands::error::Error;
use crate::files::tree::Tree;
use crate::model::image::Platform;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::plan::config::{Given, Licenses};
use crate::plan::{PlanError, libc_of};
use crate::show::report;
use crate::workspace::Workspace;

/// Packages whose licences are not known yet.
pub(super) struct Unchecked {
    policy: Given<Licenses>,
    app: RepoPath,
    parts: Vec<Part>,
    /// The directories of all projects.
    dirs: Vec<RepoPath>,
}

/// Checks the licences of an app that is to be built. Returns what is left to check, if the policy is
/// about packages that are not installed here.
pub(super) fn before_build(prepared: &Prepared<'_, '_>) -> Result<Option<Unchecked>, Error> {
    let options = prepared.options();
    let Some(policy) = &options.licenses else {
        return Ok(None);
    };
    let (survey, app) = (prepared.ground().survey()?, prepared.app());
    let workspace = survey.workspace;
    let licences = prepared.ground().licences()?;
    let mut platforms = options.platforms.clone();
    if platforms.is_empty() {
        platforms.push(Platform::host());
    }
    let mut parts: Vec<Part> = Vec::new();
    for platform in &platforms {
        let machine = Machine {
            platform,
            libc: libc_of(options.base.as_ref().map(|base| &base.value)),
        };
        let bill = Bill::new(survey, app, options, machine, licences)?;
        for part in bill.parts.into_values().filter(|part| !part.is_member) {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
    }
    if licences.is_empty() && !parts.is_empty() {
        return Ok(Some(Unchecked {
            policy: policy.clone(),
            app: workspace.members[app].dir.clone(),
            parts,
            dirs: dirs(workspace).cloned().collect(),
        }));
    }
    let named = policy.source.to_string();
    check(&policy.value, named, &parts, workspace, app).map(|()| None)
}

/// The directories of all projects.
fn dirs(workspace: &Workspace) -> impl Iterator<Item = &RepoPath> {
    let ids = workspace.members.ids();
    ids.map(|at| &workspace.members[at].dir)
}

impl Unchecked {
    /// The error where nothing will be installed on this machine.
    pub(super) fn not_installed(&self) -> Error {
        Error::LicencesUnknown {
            app: self.app.clone(),
            named: self.policy.source.to_string(),
        }
    }

    /// Checks what a build has installed in this directory. `root` is the workspace.
    pub(super) fn in_build(&self, dir: &Path, root: &Path) -> Result<(), Error> {
        let tree = Tree::open(dir).map_err(PlanError::from)?;
        let licences = Licences::installed(&tree, &self.dirs).map_err(PlanError::from)?;
        let parts = self.parts.iter().map(|part| Part {
            licence: (part.version.as_deref())
                .and_then(|version| licences.of(&part.name, version))
                .map(|licence| licence.name.clone()),
            ..part.clone()
        });
        let parts: Vec<Part> = parts.collect();
        let policy = &self.policy;
        if refused(&policy.value, &parts).is_empty() {
            return Ok(());
        }
        let workspace = Workspace::load(root)?;
        let app = workspace.member_in(&self.app).unwrap_or(MemberId::ROOT);
        check(
            &policy.value,
            policy.source.to_string(),
            &parts,
            &workspace,
            app,
        )
    }
}

/// Fails if packages have licences that a policy does not allow. `named` is what the policy is called.
pub(super) fn check(
    policy: &Licenses,
    named: String,
    parts: &[Part],
    workspace: &Workspace,
    app: MemberId,
) -> Result<(), Error> {
    let refused = refused(policy, parts);
    if refused.is_empty() {
        return Ok(());
    }
    let labels: Vec<String> = refused.iter().map(|part| part.label()).collect();
    let chains = chains(workspace, app, &labels)?;
    let lines = refused.iter().zip(chains).map(|(part, chain)| {
        let licence = part.licence.as_deref().unwrap_or("none is known");
        let line = format!("{} ({licence})", part.label());
        match chain {
            Some(chain) => format!("{line}: {}", report::chain(&chain)),
            None => line,
        }
    });
    Err(Error::Licences {
        app: workspace.members[app].dir.clone(),
        named,
        refused: lines.collect(),
    })
}
