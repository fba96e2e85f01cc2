//! Modules and outputs as they lie in a workspace that is installed and built.
//!
//! Goes in: the [`Plan`] of the app and the directory that it was installed and built in. Comes out: the finished files, each in the directory of its
//! layer. What is missing is named, with the command that makes it.

mod beside;
mod bundles;
mod error;
mod files;
mod modules;
mod outputs;
mod trim;

use std::path::Path;
use std::time::SystemTime;

pub use self::error::PrebuiltError;
use crate::detect::Delivery;
use crate::files::tree::{Tree, TreeError};
use crate::finished::modules::ModulesError;
use crate::plan::{Contents, ContextEntry, Finished, Plan, place};

/// What stays of the context as it was: what proves the image, how a site is served, and what makes directories to write to.
const KEPT: [&str; 3] = [place::VERIFY, place::SERVE, place::OWN];

/// How a build's outputs are told from all else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Built {
    /// Somebody built here once: what turbo.json and manifests name, unless it is older than what it was made from.
    Once,
    /// slimbuild built here: what was written after this time.
    Since(SystemTime),
}

/// The finished files below `root`, and what a reader should know of them.
pub fn finished(
    plan: &Plan,
    root: &Path,
    built: Built,
) -> Result<(Finished, Vec<String>), PrebuiltError> {
    let recipe = match &plan.contents {
        Contents::Built(recipe) => recipe,
        Contents::Finished(finished) => return Ok((finished.clone(), Vec::new())),
    };
    let tree = &Tree::open(root)?;
    let mut left_out = files::LeftOut::new(&plan.include, &plan.public_env_files);
    let mut warnings = Vec::new();
    let mut context = match &plan.delivery {
        Delivery::Modules(_) => {
            let modules = modules::Modules::find(plan, recipe, root)?;
            let spare = modules.spare(plan, root)?;
            let mut entries = modules.entries(plan, tree, &spare, &mut left_out)?;
            entries.extend(outputs::entries(plan, tree, built, &spare, &mut left_out)?);
            warnings.extend(modules.missing(recipe));
            warnings.extend(spare.warning);
            entries
        }
        Delivery::Bundle(bundle) => bundles::bundle(plan, bundle, tree, &mut left_out)?,
        Delivery::Site(site) => bundles::site(plan, site, tree, &mut left_out)?,
    };
    if plan.delivery.start().is_some() {
        context.extend(beside::entries(plan, recipe, tree, built, &mut left_out)?);
    }
    warnings.extend(left_out.warning());
    // The first of a path stays.
    context.extend(
        recipe
            .context
            .iter()
            .filter(|entry| is_kept(entry))
            .cloned(),
    );
    context.sort_by(|left, right| left.path.cmp(&right.path));
    context.dedup_by(|later, first| later.path == first.path);
    Ok((Finished { context }, warnings))
}

fn is_kept(entry: &ContextEntry) -> bool {
    let top = entry.path.split('/').next().unwrap_or_default();
    KEPT.contains(&top)
}

impl From<TreeError> for PrebuiltError {
    fn from(error: TreeError) -> Self {
        Self::Files(error.into())
    }
}

impl From<ModulesError> for PrebuiltError {
    fn from(error: ModulesError) -> Self {
        Self::Modules(error)
    }
}
