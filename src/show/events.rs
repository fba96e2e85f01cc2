//! [`Told`]: the events of `--progress json`.
//!
//! Input: what happens to a build. Output: one JSON object on each line of stderr. Their JSON Schema is
//! `docs/src/reference/schemas/events.json`.

use std::io::{self, Write};

use serde::Serialize;

use crate::engine::fault::Place;
use crate::show::metadata::Metadata;
use crate::show::seat::{Ended, Fault, State};
use crate::system::terminal::escape_json;
use crate::system::trail::Request;

/// A line of the stream.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Line<'a> {
    /// The directory of the app that it is about. In a run of several apps, every event but the last ones
    /// has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<&'a str>,
    /// What happened.
    #[serde(flatten)]
    pub event: Told<'a>,
}

/// What happened.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Told<'a> {
    /// What is done now, or a summary.
    Note {
        /// Text for people.
        message: &'a str,
    },
    /// Something that the user should know, and that stops nothing.
    Warning {
        /// Text for people.
        message: &'a str,
    },
    /// With `-v`: a server was asked for something.
    Request {
        /// The method of HTTP.
        method: &'a str,
        /// Where to, without names, passwords and queries.
        address: &'a str,
        /// The status of the answer; `null` without one.
        status: Option<u16>,
        /// The time until the answer began.
        seconds: f64,
    },
    /// The builder has received this much of the context.
    ContextSent {
        /// Bytes since the start of the build.
        bytes: u64,
        /// Whether that is all of it.
        done: bool,
    },
    /// A step of the build is known. No other event about it comes before this one.
    StepKnown {
        /// Its number.
        step: u32,
        /// What it does.
        name: &'a str,
        /// Whether it stands in the Dockerfile.
        instruction: bool,
    },
    /// A step runs. It may run more than once.
    StepStarted {
        /// Its number.
        step: u32,
    },
    /// A step came from the cache.
    StepCached {
        /// Its number.
        step: u32,
    },
    /// A step ended well.
    StepDone {
        /// Its number.
        step: u32,
        /// How long it took, by the builder's clock.
        seconds: f64,
    },
    /// A step was cancelled because another one failed.
    StepCancelled {
        /// Its number.
        step: u32,
    },
    /// A step failed.
    StepFailed {
        /// Its number.
        step: u32,
        /// The builder's message.
        message: &'a str,
    },
    /// A line that a step wrote.
    Log {
        /// The step's number.
        step: u32,
        /// Where it was written to.
        stream: Stream,
        /// The time since the step's start.
        seconds: f64,
        /// The line, without escapes of terminals.
        line: &'a str,
    },
    /// Something moves: a layer is pulled or pushed, the context is unpacked.
    Transfer {
        /// The step's number.
        step: u32,
        /// What it is.
        what: &'a str,
        /// Bytes so far.
        current: u64,
        /// All bytes, if that is known.
        total: Option<u64>,
        /// Whether it has ended.
        done: bool,
    },
    /// A line that the image's program wrote, which did not come up.
    ProgramLog {
        /// The line.
        line: &'a str,
    },
    /// The image of an app is there. The other keys are those of the metadata file.
    Image(&'a Metadata),
    /// An app of several is in another state.
    State {
        /// The state.
        state: Word,
        /// With `retrying`: which try it is, counted from 1.
        #[serde(skip_serializing_if = "Option::is_none")]
        number: Option<usize>,
        /// With `retrying`: the most tries that are made.
        #[serde(skip_serializing_if = "Option::is_none")]
        of: Option<usize>,
        /// With a final state: what became of the app.
        #[serde(flatten)]
        end: Option<End<'a>>,
    },
    /// The final state of every app of several. Only an `error` comes after it.
    Apps {
        /// In the order of the run.
        apps: Vec<AppEnd<'a>>,
    },
    /// The error that ended the run: the last event of one that failed.
    Error {
        /// What is wrong, on one line, with its causes.
        message: &'a str,
        /// What to do about it.
        hint: Option<&'a str>,
        /// The exit code.
        code: u8,
        /// The places in the workspace's files that it is about.
        places: &'a [Place],
    },
}

/// Where a line was written to.
#[derive(Serialize, Clone, Copy)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The word for a state.
#[derive(Serialize, Clone, Copy)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Word(#[cfg_attr(test, schemars(schema_with = "words"))] &'static str);

impl From<State> for Word {
    fn from(state: State) -> Self {
        Self(state.word())
    }
}

/// All words that there are.
#[cfg(test)]
fn words(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let words: Vec<&str> = State::ALL.into_iter().map(State::word).collect();
    schemars::json_schema!({ "enum": words })
}

/// What became of an app.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct End<'a> {
    /// The image's name, if there is one.
    image: Option<&'a str>,
    /// Its size in bytes, if that is known.
    size: Option<u64>,
    /// How long it took; `null` if it did not begin.
    seconds: Option<f64>,
    /// What went wrong, on one line, with its causes.
    message: Option<&'a str>,
    /// What to do about it.
    hint: Option<&'a str>,
    /// The exit code that the error alone would lead to.
    code: Option<u8>,
    /// The places in the workspace's files that the error is about.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    places: &'a [Place],
}

/// The final state of an app.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AppEnd<'a> {
    /// The app's directory.
    app: &'a str,
    /// Its state.
    state: Word,
    /// What became of it.
    #[serde(flatten)]
    end: End<'a>,
}

impl<'a> End<'a> {
    fn of(ended: &'a Ended) -> Self {
        let fault = ended.fault.as_ref();
        Self {
            image: ended.image.as_deref(),
            size: ended.size,
            seconds: ended.took.map(|took| took.as_secs_f64()),
            message: fault.map(|fault| &*fault.message),
            hint: fault.and_then(|fault| fault.hint.as_deref()),
            code: fault.map(|fault| fault.code),
            places: fault.map_or(&[], |fault| &*fault.places),
        }
    }
}

impl<'a> AppEnd<'a> {
    /// How an app ended.
    pub fn new(app: &'a str, ended: &'a Ended) -> Self {
        Self {
            app,
            state: ended.state.into(),
            end: End::of(ended),
        }
    }
}

impl<'a> Told<'a> {
    /// A state of an app that goes on.
    pub fn state(state: State) -> Self {
        let (number, of) = match state {
            State::Retrying { number, of } => (Some(number), Some(of)),
            _ => (None, None),
        };
        let (state, end) = (state.into(), None);
        Self::State {
            state,
            number,
            of,
            end,
        }
    }

    /// A request. `address` is its address, without secrets.
    pub fn request(request: &'a Request, address: &'a str) -> Self {
        Self::Request {
            method: &request.method,
            address,
            status: request.status,
            seconds: request.took.as_secs_f64(),
        }
    }

    /// A final state of an app.
    pub fn ended(ended: &'a Ended) -> Self {
        Self::State {
            state: ended.state.into(),
            number: None,
            of: None,
            end: Some(End::of(ended)),
        }
    }

    /// An error.
    pub fn error(fault: &'a Fault) -> Self {
        Self::Error {
            message: &fault.message,
            hint: fault.hint.as_deref(),
            code: fault.code,
            places: &fault.places,
        }
    }
}

/// The line of an event.
pub fn line(line: &Line<'_>) -> io::Result<String> {
    Ok(escape_json(&serde_json::to_string(line)?))
}

/// Writes an event that names no app.
pub fn write(err: &mut dyn Write, event: Told<'_>) -> io::Result<()> {
    writeln!(err, "{}", line(&Line { app: None, event })?)
}
