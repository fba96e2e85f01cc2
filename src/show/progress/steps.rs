//! [`Steps`]: the known state of a build's steps, for all views.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::{Event, LogStream, StepId, StepKind};
use crate::system::mask::Mask;

use super::lines::{Lines, clean};
use super::plain::is_noise;
use super::{FailedStep, Summary};

/// The steps known so far.
#[derive(Debug, Default)]
pub(super) struct Steps {
    mask: Mask,
    known: BTreeMap<StepId, Step>,
    failed: Option<StepId>,
    context: u64,
    /// Whether colours of logs are kept.
    colors: bool,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Step {
    /// On one line.
    pub(super) name: String,
    pub(super) kind: StepKind,
    outcome: Option<Outcome>,
    out: Lines,
    err: Lines,
    last: Duration,
    log: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Cached,
    Done,
    Failed,
}

/// A whole line of a step's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogLine {
    pub(super) stream: LogStream,
    pub(super) at: Duration,
    pub(super) text: String,
}

impl Steps {
    /// The same, with masked lines.
    pub(super) fn hiding(self, mask: &Mask) -> Self {
        let mask = mask.clone();
        Self { mask, ..self }
    }

    /// Nothing was heard yet.
    pub(super) fn new(colors: bool) -> Self {
        Self {
            colors,
            ..Self::default()
        }
    }

    /// Applies an event. Returns the log lines that it completes.
    pub(super) fn apply(&mut self, event: &Event) -> Vec<LogLine> {
        match event {
            Event::StepKnown { step, name, kind } => {
                self.known
                    .insert(*step, Step::new(name, *kind, self.colors));
                Vec::new()
            }
            Event::Log {
                step,
                stream,
                at,
                bytes,
            } => self.log(*step, *stream, *at, bytes),
            Event::StepCached { step } => self.end(*step, Some(Outcome::Cached)),
            Event::StepDone { step, .. } => self.end(*step, Some(Outcome::Done)),
            Event::StepCancelled { step } => self.end(*step, None),
            Event::StepFailed { step, .. } => {
                self.failed.get_or_insert(*step);
                self.end(*step, Some(Outcome::Failed))
            }
            Event::ContextSent { bytes, .. } => {
                self.context = *bytes;
                Vec::new()
            }
            Event::StepStarted { .. } | Event::Transfer { .. } | Event::Warning { .. } => {
                Vec::new()
            }
        }
    }

    pub(super) fn get(&self, step: StepId) -> Option<&Step> {
        self.known.get(&step)
    }

    /// The number of finished instructions, and of all.
    pub(super) fn count(&self) -> (usize, usize) {
        let ended = |step: &&Step| step.outcome.is_some();
        (
            self.instructions().filter(ended).count(),
            self.instructions().count(),
        )
    }

    /// The step that failed, with its log.
    pub(super) fn failed(&self) -> Option<FailedStep> {
        let step = self.known.get(&self.failed?)?;
        Some(FailedStep {
            name: step.name.clone(),
            log: step.log.clone(),
        })
    }

    /// The numbers of the build.
    pub(super) fn summary(&self) -> Summary {
        let cached = |step: &&Step| step.outcome == Some(Outcome::Cached);
        Summary {
            steps: self.instructions().count(),
            cached: self.instructions().filter(cached).count(),
            context: self.context,
            ..Summary::default()
        }
    }

    fn instructions(&self) -> impl Iterator<Item = &Step> {
        let steps = self.known.values();
        steps.filter(|step| step.kind == StepKind::Instruction)
    }

    fn log(&mut self, id: StepId, stream: LogStream, at: Duration, bytes: &[u8]) -> Vec<LogLine> {
        let Some(step) = self.known.get_mut(&id) else {
            return Vec::new();
        };
        step.last = at;
        let texts = match stream {
            LogStream::Stdout => step.out.push(bytes),
            LogStream::Stderr => step.err.push(bytes),
        };
        // Escape sequences may have split a secret. They are removed now, so mask again.
        let texts: Vec<String> = texts.iter().map(|text| self.mask.text(text)).collect();
        // Of a step that fails, the end of the log is repeated.
        let told = texts.iter().filter(|text| !is_noise(text));
        step.log.extend(told.cloned());
        let line = |text| LogLine { stream, at, text };
        texts.into_iter().map(line).collect()
    }

    fn end(&mut self, id: StepId, outcome: Option<Outcome>) -> Vec<LogLine> {
        let Some(step) = self.known.get_mut(&id) else {
            return Vec::new();
        };
        step.outcome = outcome;
        let at = step.last;
        let rest = [
            (LogStream::Stdout, step.out.end()),
            (LogStream::Stderr, step.err.end()),
        ];
        let rest: Vec<LogLine> = rest
            .into_iter()
            .filter_map(|(stream, text)| {
                let text = self.mask.text(&text?);
                Some(LogLine { stream, at, text })
            })
            .collect();
        if outcome == Some(Outcome::Failed) {
            step.log.extend(rest.iter().map(|line| line.text.clone()));
        } else {
            // It is no longer needed.
            step.log = Vec::new();
        }
        rest
    }
}

impl Step {
    fn new(name: &str, kind: StepKind, colors: bool) -> Self {
        Self {
            name: one_line(name),
            kind,
            outcome: None,
            out: Lines::new(colors),
            err: Lines::new(colors),
            last: Duration::ZERO,
            log: Vec::new(),
        }
    }
}

/// A step's name on one line. Here-documents and continued lines have several.
fn one_line(name: &str) -> String {
    let mut lines = name
        .lines()
        .map(|line| {
            clean(line, false)
                .trim()
                .trim_end_matches('\\')
                .trim()
                .to_owned()
        })
        .filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    match lines.next() {
        Some(_) => first + " …",
        None => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_on_a_line() {
        assert_eq!(
            one_line("[2/3] RUN <<EOF (echo a...)\necho a\nEOF"),
            "[2/3] RUN <<EOF (echo a...) …"
        );
        assert_eq!(one_line("[2/3] RUN a\x1b[2J"), "[2/3] RUN a");
    }
}
