//! A plan whose modules and outputs are taken as they lie in a workspace that is installed and built: nothing is installed, and nothing runs.
//!
//! Goes in: the [`Plan`] of the app and the directory that it was installed and built in. Comes out: the same plan with a context of finished
//! files, a place for each layer, and without build steps. What is missing is named, with the command that makes it.

mod error;
mod files;
mod modules;
mod outputs;
mod pieces;
mod trim;

use std::path::Path;
use std::time::SystemTime;

pub use self::error::PrebuiltError;
use crate::detect::Delivery;
use crate::files::tree::{Tree, TreeError};
use crate::finished::modules::ModulesError;
use crate::plan::{ContextEntry, Plan, Secrets, place};

/// What stays of the context as it was: what proves the image, and how a site is served.
const KEPT: [&str; 2] = [place::VERIFY, place::SERVE];

/// How a build's outputs are told from all else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Built {
    /// Somebody built here once: what turbo.json and manifests name, unless it is older than what it was made from.
    Once,
    /// slimbuild built here: what was written after this time.
    Since(SystemTime),
}

/// Takes what lies below `root`.
pub fn prebuilt(mut plan: Plan, root: &Path, built: Built) -> Result<Plan, PrebuiltError> {
    let tree = &Tree::open(root)?;
    let mut left_out = files::LeftOut::new(&plan.include);
    let mut entries = match &plan.delivery {
        Delivery::Modules(_) => {
            let modules = modules::Modules::find(&plan, root)?;
            let spare = modules.spare(&plan, root)?;
            let mut entries = modules.entries(&plan, tree, &spare, &mut left_out)?;
            entries.extend(outputs::entries(&plan, tree, built, &spare, &mut left_out)?);
            plan.warnings.extend(modules.missing(&plan));
            plan.warnings.extend(spare.warning);
            entries
        }
        Delivery::Bundle(bundle) => pieces::bundle(&plan, bundle, tree, &mut left_out)?,
        Delivery::Site(site) => pieces::site(&plan, site, tree, &mut left_out)?,
    };
    plan.warnings.extend(left_out.warning());
    // The first of a path stays.
    entries.extend(plan.timeless.take());
    entries.extend(plan.context.drain(..).filter(is_kept));
    entries.sort_by(|left, right| left.path.cmp(&right.path));
    entries.dedup_by(|later, first| later.path == first.path);
    plan.context = entries;
    plan.steps.clear();
    plan.secrets = Secrets::default();
    plan.has_root_files = false;
    plan.trim = None;
    plan.prebuilt = true;
    Ok(plan)
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
