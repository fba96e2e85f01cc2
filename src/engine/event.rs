//! The events of a build, in terms that fit any engine.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// A step of the build. The engine numbers steps in the order in which it first mentions them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub u32);

/// Whether a step stands in the Dockerfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// An instruction of the Dockerfile: `[deps 2/3] RUN pnpm install`. Reports count only these.
    Instruction,
    /// Work of the engine itself: unpacking the context, resolving a base image, exporting the
    /// result.
    Housekeeping,
}

/// Which output of a step a log chunk comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// An event in a build.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The engine has received this much of the context.
    ContextSent {
        /// Bytes since the start of the build.
        bytes: u64,
        /// Whether the context is complete.
        done: bool,
    },
    /// A step is known. BuildKit names all steps early, before they run. No other event about the
    /// step comes before this one.
    StepKnown {
        /// The step.
        step: StepId,
        /// The engine's name for it, without shell code of ours: `[build-lib 2/3] pnpm --dir=lib
        /// run build`.
        name: String,
        /// Whether it stands in the Dockerfile.
        kind: StepKind,
    },
    /// The step runs. It may run more than once: a cached image is fetched when a later step needs
    /// its files.
    StepStarted {
        /// The step.
        step: StepId,
    },
    /// The step came from the cache.
    StepCached {
        /// The step.
        step: StepId,
    },
    /// The step succeeded.
    StepDone {
        /// The step.
        step: StepId,
        /// The duration by the engine's clock.
        took: Duration,
    },
    /// The step was cancelled because another one failed.
    StepCancelled {
        /// The step.
        step: StepId,
    },
    /// The step failed.
    StepFailed {
        /// The step.
        step: StepId,
        /// The engine's message.
        message: String,
    },
    /// Output of a step, not necessarily whole lines.
    Log {
        /// The step.
        step: StepId,
        stream: LogStream,
        /// The time since the step's start by the engine's clock.
        at: Duration,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A transfer in a step: a layer is pulled, or the context is unpacked.
    Transfer {
        /// The step.
        step: StepId,
        /// The content.
        what: String,
        /// Bytes so far.
        current: u64,
        /// The total in bytes, if known.
        total: Option<u64>,
        /// Whether it ended.
        done: bool,
    },
    /// A warning of the engine or of the connection to it.
    Warning {
        /// One line.
        message: String,
    },
}

impl Event {
    /// How a step ended that began at this time, by our own clock.
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
