//! Takes modules and outputs from a workspace that is installed and built.
//!
//! Input: the [`Plan`] of the app and the directory where it was installed and built. Output: the
//! finished files, each in the directory of its layer. An error names what is missing, and the
//! command that makes it.

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
use crate::plan::{Contents, Finished, Place, Plan, context_entry};

/// The places of the context that are used unchanged: the proof, the server of a site, and the
/// program that makes writable directories.
const KEPT_PLACES: [Place; 3] = [Place::Verify, Place::Serve, Place::Own];

/// How the outputs of a build are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Built {
    /// The user built at some time: outputs are what turbo.json and manifests name. They must not
    /// be older than their sources.
    Once,
    /// slimbuild built here: outputs are the files written after this time.
    Since(SystemTime),
}

/// The finished files below `root`, and warnings for the user.
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
            let mut entries = modules.entries(tree, &spare, &mut left_out)?;
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
    // The first entry of a path wins.
    context.extend(
        recipe
            .context
            .iter()
            .filter(|entry| KEPT_PLACES.contains(&entry.place))
            .cloned(),
    );
    context_entry::sort(&mut context);
    Ok((Finished { context }, warnings))
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
