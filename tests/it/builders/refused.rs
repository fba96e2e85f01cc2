//! What a builder refuses, or is not asked for: each in words, before anything is built.

use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;
use slimbuild::Env;

use super::Lab;
use crate::support::daemon::{each_daemon, skipped};
use crate::support::line::Line;
use crate::support::program::{slimbuild, slimbuild_with};
use crate::support::tree::{Tree, shop};

fn refusal(arguments: &[&str]) -> String {
    let all = [&["apps/server"], arguments].concat();
    slimbuild(&shop(), &all).refusal(&shop())
}

#[test]
fn flags_that_do_not_fit_are_refused() {
    let address = "tcp://127.0.0.1:9";
    assert_snapshot!(refusal(&["--builder", address, "--engine", "native"]), @"");
    assert_snapshot!(refusal(&["--builder", address, "-H", "unix:///x.sock"]), @"");
    assert_snapshot!(refusal(&["--cache", "registry.example.com/cache:1"]), @"");
    assert_snapshot!(refusal(&["--builder", "builder:1234"]), @"");
    assert_snapshot!(refusal(&["--builder", "tls://builder:1234"]), @"");
    assert_snapshot!(refusal(&["--builder", address, "--builder-tls", "nowhere"]), @"");
}

#[test]
fn a_builder_that_does_not_answer_is_named() {
    assert_snapshot!(refusal(&["--builder", "tcp://127.0.0.1:9"]), @"");
    assert_snapshot!(refusal(&["--builder", "unix:///nowhere/buildkitd.sock"]), @"");
    let env: Env = [("BUILDKIT_HOST", "tcp://127.0.0.1:9")]
        .into_iter()
        .collect();
    let outcome = slimbuild_with(&shop(), &["apps/server"], &env);
    assert_snapshot!(outcome.refusal(&shop()), @"");
}

/// Certificates of another authority than the lab's.
fn strangers(directory: &Path) {
    let run = |arguments: &[&str]| {
        let made = Command::new("openssl")
            .args(arguments)
            .current_dir(directory)
            .output();
        let made = made.unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
    };
    for name in ["ca", "cert"] {
        let (key, pem) = (format!("{name}.key"), format!("{name}.pem"));
        run(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=stranger",
            "-keyout",
            &key,
            "-out",
            &pem,
        ]);
    }
    fs_err::rename(directory.join("cert.key"), directory.join("key.pem")).unwrap();
}

#[test]
fn certificates_that_do_not_fit_are_told_apart() {
    let test = "certificates_that_do_not_fit_are_told_apart";
    let Some(lab) = Lab::new(test) else { return };
    let directory = crate::support::temporary();
    strangers(directory.path());
    let (own, strange) = (
        lab.certificates.to_str().unwrap(),
        directory.path().to_str().unwrap(),
    );
    let said = |tls: &str| {
        let text = refusal(&["--builder", &lab.address, "--builder-tls", tls]);
        text.replace(&lab.address, "$BUILDER")
            .replace(strange, "$STRANGE")
    };
    assert_snapshot!(said(strange), @"");
    assert_snapshot!(said(&format!("cacert={own}/ca.pem,cert={strange}/cert.pem,key={strange}/key.pem")), @"");
    assert_snapshot!(said(&format!("cacert={own}/ca.pem")), @"");
    assert_snapshot!(said(&format!("dir={own},servername=elsewhere")), @"");
    assert_snapshot!(said(&format!("cacert={own}/key.pem")), @"");
    let plain = refusal(&["--builder", &lab.address]);
    assert_snapshot!(plain.replace(&lab.address, "$BUILDER"), @"");
}

#[test]
fn what_a_builder_cannot_do_is_said_before_the_build() {
    let test = "what_a_builder_cannot_do_is_said_before_the_build";
    each_daemon(test, |daemon| {
        let Some(line) = Line::to_buildkit(&daemon.address) else {
            return skipped("the daemon has no socket", test);
        };
        let tree = Tree::shop();
        let all = ["apps/server", "--builder", &line.address, "-o", "x.tar"];
        let text = slimbuild(tree.root(), &all).refusal(tree.root());
        let text = text.replace(&line.address, "$BUILDER");
        let error = text
            .lines()
            .find(|line| line.starts_with("error: "))
            .unwrap();
        assert_eq!(
            error,
            "error: the builder at `$BUILDER` (--builder) keeps its images to itself: it is that of a Docker daemon without containerd's image store"
        );
        assert!(text.contains("exit code 3"), "{text}");
        assert!(text.contains("containerd-snapshotter"), "{text}");
        assert!(!tree.root().join("x.tar").exists());
    });
    let Some(lab) = Lab::new(test) else { return };
    let (address, own) = (&*lab.address, lab.certificates.to_str().unwrap());
    let said = |more: &[&str]| {
        let text = refusal(&[&["--builder", address, "--builder-tls", own], more].concat());
        text.replace(address, "$BUILDER").replace(own, "$CERTS")
    };
    assert_snapshot!(said(&["-o", "dir=x"]), @"");
    assert_snapshot!(said(&["--smoke"]), @"");
    assert_snapshot!(said(&["--cache-to", "type=local,dest=x"]), @"");
}
