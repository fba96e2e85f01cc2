//! Computes identities of images.

use std::collections::BTreeMap;
use std::path::Path;

use super::prepared::{disk_base, disk_image, platform};
use super::{Pins, build};
use crate::ask::affected::Sight;
use crate::cli::{BuildArg, EngineArg, PlanArgs};
use crate::commands::error::Error;
use crate::finished::prebuilt::{Built, finished};
use crate::image::oci;
use crate::model::image::Platform;
use crate::model::member::MemberId;
use crate::needs::tasks::is_proxy;
use crate::plan::config::{self, Base};
use crate::plan::{Plan, PlanOptions};
use crate::render::identity::{Given, Identity};
use crate::system::env::Env;
use crate::workspace::Workspace;

/// The label of images that has their identity.
pub(super) const LABEL: &str = "dev.slimbuild.identity";

/// What plans are made with.
pub(super) struct Terms<'t> {
    flags: PlanOptions,
    engine: EngineArg,
    arguments: Vec<BuildArg>,
    pins: Option<Pins>,
    env: &'t Env,
}

impl<'t> Terms<'t> {
    /// Those of a command's arguments. Relative paths start at `cwd`.
    pub(super) fn new(args: PlanArgs, cwd: &Path, env: &'t Env) -> Result<Self, Error> {
        let pins = Pins::new(&args, false, env)?;
        let (engine, arguments) = (args.engine, args.build_args.clone());
        let mut flags = PlanOptions::from(args);
        if let Some(Base::Disk(image)) = flags.base.as_mut().map(|base| &mut base.value) {
            *image = image.below(cwd);
        }
        Ok(Self {
            flags,
            engine,
            arguments,
            pins,
            env,
        })
    }

    /// Those of a command without arguments.
    pub(super) fn plain(env: &'t Env) -> Self {
        Self {
            flags: PlanOptions::default(),
            engine: EngineArg::default(),
            arguments: Vec::new(),
            pins: None,
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

    /// Plans an app, and hashes what reaches its image.
    pub(super) fn look(&self, workspace: &Workspace, app: MemberId) -> Result<Sight, Error> {
        let root = &workspace.root;
        let options = self.flags.clone().over(config::load(workspace, app)?);
        let engine = self.engine.without_a_daemon(&options);
        let options = PlanOptions {
            engine,
            disk_base: disk_base(&options, engine, root)?,
            ..options
        };
        let mut plan = Plan::new(workspace, app, &options)?;
        if let Some(pins) = &self.pins {
            pins.apply(&mut plan)?;
        }
        if options.prebuilt {
            let (files, warnings) = finished(&plan, root, Built::Once)?;
            plan = plan.of_finished(files, warnings);
        }
        let arguments = build::arguments(self.arguments.clone(), &plan, self.env);
        let identity = of(&plan, &options, options.platforms.clone(), &arguments, root)?;
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
