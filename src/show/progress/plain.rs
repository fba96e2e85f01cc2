//! A line for each event, like BuildKit's plain progress: for CI logs, and for grep.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use indicatif::DecimalBytes;

use crate::engine::{Event, StepId};

use super::human;
use super::steps::{LogLine, Steps};

/// How often a running transfer gets a line.
const TRANSFER_INTERVAL: Duration = Duration::from_secs(5);

/// Whether a line only counts further: pnpm writes many such lines where there is no terminal.
pub(super) fn is_noise(line: &str) -> bool {
    line.starts_with("Progress: resolved ") && !line.ends_with(", done")
}

/// What has been shown.
#[derive(Default)]
pub(super) struct Plain {
    named: BTreeSet<StepId>,
    transfers: BTreeMap<(StepId, String), Shown>,
}

enum Shown {
    At(Instant),
    Done,
}

impl Plain {
    /// The text for an event, in whole lines.
    pub(super) fn text(&mut self, event: &Event, lines: &[LogLine], steps: &Steps) -> String {
        let (step, word) = match event {
            Event::StepKnown { .. } | Event::ContextSent { done: false, .. } => {
                return String::new();
            }
            Event::ContextSent { bytes, .. } => {
                return format!("context: {} sent\n", DecimalBytes(*bytes));
            }
            Event::Warning { message } => return format!("warning: {message}\n"),
            Event::StepStarted { step } | Event::Log { step, .. } => (*step, None),
            Event::StepCached { step } => (*step, Some("CACHED".to_owned())),
            Event::StepDone { step, took } => (*step, Some(format!("DONE {}", human(*took)))),
            Event::StepCancelled { step } => (*step, Some("CANCELED".to_owned())),
            Event::StepFailed { step, message } => (*step, Some(format!("ERROR: {message}"))),
            Event::Transfer {
                step,
                what,
                current,
                total,
                done,
            } => {
                let word = self.transfer((*step, what), *current, *total, *done);
                if word.is_none() {
                    return String::new();
                }
                (*step, word)
            }
        };
        let StepId(number) = step;
        let mut said: Vec<String> = Vec::new();
        // A step that runs again is named again.
        let begins = matches!(event, Event::StepStarted { .. });
        if (self.named.insert(step) || begins)
            && let Some(step) = steps.get(step)
        {
            said.push(step.name.clone());
        }
        let logged = lines.iter().filter(|line| !is_noise(&line.text));
        said.extend(logged.map(|line| format!("{:.3} {}", line.at.as_secs_f64(), line.text)));
        said.extend(word);
        said.iter()
            .map(|said| format!("#{number} {said}").trim_end().to_owned() + "\n")
            .collect()
    }

    fn transfer(
        &mut self,
        (step, what): (StepId, &str),
        current: u64,
        total: Option<u64>,
        done: bool,
    ) -> Option<String> {
        let shown = self
            .transfers
            .entry((step, what.to_owned()))
            .or_insert_with(|| Shown::At(Instant::now()));
        match shown {
            Shown::Done => return None,
            Shown::At(last) if !done && last.elapsed() < TRANSFER_INTERVAL => return None,
            Shown::At(_) if done => *shown = Shown::Done,
            Shown::At(last) => *last = Instant::now(),
        }
        let mut words = vec![what.trim_end_matches(':').to_owned()];
        if current > 0 {
            words.push(DecimalBytes(current).to_string());
        }
        words.extend(total.map(|total| format!("of {}", DecimalBytes(total))));
        if done {
            words.push("done".to_owned());
        }
        Some(words.join(" "))
    }
}
