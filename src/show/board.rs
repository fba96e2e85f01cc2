//! [`Board`]: shows several apps that are built at once.
//!
//! Input: [`News`] of the apps. Output: rows of a terminal, lines that begin with the app's name, or
//! JSON objects with an `app`; at the end a table and each error. One thread shows all of it, so no
//! line of an app is cut by another one's.

mod json;
mod rows;

use std::io;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use indicatif::ProgressDrawTarget;

use crate::show::progress::{ProgressMode, human};
use crate::show::report;
use crate::show::seat::{Ended, News, State};
use crate::show::ui::Ui;

use rows::Rows;

/// The time between two redraws of a terminal.
pub const FRAME: Duration = Duration::from_millis(100);

/// The colours of apps' names before their lines, in turn.
const COLORS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Blue,
    AnsiColor::Magenta,
    AnsiColor::BrightCyan,
];

/// How several apps are shown: with rows on a terminal, else line by line.
pub fn mode(mode: ProgressMode, ui: &Ui) -> ProgressMode {
    match mode {
        ProgressMode::Auto if ui.terminal => ProgressMode::Tty,
        ProgressMode::Auto => ProgressMode::Plain,
        mode => mode,
    }
}

/// The apps of a run. It holds the streams: nothing else may print until [`Board::finish`].
pub struct Board<'u> {
    ui: &'u mut Ui,
    view: View,
    names: Vec<String>,
    ended: Vec<Option<Ended>>,
}

enum View {
    Rows(Box<Rows>),
    Plain,
    /// What each app has said so far; where sections fold, it is shown when the app has ended.
    Sections(Vec<Vec<String>>),
    Json,
    Quiet,
}

impl<'u> Board<'u> {
    /// Begins to show these apps.
    pub fn new(mode: ProgressMode, names: Vec<String>, ui: &'u mut Ui) -> Self {
        let view = match mode {
            ProgressMode::Tty => {
                let target = ProgressDrawTarget::stderr();
                View::Rows(Box::new(Rows::new(target, &names, ui.color())))
            }
            ProgressMode::Auto | ProgressMode::Plain if ui.has_sections() => {
                View::Sections(vec![Vec::new(); names.len()])
            }
            ProgressMode::Auto | ProgressMode::Plain => View::Plain,
            ProgressMode::Json => View::Json,
            ProgressMode::Quiet => View::Quiet,
        };
        Self {
            ended: vec![None; names.len()],
            ui,
            view,
            names,
        }
    }

    /// Shows news of an app. Errors in writing are no reason to end a build.
    pub fn show(&mut self, app: usize, news: News) {
        self.tell_trail();
        let shown = match &mut self.view {
            View::Rows(rows) => {
                let prefix = prefix(&self.names, app, self.ui.color());
                rows.show(app, &news, &prefix, Instant::now());
                Ok(())
            }
            View::Plain => match plain(&news) {
                Some(text) => {
                    let prefix = prefix(&self.names, app, self.ui.color());
                    writeln!(self.ui.err(), "{}", format!("{prefix}{text}").trim_end())
                }
                None => Ok(()),
            },
            View::Sections(said) => {
                match &news {
                    News::Line(line) => said[app].push(line.clone()),
                    News::Ended(ended) => {
                        let lines = std::mem::take(&mut said[app]);
                        section(&self.names[app], ended, &lines, self.ui);
                    }
                    _ => {}
                }
                let state = plain(&news).filter(|_| !matches!(news, News::Line(_)));
                let prefix = prefix(&self.names, app, self.ui.color());
                state.map_or(Ok(()), |text| writeln!(self.ui.err(), "{prefix}{text}"))
            }
            View::Json => json::line(&self.names[app], &news).and_then(|line| match line {
                Some(line) => writeln!(self.ui.err(), "{line}"),
                None => Ok(()),
            }),
            View::Quiet => Ok(()),
        };
        drop(shown.and_then(|()| self.ui.err().flush()));
        if let News::Ended(ended) = news {
            self.ended[app] = Some(*ended);
        }
    }

    /// Redraws a terminal.
    pub fn tick(&mut self) {
        if let View::Rows(rows) = &mut self.view {
            rows.tick(Instant::now());
        }
        self.tell_trail();
    }

    /// Shows what is decided and asked for all apps. Rows of a terminal would be torn, so there it comes
    /// at the end.
    fn tell_trail(&mut self) {
        if !matches!(self.view, View::Rows(_)) {
            self.ui.trail();
        }
    }

    /// Removes the rows.
    pub fn close(mut self) {
        if let View::Rows(rows) = &mut self.view {
            rows.clear();
        }
    }

    /// Removes the rows, and shows the table of all apps, if it is wanted, and each error. Returns how
    /// the apps ended.
    pub fn finish(self, with_table: bool) -> io::Result<Vec<Ended>> {
        let Self {
            ui,
            mut view,
            names,
            ended,
        } = self;
        let skipped = || Ended::unfinished(State::Skipped, None);
        let ended: Vec<Ended> = (ended.into_iter())
            .map(|ended| ended.unwrap_or_else(skipped))
            .collect();
        if let View::Rows(rows) = &mut view {
            rows.clear();
        }
        if matches!(view, View::Json) {
            writeln!(ui.err(), "{}", json::all(&names, &ended)?)?;
            return Ok(ended);
        }
        if with_table {
            ui.report(&format!("\n{}", report::apps(&names, &ended)))?;
        }
        let errors = errors(&names, &ended);
        for (at, (text, apps)) in errors.iter().enumerate() {
            if at > 0 {
                writeln!(ui.err())?;
            } else {
                ui.report("\n")?;
            }
            let label = ui.label("error:", AnsiColor::Red);
            write!(ui.err(), "{label} {}: {text}", apps.join(", "))?;
        }
        if !errors.is_empty() {
            writeln!(ui.err())?;
        }
        for (name, ended) in names.iter().zip(&ended) {
            if let Some(fault) = &ended.fault {
                ui.annotate(Some(name), fault);
            }
        }
        Ok(ended)
    }
}

/// The log of an app that has ended, folded.
fn section(name: &str, ended: &Ended, lines: &[String], ui: &mut Ui) {
    if lines.is_empty() {
        return;
    }
    let title = format!("{name}: {}", ended.state);
    ui.begin_section(&title);
    for line in lines {
        // Errors in writing are no reason to end a build.
        drop(writeln!(ui.err(), "{line}"));
    }
    ui.end_section(&title);
}

/// Each error once, with the apps that it is about.
fn errors<'e>(names: &'e [String], ended: &'e [Ended]) -> Vec<(&'e str, Vec<&'e str>)> {
    let mut errors: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, ended) in names.iter().zip(ended) {
        let Some(fault) = &ended.fault else { continue };
        match errors.iter_mut().find(|(text, _)| *text == fault.text) {
            Some((_, apps)) => apps.push(name),
            None => errors.push((&fault.text, vec![name])),
        }
    }
    errors
}

/// What stands before an app's lines.
fn prefix(names: &[String], app: usize, color: bool) -> String {
    let width = names.iter().map(|name| name.chars().count()).max();
    let width = width.unwrap_or_default();
    let prefix = format!("{:<width$} │ ", names[app]);
    if !color {
        return prefix;
    }
    let style = Style::new().fg_color(Some(COLORS[app % COLORS.len()].into()));
    format!("{style}{prefix}{style:#}")
}

/// The line for news, without the app's name.
fn plain(news: &News) -> Option<String> {
    match news {
        News::Line(line) => Some(line.clone()),
        // Planning takes a moment.
        News::State(State::Waiting | State::Planning) | News::Doing(_) => None,
        News::State(state) => Some(state.to_string()),
        News::Ended(ended) => {
            let mut state = ended.state.to_string();
            if let Some(took) = ended.took {
                state = format!("{state} after {}", human(took));
            }
            Some(outcome(&state, ended))
        }
    }
}

/// `verified: server:latest, 148.21 MB`, or what went wrong.
fn outcome(state: &str, ended: &Ended) -> String {
    let size = ended.size.map(report::size);
    let made: Vec<String> = ended.image.iter().cloned().chain(size).collect();
    let fault = ended.fault.as_ref().map(|fault| fault.message.clone());
    let told = fault.unwrap_or_else(|| made.join(", "));
    if told.is_empty() {
        state.to_owned()
    } else {
        format!("{state}: {told}")
    }
}

#[cfg(test)]
mod tests;
