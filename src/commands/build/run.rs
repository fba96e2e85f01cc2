//! What all apps of a run share: the arguments, and what they mean for any app.
//!
//! An app is [planned](Run::plan), which only reads, then [prepared](Run::prepare): somebody who
//! builds is found, and everything that can be refused is. Then a driver builds it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use super::access::Access;
use super::again::Patience;
use super::driver::{self, Driver, Worker};
use super::job::{self, Caches, Job};
use super::outcome::{About, Done};
use super::pipeline::Pipeline;
use super::unchanged::{self, Builds, Key, Sought};
use super::undeclared;
use crate::cli::{BuildArgs, EngineArgs};
use crate::commands::error::Error;
use crate::commands::licensing::{self, Unchecked};
use crate::commands::names::Names;
use crate::commands::prepared::{Ground, Prepared};
use crate::commands::warning::warn;
use crate::commands::{Pins, labels, own_output, resources, secrets, unmatched};
use crate::engine::buildkit::Nodes;
use crate::engine::host::{self, Address};
use crate::engine::registry::Trust;
use crate::engine::{Interrupt, Logins};
use crate::image::oci::Output;
use crate::model::image::ImageRef;
use crate::model::member::MemberId;
use crate::plan::{Engine, Plan, PlanOptions, Proof};
use crate::render::dockerfile;
use crate::show::progress::ProgressMode;
use crate::show::report;
use crate::show::ui::Ui;
use crate::system::atomic_file::AtomicFile;
use crate::system::env::Env;
use crate::system::workdir;

/// The arguments of a run, and where it runs.
pub(super) struct Run<'r> {
    pub(super) args: BuildArgs,
    pub(super) mode: ProgressMode,
    pub(super) cwd: &'r Path,
    /// Printed paths are relative to it.
    pub(super) here: &'r Path,
    pub(super) env: &'r Env,
    pub(super) pipeline: Pipeline,
    flags: PlanOptions,
    pub(super) pins: Option<Pins>,
    /// Who builds, if that was asked: it is the same for all apps.
    builds: OnceLock<Option<Builds>>,
    /// Held by the app that downloads what the others need too.
    fetching: Mutex<()>,
    /// The digests of bases that apps have in common.
    bases: Mutex<BTreeMap<String, Option<String>>>,
}

/// An app and its plan, before anything was reached.
pub(super) struct Planned<'g, 'w> {
    pub(super) prepared: Prepared<'g, 'w>,
    pub(super) plan: Plan,
    pub(super) names: Names,
    /// All names of the image, as far as they are known before the builder.
    pub(super) tags: Vec<ImageRef>,
    /// The image that may be there already.
    pub(super) sought: Option<Sought>,
    /// Licences that are not known before packages are installed.
    pub(super) unchecked: Option<Unchecked>,
    /// The engine that is wanted.
    wanted: Engine,
    builder: Option<Nodes>,
    engine: EngineArgs,
    caches: Caches,
}

impl<'r> Run<'r> {
    pub(super) fn new(
        args: BuildArgs,
        quiet: bool,
        cwd: &'r Path,
        here: &'r Path,
        env: &'r Env,
    ) -> Result<Self, Error> {
        unchanged::check(&args)?;
        let pins = Pins::new(&args.plan, args.engine.pull, env)?;
        let mode = if quiet {
            ProgressMode::Quiet
        } else {
            args.progress
        };
        Ok(Self {
            flags: PlanOptions::from(args.plan.clone()),
            pipeline: Pipeline::new(&args, cwd, env),
            args,
            mode,
            cwd,
            here,
            env,
            pins,
            builds: OnceLock::new(),
            fetching: Mutex::new(()),
            bases: Mutex::default(),
        })
    }

    /// Whether flags tell what an app is.
    pub(super) fn decided(&self) -> bool {
        self.flags.start.is_some() || self.flags.kind.is_some()
    }

    /// What of the proof is asked for.
    pub(super) fn proof(&self) -> Proof {
        self.flags.proof
    }

    /// Who builds an app, as far as its identity depends on it.
    pub(super) fn builds(&self, planned: &Planned<'_, '_>) -> Option<Builds> {
        if planned.wanted == Engine::Native {
            return Some(Builds::here());
        }
        let find = || Builds::find(self, planned.builder.as_ref().map(Nodes::first));
        self.builds.get_or_init(find).clone()
    }

    /// Plans an app. `engine` has the app's own cache.
    pub(super) fn plan<'g, 'w>(
        &self,
        ground: &'g Ground<'w>,
        app: MemberId,
        mut engine: EngineArgs,
    ) -> Result<Planned<'g, 'w>, Error> {
        let args = &self.args;
        let image = Plan::default_image(ground.workspace, app);
        for output in &mut engine.outputs {
            *output = output.of_app(&image);
        }
        let caches = Caches::new(&engine.builder, self.cwd, self.env)?;
        let mut flags = self.flags.clone();
        flags.exclude.extend(self.written(&engine.outputs, &caches));
        let prepared = Prepared::of(ground, app, self.cwd, &flags)?;
        let host = args.plan.host.as_deref();
        let arg = args.plan.engine;
        let builder = driver::builder(arg, &engine, host, self.cwd, self.env)?;
        let wanted = match builder {
            Some(_) => Engine::Docker,
            None => driver::engine(arg, &engine, prepared.options()),
        };
        let plan = prepared.plan(wanted, self.pins.as_ref())?;
        let names = Names::new(&prepared, args.tags.clone(), self.env)?;
        let tags = names.early(&prepared, &plan, &args.plan.build_args)?;
        let unchecked = if args.dry_run {
            None
        } else {
            licensing::before_build(&prepared)?
        };
        Ok(Planned {
            unchecked,
            prepared,
            plan,
            names,
            tags,
            sought: None,
            wanted,
            builder,
            engine,
            caches,
        })
    }

    /// Finds who builds an app, and refuses what cannot be done. `interrupt` is that of several apps.
    pub(super) fn prepare<'p, 'w: 'p>(
        &'p self,
        planned: Planned<'_, 'w>,
        interrupt: Option<&Interrupt>,
        ui: &mut Ui,
    ) -> Result<(Job<'p>, Box<dyn Driver>), Error> {
        let Planned {
            mut prepared,
            mut plan,
            names,
            tags: _,
            sought: _,
            unchecked,
            wanted,
            builder,
            engine,
            caches,
        } = planned;
        let (args, cwd, env, mode) = (&self.args, self.cwd, self.env, self.mode);
        let (arg, host) = (args.plan.engine, args.plan.host.as_deref());
        let pins = self.pins.as_ref();
        let access = Access::new(&args.plan.ssh, args.plan.ca.as_deref(), cwd, env)?;
        let patience = Patience { mode, interrupt };
        let (platforms, is_bound) = (&self.flags.platforms, plan.bound.is_some());
        let worker = match (&builder, wanted) {
            (Some(nodes), _) => Worker::builder(nodes, platforms, is_bound, patience, ui)?,
            (None, Engine::Native) => Worker::Here,
            (None, Engine::Docker) => driver::daemon(arg, &engine, host, env, patience, ui)?
                .map_or(Worker::Here, Worker::Daemon),
        };
        if wanted == Engine::Docker && matches!(worker, Worker::Here) {
            plan = prepared.plan(Engine::Native, pins)?;
        } else if let Some(warning) = worker.without_trial().filter(|_| plan.trial) {
            plan = prepared.without_trial().plan(wanted, pins)?;
            if args.smoke.smoke.is_none() {
                plan.warnings.push(warning);
            }
        }
        if let Some(unchecked) = &unchecked
            && (plan.engine == Engine::Docker || plan.is_finished())
        {
            return Err(unchecked.not_installed());
        }
        tell_decisions(&plan, &worker, ui)?;
        let root = prepared.root();
        undeclared::check(prepared.options(), &plan, root)?;
        self.warn_all(&plan.warnings, ui)?;
        let given = &args.plan.secrets;
        let (mut secrets, mut warnings) = secrets::values(&plan, given, root, cwd, env)?;
        let arguments = job::arguments(args.plan.build_args.clone(), &plan, env);
        let logins = Logins::of(env);
        let tokens = caches.tokens();
        let mask = secrets::mask(&plan, &secrets, &arguments, tokens, &logins, env);
        ui.hide(mask);
        warnings.extend(secrets::too_short(&secrets));
        // The certificates are no secret: logs may show them.
        secrets.extend(access.certificates());
        warnings.extend_from_slice(logins.warnings());
        self.warn_all(&warnings, ui)?;
        workdir::sweep();
        let driver = worker.driver(&engine, host, env, patience, ui)?;
        let listen = || Interrupt::listen().map_err(Error::io("cannot listen for Ctrl-C"));
        let wanted =
            args.metadata_file.is_some() || names.have_the_identity() || args.engine.skip_unchanged;
        let identity = job::identity(&prepared, &plan, &*driver, &arguments, wanted)?;
        let epoch = resources::named_epoch(env)?;
        let mut job = Job {
            origin: labels::of(&prepared, &plan, epoch, env),
            tags: names.fill(identity.as_ref())?,
            identity,
            proof: self.proof(),
            trial: job::trial(&plan, args.smoke.clone(), cwd, env)?,
            insecure: prepared.options().insecure_registries.clone(),
            budget: prepared.options().budget.clone(),
            kept_to: unchanged::limits(prepared.options()),
            unchecked,
            host: host.map(str::to_owned),
            root,
            plan,
            arguments,
            secrets,
            access,
            logins,
            trust: Trust::of(env, &prepared.options().insecure_registries),
            engine,
            epoch,
            caches,
            fetching: &self.fetching,
            platforms: self.flags.platforms.clone(),
            mode,
            print: args.print,
            cwd,
            here: self.here,
            env,
            interrupt: interrupt.cloned().map_or_else(listen, Ok)?,
        };
        driver.check(&job)?;
        job.name_base(&*driver, &self.bases);
        Ok((job, driver))
    }

    /// Builds an app, and leaves its key in the registry if later runs may look for it.
    pub(super) fn build(
        &self,
        job: &Job<'_>,
        driver: &dyn Driver,
        ui: &mut Ui,
    ) -> Result<Done, Error> {
        let done = driver.build(job, ui)?;
        let looks = self.args.engine.skip_unchanged && self.args.engine.push;
        if let Some(identity) = job.identity.as_ref().filter(|_| looks) {
            let key = Key::new(identity, self.proof(), &self.args, &job.kept_to);
            unchanged::mark(job, &key, &done, ui)?;
        }
        Ok(done)
    }

    /// The files and directories that a build writes to, as the workspace names them.
    fn written(&self, outputs: &[Output], caches: &Caches) -> Vec<String> {
        let files = outputs.iter().map(Output::path);
        let files = files
            .chain(self.args.metadata_file.as_deref())
            .chain(self.args.pipeline.dotenv.as_deref());
        let files = files.map(Path::to_owned).chain(caches.paths());
        let files: Vec<PathBuf> = files.collect();
        let own = files
            .iter()
            .map(|path| own_output(self.cwd, &self.cwd.join(path)));
        own.flatten().collect()
    }

    /// The metadata file, begun.
    pub(super) fn metadata_file(&self) -> Result<Option<AtomicFile>, Error> {
        let file = self.args.metadata_file.as_ref();
        let begun = file.map(|file| AtomicFile::begin(&self.cwd.join(file)));
        Ok(begun.transpose()?)
    }

    /// Warnings about globs of flags that match nothing.
    pub(super) fn unmatched(&self, root: &Path) -> Result<Vec<String>, Error> {
        unmatched(root, &self.args.plan.exclude)
    }

    pub(super) fn warn_all(&self, warnings: &[String], ui: &mut Ui) -> Result<(), Error> {
        let mut warnings = warnings.iter();
        warnings.try_for_each(|warning| warn(warning, self.mode, ui))
    }
}

/// Prints every decision, if that is asked for.
fn tell_decisions(plan: &Plan, worker: &Worker, ui: &mut Ui) -> Result<(), Error> {
    if !ui.is_verbose() {
        return Ok(());
    }
    let decided = format!("{}\nbuilt by {}\n\n", report::plan(plan), worker.shown());
    ui.report(&decided)
        .map_err(Error::io("cannot write to stderr"))
}

impl Planned<'_, '_> {
    /// Whether another machine builds it, as far as that is known by its address.
    pub(super) fn is_built_elsewhere(&self, run: &Run<'_>) -> bool {
        if self.wanted == Engine::Native {
            return false;
        }
        let host = || host::resolve(run.env, run.args.plan.host.as_deref());
        self.builder.is_some()
            || host().is_ok_and(|host| !matches!(host.address(), Address::Local(_)))
    }

    /// What an image that is there already is.
    pub(super) fn about<'p>(&'p self, run: &Run<'_>) -> About<'p> {
        About {
            plan: &self.plan,
            tags: &self.tags,
            identity: self.sought.as_ref().map(Sought::identity),
            print: run.args.print,
            mode: run.mode,
        }
    }

    /// What a dry run shows: the Dockerfile as data, and a summary as a message. Builds without a
    /// Dockerfile have the plan instead.
    pub(super) fn shown(&self, run: &Run<'_>) -> Result<(String, String), Error> {
        let text = match self.plan.engine {
            Engine::Docker => dockerfile::render(&self.plan)?,
            Engine::Native => report::plan(&self.plan),
        };
        let mut summary = report::dry_run(&self.plan);
        if run.args.engine.skip_unchanged {
            summary += &unchanged::would_look(run, self)?;
        }
        Ok((text, summary))
    }
}
