//! The image of an app: which one its build has made.

use std::path::Path;

use super::{Found, Looker, on_disk};
use crate::commands::error::Error;
use crate::commands::names::Facts;
use crate::commands::prepared::{Ground, Prepared};
use crate::commands::{AppChoice, app_at};
use crate::model::image::{ImageRef, parts};
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::plan::PlanOptions;
use crate::plan::config::{Budget, Given};
use crate::system::env::Env;
use crate::workspace::{Workspace, find_root};

/// An app, and the names of its image.
pub(in crate::commands) struct App {
    pub(in crate::commands) workspace: Workspace,
    pub(in crate::commands) at: MemberId,
    pub(in crate::commands) insecure: Vec<String>,
    pub(in crate::commands) budget: Option<Given<Budget>>,
    names: Vec<ImageRef>,
    /// The file that a build without Docker writes.
    file: String,
}

/// The app that a word names; `None` if it names none. Without a word, there must be one.
pub(in crate::commands) fn app_of(
    word: Option<&str>,
    cwd: &Path,
    env: &Env,
) -> Result<Option<App>, Error> {
    let workspace = match (find_root(cwd), word) {
        (Ok(root), _) => Workspace::load(&root)?,
        (Err(_), Some(_)) => return Ok(None),
        (Err(error), None) => return Err(error.into()),
    };
    let app = word.map(str::to_owned);
    if let Some(word) = word
        && workspace.find_app(word, cwd).is_err()
    {
        return Ok(None);
    }
    let at = app_at(&workspace, &AppChoice { cwd, app }, false)?;
    let (options, names, image) = named(&workspace, at, cwd, env)?;
    Ok(Some(App {
        insecure: options.insecure_registries,
        budget: options.budget,
        file: format!("{image}.oci.tar"),
        names,
        at,
        workspace,
    }))
}

/// The options of an app, the names of its image, and the default one.
fn named(
    workspace: &Workspace,
    at: MemberId,
    cwd: &Path,
    env: &Env,
) -> Result<(PlanOptions, Vec<ImageRef>, String), Error> {
    let ground = Ground::new(workspace);
    let prepared = Prepared::of(&ground, at, cwd, &PlanOptions::default())?;
    let facts = Facts::of(&prepared, env)?;
    let options = prepared.options().clone();
    let templates = match &options.tags {
        Some(tags) => tags.value.clone(),
        None => vec![facts.image().clone()],
    };
    // What a name needs may not be known, as the identity is not without a plan.
    let names = templates
        .iter()
        .filter_map(|name| facts.fill(name, None).ok());
    Ok((options, names.collect(), prepared.image()))
}

impl App {
    /// Its directory.
    pub(in crate::commands) fn dir(&self) -> &RepoPath {
        &self.workspace.members[self.at].dir
    }

    /// The image that its build has made: in the daemon, in the file of a build without Docker, in the registry.
    pub(in crate::commands) fn find(&self, looker: &mut Looker<'_>) -> Result<Found, Error> {
        for name in &self.names {
            if let Some(found) = looker.of_daemon_if_any(name)? {
                return Ok(found);
            }
        }
        if let Some(image) = on_disk(&looker.cwd.join(&self.file)) {
            return looker.of_disk(&image);
        }
        // A name without a registry is nobody else's image.
        let named = |name: &&ImageRef| parts(name.name()).0 != "docker.io";
        if let Some(name) = self.names.iter().find(named) {
            return looker.of_registry(name);
        }
        let names: Vec<String> = self.names.iter().map(|name| format!("`{name}`")).collect();
        let dir = self.dir();
        Err(Error::Usage {
            message: format!(
                "there is no image of {dir}: no daemon has {}, and there is no `{}`",
                names.join(" or "),
                self.file
            ),
            hint: Some(format!(
                "build it with `slimbuild {dir}`, or name the image: `slimbuild size {dir} --image IMAGE`"
            )),
        })
    }
}
