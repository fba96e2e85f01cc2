//! The verbs, one file each. They connect the other rooms and decide nothing themselves.

mod affected;
pub mod base;
pub mod bill;
mod budget;
pub mod build;
pub mod cache;
pub mod ci;
pub mod completions;
pub mod context;
pub mod diff;
pub mod dockerfile;
pub mod enter;
pub mod error;
pub mod graph;
pub mod hash;
mod identity;
pub mod index;
pub mod init;
mod labels;
mod licensing;
mod look;
pub mod ls;
mod names;
pub mod plan;
mod prepared;
pub mod promote;
pub mod prune;
mod push;
pub mod rebase;
mod registries;
mod resources;
pub mod schema;
mod secrets;
mod selected;
pub mod size;
mod storage;
mod warning;
pub mod why;

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::ask::listing;
use crate::cli::{EngineArg, PlanArgs};
use crate::commands::error::Error;
use crate::engine::Logins;
use crate::engine::docker::Docker;
use crate::engine::host::{self, Host, HostError};
use crate::files::ignore::Rules;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::plan::config;
use crate::plan::{Plan, PlanOptions};
use crate::show::ui::Ui;
use crate::system::env::Env;
use crate::system::terminal::escape_json;
use crate::system::trail;
use crate::workspace::{Workspace, find_root};

use prepared::{Ground, Prepared};

/// Where a command runs, and for which app.
pub struct AppChoice<'p> {
    /// The working directory, after `-C`.
    pub cwd: &'p Path,
    /// The app as the user named it; `None` means the one around the working directory.
    pub app: Option<String>,
}

/// The daemon that is asked for the digests of base images.
pub struct Pins {
    host: Host,
    logins: Logins,
    fresh: bool,
}

impl Pins {
    /// `Some` if the arguments ask for pinning. With `fresh`, digests come from registries.
    pub fn new(args: &PlanArgs, fresh: bool, env: &Env) -> Result<Option<Self>, HostError> {
        if !args.pin {
            return Ok(None);
        }
        let host = host::resolve(env, args.host.as_deref())?;
        let logins = Logins::of(env);
        Ok(Some(Self {
            host,
            logins,
            fresh,
        }))
    }

    fn apply(&self, plan: &mut Plan) -> Result<(), Error> {
        let docker = OnceCell::new();
        plan.pin(|image| {
            let docker = if let Some(docker) = docker.get() {
                docker
            } else {
                let connected = Docker::connect(&self.host)?;
                docker.get_or_init(|| connected)
            };
            Ok(docker.digest(image, self.fresh, &self.logins)?)
        })
    }
}

/// The format of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The plan for a command that builds nothing, and the root of its workspace.
fn planned(
    place: &AppChoice<'_>,
    args: PlanArgs,
    more: impl FnOnce(&mut PlanOptions),
    env: &Env,
) -> Result<(PathBuf, Plan), Error> {
    let pins = Pins::new(&args, false, env)?;
    let arg = args.engine;
    let mut options = PlanOptions::from(args);
    let excluded = options.exclude.clone();
    more(&mut options);
    let workspace = Workspace::load(&find_root(place.cwd)?)?;
    let ground = Ground::new(&workspace);
    let prepared = Prepared::new(&ground, place, &options)?;
    let engine = arg.without_a_daemon(prepared.options());
    let mut plan = prepared.plan(engine, pins.as_ref())?;
    plan.warnings.extend(unmatched(prepared.root(), &excluded)?);
    Ok((prepared.root().to_path_buf(), plan))
}

/// Like [`planned`], for a Dockerfile.
fn planned_for_docker(
    place: &AppChoice<'_>,
    args: PlanArgs,
    more: impl FnOnce(&mut PlanOptions),
    env: &Env,
) -> Result<(PathBuf, Plan), Error> {
    if args.engine == EngineArg::Native {
        return Err(Error::Usage {
            message: "`--engine native` makes images without a Dockerfile".to_owned(),
            hint: Some("`slimbuild plan --engine native` tells what it does".to_owned()),
        });
    }
    let args = PlanArgs {
        engine: EngineArg::Docker,
        ..args
    };
    planned(place, args, more, env)
}

/// The named app, or of the one around the working directory. `decided` says that
/// flags tell what it is.
fn app_at(workspace: &Workspace, place: &AppChoice<'_>, decided: bool) -> Result<MemberId, Error> {
    let at = match &place.app {
        Some(name) => named_app(workspace, name, place.cwd, decided)?,
        None if is_open(workspace, place.cwd)? => return Err(which_app(workspace)),
        None => workspace.find_app(".", place.cwd)?,
    };
    trail::decided(|| {
        let dir = &workspace.members[at].dir;
        match &place.app {
            Some(name) => format!("`{name}` is the app in `{dir}`"),
            None => format!("the app is the one around the working directory, `{dir}`"),
        }
    });
    Ok(at)
}

/// Whether the working directory leaves open which app is meant: the root is around everything, and
/// is meant only if it is the only app.
fn is_open(workspace: &Workspace, cwd: &Path) -> Result<bool, Error> {
    let around = workspace.find_app(".", cwd)?;
    Ok(around.is_root() && !listing::root_is_the_only_app(workspace)?)
}

/// The named app. A root that only builds and starts its packages is not an app,
/// unless slimbuild.json says what it starts.
fn named_app(
    workspace: &Workspace,
    name: &str,
    cwd: &Path,
    decided: bool,
) -> Result<MemberId, Error> {
    if name.is_empty() {
        // A script's variable may be unset: that does not mean the root.
        return Err(which_app(workspace));
    }
    let at = workspace.find_app(name, cwd)?;
    if at.is_root() && !decided && !listing::root_may_be_an_app(workspace) {
        let options = config::load(workspace, at)?;
        if options.start.is_none() && options.kind.is_none() && options.tasks.is_none() {
            return Err(workspace.root_is_no_app().into());
        }
    }
    Ok(at)
}

/// The error for a command that could mean several apps.
fn which_app(workspace: &Workspace) -> Error {
    let mut apps = workspace.app_dirs();
    if listing::root_may_be_an_app(workspace) {
        apps.insert(0, RepoPath::ROOT.to_string());
    }
    Error::Usage {
        message: "which app?".to_owned(),
        hint: Some(format!(
            "name one: {}; `slimbuild ls` tells what each is, and `slimbuild --all` builds all",
            apps.join(", ")
        )),
    }
}

/// The output's path if it is in the workspace: an earlier context must not be part of the next.
fn own_output(cwd: &Path, target: &Path) -> Option<String> {
    path_in(&find_root(cwd).ok()?, target)
}

/// A path in the workspace at `root`, as a glob.
fn path_in(root: &Path, target: &Path) -> Option<String> {
    let root = fs_err::canonicalize(root).ok()?;
    let parent = fs_err::canonicalize(target.parent()?).ok()?;
    let path = RepoPath::from_disk(&root, &parent.join(target.file_name()?)).ok()?;
    Some(
        path.as_str()
            .replace(['*', '?', '[', ']', '{', '}', '\\'], "?"),
    )
}

/// Prints the version.
pub fn version(ui: &mut Ui) -> Result<(), Error> {
    ui.print(concat!("slimbuild ", env!("CARGO_PKG_VERSION"), "\n"))
        .map_err(Error::io("cannot write to stdout"))
}

/// A value as JSON, for stdout.
fn json(value: &impl Serialize) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::io("cannot write to stdout")(error.into()))?;
    Ok(escape_json(&text) + "\n")
}

/// Warnings about globs of `--exclude` that match nothing. One of `--include` is an error.
fn unmatched(root: &Path, globs: &[String]) -> Result<Vec<String>, Error> {
    if globs.is_empty() {
        return Ok(Vec::new());
    }
    let rules = Rules::load(root, &[], globs)?;
    let warning = |glob: &str| {
        format!("`--exclude {glob}` matches no file: globs begin at the workspace's root")
    };
    Ok(rules
        .unmatched_excludes()
        .into_iter()
        .map(warning)
        .collect())
}

/// Prints a plan's warnings.
fn warn(plan: &Plan, ui: &mut Ui) -> Result<(), Error> {
    for warning in &plan.warnings {
        ui.warn(warning)
            .map_err(Error::io("cannot write to stderr"))?;
    }
    Ok(())
}

/// Warns about secrets that another program must pass to the build.
fn warn_of_secrets(plan: &Plan, ui: &mut Ui) -> Result<(), Error> {
    for warning in secrets::left_to_others(plan) {
        ui.warn(&warning)
            .map_err(Error::io("cannot write to stderr"))?;
    }
    Ok(())
}
