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
