//! The rows on the terminal. The caller passes the time, so that tests can control it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use indicatif::{DecimalBytes, MultiProgress, ProgressBar, ProgressDrawTarget};

use crate::engine::{Event, StepId, StepKind};
use crate::show::looks::{self, COLUMN};
use crate::show::progress::human;
use crate::show::progress::steps::{LogLine, Steps};
use crate::show::progress::words::{Installs, Said, said};

/// Steps that end sooner never move.
const SPINNER_DELAY: Duration = Duration::from_millis(250);
/// The engine's own work gets a line only if it takes this long.
const ENGINE_STEP_DELAY: Duration = Duration::from_secs(1);
/// Keeps a line within 80 columns: a wrapped line cannot be repaired when the terminal grows. The
/// row of a running step may take the full width, and the name of a failed step is shown whole.
const NAME: usize = 68;

const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// The moving rows.
pub(super) struct Rows {
    screen: MultiProgress,
    color: bool,
    began: Instant,
    title: String,
    count: (usize, usize),
    pub(super) installs: Installs,
    /// An empty row above all others, and the heading below them. A terminal shows Ctrl-C as `^C`
    /// on a row of its own, which indicatif does not count. It then clears one row too few, which
    /// is the empty one.
    frame: Option<(ProgressBar, ProgressBar)>,
    /// The row of the context's upload has no step.
    running: BTreeMap<Option<StepId>, Row>,
}

struct Row {
    name: String,
    patience: Duration,
    started: Instant,
    detail: String,
    transfers: BTreeMap<String, Transfer>,
    bar: Option<ProgressBar>,
    detail_bar: Option<ProgressBar>,
}

struct Transfer {
    current: u64,
    total: Option<u64>,
    done: bool,
}

impl Rows {
    pub(super) fn new(target: ProgressDrawTarget, color: bool) -> Self {
        Self {
            screen: MultiProgress::with_draw_target(target),
            color,
            began: Instant::now(),
            title: "building".to_owned(),
            count: (0, 0),
            installs: Installs::default(),
            frame: None,
            running: BTreeMap::new(),
        }
    }

    pub(super) fn title(&mut self, title: &str) {
        title.clone_into(&mut self.title);
    }

    /// Shows an event.
    pub(super) fn show(&mut self, event: &Event, lines: &[LogLine], steps: &Steps, now: Instant) {
        self.count = steps.count();
        match event {
            Event::ContextSent { bytes, done } => self.context(*bytes, *done, now),
            Event::StepStarted { step } => {
                if let Some(known) = steps.get(*step) {
                    let Said { words, is_small } = said(&known.name, self.installs);
                    let patience = match known.kind {
                        StepKind::Instruction if !is_small => SPINNER_DELAY,
                        _ => ENGINE_STEP_DELAY,
                    };
                    let name = without_mounts(&words);
                    self.running
                        .insert(Some(*step), Row::new(name, patience, now));
                }
            }
            Event::Log { step, .. } => {
                if let (Some(row), Some(line)) = (
                    self.running.get_mut(&Some(*step)),
                    lines.iter().rfind(|line| !line.text.is_empty()),
                ) {
                    row.detail.clone_from(&line.text);
                }
            }
            Event::Transfer {
                step,
                what,
                current,
                total,
                done,
            } => {
                if let Some(row) = self.running.get_mut(&Some(*step)) {
                    let (current, total, done) = (*current, *total, *done);
                    let transfer = Transfer {
                        current,
                        total,
                        done,
                    };
                    row.transfers.insert(what.clone(), transfer);
                    row.detail = row.moved();
                }
            }
            Event::StepCached { step } => {
                self.remove(Some(*step));
                if let Some(known) = steps.get(*step)
                    && known.kind == StepKind::Instruction
                {
                    let Said { words, is_small } = said(&known.name, self.installs);
                    if !is_small {
                        let line = format!("✓ {:>COLUMN$}  {}", "CACHED", short(&words));
                        self.print(&self.paint(DIM, &line));
                    }
                }
            }
            Event::StepDone { step, took } => {
                self.remove(Some(*step));
                if let Some(known) = steps.get(*step) {
                    let Said { words, is_small } = said(&known.name, self.installs);
                    let tells = known.kind == StepKind::Instruction && !is_small;
                    if tells || *took >= ENGINE_STEP_DELAY {
                        self.done(*took, &short(&words));
                    }
                }
            }
            // A failed step's log is shown at the end, when nothing moves any more.
            Event::StepFailed { step, .. } | Event::StepCancelled { step } => {
                self.remove(Some(*step));
            }
            Event::Warning { message } => {
                self.print(&format!("{} {message}", self.paint(YELLOW, "warning:")));
            }
            Event::StepKnown { .. } => {}
        }
    }

    /// Redraws rows that have been there for a while.
    pub(super) fn tick(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.began);
        if elapsed < SPINNER_DELAY {
            return;
        }
        let (row_style, detail_style) = (looks::moving(self.color), looks::below(self.color, 4));
        let (_, heading) = self.frame.get_or_insert_with(|| {
            let empty = ProgressBar::no_length().with_style(detail_style.clone());
            let heading = ProgressBar::no_length().with_style(row_style.clone());
            let (empty, heading) = (self.screen.add(empty), self.screen.add(heading));
            empty.tick();
            (empty, heading)
        });
        let title = match self.count {
            (_, 0) => self.title.clone(),
            (ended, all) => format!("{} · {ended} of {all} steps", self.title),
        };
        redraw(heading, elapsed, title);
        for row in self.running.values_mut() {
            let elapsed = now.saturating_duration_since(row.started);
            if elapsed < row.patience {
                continue;
            }
            let bar = row.bar.get_or_insert_with(|| {
                let bar = ProgressBar::no_length().with_style(row_style.clone());
                self.screen.insert_before(heading, bar)
            });
            redraw(bar, elapsed, row.name.clone());
            if !row.detail.is_empty() {
                let detail = row.detail_bar.get_or_insert_with(|| {
                    let detail = ProgressBar::no_length().with_style(detail_style.clone());
                    self.screen.insert_after(bar, detail)
                });
                detail.set_message(row.detail.clone());
            }
        }
    }

    /// Removes the moving rows.
    pub(super) fn clear(&mut self) {
        for row in std::mem::take(&mut self.running).into_values() {
            self.forget(row);
        }
        if let Some((empty, heading)) = self.frame.take() {
            heading.finish_and_clear();
            empty.finish_and_clear();
        }
    }

    fn context(&mut self, bytes: u64, done: bool, now: Instant) {
        let row = self
            .running
            .entry(None)
            .or_insert_with(|| Row::new("sending the context".to_owned(), SPINNER_DELAY, now));
        row.detail = DecimalBytes(bytes).to_string();
        if done {
            let took = now.saturating_duration_since(row.started);
            self.remove(None);
            self.done(took, &format!("context sent, {}", DecimalBytes(bytes)));
        }
    }

    fn done(&self, took: Duration, name: &str) {
        let mark = self.paint(GREEN, "✓");
        let took = self.paint(DIM, &format!("{:>COLUMN$}", human(took)));
        self.print(&format!("{mark} {took}  {name}"));
    }

    fn remove(&mut self, row: Option<StepId>) {
        if let Some(row) = self.running.remove(&row) {
            self.forget(row);
        }
    }

    fn forget(&self, row: Row) {
        for bar in [row.detail_bar, row.bar].into_iter().flatten() {
            bar.finish_and_clear();
            self.screen.remove(&bar);
        }
    }

    /// Prints a line above the moving rows.
    pub(super) fn print(&self, line: &str) {
        // If the terminal cannot be written to, there is nowhere to report it.
        let _printed = self.screen.println(line);
    }

    fn paint(&self, style: Style, text: &str) -> String {
        looks::paint(self.color, style, text)
    }
}

impl Row {
    fn new(name: String, patience: Duration, started: Instant) -> Self {
        Self {
            name,
            patience,
            started,
            detail: String::new(),
            transfers: BTreeMap::new(),
            bar: None,
            detail_bar: None,
        }
    }

    /// All transfers of a step on one line: `31.2 MB of 87.4 MB`, or the name of the current one if
    /// bytes are not counted.
    fn moved(&self) -> String {
        let sum = |bytes: fn(&Transfer) -> u64| self.transfers.values().map(bytes).sum();
        let current = sum(|transfer| transfer.current);
        let total = sum(|transfer| transfer.total.unwrap_or(transfer.current));
        if total > current {
            return format!("{} of {}", DecimalBytes(current), DecimalBytes(total));
        }
        let running = self
            .transfers
            .iter()
            .find(|(_, transfer)| !transfer.done && transfer.current == 0);
        match running {
            Some((what, _)) => what.trim_end_matches(':').to_owned(),
            None if current > 0 => DecimalBytes(current).to_string(),
            None => String::new(),
        }
    }
}

fn redraw(bar: &ProgressBar, elapsed: Duration, message: String) {
    bar.set_prefix(human(elapsed));
    bar.set_message(message);
    bar.tick();
}

/// A step's name for a line that stays.
pub(super) fn short(name: &str) -> String {
    let name = without_mounts(name);
    if name.chars().count() <= NAME {
        return name;
    }
    let kept: String = name.chars().take(NAME - 1).collect();
    kept + "…"
}

/// A step's name without flags that every build has.
pub(in crate::show::progress) fn without_mounts(name: &str) -> String {
    let words = name.split(' ').filter(|word| !word.starts_with("--mount="));
    words.collect::<Vec<_>>().join(" ")
}
