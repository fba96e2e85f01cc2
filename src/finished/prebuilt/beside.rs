//! Files that the image gets in addition to its packages: from other places in the workspace, and
//! outputs of other packages.

use super::files::{self, LeftOut, Wanted};
use super::outputs::command;
use super::{Built, PrebuiltError};
use crate::files::tree::Tree;
use crate::plan::{ContextEntry, Place, Plan, Recipe};

/// These files, each at its place.
pub(super) fn entries(
    plan: &Plan,
    recipe: &Recipe,
    tree: &Tree,
    built: Built,
    left_out: &mut LeftOut,
) -> Result<Vec<ContextEntry>, PrebuiltError> {
    let kept = recipe.context.iter();
    let kept = kept.filter(|entry| entry.place == Place::Beside);
    let mut entries: Vec<ContextEntry> = kept.map(|entry| entry.at(Place::Packages)).collect();
    let wanted = Wanted {
        modules: files::Modules::None,
        outputs: true,
        globs: None,
    };
    for brought in &plan.brought {
        let mut found = files::below(tree, &brought.path, &wanted, left_out)?;
        if let Built::Since(time) = built {
            found.retain(|one| one.written.is_some_and(|at| at > time));
        } else if found.is_empty() {
            return Err(PrebuiltError::NotBuilt {
                package: plan.app.name.clone(),
                path: brought.path.clone(),
                command: command(plan),
            });
        }
        let found = found.iter();
        entries.extend(
            found.map(|found| ContextEntry::source(Place::Packages, &found.file, &brought.why)),
        );
    }
    Ok(entries)
}
