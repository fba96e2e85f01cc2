//! What an engine says while it builds, in terms that any engine can use.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// A step of the build, numbered by the engine in the order in which steps are first heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub u32);

/// Whether a step stands in the Dockerfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// An instruction of the Dockerfile: `[deps 2/3] RUN pnpm install`. Only these are counted in a report.
    Instruction,
    /// What the engine does of its own accord: unpacking the context, looking up a base image, exporting the result.
    Housekeeping,
}

/// Which of a step's two outputs a log chunk comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One thing that happened in a build.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Bytes of the context that were handed to the engine so far.
    ContextSent {
        /// Bytes since the start of the build.
        bytes: u64,
        /// Whether that was all.
        done: bool,
    },
    /// The step is known (BuildKit names all steps early, before they run). It comes before all else about a step.
    StepKnown {
        /// The step.
        step: StepId,
        /// As the engine words it, without the shell that slimbuild wrote: `[build-lib 2/3] pnpm --dir=lib run build`.
        name: String,
        /// Whether it stands in the Dockerfile.
        kind: StepKind,
    },
    /// The step runs. A step can run more than once: an image that was found in the cache is fetched when a later step needs its files.
    StepStarted {
        /// The step.
        step: StepId,
    },
    /// The step came from the cache.
    StepCached {
        /// The step.
        step: StepId,
    },
    /// The step ended well.
    StepDone {
        /// The step.
        step: StepId,
        /// By the engine's clock.
        took: Duration,
    },
    /// The step was given up because another one failed.
    StepCancelled {
        /// The step.
        step: StepId,
    },
    /// The step failed.
    StepFailed {
        /// The step.
        step: StepId,
        /// The engine's words.
        message: String,
    },
    /// Bytes that a step wrote, not necessarily whole lines.
    Log {
        /// The step.
        step: StepId,
        /// Where it wrote them.
        stream: LogStream,
        /// When, since the step's start, by the engine's clock.
        at: Duration,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A transfer inside a step: a layer that is pulled, the context that is unpacked.
    Transfer {
        /// The step.
        step: StepId,
        /// What moves.
        what: String,
        /// Bytes so far.
        current: u64,
        /// All bytes, where known.
        total: Option<u64>,
        /// Whether it ended.
        done: bool,
    },
    /// Something the engine, or the way to it, warns of.
    Warning {
        /// One line.
        message: String,
    },
}

impl Event {
    /// How a step ended that began then, by our own clock.
    pub fn ended<T, E: Display>(step: StepId, began: Instant, done: &Result<T, E>) -> Self {
        match done {
            Ok(_) => Self::StepDone {
                step,
                took: began.elapsed(),
            },
            Err(error) => Self::StepFailed {
                step,
                message: error.to_string(),
            },
        }
    }
}
