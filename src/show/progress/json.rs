//! Events as JSON, one object per line, for programs that show a build themselves.
//!
//! | `event` | other fields |
//! |---|---|
//! | `note` | `message` |
//! | `context-sent` | `bytes`, `done` |
//! | `step-known` | `step` (a number), `name`, `instruction` (whether it is in the Dockerfile) |
//! | `step-started`, `step-cached`, `step-cancelled` | `step` |
//! | `step-done` | `step`, `seconds` |
//! | `step-failed` | `step`, `message` |
//! | `log` | `step`, `stream` (`stdout` or `stderr`), `seconds` (since the step's start), `line` |
//! | `transfer` | `step`, `what`, `current`, `total` (bytes, or null), `done` |
//! | `warning` | `message` |

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use crate::engine::{Event, LogStream, StepId, StepKind};
use crate::system::terminal::escape_json;

use super::steps::LogLine;

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Object<'a> {
    Note {
        message: &'a str,
    },
    ContextSent {
        bytes: u64,
        done: bool,
    },
    StepKnown {
        step: u32,
        name: &'a str,
        instruction: bool,
    },
    StepStarted {
        step: u32,
    },
    StepCached {
        step: u32,
    },
    StepDone {
        step: u32,
        seconds: f64,
    },
    StepCancelled {
        step: u32,
    },
    StepFailed {
        step: u32,
        message: &'a str,
    },
    Log {
        step: u32,
        stream: &'static str,
        seconds: f64,
        line: &'a str,
    },
    Transfer {
        step: u32,
        what: &'a str,
        current: u64,
        total: Option<u64>,
        done: bool,
    },
    Warning {
        message: &'a str,
    },
}

/// Writes a note of our own.
pub(super) fn note(err: &mut dyn Write, message: &str) -> io::Result<()> {
    write(err, &Object::Note { message })
}

/// Writes an event, after the log lines that it completes.
pub(super) fn event(err: &mut dyn Write, event: &Event, lines: &[LogLine]) -> io::Result<()> {
    if let Some(StepId(step)) = logged(event) {
        for line in lines {
            let stream = match line.stream {
                LogStream::Stdout => "stdout",
                LogStream::Stderr => "stderr",
            };
            let seconds = seconds(line.at);
            let line = line.text.as_str();
            write(
                err,
                &Object::Log {
                    step,
                    stream,
                    seconds,
                    line,
                },
            )?;
        }
    }
    object(event).map_or(Ok(()), |object| write(err, &object))
}

fn object(event: &Event) -> Option<Object<'_>> {
    Some(match event {
        Event::ContextSent { bytes, done } => Object::ContextSent {
            bytes: *bytes,
            done: *done,
        },
        Event::StepKnown { step, name, kind } => Object::StepKnown {
            step: step.0,
            name,
            instruction: *kind == StepKind::Instruction,
        },
        Event::StepStarted { step } => Object::StepStarted { step: step.0 },
        Event::StepCached { step } => Object::StepCached { step: step.0 },
        Event::StepDone { step, took } => Object::StepDone {
            step: step.0,
            seconds: seconds(*took),
        },
        Event::StepCancelled { step } => Object::StepCancelled { step: step.0 },
        Event::StepFailed { step, message } => Object::StepFailed {
            step: step.0,
            message,
        },
        Event::Transfer {
            step,
            what,
            current,
            total,
            done,
        } => Object::Transfer {
            step: step.0,
            what,
            current: *current,
            total: *total,
            done: *done,
        },
        Event::Warning { message } => Object::Warning { message },
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

fn write(err: &mut dyn Write, object: &Object<'_>) -> io::Result<()> {
    let json = serde_json::to_string(object)?;
    writeln!(err, "{}", escape_json(&json))
}
