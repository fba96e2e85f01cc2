//! Builds several apps in one run.
//!
//! Input: the apps' words. Output: their images, a table, one metadata file, and a line on stdout for
//! each image. The apps are planned together, then a queue with a few workers builds each as it would
//! be built alone. Its messages go through a [`Seat`](crate::show::seat::Seat) to this thread, which
//! shows all apps.

mod affected;
mod queue;
mod refused;
mod unchanged;

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;

use super::run::Run;
use crate::commands::error::Error;
use crate::commands::prepared::Ground;
use crate::commands::selected;
use crate::engine::Interrupt;
use crate::engine::docker::EngineError;
use crate::show::board::{self, Board, FRAME};
use crate::show::metadata::{AppMetadata, RunMetadata};
use crate::show::report::SummaryRow;
use crate::show::seat::{Ended, State};
use crate::show::ui::Ui;
use crate::system::threads::STACK;
use crate::system::trail;
use crate::workspace::Workspace;

use queue::{Queue, Result as AppResult};

/// How much news may wait to be shown. An app's thread waits if there is more.
const NEWS: usize = 256;

/// Builds all apps, or shows what would be built.
pub(super) fn run(mut run: Run<'_>, workspace: &Workspace, ui: &mut Ui) -> Result<(), Error> {
    refused::arguments(&run.args)?;
    run.mode = board::mode(run.mode, ui);
    let ground = Ground::new(workspace);
    let mut apps = selected::select(&run.args.app, &ground, run.cwd, run.decided())?;
    if let Some(named) = &run.args.app.affected {
        apps = affected::affected(&apps, named, &run, &ground, ui)?;
    }
    run.warn_all(&run.unmatched(&workspace.root)?, ui)?;
    let metadata = if run.args.dry_run {
        None
    } else {
        run.metadata_file()?
    };
    if apps.is_empty() {
        // Nothing is affected, and that was said.
        let nothing = metadata.map(|file| file.write(|out| out.write_all(b"{}\n")));
        return Ok(nothing.transpose().map(drop)?);
    }
    let dirs = apps.iter().map(|at| workspace.members[*at].dir.to_string());
    let dirs: Vec<String> = dirs.collect();
    let listen = Interrupt::listen().map_err(Error::io("cannot listen for Ctrl-C"))?;
    let queue = Queue::new(&run, &ground, &apps, &dirs, ui.manner());
    let (results, ended) = worked(&queue, &listen, ui)?;
    if let Some(file) = metadata {
        let text = super::super::json(&document(&dirs, &results, &ended))?;
        file.write(|out| out.write_all(text.as_bytes()))?;
    }
    if !run.args.dry_run {
        let names: Vec<String> = apps
            .iter()
            .map(|at| workspace.members[*at].label())
            .collect();
        run.pipeline
            .tell_all(&names, &rows(&dirs, &results, &ended))?;
    }
    for result in results.iter().flatten() {
        ui.data()
            .write_all(result.printed.as_bytes())
            .map_err(Error::io("cannot write to stdout"))?;
        ui.report(&result.summary)
            .map_err(Error::io("cannot write to stderr"))?;
    }
    if listen.is_raised() {
        return Err(EngineError::Interrupted.into());
    }
    verdict(&dirs, &results, &ended)
}

/// Lets the queue work, and shows it meanwhile.
fn worked(
    queue: &Queue<'_, '_>,
    signals: &Interrupt,
    ui: &mut Ui,
) -> Result<(Vec<Option<AppResult>>, Vec<Ended>), Error> {
    let (to, news) = sync_channel(NEWS);
    thread::scope(|scope| {
        let worker = thread::Builder::new().stack_size(STACK);
        let trail = trail::own();
        let worker = worker
            .spawn_scoped(scope, move || {
                let _kept = trail.enter();
                // The news end with the work.
                let to = to;
                queue.work(&to)
            })
            .map_err(Error::io("cannot start a thread"))?;
        let mut board = Board::new(queue.run.mode, queue.dirs.to_vec(), ui);
        loop {
            match news.recv_timeout(FRAME) {
                Ok((app, news)) => board.show(app, news),
                Err(RecvTimeoutError::Timeout) => board.tick(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            queue.obey(signals);
        }
        let results = match worker.join() {
            Ok(results) => results,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let results = match results {
            Ok(results) => results,
            Err(error) => {
                board.close();
                return Err(error);
            }
        };
        // A dry run shows plans, and has no other result.
        let ended = board
            .finish(!queue.run.args.dry_run)
            .map_err(Error::io("cannot write to stderr"))?;
        Ok((results, ended))
    })
}

/// The metadata of all apps, by their directories.
fn document(dirs: &[String], results: &[Option<AppResult>], ended: &[Ended]) -> RunMetadata {
    let all = dirs.iter().zip(results).zip(ended);
    let of_app = |((dir, result), ended): ((&String, &Option<AppResult>), &Ended)| {
        let state = ended.state.word();
        let image = result.as_ref().and_then(|result| result.document.clone());
        let document = match image {
            Some(image) => AppMetadata::Made(image),
            None => AppMetadata::NotMade {
                app: dir.clone(),
                error: ended.fault.as_ref().map(|fault| fault.message.clone()),
                seconds: ended.took.map(|took| took.as_secs_f64()),
                state,
            },
        };
        (dir.clone(), document)
    };
    RunMetadata(all.map(of_app).collect())
}

/// How each app ended, for a pipeline.
fn rows<'r>(
    dirs: &'r [String],
    results: &'r [Option<AppResult>],
    ended: &'r [Ended],
) -> Vec<SummaryRow<'r>> {
    let all = dirs.iter().zip(results).zip(ended);
    let row =
        |((dir, result), ended): ((&'r String, &'r Option<AppResult>), &'r Ended)| SummaryRow {
            app: dir,
            state: ended.state.word(),
            image: result
                .as_ref()
                .and_then(|result| result.document.as_deref()),
            took: ended.took,
            message: ended.fault.as_ref().map(|fault| &*fault.message),
        };
    all.map(row).collect()
}

/// Whether all apps ended well.
fn verdict(dirs: &[String], results: &[Option<AppResult>], ended: &[Ended]) -> Result<(), Error> {
    let of = |is_it: &dyn Fn(State) -> bool| -> Vec<String> {
        let all = dirs.iter().zip(ended);
        let found = all.filter(|(_, ended)| is_it(ended.state));
        found.map(|(dir, _)| dir.clone()).collect()
    };
    let failed = of(&|state| state == State::Failed);
    let codes = results.iter().flatten().filter_map(|result| result.code);
    let Some(code) = codes.max_by_key(|code| code.severity()) else {
        return Ok(());
    };
    Err(Error::Apps {
        failed,
        stopped: of(&|state| matches!(state, State::Stopped | State::Skipped)).len(),
        all: dirs.len(),
        code,
    })
}
