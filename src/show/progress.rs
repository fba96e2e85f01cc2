//! [`Progress`]: what a person sees of a build, on stderr.
//!
//! An engine's [`Event`]s go in; lines, a live view of the terminal or JSON come out, and at the end a [`Summary`] for the report. It decides
//! nothing, and what cannot be shown is no reason to end a build: errors of the stream are ignored.

mod json;
mod lines;
mod masked;
mod plain;
mod steps;
mod tty;

use std::fmt;
use std::io::Write;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anstyle::AnsiColor;

use crate::engine::Event;
use crate::show::ui::Ui;

use masked::Masked;
use steps::Steps;

/// How to show a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProgressMode {
    /// [`Tty`](Self::Tty) where stderr is a terminal, [`Plain`](Self::Plain) elsewhere.
    #[default]
    Auto,
    /// A live view: what ended is a line, what runs moves, and the log of a step is shown when it fails.
    Tty,
    /// A line for all that happens, logs included.
    Plain,
    /// A JSON object for all that happens; `progress/json.rs` lists them.
    Json,
    /// Nothing but the log of a step that fails.
    Quiet,
}

impl ProgressMode {
    /// Every mode, in the order in which help should list them.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Tty, Self::Plain, Self::Json, Self::Quiet];
}

impl fmt::Display for ProgressMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::Tty => "tty",
            Self::Plain => "plain",
            Self::Json => "json",
            Self::Quiet => "quiet",
        })
    }
}

/// A text is no [`ProgressMode`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no way to show progress: it is one of `auto`, `tty`, `plain`, `json` and `quiet`"
)]
pub struct UnknownMode(String);

impl FromStr for ProgressMode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.to_string() == text)
            .ok_or_else(|| UnknownMode(text.to_owned()))
    }
}

/// What happened in a build, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Instructions of the Dockerfile that were needed.
    pub steps: usize,
    /// Those that came from the cache.
    pub cached: usize,
    /// Bytes of the context that were sent.
    pub context: u64,
    /// Since the progress began.
    pub took: Duration,
    /// The step that failed first.
    pub failed: Option<FailedStep>,
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedStep {
    /// As the engine words it.
    pub name: String,
    /// What it wrote, without what only a terminal understands.
    pub log: Vec<String>,
}

/// Shows a build while it happens. It holds the streams: nobody else may print until [`Progress::finish`].
pub struct Progress<'a> {
    ui: &'a mut Ui,
    view: View,
    masked: Masked,
    steps: Steps,
    began: Instant,
}

enum View {
    Tty(tty::Tty),
    Plain(plain::Plain),
    Json,
    Quiet,
}

impl<'a> Progress<'a> {
    /// Begins to show a build.
    pub fn new(mode: ProgressMode, ui: &'a mut Ui) -> Self {
        // Programs that read JSON want text alone.
        let steps = Steps::new(ui.color() && mode != ProgressMode::Json);
        let view = match mode {
            ProgressMode::Auto if ui.terminal => View::Tty(tty::Tty::on_stderr(ui.color())),
            ProgressMode::Tty => View::Tty(tty::Tty::on_stderr(ui.color())),
            ProgressMode::Auto | ProgressMode::Plain => View::Plain(plain::Plain::default()),
            ProgressMode::Json => View::Json,
            ProgressMode::Quiet => View::Quiet,
        };
        let mask = ui.mask().clone();
        Self {
            view,
            masked: Masked::new(&mask),
            steps: steps.hiding(&mask),
            ui,
            began: Instant::now(),
        }
    }

    /// Says what goes on apart from the engine's steps: `reading the workspace`, `building shop/server:latest`.
    pub fn note(&mut self, message: &str) {
        match &self.view {
            View::Tty(tty) => tty.note(&lines::clean(message, false)),
            View::Plain(_) => self.print(|err| writeln!(err, "{message}")),
            View::Json => self.print(|err| json::note(err, message)),
            View::Quiet => {}
        }
    }

    /// Shows an event.
    pub fn event(&mut self, event: &Event) {
        for event in self.masked.apply(event) {
            self.show(&event);
        }
    }

    /// Shows an event that holds no secret any more.
    fn show(&mut self, event: &Event) {
        let lines = self.steps.apply(event);
        let event = &match &self.view {
            // Strings of JSON are escaped, and told as they are.
            View::Json => event.clone(),
            _ => spoken(event),
        };
        match &mut self.view {
            View::Tty(tty) => tty.show(event, &lines, &self.steps),
            View::Plain(plain) => {
                let text = plain.text(event, &lines, &self.steps);
                self.print(|err| write!(err, "{text}"));
            }
            View::Json => self.print(|err| json::event(err, event, &lines)),
            View::Quiet => {}
        }
    }

    /// Clears what moves, shows the log of a step that failed, and sums up.
    pub fn finish(mut self) -> Summary {
        if let View::Tty(tty) = &self.view {
            tty.finish();
        }
        let failed = self.steps.failed();
        if let Some(failed) = &failed {
            let skipped = match self.view {
                // The log stands above, but other steps' lines may have come between.
                View::Plain(_) => failed.log.len().saturating_sub(LAST_LINES),
                _ => 0,
            };
            if !matches!(self.view, View::Json) && !failed.log.is_empty() {
                self.show_log(failed, skipped);
            }
        }
        Summary {
            took: self.began.elapsed(),
            failed,
            ..self.steps.summary()
        }
    }

    fn show_log(&mut self, failed: &FailedStep, skipped: usize) {
        let mark = self.ui.label("✗", AnsiColor::Red);
        let name = failed.name.clone();
        self.print(|err| {
            writeln!(err, "{mark} {name}")?;
            if skipped > 0 {
                writeln!(err, "  │ … {skipped} lines above")?;
            }
            for line in &failed.log[skipped..] {
                writeln!(err, "{}", format!("  │ {line}").trim_end())?;
            }
            Ok(())
        });
    }

    fn print(&mut self, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) {
        let err = self.ui.err();
        // See the module's words on errors of the stream.
        let _shown = write(err).and_then(|()| err.flush());
    }
}

/// An event whose words do nothing on a terminal. Logs are lines by then.
fn spoken(event: &Event) -> Event {
    let mut event = event.clone();
    match &mut event {
        Event::StepFailed { message, .. } | Event::Warning { message } => {
            *message = lines::clean(&message.replace(['\n', '\r'], " "), false);
        }
        Event::Transfer { what, .. } => *what = lines::clean(what, false),
        Event::StepKnown { name, .. } => *name = lines::clean(&name.replace('\n', " "), false),
        Event::Log { bytes, .. } => bytes.clear(),
        _ => {}
    }
    event
}

/// How much of a failed step's log is repeated where the log was shown already.
const LAST_LINES: usize = 20;

/// `0.3s`, `12.0s`, `2m 05s`.
fn human(duration: Duration) -> String {
    if duration.as_secs() < 60 {
        return format!("{:.1}s", duration.as_secs_f64());
    }
    let seconds = duration.as_secs();
    format!("{}m {:02}s", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests;
