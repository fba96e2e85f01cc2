//! [`Trace`]: turns BuildKit's status messages into [`Event`]s. It does no I/O.
//!
//! BuildKit sends a vertex, its word for a step, again whenever something about it changes. This
//! merges vertexes by digest and emits only the changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bollard::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog, VertexStatus, VertexWarning};

use crate::engine::step_names::{named, without_command};
use crate::engine::{Event, LogStream, StepId, StepKind};
use crate::files::forbidden::{self, LEFT_OUT};

/// The known state of a build.
#[derive(Debug, Default)]
pub(super) struct Trace {
    steps: BTreeMap<String, Step>,
    warned: BTreeSet<String>,
    failed: Option<String>,
    /// The name of the step that did not write a cache. A build may go on without one.
    without_cache: Option<String>,
}

#[derive(Debug)]
struct Step {
    id: StepId,
    /// By the engine's clock, since the Unix epoch.
    started: Option<Duration>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    Ended,
}

impl Trace {
    /// The name of the first step that failed, not counting cancelled ones.
    pub(super) fn failed(&self) -> Option<&str> {
        self.failed.as_deref().or(self.without_cache.as_deref())
    }

    /// The events of a message that are new.
    pub(super) fn apply(&mut self, message: StatusResponse) -> Vec<Event> {
        let mut events = Vec::new();
        for vertex in message.vertexes {
            self.vertex(vertex, &mut events);
        }
        for status in message.statuses {
            events.extend(self.transfer(status));
        }
        for log in message.logs {
            let left_out = self.left_out(&log.msg);
            events.extend(self.log(log));
            events.extend(left_out);
        }
        for warning in &message.warnings {
            events.extend(self.warning(warning));
        }
        events
    }

    fn vertex(&mut self, vertex: Vertex, events: &mut Vec<Event>) {
        let number = u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
        let step = self.steps.entry(vertex.digest).or_insert_with(|| {
            let id = StepId(number.saturating_add(1));
            events.push(Event::StepKnown {
                step: id,
                name: named(&one_line(&vertex.name)),
                kind: kind(&vertex.name),
            });
            Step {
                id,
                started: None,
                state: State::Waiting,
            }
        });
        let id = step.id;
        let started = vertex.started.map(|at| since_epoch(at.seconds, at.nanos));
        let completed = vertex.completed.map(|at| since_epoch(at.seconds, at.nanos));
        if let Some(started) = started {
            let again = step.state == State::Ended && step.started.is_some_and(|at| at < started);
            // A cached step did not run, whatever its times say.
            if (step.state == State::Waiting || again) && !vertex.cached {
                step.state = State::Running;
                events.push(Event::StepStarted { step: id });
            }
            step.started = Some(started);
        }
        if !vertex.error.is_empty() {
            if step.state != State::Ended {
                step.state = State::Ended;
                if is_cancelled(&vertex.error) {
                    events.push(Event::StepCancelled { step: id });
                } else if let Some(message) = of_cache(&vertex.name, &vertex.error) {
                    if vertex.name.starts_with(CACHE_OUT) {
                        self.without_cache.get_or_insert(vertex.name);
                    }
                    events.push(Event::StepCancelled { step: id });
                    events.push(Event::Warning { message });
                } else {
                    self.failed
                        .get_or_insert_with(|| named(&one_line(&vertex.name)));
                    events.push(Event::StepFailed {
                        step: id,
                        message: without_command(&vertex.error),
                    });
                }
            }
        } else if let Some(completed) = completed
            && step.state != State::Ended
        {
            step.state = State::Ended;
            events.push(if vertex.cached {
                Event::StepCached { step: id }
            } else {
                let started = step.started.unwrap_or(completed);
                Event::StepDone {
                    step: id,
                    took: completed.saturating_sub(started),
                }
            });
        }
    }

    fn transfer(&self, status: VertexStatus) -> Option<Event> {
        let step = self.steps.get(&status.vertex)?;
        let bytes = |count: i64| u64::try_from(count).unwrap_or(0);
        Some(Event::Transfer {
            step: step.id,
            what: status.id,
            current: bytes(status.current),
            total: Some(bytes(status.total)).filter(|total| *total > 0),
            done: status.completed.is_some(),
        })
    }

    fn log(&self, log: VertexLog) -> Option<Event> {
        let step = self.steps.get(&log.vertex)?;
        let at = log.timestamp.map(|at| since_epoch(at.seconds, at.nanos));
        Some(Event::Log {
            step: step.id,
            stream: if log.stream == 2 {
                LogStream::Stderr
            } else {
                LogStream::Stdout
            },
            at: at
                .zip(step.started)
                .map_or(Duration::ZERO, |(at, started)| at.saturating_sub(started)),
            bytes: log.msg,
        })
    }

    /// Reports secrets that a step left out of a build's output: it prints each on a line.
    fn left_out(&mut self, log: &[u8]) -> Option<Event> {
        let log = String::from_utf8_lossy(log);
        let paths = log.lines().filter_map(|line| line.strip_prefix(LEFT_OUT));
        let named = |path: &str| {
            let path = path.trim_start_matches("./");
            let path = path.strip_prefix("/image/files/").unwrap_or(path);
            format!("`{path}`")
        };
        let paths: Vec<String> = paths.map(named).collect();
        if paths.is_empty() {
            return None;
        }
        let message = forbidden::left_out(&paths.join(", "));
        self.warned
            .insert(message.clone())
            .then_some(Event::Warning { message })
    }

    fn warning(&mut self, warning: &VertexWarning) -> Option<Event> {
        let mut message = String::from_utf8_lossy(&warning.short).into_owned();
        let line = warning.ranges.first().and_then(|range| range.start);
        // BuildKit's checks usually mention the line in the message too.
        if let Some(line) = line
            && !message.contains("(line ")
        {
            message = format!("{message} (line {})", line.line);
        }
        self.warned
            .insert(message.clone())
            .then_some(Event::Warning { message })
    }
}

/// A name without the runs of spaces from continued lines and aligned numbers.
fn one_line(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The kind of a step. The Dockerfile frontend names instructions `[2/3] RUN …`, `[stage 2/3] RUN
/// …` or `[linux/arm64 stage 2/3] RUN …`.
fn kind(name: &str) -> StepKind {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let step = name.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    // A base image that is already there neither runs nor counts as cached.
    let step = step.filter(|(_, instruction)| !instruction.trim_start().starts_with("FROM "));
    let position = step
        .and_then(|(place, _)| place.rsplit(' ').next())
        .and_then(|position| position.split_once('/'));
    match position {
        Some((place, all)) if is_number(place) && is_number(all) => StepKind::Instruction,
        _ => StepKind::Housekeeping,
    }
}

/// How BuildKit names the steps that read and write caches.
const CACHE_IN: &str = "importing cache manifest from ";
const CACHE_OUT: &str = "exporting cache";

/// What a failed step about a cache means. The build goes on without one; where it does not, its own
/// error says so.
fn of_cache(name: &str, error: &str) -> Option<String> {
    let error = without_command(error);
    match name.strip_prefix(CACHE_IN) {
        Some(place) if error.ends_with("not found") => {
            Some(format!("there is no cache at {place} yet"))
        }
        Some(place) => Some(format!("cannot read the cache at {place}: {error}")),
        None if name.starts_with(CACHE_OUT) => Some(format!("the cache is not written: {error}")),
        None => None,
    }
}

/// Like BuildKit's own display: an error that ends in Go's `context.Canceled` only follows from
/// another.
fn is_cancelled(error: &str) -> bool {
    error.ends_with("context canceled")
}

fn since_epoch(seconds: i64, nanos: i32) -> Duration {
    Duration::new(
        u64::try_from(seconds).unwrap_or(0),
        u32::try_from(nanos).unwrap_or(0).min(999_999_999),
    )
}

#[cfg(test)]
mod tests;
