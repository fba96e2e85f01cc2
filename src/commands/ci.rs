//! `slimbuild ci`: documents for pipelines.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::affected::affected;
use super::identity::Terms;
use super::ls;
use super::prepared::Ground;
use crate::ask::listing::{AppState, Listed, Listing};
use crate::cli::{CiArgs, CiCommand, MatrixArgs};
use crate::commands::error::Error;
use crate::model::path::RepoPath;
use crate::plan::image_name;
use crate::show::ui::Ui;
use crate::system::env::Env;
use crate::system::terminal::escape_json;
use crate::workspace::{Workspace, find_root};

/// How many jobs GitHub takes of one matrix.
const GITHUB_LIMIT: usize = 256;

/// How many jobs GitLab takes of one matrix.
const GITLAB_LIMIT: usize = 200;

/// A matrix for a job of GitHub: `strategy: {matrix: …}`.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct GithubMatrix {
    /// One job for each app.
    include: Vec<GithubJob>,
}

/// A job of the matrix.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct GithubJob {
    /// The app's directory.
    app: RepoPath,
    /// The image's default name.
    name: String,
}

/// Prints a document.
pub fn run(args: &CiArgs, cwd: &Path, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    match &args.command {
        CiCommand::Matrix(args) => matrix(args, cwd, env, ui),
    }
}

fn matrix(args: &MatrixArgs, cwd: &Path, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    let workspace = Workspace::load(&find_root(cwd)?)?;
    let ground = Ground::new(&workspace);
    let listing = Listing::of(ground.survey()?)?;
    let apps = match &args.affected.affected {
        Some(named) => {
            let affected = affected(&ground, &listing, named, &Terms::plain(cwd, env), env)?;
            ls::tell(&affected, &listing, ui)?;
            let apps = listing.apps.iter();
            apps.filter(|app| affected.get(&app.dir).is_some())
                .collect()
        }
        None => ready(&listing, ui)?,
    };
    let for_gitlab = args.gitlab || (!args.github && env.get("GITLAB_CI").is_some());
    let text = if for_gitlab {
        super::json(&gitlab(&apps, &args.include))?
    } else {
        github(&apps)?
    };
    ui.print(&text).map_err(Error::io("cannot write to stdout"))
}

/// The apps that can be planned. Of the others, a warning tells why.
pub(super) fn ready<'l>(listing: &'l Listing, ui: &mut Ui) -> Result<Vec<&'l Listed>, Error> {
    let mut ready = Vec::new();
    for app in &listing.apps {
        match &app.state {
            AppState::Ready(_) => ready.push(app),
            AppState::Stuck { problem, .. } => ui
                .warn(&format!("{} is left out: {problem}", app.dir))
                .map_err(Error::io("cannot write to stderr"))?,
        }
    }
    Ok(ready)
}

/// One line, which fits in an output of a step.
fn github(apps: &[&Listed]) -> Result<String, Error> {
    if apps.len() > GITHUB_LIMIT {
        return Err(Error::Usage {
            message: format!(
                "GitHub takes {GITHUB_LIMIT} jobs of one matrix, and there are {} apps",
                apps.len()
            ),
            hint: Some("build only what changed, with `--affected`".to_owned()),
        });
    }
    let job = |app: &&Listed| GithubJob {
        app: app.dir.clone(),
        name: image_name(&app.name),
    };
    let include = apps.iter().map(job).collect();
    let text = serde_json::to_string(&GithubMatrix { include });
    let text = text.map_err(|error| Error::io("cannot write to stdout")(error.into()))?;
    Ok(escape_json(&text) + "\n")
}

/// A child pipeline, as JSON, which is YAML too. GitLab refuses a pipeline without a job.
fn gitlab(apps: &[&Listed], include: &str) -> Value {
    if apps.is_empty() {
        return json!({
            "nothing to build": {
                "variables": {"GIT_STRATEGY": "none"},
                "script": ["echo 'no app is affected'"],
            },
        });
    }
    let mut document = Map::new();
    document.insert("include".to_owned(), json!([{ "local": include }]));
    for (at, share) in apps.chunks(GITLAB_LIMIT).enumerate() {
        let entry = |app: &&Listed| json!({"APP": app.dir, "NAME": image_name(&app.name)});
        let matrix: Vec<Value> = share.iter().map(entry).collect();
        let name = match at {
            0 => "image".to_owned(),
            _ => format!("image {}", at + 1),
        };
        let job = json!({"extends": ".image", "parallel": {"matrix": matrix}});
        document.insert(name, job);
    }
    Value::Object(document)
}
