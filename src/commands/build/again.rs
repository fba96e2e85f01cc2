//! Tries again what failed for a reason that may pass: a refused or broken connection, a service that
//! is unavailable or asks for patience.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::commands::error::{Error, ExitCode};
use crate::commands::warning::warn;
use crate::engine::Interrupt;
use crate::engine::docker::EngineError;
use crate::engine::retry::{self, PAUSES};
use crate::show::progress::ProgressMode;
use crate::show::seat::State;
use crate::show::ui::Ui;

/// How long such a second takes; in tests less.
const SECOND: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 1000 });
/// How often a pause looks for an interrupt.
const TICK: Duration = Duration::from_millis(20);

/// How retries are shown, and what ends them.
#[derive(Clone, Copy)]
pub(super) struct Patience<'p> {
    pub(super) mode: ProgressMode,
    /// `None` while a signal ends the process by itself.
    pub(super) interrupt: Option<&'p Interrupt>,
}

impl Patience<'_> {
    /// Runs an attempt, and again after each error that may pass.
    pub(super) fn retry<T>(
        self,
        ui: &mut Ui,
        mut attempt: impl FnMut(&mut Ui) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut passing: Option<Error> = None;
        for (at, seconds) in PAUSES.into_iter().enumerate() {
            match attempt(ui) {
                Err(error) if error.may_pass() => {
                    self.say(ui, &error, at + 1, seconds)?;
                    let before = ui.state();
                    let (number, of) = (at + 1, PAUSES.len());
                    ui.set_state(State::Retrying { number, of });
                    self.wait(seconds)?;
                    ui.set_state(before);
                    passing = Some(error);
                }
                done => return more_telling(done, passing),
            }
        }
        more_telling(attempt(ui), passing)
    }

    /// One line for a retry.
    fn say(self, ui: &mut Ui, error: &Error, number: usize, seconds: u32) -> Result<(), Error> {
        warn(&retry::said(error, number, seconds), self.mode, ui)
    }

    fn wait(self, seconds: u32) -> Result<(), Error> {
        let (pause, began) = (SECOND.saturating_mul(seconds), Instant::now());
        while began.elapsed() < pause {
            if self.interrupt.is_some_and(Interrupt::is_raised) {
                return Err(EngineError::Interrupted.into());
            }
            sleep(TICK.min(pause));
        }
        Ok(())
    }
}

/// The result of the last attempt. An engine that is gone for good says less than how it went.
fn more_telling<T>(last: Result<T, Error>, passing: Option<Error>) -> Result<T, Error> {
    match (last, passing) {
        (Err(last), Some(passing)) if last.exit_code() == ExitCode::NoEngine => Err(passing),
        (last, _) => last,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn failed(message: &str) -> Error {
        let error = EngineError::BuildFailed {
            step: None,
            message: message.to_owned(),
            exit_code: None,
        };
        error.into()
    }

    const UNAVAILABLE: &str = "unexpected status from HEAD request: 503 Service Unavailable";

    /// Runs these attempts. Returns the result, what was said, and how many were made.
    fn run(
        mode: ProgressMode,
        interrupt: Option<&Interrupt>,
        attempts: Vec<Result<u8, Error>>,
    ) -> (Result<u8, Error>, String, usize) {
        let err = Shared::default();
        let mut ui = Ui::plain(Box::new(std::io::sink()), Box::new(err.clone()));
        ui.set_json(mode == ProgressMode::Json);
        let mut attempts = attempts.into_iter();
        let mut made = 0;
        let done = Patience { mode, interrupt }.retry(&mut ui, |_| {
            made += 1;
            attempts.next().unwrap()
        });
        ui.flush();
        let said = String::from_utf8(err.0.lock().unwrap().clone()).unwrap();
        (done, said, made)
    }

    #[test]
    fn what_may_pass_is_tried_three_times_more() {
        let four = (0..4).map(|_| Err(failed(UNAVAILABLE))).collect();
        let (done, said, made) = run(ProgressMode::Plain, None, four);
        assert_eq!(made, 4);
        assert_eq!(done.unwrap_err().exit_code(), ExitCode::TryLater);
        let line = |pause, number| {
            format!(
                "warning: the build failed: {UNAVAILABLE}; trying again in {pause} s ({number} of 3)\n"
            )
        };
        assert_eq!(said, [line(1, 1), line(2, 2), line(4, 3)].concat());
    }

    #[test]
    fn what_passes_is_done() {
        let attempts = vec![Err(failed(UNAVAILABLE)), Ok(7)];
        let (done, said, made) = run(ProgressMode::Json, None, attempts);
        assert_eq!((done.unwrap(), made), (7, 2));
        let event: serde_json::Value = serde_json::from_str(said.trim_end()).unwrap();
        assert_eq!(event["event"], "warning");
    }

    #[test]
    fn what_stays_is_not_tried_again() {
        let (done, said, made) = run(ProgressMode::Plain, None, vec![Err(failed("not found"))]);
        assert_eq!((made, &*said), (1, ""));
        assert_eq!(done.unwrap_err().exit_code(), ExitCode::Build);
    }

    #[test]
    fn an_interrupt_ends_the_wait() {
        let (trigger, interrupt) = Interrupt::by_hand();
        trigger.raise();
        let attempts = vec![Err(failed(UNAVAILABLE))];
        let (done, _, made) = run(ProgressMode::Quiet, Some(&interrupt), attempts);
        assert_eq!(made, 1);
        assert!(done.unwrap_err().is_interrupt());
    }

    #[test]
    fn how_an_engine_went_is_told_rather_than_that_it_is_gone() {
        let gone = EngineError::Client(std::io::ErrorKind::NotFound.into());
        let attempts = vec![Err(failed(UNAVAILABLE)), Err(gone.into())];
        let (done, _, made) = run(ProgressMode::Quiet, None, attempts);
        assert_eq!(made, 2);
        assert_eq!(done.unwrap_err().exit_code(), ExitCode::TryLater);
    }
}
