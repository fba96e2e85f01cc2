//! Daemons that say what no real one can be made to say here.

use std::io;

use bytes::Bytes;
use futures_util::stream;

use crate::engine::docker::{Docker, EngineError, EngineErrorKind, runtime};
use crate::engine::host;
use crate::engine::testing::Served;
use crate::system::env::Env;

const DOCKER: &str = r#"{"Version":"26.1.5","ApiVersion":"1.45","Os":"linux","Components":[{"Name":"Engine","Version":"26.1.5"}]}"#;
/// What a daemon says of an image.
const IMAGE: &str = r#"{"Id":"sha256:0","Size":7,"RootFS":{"Type":"layers","Layers":["a","b"]}}"#;

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
        let daemon = Served::scripted(version, "/nothing", "200 OK", "");
        let error = Docker::connect(&daemon.host()).unwrap_err();
        assert!(
            matches!(&error, EngineError::Unsupported { engine, .. } if engine == expected),
            "{error:?}"
        );
        let hint = error.hint().unwrap();
        assert!(hint.contains("`--engine native"), "{hint}");
        assert_eq!(
            hint.contains("`podman load"),
            expected.starts_with("Podman")
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
        let daemon = Served::scripted(version, "/images/x/json", "200 OK", IMAGE);
        let docker = Docker::connect(&daemon.host()).unwrap();
        let known = docker.inspect("x").unwrap();
        assert_eq!(
            (&*known.id, known.unpacked, known.layers),
            ("sha256:0", 7, 2)
        );
    }
}

/// Loads an archive of a few bytes.
fn load(docker: &Docker) -> Result<(), EngineError> {
    let body = stream::iter([Ok(Bytes::from_static(b"archive"))]);
    runtime().unwrap().block_on(docker.take(body))
}

#[test]
fn the_end_of_the_last_line_may_come_alone() {
    let answer = "{\"stream\":\"Loaded image: x\"}\r\n";
    let daemon = Served::scripted(DOCKER, "/images/load", "200 OK", answer);
    let docker = Docker::connect(&daemon.host()).unwrap();
    load(&docker).unwrap();
}

#[test]
fn a_refused_load_says_what_the_daemon_says() {
    let answer = r#"{"message":"no space left on device"}"#;
    let daemon = Served::scripted(DOCKER, "/images/load", "500 Internal Server Error", answer);
    let docker = Docker::connect(&daemon.host()).unwrap();
    let EngineError::NotLoaded { source, .. } = load(&docker).unwrap_err() else {
        panic!("it is refused");
    };
    let said = source.to_string();
    assert_eq!(said, "it answers with status 500: no space left on device");
}
