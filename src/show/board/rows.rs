//! The rows of a terminal: one for each app that runs, with its step and the last line of its log
//! below. Apps that have ended are lines above, those that wait are named in the heading.

use std::collections::BTreeMap;
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

use crate::show::looks::{self, COLUMN};
use crate::show::progress::human;
use crate::show::seat::{Doing, News, State};

use super::outcome;

/// How many running apps unfold. With more, the rows would leave the screen.
const UNFOLDED: usize = 5;
/// How many waiting apps the heading names.
const NAMED: usize = 3;
/// Keeps a line within 80 columns: a wrapped line cannot be repaired when the terminal grows.
const WIDTH: usize = 78;

const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const DIM: Style = Style::new().dimmed();

/// The moving rows.
pub(super) struct Rows {
    screen: MultiProgress,
    color: bool,
    began: Instant,
    /// The apps' names, padded to one width.
    names: Vec<String>,
    states: Vec<State>,
    /// An empty row above all others, as terminals show Ctrl-C as `^C` on a row of its own, and the
    /// heading below them.
    frame: Option<(ProgressBar, ProgressBar)>,
    running: BTreeMap<usize, Row>,
}

struct Row {
    began: Instant,
    doing: Doing,
    bar: ProgressBar,
    step: Option<ProgressBar>,
    detail: Option<ProgressBar>,
}

impl Rows {
    pub(super) fn new(target: ProgressDrawTarget, names: &[String], color: bool) -> Self {
        let width = names.iter().map(|name| name.chars().count()).max();
        let width = width.unwrap_or_default();
        Self {
            screen: MultiProgress::with_draw_target(target),
            color,
            began: Instant::now(),
            names: names.iter().map(|name| format!("{name:<width$}")).collect(),
            states: vec![State::Waiting; names.len()],
            frame: None,
            running: BTreeMap::new(),
        }
    }

    /// Shows news. `prefix` stands before an app's lines.
    pub(super) fn show(&mut self, app: usize, news: &News, prefix: &str, now: Instant) {
        match news {
            News::Line(line) => self.print(&format!("{prefix}{line}")),
            News::State(state) => {
                self.states[app] = *state;
                // Planning takes no time that is worth a row.
                match state {
                    State::Waiting | State::Planning => self.remove(app),
                    _ => self.begin(app, now),
                }
            }
            News::Doing(doing) => {
                if let Some(row) = self.running.get_mut(&app) {
                    row.doing.clone_from(doing);
                }
            }
            News::Ended(ended) => {
                self.states[app] = ended.state;
                self.remove(app);
                let (style, mark) = match ended.state {
                    state if state.is_success() => (GREEN, "✓"),
                    State::Failed => (RED, "✗"),
                    _ => (YELLOW, "-"),
                };
                let took = ended.took.map(human).unwrap_or_default();
                let line = format!(
                    "{}  {}",
                    self.names[app],
                    outcome(ended.state.word(), ended)
                );
                let line = short(&line, WIDTH - COLUMN - 4);
                let mark = self.paint(style, mark);
                let took = self.paint(DIM, &format!("{took:>COLUMN$}"));
                self.print(&format!("{mark} {took}  {line}"));
            }
        }
        self.tick(now);
    }

    /// Redraws all rows.
    pub(super) fn tick(&mut self, now: Instant) {
        let (row_style, inner_style) = (looks::moving(self.color), looks::below(self.color, 6));
        self.frame();
        let heading = self.heading();
        if let Some((_, bar)) = &self.frame {
            redraw(bar, now.saturating_duration_since(self.began), heading);
        }
        let unfolds = self.running.len() <= UNFOLDED;
        for (app, row) in &mut self.running {
            let state = self.states[*app];
            let mut told = format!("{}  {state}", self.names[*app]);
            if let (ended, all @ 1..) = row.doing.count {
                told = format!("{told} · {ended} of {all} steps");
            }
            if !unfolds && !row.doing.step.is_empty() {
                told = format!("{told} · {}", row.doing.step);
            }
            row.bar.set_style(row_style.clone());
            redraw(&row.bar, now.saturating_duration_since(row.began), told);
            let shown = |text: &str| unfolds && !text.is_empty();
            if shown(&row.doing.step) {
                let bar = row.step.get_or_insert_with(|| {
                    let bar = ProgressBar::no_length().with_style(inner_style.clone());
                    self.screen.insert_after(&row.bar, bar)
                });
                bar.set_message(row.doing.step.clone());
            } else {
                forget(&self.screen, row.step.take());
            }
            match &row.step {
                Some(step) if shown(&row.doing.detail) => {
                    let bar = row.detail.get_or_insert_with(|| {
                        let bar = ProgressBar::no_length().with_style(inner_style.clone());
                        self.screen.insert_after(step, bar)
                    });
                    bar.set_message(format!("  {}", row.doing.detail));
                }
                _ => forget(&self.screen, row.detail.take()),
            }
        }
    }

    /// Removes the rows; the lines above stay.
    pub(super) fn clear(&mut self) {
        let apps: Vec<usize> = self.running.keys().copied().collect();
        for app in apps {
            self.remove(app);
        }
        if let Some((empty, heading)) = self.frame.take() {
            heading.finish_and_clear();
            empty.finish_and_clear();
        }
    }

    /// `2 of 10 apps · 5 waiting: apps/a, apps/b, apps/c, …`
    fn heading(&self) -> String {
        let of = |is_it: &dyn Fn(State) -> bool| -> Vec<&str> {
            let names = self.names.iter().zip(&self.states);
            let names = names.filter(|(_, state)| is_it(**state));
            names.map(|(name, _)| name.trim_end()).collect()
        };
        let ended = of(&|state| state.is_success() || state == State::Failed);
        let waiting = of(&|state| matches!(state, State::Waiting | State::Planning));
        let mut heading = format!("{} of {} apps", ended.len(), self.names.len());
        if !waiting.is_empty() {
            let named = waiting.len().min(NAMED);
            let more = if waiting.len() > named { ", …" } else { "" };
            let (count, named) = (waiting.len(), waiting[..named].join(", "));
            heading = format!("{heading} · {count} waiting: {named}{more}");
        }
        heading
    }

    fn frame(&mut self) {
        if self.frame.is_none() {
            let empty = ProgressBar::no_length().with_style(looks::below(self.color, 6));
            let heading = ProgressBar::no_length().with_style(looks::moving(self.color));
            let (empty, heading) = (self.screen.add(empty), self.screen.add(heading));
            empty.tick();
            self.frame = Some((empty, heading));
        }
    }

    fn begin(&mut self, app: usize, now: Instant) {
        self.frame();
        let Some((_, heading)) = &self.frame else {
            return;
        };
        let (screen, style) = (&self.screen, looks::moving(self.color));
        self.running.entry(app).or_insert_with(|| Row {
            began: now,
            doing: Doing::default(),
            bar: screen.insert_before(heading, ProgressBar::no_length().with_style(style)),
            step: None,
            detail: None,
        });
    }

    fn remove(&mut self, app: usize) {
        if let Some(row) = self.running.remove(&app) {
            for bar in [row.detail, row.step, Some(row.bar)] {
                forget(&self.screen, bar);
            }
        }
    }

    /// Prints a line above the rows.
    fn print(&self, line: &str) {
        // If the terminal cannot be written to, there is nowhere to report it.
        let _printed = self.screen.println(line);
    }

    fn paint(&self, style: Style, text: &str) -> String {
        looks::paint(self.color, style, text)
    }
}

fn forget(screen: &MultiProgress, bar: Option<ProgressBar>) {
    if let Some(bar) = bar {
        bar.finish_and_clear();
        screen.remove(&bar);
    }
}

fn redraw(bar: &ProgressBar, elapsed: std::time::Duration, message: String) {
    bar.set_prefix(human(elapsed));
    bar.set_message(message);
    bar.tick();
}

/// The text, cut after this many characters.
fn short(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width - 1).collect();
    kept + "…"
}
