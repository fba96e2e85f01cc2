//! Builds that do not end well: the context cannot be read, the user interrupts, the daemon goes away
//! or does not offer its BuildKit.

use std::io;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::super::{Builder, Buildkit, BuildkitError, Export, Made};
use super::{buildkit, context, images, request};
use crate::engine::docker::{Docker, EngineError};
use crate::engine::host::Address;
use crate::engine::testing::{Served, soon, unique, with_every_daemon};
use crate::engine::{ContextWriter, Event, Interrupt};

const DOCKER: &str = r#"{"Version":"26.1.5","ApiVersion":"1.45","Os":"linux","Components":[{"Name":"Engine","Version":"26.1.5"}]}"#;

/// Builds without names.
fn build(
    buildkit: &Buildkit,
    context: ContextWriter<'_>,
    interrupt: &Interrupt,
    on_event: &mut dyn FnMut(Event),
) -> Result<Made, BuildkitError> {
    buildkit.build(
        &request(&[]),
        context,
        vec![Export::Keep],
        interrupt,
        on_event,
    )
}

/// Whether a process with this argument runs, a daemon's containers included as far as they are on
/// this machine.
fn runs(argument: &str) -> bool {
    let processes = fs_err::read_dir("/proc").unwrap().map_while(Result::ok);
    processes
        .filter_map(|process| fs_err::read(process.path().join("cmdline")).ok())
        .any(|line| {
            line.split(|byte| *byte == 0)
                .any(|part| part == argument.as_bytes())
        })
}

#[test]
fn the_context_writers_error_is_the_error() {
    with_every_daemon("the_context_writers_error_is_the_error", |_, docker| {
        let (_trigger, interrupt) = Interrupt::by_hand();
        for before in [0, 5_000_000] {
            let writer: ContextWriter = Box::new(move |out| {
                out.write_all(&vec![0; before])?;
                Err(io::Error::other("cannot read `apps/server/index.ts`"))
            });
            let error = build(&buildkit(docker), writer, &interrupt, &mut drop).unwrap_err();
            let BuildkitError::Build(EngineError::Context(source)) = &error else {
                panic!("{error:?}")
            };
            assert_eq!(source.to_string(), "cannot read `apps/server/index.ts`");
        }
    });
}

#[test]
fn an_interrupt_ends_the_build_in_the_daemon_too() {
    with_every_daemon(
        "an_interrupt_ends_the_build_in_the_daemon_too",
        |_, docker| {
            let id = unique();
            let mut request = request(&[&format!("slimbuild-test/interrupted:{id}")]);
            request
                .labels
                .insert("slimbuild-test".to_owned(), id.clone());
            // Not a round number, so that the process can be told from others.
            let seconds = format!("300.{}", id.replace('-', ""));
            let dockerfile =
                format!("FROM debian:bookworm-slim\nRUN echo started && sleep {seconds}\n");
            let (trigger, interrupt) = Interrupt::by_hand();
            let start = Instant::now();
            let (context, keep) = (context(&dockerfile), vec![Export::Keep]);
            let buildkit = buildkit(docker);
            let result = buildkit.build(&request, context, keep, &interrupt, &mut |event| {
                if matches!(event, Event::Log { .. }) {
                    soon("the step runs on this machine", || runs(&seconds));
                    trigger.raise();
                }
            });
            assert!(is_interrupt(&result), "{result:?}");
            assert!(start.elapsed() < Duration::from_secs(30));
            soon("the step is gone", || !runs(&seconds));
            assert_eq!(images(docker, "label", &format!("slimbuild-test={id}")), 0);
        },
    );
}

#[test]
fn a_daemon_that_goes_away_is_a_lost_connection() {
    with_every_daemon(
        "a_daemon_that_goes_away_is_a_lost_connection",
        |_, docker| {
            let Address::Local(socket) = docker.host().address() else {
                return;
            };
            let line = Served::line_to(socket);
            let through = Buildkit::connect(&Builder::of_daemon(&line.host())).unwrap();
            let dockerfile = format!(
                "FROM debian:bookworm-slim\nRUN echo {} && sleep 60\n",
                unique()
            );
            let (_trigger, interrupt) = Interrupt::by_hand();
            let cut_mid_step = build(&through, context(&dockerfile), &interrupt, &mut |event| {
                if matches!(event, Event::Log { .. }) {
                    line.cut();
                }
            });
            assert_lost(cut_mid_step);
        },
    );
}

#[test]
fn a_daemon_that_goes_away_during_the_upload_is_a_lost_connection() {
    with_every_daemon(
        "a_daemon_that_goes_away_during_the_upload_is_a_lost_connection",
        |_, docker| {
            let Address::Local(socket) = docker.host().address() else {
                return;
            };
            let line = Served::line_to(socket);
            let through = Buildkit::connect(&Builder::of_daemon(&line.host())).unwrap();
            let (_trigger, interrupt) = Interrupt::by_hand();
            let endless: ContextWriter = Box::new(|out| {
                loop {
                    out.write_all(&[0; 4096])?;
                }
            });
            let cut = build(&through, endless, &interrupt, &mut |event| {
                if matches!(
                    event,
                    Event::ContextSent {
                        bytes: 1_000_000..,
                        ..
                    }
                ) {
                    line.cut();
                }
            });
            assert_lost(cut);
        },
    );
}

fn assert_lost(result: Result<Made, BuildkitError>) {
    let error = result.unwrap_err();
    let BuildkitError::Lost { source, .. } = &error else {
        panic!("{error:?}")
    };
    eprintln!("{error}: {source}");
    assert!(
        error.to_string().contains("the Docker daemon at"),
        "{error}"
    );
}

fn is_interrupt(result: &Result<Made, BuildkitError>) -> bool {
    matches!(result, Err(BuildkitError::Build(EngineError::Interrupted)))
}

#[test]
fn an_interrupt_does_not_wait_for_a_slow_writer_to_finish() {
    let test = "an_interrupt_does_not_wait_for_a_slow_writer_to_finish";
    with_every_daemon(test, |_, docker| {
        let (trigger, interrupt) = Interrupt::by_hand();
        let (stopped, writer_stopped) = mpsc::channel();
        let endless: ContextWriter = Box::new(move |out| {
            let error = loop {
                if let Err(error) = out.write_all(&[0; 64]) {
                    break error;
                }
            };
            stopped.send(()).unwrap();
            Err(error)
        });
        let result = build(&buildkit(docker), endless, &interrupt, &mut |_| {
            trigger.raise();
        });
        assert!(is_interrupt(&result), "{result:?}");
        writer_stopped.try_recv().unwrap();
    });
}

/// A proxy that forbids upgrades, and Podman's imitation of the daemon.
#[test]
fn a_daemon_that_does_not_offer_its_buildkit_is_refused() {
    for (status, answer, expected) in [
        (
            "404 Not Found",
            r#"{"message":"page not found"}"#,
            "`POST /grpc` with status 404 (page not found)",
        ),
        ("403 Forbidden", "", "`POST /grpc` with status 403"),
        ("200 OK", "", "`POST /grpc` with status 200"),
    ] {
        let daemon = Served::scripted(DOCKER, "/grpc", status, answer);
        let docker = Docker::connect(&daemon.host()).unwrap();
        let error = Buildkit::connect(&Builder::of_daemon(docker.host())).unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
        assert!(error.is_unreached());
        let hint = error.hint().unwrap();
        assert!(hint.contains("`--engine native`"), "{hint}");
        assert!(hint.contains("`podman load`"), "{hint}");
    }
}
