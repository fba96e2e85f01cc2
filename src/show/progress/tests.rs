use std::io;
use std::sync::{Arc, Mutex};

use insta::assert_snapshot;

use super::*;
use crate::engine::{LogStream, StepId, StepKind};

/// A stream that can be read afterwards.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn shown(mode: ProgressMode, events: &[Event]) -> (String, Summary) {
    let sink = Sink::default();
    let mut ui = Ui::plain(Box::new(io::sink()), Box::new(sink.clone()));
    let mut progress = Progress::new(mode, &mut ui);
    progress.note("building shop/server:latest");
    for event in events {
        progress.event(event);
    }
    let summary = progress.finish();
    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    (text, summary)
}

fn known(step: u32, name: &str, kind: StepKind) -> Event {
    let name = name.to_owned();
    Event::StepKnown {
        step: StepId(step),
        name,
        kind,
    }
}

fn log(step: u32, millis: u64, text: &str) -> Event {
    Event::Log {
        step: StepId(step),
        stream: LogStream::Stdout,
        at: Duration::from_millis(millis),
        bytes: text.as_bytes().to_vec(),
    }
}

fn done(step: u32, millis: u64) -> Event {
    Event::StepDone {
        step: StepId(step),
        took: Duration::from_millis(millis),
    }
}

/// A build up to where its second instruction runs.
pub(super) fn begun() -> Vec<Event> {
    vec![
        known(
            1,
            "[internal] load build definition from Dockerfile",
            StepKind::Housekeeping,
        ),
        Event::StepStarted { step: StepId(1) },
        Event::ContextSent {
            bytes: 900_000,
            done: false,
        },
        Event::ContextSent {
            bytes: 1_230_000,
            done: true,
        },
        Event::Transfer {
            step: StepId(1),
            what: "transferring dockerfile:".to_owned(),
            current: 456,
            total: None,
            done: true,
        },
        done(1, 20),
        known(2, "[deps 1/2] COPY json/ .", StepKind::Instruction),
        known(
            3,
            "[deps 2/2] RUN pnpm install --frozen-lockfile",
            StepKind::Instruction,
        ),
        known(4, "exporting to image", StepKind::Housekeeping),
        Event::StepCached { step: StepId(2) },
        Event::StepStarted { step: StepId(3) },
        log(
            3,
            1234,
            "Progress: resolved 1\rProgress: resolved 12\r\n\x1b[32mLock",
        ),
        log(3, 2000, "file\x1b[0m is up to date\nno newline"),
    ]
}

fn succeeded() -> Vec<Event> {
    let mut events = begun();
    events.extend([
        done(3, 83_456),
        Event::StepStarted { step: StepId(4) },
        done(4, 1500),
        Event::Warning {
            message: "a word of warning".to_owned(),
        },
    ]);
    events
}

fn failed() -> Vec<Event> {
    let mut events = begun();
    events.push(Event::StepFailed {
        step: StepId(3),
        message: "exit code: 1".to_owned(),
    });
    events
}

#[test]
fn plain_says_all() {
    assert_snapshot!(shown(ProgressMode::Plain, &succeeded()).0, @r"
    building shop/server:latest
    #1 [internal] load build definition from Dockerfile
    context: 1.23 MB sent
    #1 transferring dockerfile 456 B done
    #1 DONE 0.0s
    #2 [deps 1/2] COPY json/ .
    #2 CACHED
    #3 [deps 2/2] RUN pnpm install --frozen-lockfile
    #3 2.000 Lockfile is up to date
    #3 2.000 no newline
    #3 DONE 1m 23s
    #4 exporting to image
    #4 DONE 1.5s
    warning: a word of warning
    ");
}

#[test]
fn plain_repeats_the_end_of_a_failed_log() {
    let mut events = begun();
    let lines: Vec<_> = (1..=30).map(|line| format!("line {line}\n")).collect();
    events.push(log(3, 3000, &lines.concat()));
    events.push(failed().pop().unwrap());
    let (text, _) = shown(ProgressMode::Plain, &events);
    let (_, end) = text.split_once("#3 ERROR").unwrap();
    assert_eq!(end.lines().count(), 23);
    assert_snapshot!(end.lines().take(4).collect::<Vec<_>>().join("\n"), @r"
    : exit code: 1
    ✗ [deps 2/2] RUN pnpm install --frozen-lockfile
      │ … 11 lines above
      │ line 11
    ");
}

#[test]
fn json_says_all() {
    assert_snapshot!(shown(ProgressMode::Json, &succeeded()).0, @r#"
    {"event":"note","message":"building shop/server:latest"}
    {"event":"step-known","step":1,"name":"[internal] load build definition from Dockerfile","instruction":false}
    {"event":"step-started","step":1}
    {"event":"context-sent","bytes":900000,"done":false}
    {"event":"context-sent","bytes":1230000,"done":true}
    {"event":"transfer","step":1,"what":"transferring dockerfile:","current":456,"total":null,"done":true}
    {"event":"step-done","step":1,"seconds":0.02}
    {"event":"step-known","step":2,"name":"[deps 1/2] COPY json/ .","instruction":true}
    {"event":"step-known","step":3,"name":"[deps 2/2] RUN pnpm install --frozen-lockfile","instruction":true}
    {"event":"step-known","step":4,"name":"exporting to image","instruction":false}
    {"event":"step-cached","step":2}
    {"event":"step-started","step":3}
    {"event":"log","step":3,"stream":"stdout","seconds":1.234,"line":"Progress: resolved 12"}
    {"event":"log","step":3,"stream":"stdout","seconds":2.0,"line":"Lockfile is up to date"}
    {"event":"log","step":3,"stream":"stdout","seconds":2.0,"line":"no newline"}
    {"event":"step-done","step":3,"seconds":83.456}
    {"event":"step-started","step":4}
    {"event":"step-done","step":4,"seconds":1.5}
    {"event":"warning","message":"a word of warning"}
    "#);
}

#[test]
fn quiet_says_nothing_unless_a_step_fails() {
    assert_eq!(shown(ProgressMode::Quiet, &succeeded()).0, "");
    assert_snapshot!(shown(ProgressMode::Quiet, &failed()).0, @r"
    ✗ [deps 2/2] RUN pnpm install --frozen-lockfile
      │ Lockfile is up to date
      │ no newline
    ");
}

#[test]
fn the_summary_counts_instructions() {
    let (_, mut summary) = shown(ProgressMode::Quiet, &failed());
    summary.took = Duration::ZERO;
    assert_eq!(
        (summary.steps, summary.cached, summary.context),
        (2, 1, 1_230_000)
    );
    let failed = summary.failed.unwrap();
    assert_eq!(failed.name, "[deps 2/2] RUN pnpm install --frozen-lockfile");
    assert_eq!(failed.log.len(), 2);
}

#[test]
fn modes_are_read_as_they_are_shown() {
    for mode in ProgressMode::ALL {
        assert_eq!(mode.to_string().parse(), Ok(mode));
    }
    let error = "bars".parse::<ProgressMode>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown progress mode `bars`: use `auto`, `tty`, `plain`, `json` or `quiet`"
    );
}

#[test]
fn durations_are_short() {
    for (seconds, expected) in [(0.04, "0.0s"), (12.34, "12.3s"), (125.0, "2m 05s")] {
        assert_eq!(human(Duration::from_secs_f64(seconds)), expected);
    }
}

/// What is shown of events where these are secrets.
fn shown_without(mode: ProgressMode, secret: &str, events: &[Event]) -> String {
    let sink = Sink::default();
    let mut ui = Ui::plain(Box::new(io::sink()), Box::new(sink.clone()));
    ui.hide(crate::system::mask::Mask::new([secret.as_bytes()]));
    let mut progress = Progress::new(mode, &mut ui);
    for event in events {
        progress.event(event);
    }
    let failed = progress.finish().failed;
    assert!(!format!("{failed:?}").contains(secret));
    String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn no_view_shows_a_secret() {
    let secret = "hunter2-8c1f";
    let failed = Event::StepFailed {
        step: StepId(1),
        message: format!("`curl {secret}` did not complete"),
    };
    let warning = Event::Warning {
        message: format!("odd: {secret}"),
    };
    let events = [
        known(1, "[a 1/1] RUN hunter2-8c1f", StepKind::Instruction),
        Event::StepStarted { step: StepId(1) },
        log(1, 1, "cut: hunter2"),
        log(1, 2, "-8c1f\nredrawn: x\rhunter2-8c1f\n"),
        log(1, 3, "coloured: hunter2\x1b[1m-8c1f\x1b[0m\n"),
        log(1, 4, "at the end: hunter2-8c1"),
        log(1, 5, "f"),
        warning,
        failed,
    ];
    for mode in [ProgressMode::Plain, ProgressMode::Json, ProgressMode::Quiet] {
        let shown = shown_without(mode, secret, &events);
        assert!(!shown.contains(secret), "{shown}");
        for line in ["cut: ***", "coloured: ***", "at the end: ***"] {
            assert!(shown.contains(line), "{mode}: {shown}");
        }
    }
    let plain = shown_without(ProgressMode::Plain, secret, &events);
    assert!(
        plain.contains("ERROR: `curl ***` did not complete"),
        "{plain}"
    );
    assert!(plain.contains("odd: ***"), "{plain}");
}

#[test]
fn what_was_held_back_is_shown_when_the_step_ends() {
    let events = [
        known(1, "[a 1/1] RUN x", StepKind::Instruction),
        Event::StepStarted { step: StepId(1) },
        log(1, 1, "no line end: hunter"),
        done(1, 2),
    ];
    let shown = shown_without(ProgressMode::Plain, "hunter2-8c1f", &events);
    assert!(shown.contains("no line end: hunter\n"), "{shown}");
}
