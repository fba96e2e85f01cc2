//! Those of the apps that changes affect.

use crate::ask::listing::Listing;
use crate::commands::affected as changes;
use crate::commands::build::run::Run;
use crate::commands::error::Error;
use crate::commands::identity::Terms;
use crate::commands::ls;
use crate::commands::prepared::Ground;
use crate::model::member::MemberId;
use crate::show::ui::Ui;

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
    let found = changes::affected(ground, &listing, named, &terms, run.env)?;
    ls::tell(&found, &listing, ui)?;
    let is_affected = |at: &&MemberId| found.get(&workspace.members[**at].dir).is_some();
    Ok(apps.iter().filter(is_affected).copied().collect())
}
