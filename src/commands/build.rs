//! `slimbuild APP…`: from the workspace to tagged images.

mod access;
mod again;
mod buildkit;
mod docker;
mod driver;
mod job;
mod many;
mod native;
mod outcome;
mod proof_hint;
mod request;
mod run;
mod undeclared;
mod watch;

use std::path::Path;
use std::time::Instant;

use super::prepared::Ground;
use super::{AppChoice, app_at, push};
use crate::cli::{BuildArgs, Named};
use crate::commands::error::Error;
use crate::show::progress::ProgressMode;
use crate::show::ui::Ui;
use crate::system::env::Env;
use crate::workspace::{Workspace, find_root};

pub(super) use job::arguments;
use run::Run;

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
    ui.set_quiet(run.mode == ProgressMode::Quiet);
    let workspace = Workspace::load(&find_root(cwd)?)?;
    let is_app = |word: &str| workspace.find_app(word, cwd).is_ok();
    match run.args.app.named(is_app) {
        Named::Around => run.one(&workspace, None, began, ui),
        Named::One(app) => run.one(&workspace, Some(app.to_owned()), began, ui),
        Named::Several => many::run(run, &workspace, ui),
    }
}

impl Run<'_> {
    /// Builds one app, and reports its image.
    fn one(
        &self,
        workspace: &Workspace,
        app: Option<String>,
        began: Instant,
        ui: &mut Ui,
    ) -> Result<(), Error> {
        let ground = Ground::new(workspace);
        let place = AppChoice { cwd: self.cwd, app };
        let at = app_at(workspace, &place, self.decided())?;
        ui.set_app(workspace.members[at].dir.to_string());
        let planned = self.plan(&ground, at, self.args.engine.clone())?;
        if self.args.engine.push {
            push::check(&planned.tags)?;
        }
        self.warn_all(&self.unmatched(&workspace.root)?, ui)?;
        if self.args.dry_run {
            self.warn_all(&planned.plan.warnings, ui)?;
            let (text, summary) = planned.shown()?;
            ui.data()
                .write_all(text.as_bytes())
                .map_err(Error::io("cannot write to stdout"))?;
            return ui
                .report(&summary)
                .map_err(Error::io("cannot write to stderr"));
        }
        let (job, driver) = self.prepare(planned, None, ui)?;
        // An unwritable file should be reported before a build of minutes.
        let metadata = self.metadata_file()?;
        let done = driver.build(&job, ui)?;
        let took = began.elapsed();
        let document = done.metadata(&job, took);
        if let Some(file) = metadata {
            let text = super::json(&document)?;
            file.write(|out| out.write_all(text.as_bytes()))?;
        }
        done.report(&job, took, &document, ui)
            .map_err(Error::io("cannot write the report"))?;
        let line = done.printed(&job);
        writeln!(ui.out(), "{line}").map_err(Error::io("cannot write to stdout"))
    }
}

/// Shows the output of a program that did not come up.
fn show_log(log: &[String], ui: &mut Ui) {
    for line in log {
        // The error itself matters more than a closed stream.
        drop(ui.quote(line));
    }
}
