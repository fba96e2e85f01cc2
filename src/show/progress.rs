//! [`Progress`]: shows a build on stderr.
//!
//! Input: an engine's [`Event`]s. Output: lines, a live view of the terminal or JSON, and at the
//! end a [`Summary`] for the report. It decides nothing, and it ignores write errors: they are no
//! reason to end a build.

mod json;
mod lines;
mod masked;
mod plain;
mod seated;
mod steps;
mod tty;
mod words;

use std::fmt;
use std::io::Write;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anstyle::AnsiColor;

use crate::engine::Event;
use crate::show::events::{self, Told};
use crate::show::ui::Ui;
use crate::system::trail;

pub use words::Installs;

use masked::Masked;
use steps::Steps;

/// How to show a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProgressMode {
    /// [`Tty`](Self::Tty) if stderr is a terminal, otherwise [`Plain`](Self::Plain).
    #[default]
    Auto,
    /// A live view: finished steps are lines, running ones move, and a failed step's log is shown.
    Tty,
    /// A line for each event, including logs.
    Plain,
    /// A JSON object for each event; see [`Told`].
    Json,
    /// Only the log of a failed step.
    Quiet,
}

impl ProgressMode {
    /// All modes in the order in which help lists them.
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

/// The text is not a [`ProgressMode`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown progress mode `{0}`: use `auto`, `tty`, `plain`, `json` or `quiet`")]
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

/// The numbers of a build.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// The instructions of the Dockerfile that were needed.
    pub steps: usize,
    /// How many of them came from the cache.
    pub cached: usize,
    /// The bytes of the context that were sent.
    pub context: u64,
    /// The time since the progress started.
    pub took: Duration,
    /// The first step that failed.
    pub failed: Option<FailedStep>,
}

impl Summary {
    /// The numbers of this build and of one after it.
    #[must_use]
    pub fn and(self, next: Self) -> Self {
        Self {
            steps: self.steps + next.steps,
            cached: self.cached + next.cached,
            context: self.context + next.context,
            took: self.took + next.took,
            failed: self.failed.or(next.failed),
        }
    }
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedStep {
    /// Its name in the engine.
    pub name: String,
    /// Its output, without terminal escapes.
    pub log: Vec<String>,
}

/// Shows a build while it runs. It holds the streams: nothing else may print until
/// [`Progress::finish`].
pub struct Progress<'a> {
    ui: &'a mut Ui,
    view: View,
    masked: Masked,
    steps: Steps,
    began: Instant,
    /// The title of the folded part of the log that this is.
    section: Option<String>,
}

enum View {
    Tty(tty::Tty),
    /// A row of several, which another thread draws.
    Seated(seated::Seated),
    Plain(plain::Plain),
    Json,
    Quiet,
}

impl<'a> Progress<'a> {
    /// Starts to show a build.
    pub fn new(mode: ProgressMode, ui: &'a mut Ui) -> Self {
        // Programs that read JSON want plain text.
        let steps = Steps::new(ui.color() && mode != ProgressMode::Json);
        let seat = ui.seat().filter(|_| mode == ProgressMode::Tty).cloned();
        let view = match (mode, seat) {
            (_, Some(seat)) => View::Seated(seated::Seated::new(seat)),
            (ProgressMode::Auto, None) if ui.terminal => View::Tty(tty::Tty::on_stderr(ui.color())),
            (ProgressMode::Tty, None) => View::Tty(tty::Tty::on_stderr(ui.color())),
            (ProgressMode::Auto | ProgressMode::Plain, None) => {
                View::Plain(plain::Plain::default())
            }
            (ProgressMode::Json, None) => View::Json,
            (ProgressMode::Quiet, None) => View::Quiet,
        };
        let mask = ui.mask().clone();
        let section = match (&view, ui.app()) {
            (View::Plain(_), Some(app)) if ui.has_sections() => Some(format!("{app}: steps")),
            _ => None,
        };
        if let Some(title) = &section {
            ui.begin_section(title);
        }
        Self {
            section,
            view,
            masked: Masked::new(&mask),
            steps: steps.hiding(&mask),
            ui,
            began: Instant::now(),
        }
    }

    /// The same for a build whose installs are about so many packages.
    #[must_use]
    pub fn counting(mut self, installs: Installs) -> Self {
        match &mut self.view {
            View::Tty(tty) => tty.counting(installs),
            View::Seated(seated) => seated.installs = installs,
            View::Plain(_) | View::Json | View::Quiet => {}
        }
        self
    }

    /// Shows what happens outside of the engine's steps: `reading the workspace`, `building
    /// shop/server:latest`.
    pub fn note(&mut self, message: &str) {
        self.trail();
        match &self.view {
            View::Tty(tty) => tty.note(&lines::clean(message, false)),
            View::Plain(_) => self.print(|err| writeln!(err, "{message}")),
            View::Json => self.print(|err| events::write(err, Told::Note { message })),
            View::Seated(_) | View::Quiet => {}
        }
    }

    /// Shows an event.
    pub fn event(&mut self, event: &Event) {
        self.trail();
        for event in self.masked.apply(event) {
            self.show(&event);
        }
    }

    /// Shows what this thread decided and asked, and nobody showed yet.
    fn trail(&mut self) {
        for note in trail::take() {
            match &self.view {
                View::Tty(tty) => tty.line(&self.ui.noted_line(&note)),
                // Write errors are ignored; see the module's docs.
                _ => drop(self.ui.noted(&note)),
            }
        }
    }

    /// Shows an event whose secrets are masked.
    fn show(&mut self, event: &Event) {
        let lines = self.steps.apply(event);
        let event = &match &self.view {
            // JSON escapes its strings, so they are passed on unchanged.
            View::Json => event.clone(),
            _ => spoken(event),
        };
        match &mut self.view {
            View::Tty(tty) => tty.show(event, &lines, &self.steps),
            View::Plain(plain) => {
                let text = plain.text(event, &lines, &self.steps);
                self.print(|err| write!(err, "{text}"));
            }
            View::Seated(seated) => {
                if let Event::Warning { message } = event {
                    self.print(|err| writeln!(err, "warning: {message}"));
                } else {
                    seated.show(event, &lines, &self.steps);
                }
            }
            View::Json => self.print(|err| json::event(err, event, &lines)),
            View::Quiet => {}
        }
    }

    /// Clears the live view, shows the log of a failed step, and sums up.
    pub fn finish(mut self) -> Summary {
        if let View::Tty(tty) = &self.view {
            tty.finish();
        }
        self.ui.trail();
        if let Some(title) = &self.section {
            self.ui.end_section(title);
        }
        let failed = self.steps.failed();
        if let Some(failed) = &failed {
            let skipped = match self.view {
                // The log was shown already, but lines of other steps may have come between.
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
        // Write errors are ignored; see the module's docs.
        let _shown = write(err).and_then(|()| err.flush());
    }
}

/// An event whose text cannot control a terminal. Logs have been split into lines.
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

/// How many lines of a failed step's log are repeated if the log was shown already.
const LAST_LINES: usize = 20;

/// `0.3s`, `12.0s`, `2m 05s`.
pub fn human(duration: Duration) -> String {
    if duration.as_secs() < 60 {
        return format!("{:.1}s", duration.as_secs_f64());
    }
    let seconds = duration.as_secs();
    format!("{}m {:02}s", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests;
