//! [`Trace`]: turns BuildKit's status messages into [`Event`]s. It does no I/O.
//!
//! BuildKit sends a vertex, its word for a step, again whenever something about it changes. This
//! merges vertexes by digest and emits only the changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bollard::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog, VertexStatus, VertexWarning};

use super::named::{named, without_command};
use crate::engine::{Event, LogStream, StepId, StepKind};
use crate::files::forbidden::{self, LEFT_OUT};

/// The known state of a build.
#[derive(Debug, Default)]
pub(in crate::engine) struct Trace {
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
    pub(in crate::engine) fn failed(&self) -> Option<&str> {
        self.failed.as_deref().or(self.without_cache.as_deref())
    }

    /// The events of a message that are new.
    pub(in crate::engine) fn apply(&mut self, message: StatusResponse) -> Vec<Event> {
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
mod tests {
    use super::*;

    /// A vertex with times in seconds; a negative time means none.
    fn vertex(name: &str, started: i64, completed: i64) -> Vertex {
        let mut vertex = Vertex {
            digest: format!("sha256:{name}"),
            name: name.to_owned(),
            ..Vertex::default()
        };
        if started >= 0 {
            vertex.started.get_or_insert_default().seconds = started;
        }
        if completed >= 0 {
            vertex.completed.get_or_insert_default().seconds = completed;
        }
        vertex
    }

    fn vertexes(vertexes: impl IntoIterator<Item = Vertex>) -> StatusResponse {
        StatusResponse {
            vertexes: vertexes.into_iter().collect(),
            ..StatusResponse::default()
        }
    }

    fn known(step: u32, name: &str) -> Event {
        Event::StepKnown {
            step: StepId(step),
            name: name.to_owned(),
            kind: kind(name),
        }
    }

    const RUN: &str = "[deps 2/2] RUN pnpm install";

    #[test]
    fn a_step_is_known_then_started_then_done() {
        let mut trace = Trace::default();
        let step = StepId(1);
        assert_eq!(
            trace.apply(vertexes([vertex(RUN, -1, -1)])),
            [known(1, RUN)]
        );
        assert_eq!(
            trace.apply(vertexes([vertex(RUN, 5, -1)])),
            [Event::StepStarted { step }]
        );
        assert_eq!(trace.apply(vertexes([vertex(RUN, 5, -1)])), []);
        let took = Duration::from_secs(4);
        assert_eq!(
            trace.apply(vertexes([vertex(RUN, 5, 9)])),
            [Event::StepDone { step, took }]
        );
        assert_eq!(trace.apply(vertexes([vertex(RUN, 5, 9)])), []);
    }

    #[test]
    fn a_cached_step_never_starts() {
        let mut cached = vertex(RUN, 5, 5);
        cached.cached = true;
        assert_eq!(
            Trace::default().apply(vertexes([cached])),
            [known(1, RUN), Event::StepCached { step: StepId(1) }]
        );
    }

    #[test]
    fn an_ended_step_can_run_again() {
        let mut trace = Trace::default();
        trace.apply(vertexes([vertex(RUN, 5, 6)]));
        assert_eq!(
            trace.apply(vertexes([vertex(RUN, 7, -1), vertex(RUN, 7, 9)])),
            [
                Event::StepStarted { step: StepId(1) },
                Event::StepDone {
                    step: StepId(1),
                    took: Duration::from_secs(2)
                }
            ]
        );
    }

    #[test]
    fn the_failed_step_is_not_a_cancelled_one() {
        let mut trace = Trace::default();
        let mut cancelled = vertex("[a 1/2] RUN sleep 9", 1, 3);
        cancelled.error = "failed to solve: context canceled".to_owned();
        let mut failed = vertex(RUN, 1, 3);
        failed.error = "exit code: 1".to_owned();
        let events = trace.apply(vertexes([cancelled, failed]));
        assert_eq!(events[2], Event::StepCancelled { step: StepId(1) });
        assert_eq!(
            events[5],
            Event::StepFailed {
                step: StepId(2),
                message: "exit code: 1".to_owned()
            }
        );
        assert_eq!(trace.failed(), Some(RUN));
    }

    #[test]
    fn logs_and_transfers_belong_to_known_steps() {
        let mut trace = Trace::default();
        trace.apply(vertexes([vertex(RUN, 5, -1)]));
        let mut log = VertexLog {
            vertex: format!("sha256:{RUN}"),
            stream: 2,
            msg: b"hi\n".to_vec(),
            ..VertexLog::default()
        };
        log.timestamp.get_or_insert_default().seconds = 7;
        let stray = VertexLog {
            vertex: "sha256:unheard of".to_owned(),
            ..VertexLog::default()
        };
        let status = VertexStatus {
            id: "sha256:layer".to_owned(),
            vertex: format!("sha256:{RUN}"),
            current: 3,
            ..VertexStatus::default()
        };
        let message = StatusResponse {
            logs: vec![stray, log],
            statuses: vec![status],
            ..StatusResponse::default()
        };
        assert_eq!(
            trace.apply(message),
            [
                Event::Transfer {
                    step: StepId(1),
                    what: "sha256:layer".to_owned(),
                    current: 3,
                    total: None,
                    done: false
                },
                Event::Log {
                    step: StepId(1),
                    stream: LogStream::Stderr,
                    at: Duration::from_secs(2),
                    bytes: b"hi\n".to_vec()
                }
            ]
        );
    }

    #[test]
    fn a_warning_is_said_once() {
        let warning = VertexWarning {
            short: b"FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)".to_vec(),
            ..VertexWarning::default()
        };
        let message = StatusResponse {
            warnings: vec![warning.clone(), warning],
            ..StatusResponse::default()
        };
        assert_eq!(Trace::default().apply(message).len(), 1);
    }

    #[test]
    fn a_missing_cache_is_no_failure() {
        let mut trace = Trace::default();
        let mut import = vertex("importing cache manifest from reg/c:1", 1, 2);
        import.error = "reg/c:1: not found".to_owned();
        let mut export = vertex("exporting cache to registry", 3, 4);
        export.error = "denied".to_owned();
        let events = trace.apply(StatusResponse {
            vertexes: vec![import, export.clone()],
            ..StatusResponse::default()
        });
        let said: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Warning { message } => Some(&**message),
                Event::StepFailed { .. } => panic!("a step failed"),
                _ => None,
            })
            .collect();
        assert_eq!(
            said,
            [
                "there is no cache at reg/c:1 yet",
                "the cache is not written: denied"
            ]
        );
        // If the build fails for it, it has a name; but a step that failed comes first.
        assert_eq!(trace.failed(), Some("exporting cache to registry"));
        let mut step = vertex("[1/1] RUN x", 5, 6);
        step.error = "exit code: 1".to_owned();
        drop(trace.apply(StatusResponse {
            vertexes: vec![step],
            ..StatusResponse::default()
        }));
        assert_eq!(trace.failed(), Some("[1/1] RUN x"));
    }

    #[test]
    fn tells_instructions_from_housekeeping() {
        for (name, expected) in [
            (RUN, StepKind::Instruction),
            ("[2/12] COPY . .", StepKind::Instruction),
            ("[linux/arm64 a 2/2] RUN x", StepKind::Instruction),
            ("[a 1/2] FROM x", StepKind::Housekeeping),
            (
                "[internal] load build definition from Dockerfile",
                StepKind::Housekeeping,
            ),
            (
                "[auth] library/node:pull token for registry-1.docker.io",
                StepKind::Housekeeping,
            ),
            ("exporting to image", StepKind::Housekeeping),
            ("copy /context /", StepKind::Housekeeping),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }
}
