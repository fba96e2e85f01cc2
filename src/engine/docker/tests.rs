//! Builds on real daemons where there are any, and on scripted ones.

mod fake;
mod loading;
mod registry;
mod scripted;

use std::io;
use std::time::{Duration, Instant};

use bollard::query_parameters::{ListImagesOptions, RemoveImageOptions};

use super::*;
use crate::engine::testing::with_each_daemon;
use crate::engine::{StepId, StepKind};

use fake::Served;

/// A tar archive of a Dockerfile and a file.
fn context(dockerfile: &str) -> ContextWriter<'_> {
    Box::new(move |out| {
        let mut archive = tar::Builder::new(out);
        for (path, content) in [("Dockerfile", dockerfile), ("hello.txt", "hello\n")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, path, content.as_bytes())?;
        }
        archive.finish()
    })
}

/// A text that no other run has: for names that must not meet, and steps that must not be cached.
fn unique() -> String {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    format!("{}-{}", std::process::id(), since.as_nanos())
}

fn request(tags: &[&str]) -> BuildRequest {
    BuildRequest {
        tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
        dockerfile: "Dockerfile".to_owned(),
        ..BuildRequest::default()
    }
}

fn build(
    docker: &Docker,
    request: &BuildRequest,
    dockerfile: &str,
) -> (Result<Built, EngineError>, Vec<Event>) {
    let mut events = Vec::new();
    let (_trigger, interrupt) = Interrupt::by_hand();
    let result = docker.build(request, context(dockerfile), &interrupt, &mut |event| {
        events.push(event);
    });
    (result, events)
}

fn log(events: &[Event]) -> String {
    let bytes = events.iter().filter_map(|event| match event {
        Event::Log { bytes, .. } => Some(bytes.as_slice()),
        _ => None,
    });
    String::from_utf8(bytes.collect::<Vec<_>>().concat()).unwrap()
}

/// The steps' names, of instructions only, that `is` holds for.
fn steps(events: &[Event], is: impl Fn(&Event, StepId) -> bool) -> Vec<&str> {
    let known = events.iter().filter_map(|event| match event {
        Event::StepKnown {
            step,
            name,
            kind: StepKind::Instruction,
        } => Some((*step, name.as_str())),
        _ => None,
    });
    known
        .filter(|(step, _)| events.iter().any(|event| is(event, *step)))
        .map(|(_, name)| name)
        .collect()
}

fn images(docker: &Docker, filter: &str, value: &str) -> usize {
    let filters = [(filter.to_owned(), vec![value.to_owned()])];
    let options = ListImagesOptions {
        all: false,
        filters: Some(filters.into_iter().collect()),
        ..ListImagesOptions::default()
    };
    let listed = runtime()
        .unwrap()
        .block_on(docker.client.list_images(Some(options)));
    listed.unwrap().len()
}

fn remove(docker: &Docker, tag: &str) {
    let removal = docker
        .client
        .remove_image(tag, None::<RemoveImageOptions>, None);
    runtime().unwrap().block_on(removal).unwrap();
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

fn soon(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn builds_tags_and_then_takes_all_from_the_cache() {
    with_each_daemon(
        "builds_tags_and_then_takes_all_from_the_cache",
        |_, docker| {
            let id = unique();
            let tags = [
                format!("slimbuild-test/a:{id}"),
                format!("slimbuild-test/b:{id}"),
            ];
            let mut request = request(&tags.each_ref().map(String::as_str));
            request
                .labels
                .insert("slimbuild-test".to_owned(), id.clone());
            request.build_args.insert("GREETING".to_owned(), id.clone());
            let dockerfile = "FROM node:22-slim AS one\nARG GREETING\nRUN echo $GREETING\nFROM one\nCOPY hello.txt /\n";
            let (built, events) = build(docker, &request, dockerfile);
            let built = built.unwrap();
            assert!(
                built.id.starts_with("sha256:") && built.size > 1_000_000 && built.layers > 1,
                "{built:?}"
            );
            assert!(log(&events).contains(&id));
            assert!(events.iter().any(|event| matches!(
                event,
                Event::ContextSent {
                    bytes: 1..,
                    done: true
                }
            )));
            let done = steps(
                &events,
                |event, step| matches!(event, Event::StepDone { step: done, .. } if *done == step),
            );
            assert!(
                done.iter()
                    .any(|name| name.starts_with("[one 2/2] RUN echo ")),
                "{done:?}"
            );
            assert!(
                done.iter().any(|name| name.ends_with("COPY hello.txt /")),
                "{done:?}"
            );
            assert_eq!(images(docker, "label", &format!("slimbuild-test={id}")), 1);

            let (again, events) = build(docker, &request, dockerfile);
            assert_eq!(again.unwrap().id, built.id);
            let cached = steps(&events, |event, step| *event == Event::StepCached { step });
            assert!(
                cached
                    .iter()
                    .any(|name| name.starts_with("[one 2/2] RUN echo ")),
                "{cached:?}"
            );
            assert_eq!(log(&events), "");
            // Both names are there, or one of these fails.
            for tag in &tags {
                remove(docker, tag);
            }
        },
    );
}

#[test]
fn a_failing_step_is_named_with_its_exit_code_and_log() {
    with_each_daemon(
        "a_failing_step_is_named_with_its_exit_code_and_log",
        |_, docker| {
            let dockerfile = format!(
                "FROM debian:bookworm-slim\nRUN echo {} && echo oh no >&2 && exit 7\n",
                unique()
            );
            let (result, events) = build(docker, &request(&[]), &dockerfile);
            let error = result.unwrap_err();
            eprintln!("{error}");
            let EngineError::BuildFailed {
                step,
                message,
                exit_code,
            } = &error
            else {
                panic!("{error:?}")
            };
            assert!(
                step.as_deref().unwrap().starts_with("[2/2] RUN echo "),
                "{step:?}"
            );
            assert_eq!(*exit_code, Some(7));
            assert!(
                !message.contains("failed to solve") && !message.contains("rpc error"),
                "{message}"
            );
            assert!(log(&events).contains("oh no\n"));
            let failed = steps(
                &events,
                |event, step| matches!(event, Event::StepFailed { step: failed, .. } if *failed == step),
            );
            assert_eq!(failed, [step.as_deref().unwrap()]);
            assert_eq!(error.kind(), EngineErrorKind::Build);
        },
    );
}

#[test]
fn a_base_image_that_cannot_be_had_is_explained() {
    with_each_daemon(
        "a_base_image_that_cannot_be_had_is_explained",
        |_, docker| {
            for base in [
                "slimbuild.invalid/nosuch:1",
                "127.0.0.1:5000/library/nosuch:1",
                "127.0.0.1:5001/library/node:22-slim",
            ] {
                let (result, _) = build(docker, &request(&[]), &format!("FROM {base}\n"));
                let error = result.unwrap_err();
                let hint = error.hint();
                eprintln!("{error}\n  hint: {hint:?}");
                assert!(
                    matches!(
                        error,
                        EngineError::BuildFailed {
                            exit_code: None,
                            ..
                        }
                    ),
                    "{error:?}"
                );
                assert!(hint.is_some());
            }
        },
    );
}

#[test]
fn a_broken_dockerfile_is_a_failed_build() {
    with_each_daemon("a_broken_dockerfile_is_a_failed_build", |_, docker| {
        for dockerfile in ["FORM scratch\n", "FROM scratch\nCOPY nothing /\n", ""] {
            let (result, _) = build(docker, &request(&[]), dockerfile);
            let error = result.unwrap_err();
            eprintln!("{error}");
            assert!(
                matches!(error, EngineError::BuildFailed { .. }),
                "{error:?}"
            );
        }
    });
}

#[test]
fn the_context_writers_error_is_the_error() {
    with_each_daemon("the_context_writers_error_is_the_error", |_, docker| {
        let (_trigger, interrupt) = Interrupt::by_hand();
        for before in [0, 5_000_000] {
            let writer: ContextWriter = Box::new(move |out| {
                out.write_all(&vec![0; before])?;
                Err(io::Error::other("cannot read `apps/server/index.ts`"))
            });
            let error = docker
                .build(&request(&[]), writer, &interrupt, &mut drop)
                .unwrap_err();
            let EngineError::Context(source) = &error else {
                panic!("{error:?}")
            };
            assert_eq!(source.to_string(), "cannot read `apps/server/index.ts`");
        }
    });
}

#[test]
fn an_interrupt_ends_the_build_in_the_daemon_too() {
    with_each_daemon(
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
            let result = docker.build(&request, context(&dockerfile), &interrupt, &mut |event| {
                if matches!(event, Event::Log { .. }) {
                    soon("the step runs on this machine", || runs(&seconds));
                    trigger.raise();
                }
            });
            assert!(
                matches!(result, Err(EngineError::Interrupted)),
                "{result:?}"
            );
            assert!(start.elapsed() < Duration::from_secs(30));
            soon("the step is gone", || !runs(&seconds));
            assert_eq!(images(docker, "label", &format!("slimbuild-test={id}")), 0);
        },
    );
}

#[test]
fn a_daemon_that_goes_away_is_a_lost_connection() {
    with_each_daemon(
        "a_daemon_that_goes_away_is_a_lost_connection",
        |_, docker| {
            let Address::Local(socket) = docker.host().address() else {
                return;
            };
            let line = Served::line_to(socket);
            let through = Docker::connect(&line.host()).unwrap();
            let dockerfile = format!(
                "FROM debian:bookworm-slim\nRUN echo {} && sleep 60\n",
                unique()
            );
            let (_trigger, interrupt) = Interrupt::by_hand();
            let cut_mid_step = through.build(
                &request(&[]),
                context(&dockerfile),
                &interrupt,
                &mut |event| {
                    if matches!(event, Event::Log { .. }) {
                        line.cut();
                    }
                },
            );
            assert_lost(cut_mid_step);
        },
    );
}

#[test]
fn a_daemon_that_goes_away_during_the_upload_is_a_lost_connection() {
    with_each_daemon(
        "a_daemon_that_goes_away_during_the_upload_is_a_lost_connection",
        |_, docker| {
            let Address::Local(socket) = docker.host().address() else {
                return;
            };
            let line = Served::line_to(socket);
            let through = Docker::connect(&line.host()).unwrap();
            let (_trigger, interrupt) = Interrupt::by_hand();
            let endless: ContextWriter = Box::new(|out| {
                loop {
                    out.write_all(&[0; 4096])?;
                }
            });
            let cut = through.build(&request(&[]), endless, &interrupt, &mut |event| {
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

fn assert_lost(result: Result<Built, EngineError>) {
    let error = result.unwrap_err();
    let EngineError::Lost { source, .. } = &error else {
        panic!("{error:?}")
    };
    eprintln!("{error}: {source}");
}
