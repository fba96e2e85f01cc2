//! An engine's events as events of the JSON stream.

use std::io::{self, Write};
use std::time::Duration;

use crate::engine::{Event, LogStream, StepId, StepKind};
use crate::show::events::{Stream, Told, write};

use super::steps::LogLine;

/// Writes an event, after the log lines that it completes.
pub(super) fn event(err: &mut dyn Write, event: &Event, lines: &[LogLine]) -> io::Result<()> {
    if let Some(StepId(step)) = logged(event) {
        for line in lines {
            let told = Told::Log {
                step,
                stream: match line.stream {
                    LogStream::Stdout => Stream::Stdout,
                    LogStream::Stderr => Stream::Stderr,
                },
                seconds: seconds(line.at),
                line: &line.text,
            };
            write(err, told)?;
        }
    }
    told(event).map_or(Ok(()), |told| write(err, told))
}

fn told(event: &Event) -> Option<Told<'_>> {
    Some(match event {
        Event::ContextSent { bytes, done } => Told::ContextSent {
            bytes: *bytes,
            done: *done,
        },
        Event::StepKnown { step, name, kind } => Told::StepKnown {
            step: step.0,
            name,
            instruction: *kind == StepKind::Instruction,
        },
        Event::StepStarted { step } => Told::StepStarted { step: step.0 },
        Event::StepCached { step } => Told::StepCached { step: step.0 },
        Event::StepDone { step, took } => Told::StepDone {
            step: step.0,
            seconds: seconds(*took),
        },
        Event::StepCancelled { step } => Told::StepCancelled { step: step.0 },
        Event::StepFailed { step, message } => Told::StepFailed {
            step: step.0,
            message,
        },
        Event::Transfer {
            step,
            what,
            current,
            total,
            done,
        } => Told::Transfer {
            step: step.0,
            what,
            current: *current,
            total: *total,
            done: *done,
        },
        Event::Warning { message } => Told::Warning { message },
        Event::Log { .. } => return None,
    })
}

/// The step whose lines an event may complete.
fn logged(event: &Event) -> Option<StepId> {
    match event {
        Event::Log { step, .. }
        | Event::StepDone { step, .. }
        | Event::StepCancelled { step }
        | Event::StepFailed { step, .. } => Some(*step),
        _ => None,
    }
}

/// With a precision of milliseconds.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
