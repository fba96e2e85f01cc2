//! Computes identities of images.

use std::collections::BTreeMap;
use std::path::Path;

use super::prepared::{Ground, Prepared, disk_image, platform};
use super::{Pins, build};
use crate::ask::affected::Sight;
use crate::cli::{BuildArg, EngineArg, PlanArgs};
use crate::commands::error::Error;
use crate::image::oci;
use crate::model::image::Platform;
use crate::model::member::MemberId;
use crate::needs::tasks::is_proxy;
use crate::plan::{Plan, PlanOptions};
use crate::render::identity::{Given, Identity};
use crate::system::env::Env;

/// The label of images that has their identity.
pub(super) const LABEL: &str = "dev.slimbuild.identity";

/// What plans are made with.
pub(super) struct Terms<'t> {
    flags: PlanOptions,
    engine: EngineArg,
    arguments: Vec<BuildArg>,
    pins: Option<Pins>,
    /// Relative paths of flags start there.
    cwd: &'t Path,
    env: &'t Env,
}

impl<'t> Terms<'t> {
    /// Those of a command's arguments. Relative paths start at `cwd`.
    pub(super) fn new(args: PlanArgs, cwd: &'t Path, env: &'t Env) -> Result<Self, Error> {
        Ok(Self {
            pins: Pins::new(&args, false, env)?,
            engine: args.engine,
            arguments: args.build_args.clone(),
            flags: PlanOptions::from(args),
            cwd,
            env,
        })
    }

    /// Those of a command without arguments.
    pub(super) fn plain(cwd: &'t Path, env: &'t Env) -> Self {
        Self {
            flags: PlanOptions::default(),
            engine: EngineArg::default(),
            arguments: Vec::new(),
            pins: None,
            cwd,
            env,
        }
    }

    /// The same without what is built already, which no commit has.
    pub(super) fn without_what_is_built(mut self) -> Self {
        self.flags.prebuilt = false;
        self
    }

    /// Whether flags tell what the app is.
    pub(super) fn decide_the_app(&self) -> bool {
        self.flags.start.is_some() || self.flags.kind.is_some()
    }

    /// Plans an app as a build does, and hashes what reaches its image.
    pub(super) fn look(&self, ground: &Ground<'_>, app: MemberId) -> Result<Sight, Error> {
        let prepared = Prepared::of(ground, app, self.cwd, &self.flags)?;
        let options = prepared.options();
        let engine = self.engine.without_a_daemon(options);
        let plan = prepared.plan(engine, self.pins.as_ref())?;
        let arguments = build::arguments(self.arguments.clone(), &plan, self.env);
        let platforms = options.platforms.clone();
        let identity = of(&plan, options, platforms, &arguments, prepared.root())?;
        Ok(Sight::new(&plan, identity))
    }
}

/// The identity of a plan's image. Addresses of proxies are no part of an image.
pub(super) fn of(
    plan: &Plan,
    options: &PlanOptions,
    platforms: Vec<Platform>,
    arguments: &BTreeMap<String, String>,
    root: &Path,
) -> Result<Identity, Error> {
    let disk_base = disk_image(options, plan.engine, root);
    let disk_base = disk_base.map(|image| oci::digest(&image, &platform(options)));
    let arguments = arguments.iter().filter(|(name, _)| !is_proxy(name));
    let given = Given {
        platforms,
        arguments: arguments
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        disk_base: disk_base.transpose()?,
    };
    let app = &plan.app.dir;
    Identity::new(plan, root, &given).map_err(Error::io(format!("cannot read the files of {app}")))
}
