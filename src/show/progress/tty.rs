//! The live view: finished steps are lines, running ones move below, and a heading shows the
//! overall progress.
//!
//! Its own thread redraws it, because engines can be silent for minutes. Steps that end at once
//! never move.

mod rows;

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::ProgressDrawTarget;

use crate::engine::Event;

use super::steps::{LogLine, Steps};
use super::words::Installs;

pub(super) use rows::without_mounts;

use rows::Rows;

/// The time between two redraws.
const FRAME: Duration = Duration::from_millis(100);

/// A terminal that is drawn on.
pub(super) struct Tty {
    rows: Arc<Mutex<Rows>>,
    ticker: Option<Ticker>,
}

struct Ticker {
    /// Dropping it ends the thread.
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Tty {
    /// Draws on stderr. indicatif handles the width and the cursor.
    pub(super) fn on_stderr(color: bool) -> Self {
        let rows = Rows::new(ProgressDrawTarget::stderr(), color);
        let rows = Arc::new(Mutex::new(rows));
        let (stop, stopped) = channel();
        let redrawn = rows.clone();
        let thread = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(FRAME) == Err(RecvTimeoutError::Timeout) {
                    lock(&redrawn).tick(Instant::now());
                }
            });
        // Without a thread, the view changes only with events. That is no reason to fail.
        let ticker = thread.ok().map(|thread| Ticker { stop, thread });
        Self { rows, ticker }
    }

    /// Says how many packages are installed.
    pub(super) fn counting(&self, installs: Installs) {
        lock(&self.rows).installs = installs;
    }

    /// Changes the heading.
    pub(super) fn note(&self, message: &str) {
        lock(&self.rows).title(message);
    }

    /// Prints a line above the moving rows.
    pub(super) fn line(&self, line: &str) {
        lock(&self.rows).print(line);
    }

    /// Shows an event.
    pub(super) fn show(&self, event: &Event, lines: &[LogLine], steps: &Steps) {
        lock(&self.rows).show(event, lines, steps, Instant::now());
    }

    /// Removes the live view; the lines above stay.
    pub(super) fn finish(&self) {
        lock(&self.rows).clear();
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        if let Some(Ticker { stop, thread }) = self.ticker.take() {
            drop(stop);
            // A panic in it has been printed already.
            let _ended = thread.join();
        }
        lock(&self.rows).clear();
    }
}

/// The rows can still be cleared after a panic.
fn lock(rows: &Mutex<Rows>) -> MutexGuard<'_, Rows> {
    rows.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
