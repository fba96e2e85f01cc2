//! `slimbuild APP`: from the workspace to a tagged image.

mod access;
mod again;
mod buildkit;
mod docker;
mod driver;
mod job;
mod native;
mod outcome;
mod proof_hint;
mod request;
mod undeclared;
mod watch;

use std::path::Path;
use std::time::Instant;

use super::names::Names;
use super::{AppChoice, Pins, Prepared, own_output};
use crate::cli::BuildArgs;
use crate::commands::error::Error;
use crate::commands::warning::warn;
use crate::engine::registry::Trust;
use crate::engine::{Interrupt, Logins};
use crate::image::oci::Output;
use crate::plan::{Engine, Plan, PlanOptions};
use crate::render::dockerfile;
use crate::show::progress::ProgressMode;
use crate::show::report;
use crate::show::ui::Ui;
use crate::system::atomic_file::AtomicFile;
use crate::system::env::Env;
use crate::system::workdir;

use access::Access;
use again::Patience;
use driver::Worker;
pub(super) use job::arguments;
use job::{Caches, Job};

/// Builds the image, or shows what would be built. Relative paths in `args` start at `cwd`; printed
/// paths are relative to `here`.
pub fn run(
    args: BuildArgs,
    quiet: bool,
    cwd: &Path,
    here: &Path,
    env: &Env,
    ui: &mut Ui,
) -> Result<(), Error> {
    let began = Instant::now();
    let BuildArgs {
        app,
        tags,
        dry_run,
        verbose,
        progress,
        print,
        metadata_file,
        plan,
        smoke,
        engine,
    } = args;
    let (given, secrets) = (plan.build_args.clone(), plan.secrets.clone());
    let (ssh, ca) = (plan.ssh.clone(), plan.ca.clone());
    let (arg, host) = (plan.engine, plan.host.clone());
    let pins = Pins::new(&plan, engine.pull, env)?;
    let mode = if quiet { ProgressMode::Quiet } else { progress };
    let mut flags = PlanOptions::from(plan);
    let excluded = flags.exclude.clone();
    let platforms = flags.platforms.clone();
    let caches = Caches::new(&engine.builder, cwd, env)?;
    let written = written(&engine.outputs, metadata_file.as_deref(), &caches, cwd);
    flags.exclude.extend(written);
    let mut prepared = Prepared::new(&AppChoice { cwd, app: app.app }, &flags)?;
    let unmatched = super::unmatched(prepared.root(), &excluded)?;
    let builder = driver::builder(arg, &engine, host.as_deref(), platforms.first(), cwd, env)?;
    let wanted = match builder {
        Some(_) => Engine::Docker,
        None => driver::engine(arg, &engine, prepared.options()),
    };
    let mut plan = prepared.plan(wanted, pins.as_ref())?;
    let names = Names::new(&prepared, &plan, tags, env)?;
    names.check(&prepared, &plan, &given, engine.push)?;
    warn_all(&unmatched, mode, ui)?;
    if dry_run {
        warn_all(&plan.warnings, mode, ui)?;
        return show(&plan, ui);
    }
    let access = Access::new(&ssh, ca.as_deref(), cwd, env)?;
    let patience = Patience::before_a_build(mode);
    let worker = match (&builder, wanted) {
        (Some(builder), _) => Worker::builder(builder, patience, ui)?,
        (None, Engine::Native) => Worker::Here,
        (None, Engine::Docker) => driver::daemon(arg, &engine, host.as_deref(), env, patience, ui)?
            .map_or(Worker::Here, Worker::Daemon),
    };
    if wanted == Engine::Docker && matches!(worker, Worker::Here) {
        plan = prepared.plan(Engine::Native, pins.as_ref())?;
    } else if let Some(warning) = worker.without_trial().filter(|_| plan.trial) {
        plan = prepared.without_trial().plan(wanted, pins.as_ref())?;
        if smoke.smoke.is_none() {
            plan.warnings.push(warning);
        }
    }
    tell_decisions(&plan, verbose, ui)?;
    let root = prepared.root();
    undeclared::check(prepared.options(), &plan, root)?;
    warn_all(&plan.warnings, mode, ui)?;
    let (mut secrets, mut warnings) = super::secrets::values(&plan, &secrets, root, cwd, env)?;
    let arguments = job::arguments(given, &plan, env);
    let logins = Logins::of(env);
    let tokens = caches.tokens();
    let mask = super::secrets::mask(&plan, &secrets, &arguments, tokens, &logins, env);
    ui.hide(mask);
    warnings.extend(super::secrets::too_short(&secrets));
    // The certificates are no secret: logs may show them.
    secrets.extend(access.certificates());
    warnings.extend_from_slice(logins.warnings());
    warn_all(&warnings, mode, ui)?;
    workdir::sweep();
    let driver = worker.driver(&engine, host.as_deref(), env, patience, ui)?;
    let wanted = metadata_file.is_some() || names.have_the_identity();
    let identity = job::identity(&prepared, &plan, &*driver, &arguments, wanted)?;
    let job = Job {
        tags: names.fill(identity.as_ref())?,
        identity,
        trial: job::trial(&plan, smoke, cwd, env)?,
        root,
        plan,
        arguments,
        secrets,
        access,
        logins,
        trust: Trust::of(env, &prepared.options().insecure_registries),
        engine,
        epoch: super::resources::named_epoch(env)?,
        caches,
        platforms,
        mode,
        print,
        cwd,
        here,
        env,
        interrupt: Interrupt::listen().map_err(Error::io("cannot listen for Ctrl-C"))?,
    };
    driver.check(&job)?;
    // An unwritable file should be reported before a build of minutes.
    let metadata = begun(metadata_file.as_deref(), cwd)?;
    driver.build(&job, ui)?.tell(&job, metadata, began, ui)
}

/// The metadata file, which is written at the end.
fn begun(file: Option<&Path>, cwd: &Path) -> Result<Option<AtomicFile>, Error> {
    let file = file.map(|file| AtomicFile::begin(&cwd.join(file)));
    Ok(file.transpose()?)
}

/// The files and directories that a build writes to, as the workspace names them.
fn written<'a>(
    outputs: &'a [Output],
    metadata: Option<&'a Path>,
    caches: &'a Caches,
    cwd: &'a Path,
) -> impl Iterator<Item = String> + 'a {
    let files = outputs.iter().map(Output::path).chain(metadata);
    let files = files.map(Path::to_owned).chain(caches.paths());
    files.filter_map(|path| own_output(cwd, &cwd.join(path)))
}

/// Prints every decision, if that is asked for.
fn tell_decisions(plan: &Plan, verbose: bool, ui: &mut Ui) -> Result<(), Error> {
    if !verbose {
        return Ok(());
    }
    ui.report(&(report::plan(plan) + "\n"))
        .map_err(Error::io("cannot write to stderr"))
}

fn warn_all(warnings: &[String], mode: ProgressMode, ui: &mut Ui) -> Result<(), Error> {
    let mut warnings = warnings.iter();
    warnings.try_for_each(|warning| warn(warning, mode, ui))
}

/// The dry run: prints the Dockerfile as data and a summary as a message. Builds without a
/// Dockerfile print the plan.
fn show(plan: &Plan, ui: &mut Ui) -> Result<(), Error> {
    let text = match plan.engine {
        Engine::Docker => dockerfile::render(plan)?,
        Engine::Native => report::plan(plan),
    };
    ui.data()
        .write_all(text.as_bytes())
        .map_err(Error::io("cannot write to stdout"))?;
    ui.report(&report::dry_run(plan))
        .map_err(Error::io("cannot write to stderr"))
}

/// Shows the output of a program that did not come up.
fn show_log(log: &[String], ui: &mut Ui) {
    for line in log {
        let line = ui.mask().text(line);
        // The error itself matters more than a closed stream.
        drop(writeln!(ui.err(), "  │ {line}"));
    }
}
