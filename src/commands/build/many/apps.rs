//! Which apps a run builds.

use std::path::Path;

use crate::ask::listing::Listing;
use crate::ask::selection::{Selection, is_glob, once_each};
use crate::cli::AppsArg;
use crate::commands::build::run::Run;
use crate::commands::error::Error;
use crate::commands::identity::Terms;
use crate::commands::prepared::Ground;
use crate::commands::{affected, ls, named_app};
use crate::model::member::MemberId;
use crate::show::ui::Ui;

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

/// Those of the apps that changes affect.
pub(super) fn affected(
    apps: &[MemberId],
    named: &str,
    run: &Run<'_>,
    ground: &Ground<'_>,
    ui: &mut Ui,
) -> Result<Vec<MemberId>, Error> {
    let workspace = ground.workspace;
    let mut listing = Listing::of(ground.survey()?)?;
    listing.apps.retain(|app| {
        let at = workspace.member_in(&app.dir);
        at.is_some_and(|at| apps.contains(&at))
    });
    let terms = Terms::new(run.args.plan.clone(), run.cwd, run.env)?.without_what_is_built();
    let found = affected::affected(workspace, &listing, named, &terms, run.env)?;
    ls::tell(&found, &listing, ui)?;
    let is_affected = |at: &&MemberId| found.get(&workspace.members[**at].dir).is_some();
    Ok(apps.iter().filter(is_affected).copied().collect())
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
