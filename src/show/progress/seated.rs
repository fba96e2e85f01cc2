//! What a row of several shows of a build: how many steps are done, the step that runs, and the
//! last line of its log.

use indicatif::DecimalBytes;

use crate::engine::{Event, StepId};
use crate::show::seat::{Doing, News, Seat};

use super::steps::{LogLine, Steps};
use super::tty::without_mounts;
use super::words::{Installs, said};

/// Tells an app's seat what its build is doing.
pub(super) struct Seated {
    seat: Seat,
    /// The steps that run, the last one to start at the end.
    running: Vec<(StepId, String)>,
    told: Doing,
    pub(super) installs: Installs,
}

impl Seated {
    pub(super) fn new(seat: Seat) -> Self {
        let told = Doing::default();
        let running = Vec::new();
        Self {
            seat,
            running,
            told,
            installs: Installs::default(),
        }
    }

    /// Tells what an event changes.
    pub(super) fn show(&mut self, event: &Event, lines: &[LogLine], steps: &Steps) {
        match event {
            Event::StepStarted { step } => self.running.push((*step, String::new())),
            Event::StepCached { step }
            | Event::StepDone { step, .. }
            | Event::StepCancelled { step }
            | Event::StepFailed { step, .. } => self.running.retain(|(id, _)| id != step),
            Event::Log { step, .. } => {
                let line = lines.iter().rfind(|line| !line.text.is_empty());
                if let Some(line) = line {
                    self.detail(*step, line.text.clone());
                }
            }
            Event::Transfer {
                step,
                what,
                current,
                total,
                ..
            } => {
                let what = what.trim_end_matches(':');
                let moved = match (current, total) {
                    (0, _) => what.to_owned(),
                    (current, Some(total)) if total > current => {
                        let (current, total) = (DecimalBytes(*current), DecimalBytes(*total));
                        format!("{what} {current} of {total}")
                    }
                    (current, _) => format!("{what} {}", DecimalBytes(*current)),
                };
                self.detail(*step, moved);
            }
            _ => {}
        }
        let mut doing = Doing {
            count: steps.count(),
            ..Doing::default()
        };
        if let Some((step, detail)) = self.running.last() {
            let known = steps.get(*step);
            doing.step = known
                .map(|step| without_mounts(&said(&step.name, self.installs).words))
                .unwrap_or_default();
            doing.detail.clone_from(detail);
        }
        if doing != self.told {
            self.told = doing.clone();
            self.seat.tell(News::Doing(doing));
        }
    }

    fn detail(&mut self, step: StepId, text: String) {
        let row = self.running.iter_mut().find(|(id, _)| *id == step);
        if let Some((_, detail)) = row {
            *detail = text;
        }
    }
}
