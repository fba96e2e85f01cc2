//! `slimbuild ls`: the apps of the workspace.

use std::path::Path;

use serde::Serialize;

use super::affected::{Affected, affected};
use super::identity::Terms;
use super::json;
use super::prepared::Ground;
use crate::ask::affected::Cause;
use crate::ask::listing::{Listed, Listing};
use crate::cli::LsArgs;
use crate::commands::error::Error;
use crate::model::digest::Digest;
use crate::show::report;
use crate::show::ui::Ui;
use crate::system::env::Env;
use crate::workspace::history::Commit;
use crate::workspace::{Workspace, find_root};

/// An affected app for programs.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct AffectedEntry<'l> {
    #[serde(flatten)]
    app: &'l Listed,
    /// The identity that its image would have.
    identity: &'l Digest,
    /// Why it is affected.
    affected: &'l Cause,
}

/// The affected apps for programs.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Document<'l> {
    /// By directory.
    apps: Vec<AffectedEntry<'l>>,
    /// What they were compared with.
    base: &'l Commit,
}

/// Prints the list.
pub fn run(args: &LsArgs, cwd: &Path, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    let workspace = Workspace::load(&find_root(cwd)?)?;
    let ground = Ground::new(&workspace);
    let listing = Listing::of(ground.survey()?)?;
    let text = match &args.affected.affected {
        Some(named) => {
            let terms = Terms::plain(cwd, env);
            let affected = affected(&ground, &listing, named, &terms, env)?;
            tell(&affected, &listing, ui)?;
            of_affected(&affected, &listing, args.json)?
        }
        None if args.json => json(&listing)?,
        None => report::listing(&listing),
    };
    ui.print(&text).map_err(Error::io("cannot write to stdout"))
}

/// Says on stderr how many apps are affected, and which cannot be judged.
pub(super) fn tell(affected: &Affected, listing: &Listing, ui: &mut Ui) -> Result<(), Error> {
    let cannot = || Error::io("cannot write to stderr");
    for message in &affected.left_out {
        ui.warn(message).map_err(cannot())?;
    }
    let base = &affected.base;
    let text = report::affected_summary(
        affected.apps.len(),
        listing.apps.len(),
        &base.name,
        &base.commit,
    );
    ui.report(&text).map_err(cannot())
}

fn of_affected(affected: &Affected, listing: &Listing, as_json: bool) -> Result<String, Error> {
    if !as_json {
        let apps = affected.apps.iter();
        return Ok(report::affected(apps.map(|app| (&app.dir, &app.cause))));
    }
    let entries = listing.apps.iter().filter_map(|app| {
        let found = affected.get(&app.dir)?;
        Some(AffectedEntry {
            app,
            identity: &found.identity,
            affected: &found.cause,
        })
    });
    json(&Document {
        apps: entries.collect(),
        base: &affected.base,
    })
}
