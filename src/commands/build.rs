//! `slimbuild APP…`: from the workspace to tagged images.

mod access;
mod again;
mod budget;
mod buildkit;
mod docker;
mod driver;
mod job;
mod many;
mod naming;
mod native;
mod nodes;
mod outcome;
mod pipeline;
mod proof_hint;
mod request;
mod run;
mod unchanged;
mod undeclared;
mod watch;

use std::io;
use std::path::Path;
use std::thread;
use std::time::Instant;

use super::prepared::Ground;
use super::{AppChoice, app_at, is_open, push};
use crate::ask::listing::Listing;
use crate::cli::{BuildArgs, Named};
use crate::commands::error::Error;
use crate::engine::Interrupt;
use crate::engine::docker::EngineError;
use crate::model::member::MemberId;
use crate::show::metadata::Metadata;
use crate::show::progress::ProgressMode;
use crate::show::report::{self, SummaryRow};
use crate::show::seat::State;
use crate::show::ui::{Ui, Volume};
use crate::system::atomic_file::AtomicFile;
use crate::system::env::Env;
use crate::workspace::{Workspace, find_root};

pub(super) use job::arguments;
use outcome::{About, Done};
use run::{Planned, Run};
pub(super) use unchanged::is_key;
use unchanged::{Delivered, Seeker};

/// Builds the images, or shows what would be built. Relative paths in `args` start at `cwd`; printed
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
    ui.set_json(args.progress == ProgressMode::Json);
    let run = Run::new(args, quiet, cwd, here, env)?;
    if run.mode == ProgressMode::Quiet {
        ui.set_volume(Volume::Quiet);
    }
    ui.set_ci(run.pipeline.ci.clone());
    run.apps(began, ui)
}

impl Run<'_> {
    fn apps(self, began: Instant, ui: &mut Ui) -> Result<(), Error> {
        let cwd = self.cwd;
        let workspace = Workspace::load(&find_root(cwd)?)?;
        let is_app = |word: &str| workspace.find_app(word, cwd).is_ok();
        match self.args.app.named(is_app) {
            Named::Around => {
                let app = self.asked(&workspace, ui)?;
                // Choosing is no part of the build's time.
                let began = app.as_ref().map_or(began, |_| Instant::now());
                self.one(&workspace, app, began, ui)
            }
            Named::One(app) => self.one(&workspace, Some(app.to_owned()), began, ui),
            Named::Several => many::run(self, &workspace, ui),
        }
    }

    /// The app that the user chooses, if the working directory does not tell which one is meant.
    fn asked(&self, workspace: &Workspace, ui: &mut Ui) -> Result<Option<String>, Error> {
        let shown = matches!(self.mode, ProgressMode::Auto | ProgressMode::Tty);
        // Some pipelines have a terminal, and nobody at it.
        if !shown || self.env.get("CI").is_some() || !is_open(workspace, self.cwd)? {
            return Ok(None);
        }
        let listing = Listing::new(workspace)?;
        let chosen = ui
            .choose("Which app?", &report::choices(&listing))
            .map_err(|error| match error.kind() {
                // Ctrl-C is a key here.
                io::ErrorKind::Interrupted => EngineError::Interrupted.into(),
                _ => Error::io("cannot read the answer")(error),
            })?;
        let Some(app) = chosen.and_then(|at| listing.apps.get(at)) else {
            return Ok(None);
        };
        let path = workspace.root.join(app.dir.as_str());
        let word = path.strip_prefix(self.cwd).unwrap_or(&path);
        let word = match word.to_string_lossy().into_owned() {
            root if root.is_empty() => ".".to_owned(),
            word => word,
        };
        ui.report(&format!("slimbuild {word}"))
            .map_err(Error::io("cannot write to stderr"))?;
        Ok(Some(word))
    }

    /// Builds one app, reports its image, and tells a pipeline.
    fn one(
        &self,
        workspace: &Workspace,
        app: Option<String>,
        began: Instant,
        ui: &mut Ui,
    ) -> Result<(), Error> {
        let place = AppChoice { cwd: self.cwd, app };
        let at = app_at(workspace, &place, self.decided())?;
        let dir = workspace.members[at].dir.to_string();
        ui.set_app(dir.clone());
        let made = self.made(&Ground::new(workspace), at, began, ui);
        if self.args.dry_run {
            return made.map(drop);
        }
        let image = made.as_ref().ok().and_then(Option::as_ref);
        let fault = made.as_ref().err().map(|error| ui.fault(error, None, 0));
        let told = self.pipeline.tell_one(&SummaryRow {
            app: &dir,
            state: image.map_or(State::Failed.word(), |image| image.state),
            image,
            took: Some(began.elapsed()),
            message: fault.as_ref().map(|fault| &*fault.message),
        });
        // What the build says is worse.
        made.and(told)
    }

    /// Makes the image of an app; `None` for a dry run.
    fn made(
        &self,
        ground: &Ground<'_>,
        at: MemberId,
        began: Instant,
        ui: &mut Ui,
    ) -> Result<Option<Metadata>, Error> {
        let mut planned = self.plan(ground, at, self.args.engine.clone())?;
        if self.args.engine.push {
            push::check(&planned.tags)?;
        }
        self.warn_all(&self.unmatched(&ground.workspace.root)?, ui)?;
        if self.args.dry_run {
            self.warn_all(&planned.plan.warnings, ui)?;
            let (text, summary) = planned.shown(self)?;
            ui.data()
                .write_all(text.as_bytes())
                .map_err(Error::io("cannot write to stdout"))?;
            ui.report(&summary)
                .map_err(Error::io("cannot write to stderr"))?;
            return Ok(None);
        }
        // An unwritable file should be reported before a build of minutes.
        let metadata = || self.metadata_file();
        if let Some(done) = self.found(&mut planned, ui)? {
            let about = planned.about(self);
            return report(&done, about, metadata()?, began, ui).map(Some);
        }
        let (job, driver) = self.prepare(planned, None, ui)?;
        let metadata = metadata()?;
        let done = self.build(&job, &*driver, ui)?;
        report(&done, job.about(), metadata, began, ui).map(Some)
    }

    /// The image of one app, if it is there already and only gets its names.
    fn found(&self, planned: &mut Planned<'_, '_>, ui: &mut Ui) -> Result<Option<Done>, Error> {
        if !self.args.engine.skip_unchanged {
            return Ok(None);
        }
        let listen = Interrupt::listen().map_err(Error::io("cannot listen for Ctrl-C"))?;
        let looked = thread::scope(|scope| {
            let (seeker, looking) = Seeker::start(self, &listen, scope)?;
            seeker.ask(0, planned)?;
            drop(seeker);
            looking
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        self.warn_all(&looked.troubles, ui)?;
        let Some(sought) = &planned.sought else {
            return Ok(None);
        };
        let Some(there) = looked.there(0, sought, &planned.tags) else {
            return Ok(None);
        };
        let delivered = unchanged::deliver(self, vec![(planned, sought, there)], &listen)?;
        match delivered.into_iter().next() {
            Some(Delivered::Unchanged(done)) => Ok(Some(*done)),
            Some(Delivered::Failed(error)) => Err(error),
            Some(Delivered::Build(why)) => self.warn_all(&[why], ui).map(|()| None),
            None => Ok(None),
        }
    }
}

/// Reports an image. Returns its metadata.
fn report(
    done: &Done,
    about: About<'_>,
    metadata: Option<AtomicFile>,
    began: Instant,
    ui: &mut Ui,
) -> Result<Metadata, Error> {
    let took = began.elapsed();
    let document = done.metadata(&about, took);
    if let Some(file) = metadata {
        let text = super::json(&document)?;
        file.write(|out| out.write_all(text.as_bytes()))?;
    }
    done.report(&about, took, &document, ui)
        .map_err(Error::io("cannot write the report"))?;
    let line = done.printed(&about);
    writeln!(ui.out(), "{line}").map_err(Error::io("cannot write to stdout"))?;
    Ok(document)
}

/// Shows the output of a program that did not come up.
fn show_log(log: &[String], ui: &mut Ui) {
    for line in log {
        // The error itself matters more than a closed stream.
        drop(ui.quote(line));
    }
}
