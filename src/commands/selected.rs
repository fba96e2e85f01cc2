//! Which apps the arguments of a command mean.

use std::path::Path;

use super::named_app;
use super::prepared::Ground;
use crate::ask::selection::{Selection, is_glob, once_each};
use crate::cli::AppsArg;
use crate::commands::error::Error;
use crate::model::member::MemberId;

/// The apps that the arguments name, each once. Words keep their order, and what a glob or a filter
/// selects is sorted by directory.
pub(super) fn select(
    args: &AppsArg,
    ground: &Ground<'_>,
    cwd: &Path,
    decided: bool,
) -> Result<Vec<MemberId>, Error> {
    let mut apps = Vec::new();
    let mut selection = None;
    for word in &args.apps {
        if is_glob(word) && ground.workspace.find_app(word, cwd).is_err() {
            let selection = selection_of(&mut selection, ground, cwd)?;
            apps.extend(selection.glob(word)?);
        } else {
            apps.push(named_app(ground.workspace, word, cwd, decided)?);
        }
    }
    let only_affected = args.affected.is_some() && apps.is_empty() && args.filters.is_empty();
    if args.all || only_affected {
        apps.extend(selection_of(&mut selection, ground, cwd)?.all()?);
    }
    if !args.filters.is_empty() {
        let selection = selection_of(&mut selection, ground, cwd)?;
        apps = selection.filter(apps, &args.filters)?;
    }
    Ok(once_each(apps))
}

/// The selection, which takes a look at every app and is made when it is needed.
fn selection_of<'a, 'g>(
    selection: &'a mut Option<Selection<'g>>,
    ground: &'g Ground<'_>,
    cwd: &Path,
) -> Result<&'a Selection<'g>, Error> {
    if selection.is_none() {
        *selection = Some(Selection::new(ground.survey()?, cwd)?);
    }
    Ok(selection.as_ref().expect("it was made just now"))
}
