//! The verbs, a file each: they join the pipeline's parts, and decide nothing themselves.

pub mod base;
pub mod build;
pub mod cache;
pub mod context;
pub mod dockerfile;
pub mod enter;
pub mod graph;
pub mod init;
pub mod ls;
mod maker;
mod native;
pub mod plan;
pub mod prune;
mod push;
mod reach;
pub mod schema;
mod secrets;
mod storage;
pub mod why;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::PlanArgs;
use crate::engine::docker::Docker;
use crate::engine::host::{self, Host, HostError};
use crate::error::Error;
use crate::finished::prebuilt::{Built, prebuilt};
use crate::plan::config::{self, Base};
use crate::plan::{Plan, PlanOptions};
use crate::show::ui::Ui;
use crate::system::env::Env;
use crate::system::terminal::escape_json;
use crate::workspace::{Workspace, find_root};

/// Where a command runs.
pub struct Place<'p> {
    /// The working directory, after `-C`.
    pub cwd: &'p Path,
    /// The app as it was named; the one around the working directory where it was not.
    pub app: Option<String>,
    /// Who knows the digests of base images, where they are to be fixed.
    pub pins: Option<Pins>,
}

/// The daemon that knows the digests of base images.
pub struct Pins {
    host: Host,
    fresh: bool,
}

impl Pins {
    /// Where the arguments ask for it; `fresh` lets registries decide.
    pub fn new(args: &PlanArgs, fresh: bool, env: &Env) -> Result<Option<Self>, HostError> {
        if !args.pin {
            return Ok(None);
        }
        let host = host::resolve(env, args.host.as_deref())?;
        Ok(Some(Self { host, fresh }))
    }

    fn apply(&self, plan: &mut Plan) -> Result<(), Error> {
        let docker = Docker::connect(&self.host)?;
        plan.pin(|image| Ok(docker.digest(image, self.fresh)?))
    }
}

/// How data is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Reads the workspace around the working directory and makes the app's plan.
fn planned(place: &Place<'_>, flags: &PlanOptions) -> Result<(PathBuf, Plan), Error> {
    let root = find_root(place.cwd)?;
    let workspace = Workspace::load(&root)?;
    let app = app_at(&workspace, place)?;
    let mut flags = flags.clone();
    if let Some(Base::Disk(image)) = flags.base.as_mut().map(|base| &mut base.value) {
        // What a file names is found from the workspace's root, what a flag names from here.
        *image = image.below(place.cwd);
    }
    let options = flags.over(config::load(&workspace, app)?);
    let mut plan = Plan::new(&workspace, app, &options)?;
    if let Some(pins) = &place.pins {
        pins.apply(&mut plan)?;
    }
    if options.prebuilt {
        plan = prebuilt(plan, &root, Built::Once)?;
    }
    if plan.configured.template.is_some() {
        // What is wrong with a user's template is better known before anything is sent.
        crate::render::dockerfile::render(&plan)?;
    }
    Ok((root, plan))
}

/// The app that was named, or the one around the working directory.
fn app_at(workspace: &Workspace, place: &Place<'_>) -> Result<usize, Error> {
    let Some(name) = place.app.as_deref() else {
        let unnamed = |_| Error::Usage {
            message: "which app?".to_owned(),
            hint: Some(format!(
                "name one, as in `slimbuild {}`; there are: {}; `slimbuild ls` tells what each is",
                workspace.app_dirs().first().map_or("APP", String::as_str),
                workspace.app_dirs().join(", ")
            )),
        };
        return workspace.find_app(".", place.cwd).map_err(unnamed);
    };
    Ok(workspace.find_app(name, place.cwd)?)
}

/// A value as JSON, for stdout.
fn json(value: &impl Serialize) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::io("cannot write to stdout")(error.into()))?;
    Ok(escape_json(&text) + "\n")
}

/// Prints a plan's warnings.
fn warn(plan: &Plan, ui: &mut Ui) -> Result<(), Error> {
    for warning in &plan.warnings {
        ui.warn(warning)
            .map_err(Error::io("cannot write to stderr"))?;
    }
    Ok(())
}

/// Prints what somebody else has to hand over to the build.
fn warn_of_secrets(plan: &Plan, ui: &mut Ui) -> Result<(), Error> {
    for warning in secrets::left_to_others(plan) {
        ui.warn(&warning)
            .map_err(Error::io("cannot write to stderr"))?;
    }
    Ok(())
}
