//! `slimbuild hash`: the identity of an app's image.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::ci::ready;
use super::identity::Terms;
use super::prepared::Ground;
use super::{AppChoice, app_at, json, named_app, unmatched};
use crate::ask::listing::Listing;
use crate::cli::HashArgs;
use crate::commands::error::Error;
use crate::model::digest::Digest;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::render::identity::Identity;
use crate::show::ui::Ui;
use crate::system::env::Env;
use crate::system::threads;
use crate::workspace::{Workspace, find_root};

/// An app's identity for programs.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Hashed {
    /// Its directory.
    dir: RepoPath,
    /// The package's name.
    name: String,
    /// The digest over all parts.
    identity: Digest,
    /// Every input.
    parts: Identity,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Document {
    /// In the order of the arguments, or by directory.
    apps: Vec<Hashed>,
}

/// Prints the digests.
pub fn run(args: HashArgs, cwd: &Path, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    let HashArgs {
        apps,
        all,
        json: as_json,
        plan,
    } = args;
    let workspace = Workspace::load(&find_root(cwd)?)?;
    let ground = Ground::new(&workspace);
    for warning in unmatched(&workspace.root, &plan.exclude)? {
        ui.warn(&warning)
            .map_err(Error::io("cannot write to stderr"))?;
    }
    let terms = Terms::new(plan, cwd, env)?;
    let several = all || apps.len() > 1;
    let chosen = if all {
        let listing = Listing::of(ground.survey()?)?;
        let ready = ready(&listing, ui)?;
        let found = ready.iter().filter_map(|app| workspace.member_in(&app.dir));
        found.collect()
    } else {
        named(&workspace, apps, cwd, &terms)?
    };
    let hashed = threads::map(&chosen, 1, |&at| {
        let member = &workspace.members[at];
        let parts = terms.look(&ground, at).map_err(|error| {
            if several {
                error.of_app(&member.dir)
            } else {
                error
            }
        })?;
        Ok(Hashed {
            dir: member.dir.clone(),
            name: member.label(),
            identity: parts.identity.digest(),
            parts: parts.identity,
        })
    });
    let apps = hashed.into_iter().collect::<Result<Vec<_>, Error>>()?;
    let mut text = String::new();
    if as_json {
        text = json(&Document { apps })?;
    } else if several {
        for app in apps {
            let _ = writeln!(text, "{}  {}", app.identity, app.dir);
        }
    } else {
        for app in apps {
            let _ = writeln!(text, "{}", app.identity);
        }
    }
    ui.print(&text).map_err(Error::io("cannot write to stdout"))
}

/// The apps that are named, or the one around the working directory. Each counts once.
fn named(
    workspace: &Workspace,
    apps: Vec<String>,
    cwd: &Path,
    terms: &Terms<'_>,
) -> Result<Vec<MemberId>, Error> {
    let decided = terms.decide_the_app();
    if apps.is_empty() {
        let place = AppChoice { cwd, app: None };
        return Ok(vec![app_at(workspace, &place, decided)?]);
    }
    let mut chosen = Vec::new();
    for app in apps {
        let at = named_app(workspace, &app, cwd, decided)?;
        if !chosen.contains(&at) {
            chosen.push(at);
        }
    }
    Ok(chosen)
}
