//! Builds with the BuildKit of real daemons, where there are any.

mod ends;
mod registry;

use bollard::query_parameters::ListImagesOptions;

use super::*;
use crate::engine::docker::{Docker, EngineError, EngineErrorKind};
use crate::engine::testing::{client, remove, unique, with_every_daemon};
use crate::engine::{StepId, StepKind};

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

fn request(tags: &[&str]) -> BuildRequest {
    BuildRequest {
        tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
        dockerfile: "Dockerfile".to_owned(),
        ..BuildRequest::default()
    }
}

fn buildkit(docker: &Docker) -> Buildkit {
    Buildkit::connect(&Builder::of_daemon(docker.host())).unwrap()
}

fn build(
    docker: &Docker,
    request: &BuildRequest,
    dockerfile: &str,
) -> (Result<Made, BuildkitError>, Vec<Event>) {
    let mut events = Vec::new();
    let (_trigger, interrupt) = Interrupt::by_hand();
    let (context, keep) = (context(dockerfile), vec![Export::Keep]);
    let result = buildkit(docker).build(request, context, keep, &interrupt, &mut |event| {
        events.push(event);
    });
    (result, events)
}

/// The error of a build that failed, not of the connection.
fn failure(result: Result<Made, BuildkitError>) -> EngineError {
    match result.unwrap_err() {
        BuildkitError::Build(error) => error,
        error => panic!("{error:?}"),
    }
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
        .block_on(async { client(docker).list_images(Some(options)).await });
    listed.unwrap().len()
}

#[test]
fn builds_tags_and_then_takes_all_from_the_cache() {
    with_every_daemon(
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
            let built = docker.inspect(&built.unwrap().digest.to_string()).unwrap();
            assert!(
                built.id.starts_with("sha256:") && built.unpacked > 1_000_000 && built.layers > 1,
                "{built:?}"
            );
            for tag in &tags {
                assert_eq!(docker.inspect(tag).unwrap(), built, "{tag}");
            }
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
            let again = docker.inspect(&again.unwrap().digest.to_string());
            assert_eq!(again.unwrap(), built);
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
    with_every_daemon(
        "a_failing_step_is_named_with_its_exit_code_and_log",
        |_, docker| {
            let dockerfile = format!(
                "FROM debian:bookworm-slim\nRUN echo {} && echo oh no >&2 && exit 7\n",
                unique()
            );
            let (result, events) = build(docker, &request(&[]), &dockerfile);
            let error = failure(result);
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
    with_every_daemon(
        "a_base_image_that_cannot_be_had_is_explained",
        |_, docker| {
            for base in [
                "slimbuild.invalid/nosuch:1",
                "127.0.0.1:5000/library/nosuch:1",
                "127.0.0.1:5001/library/node:22-slim",
            ] {
                let (result, _) = build(docker, &request(&[]), &format!("FROM {base}\n"));
                let error = failure(result);
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
    with_every_daemon("a_broken_dockerfile_is_a_failed_build", |_, docker| {
        for dockerfile in ["FORM scratch\n", "FROM scratch\nCOPY nothing /\n", ""] {
            let (result, _) = build(docker, &request(&[]), dockerfile);
            let error = failure(result);
            eprintln!("{error}");
            assert!(
                matches!(error, EngineError::BuildFailed { .. }),
                "{error:?}"
            );
        }
    });
}
