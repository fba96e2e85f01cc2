//! What an engine says while it builds, in terms that any engine can use.

use std::time::Duration;

/// A step of the build, numbered by the engine in the order in which steps are first heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub u32);

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
    /// The step is known (BuildKit names all steps early, before they run).
    StepKnown {
        /// The step.
        step: StepId,
        /// As the engine words it: `[build-lib 2/3] RUN pnpm run build`.
        name: String,
    },
    /// The step runs.
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
    /// The step failed or was cancelled.
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
    },
    /// Something the engine warns of.
    Warning {
        /// One line.
        message: String,
    },
}
