//! Daemons that say what no real one can be made to say here.

use std::io;
use std::sync::mpsc;

use super::fake::Served;
use super::{assert_lost, build, request};
use crate::engine::docker::{ContextWriter, Docker, EngineError, EngineErrorKind};
use crate::engine::{Event, Interrupt, host};
use crate::system::env::Env;

const DOCKER: &str = r#"{"Version":"26.1.5","ApiVersion":"1.45","Os":"linux","Components":[{"Name":"Engine","Version":"26.1.5"}]}"#;

#[test]
fn a_large_context_is_sent_whole() {
    let daemon = Served::scripted(DOCKER, "200 OK", r#"{"aux":{"ID":"sha256:0"}}"#);
    let docker = Docker::connect(&daemon.host()).unwrap();
    let (_trigger, interrupt) = Interrupt::by_hand();
    let (mut sent, total) = (0, 500_000_000);
    let writer: ContextWriter =
        Box::new(move |out| io::copy(&mut io::Read::take(io::repeat(1), total), out).map(|_| ()));
    let result = docker.build(&request(&[]), writer, &interrupt, &mut |event| {
        if let Event::ContextSent { bytes, .. } = event {
            sent = bytes;
        }
    });
    // The scripted daemon knows no images.
    assert!(
        matches!(result, Err(EngineError::AfterBuild { .. })),
        "{result:?}"
    );
    assert_eq!(sent, total);
}

#[test]
fn no_daemon_is_explained() {
    let directory = tempfile::tempdir().unwrap();
    let nothing = directory.path().join("nothing.sock");
    let refuses = directory.path().join("refuses.sock");
    drop(std::os::unix::net::UnixListener::bind(&refuses).unwrap());
    for (socket, kind) in [
        (nothing, io::ErrorKind::NotFound),
        (refuses, io::ErrorKind::ConnectionRefused),
    ] {
        let address = format!("unix://{}", socket.display());
        let host = host::resolve(&Env::default(), Some(&address)).unwrap();
        let error = Docker::connect(&host).unwrap_err();
        let EngineError::NotReached { source, .. } = &error else {
            panic!("{error:?}")
        };
        eprintln!("{error}: {source}\n  hint: {:?}", error.hint());
        assert_eq!(source.kind(), kind);
        assert_eq!(error.kind(), EngineErrorKind::Unreached);
        assert!(error.hint().unwrap().contains("--dry-run"));
    }
}

#[test]
fn an_engine_without_buildkit_is_refused() {
    for (version, expected) in [
        (
            r#"{"Version":"4.9.3","ApiVersion":"1.41","Os":"linux","Components":[{"Name":"Podman Engine","Version":"4.9.3"}]}"#,
            "Podman 4.9.3",
        ),
        (
            r#"{"Version":"18.06","ApiVersion":"1.38","Os":"linux"}"#,
            "Docker 18.06",
        ),
        (
            r#"{"Version":"26.1.5","ApiVersion":"1.45","Os":"windows"}"#,
            "Docker 26.1.5 for Windows containers",
        ),
    ] {
        let daemon = Served::scripted(version, "200 OK", "");
        let error = Docker::connect(&daemon.host()).unwrap_err();
        assert!(
            matches!(&error, EngineError::Unsupported { engine, .. } if engine == expected),
            "{error:?}"
        );
    }
}

/// Docker 29 refuses versions of its API that older ones insist on. The scripted daemon knows no
/// path with a version, and what has none is for every engine in the version that it speaks.
#[test]
fn no_version_of_the_api_is_insisted_on() {
    for version in [
        r#"{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12","Os":"linux"}"#,
        r#"{"Version":"29.0.0","ApiVersion":"1.52","MinAPIVersion":"1.44","Os":"linux"}"#,
        r#"{"Version":"35.0.0","ApiVersion":"1.70","MinAPIVersion":"1.60","Os":"linux"}"#,
    ] {
        let daemon = Served::scripted(version, "200 OK", r#"{"aux":{"ID":"sha256:0"}}"#);
        let docker = Docker::connect(&daemon.host()).unwrap();
        let result = build(&docker, &request(&[]), "").0;
        // The build is done; the scripted daemon knows no images.
        assert!(
            matches!(result, Err(EngineError::AfterBuild { .. })),
            "{version}: {result:?}"
        );
    }
}

#[test]
fn a_refused_build_says_what_the_daemon_says() {
    let daemon = Served::scripted(
        DOCKER,
        "400 Bad Request",
        r#"{"message":"invalid reference format"}"#,
    );
    let docker = Docker::connect(&daemon.host()).unwrap();
    let error = build(&docker, &request(&[]), "").0.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the build failed: invalid reference format"
    );
}

#[test]
fn an_answer_without_an_image_is_a_lost_connection() {
    let daemon = Served::scripted(DOCKER, "200 OK", r#"{"stream":"Step 1/1 : FROM scratch"}"#);
    let docker = Docker::connect(&daemon.host()).unwrap();
    assert_lost(build(&docker, &request(&[]), "").0);
}

#[test]
fn the_end_of_the_last_line_may_come_alone() {
    let answer = "{\"aux\":{\"ID\":\"sha256:0\"}}\r\n";
    let daemon = Served::scripted(DOCKER, "200 OK", answer);
    let docker = Docker::connect(&daemon.host()).unwrap();
    let (result, _) = build(&docker, &request(&[]), "");
    // The scripted daemon knows no images.
    assert!(
        matches!(result, Err(EngineError::AfterBuild { .. })),
        "{result:?}"
    );
}

#[test]
fn an_interrupt_does_not_wait_for_a_slow_writer_to_finish() {
    let daemon = Served::scripted(DOCKER, "200 OK", "");
    let docker = Docker::connect(&daemon.host()).unwrap();
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
    let result = docker.build(&request(&[]), endless, &interrupt, &mut |_| trigger.raise());
    assert!(
        matches!(result, Err(EngineError::Interrupted)),
        "{result:?}"
    );
    writer_stopped.try_recv().unwrap();
}
