//! What a builder refuses, or is not asked for: each in words, before anything is built.

use std::path::Path;

use insta::assert_snapshot;
use slimbuild::Env;

use super::{Lab, NEW_KEY, openssl};
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
    assert_snapshot!(refusal(&["--builder", address, "--engine", "native"]), @r"
    exit code 2
    error: `--builder` and `--engine native` name two engines

    hint: leave one of them out
    ");
    assert_snapshot!(refusal(&["--builder", address, "-H", "unix:///x.sock"]), @r"
    exit code 2
    error: `--builder` builds, and nothing is done with the Docker daemon of `--host`

    hint: leave one of them out, or add `--load` to load the image into that daemon
    ");
    assert_snapshot!(refusal(&["--engine", "native", "--cache-to", "registry.example.com/cache:1"]), @r"
    exit code 2
    error: `--cache-to` is for BuildKit, and the image is made on this machine

    hint: leave it out, start Docker, or name a builder with `--builder tcp://HOST:PORT`
    ");
    assert_snapshot!(refusal(&["--builder", "builder:1234"]), @r"
    exit code 3
    error: buildx has no builder `builder:1234` (from --builder)

    hint: `docker buildx ls` lists them; an address has a scheme: `tcp://HOST:PORT`, `unix:///PATH`, `docker-container://NAME`, `kube-pod://NAME`.
    ");
    assert_snapshot!(refusal(&["--builder", "tls://builder:1234"]), @r"
    exit code 3
    error: `tls://builder:1234` (from --builder) needs certificates

    hint: Name the directory with `ca.pem`, `cert.pem` and `key.pem` by `--builder-tls DIR`, or `--builder-tls cacert=FILE` if the builder asks for no client certificate.
    ");
    assert_snapshot!(refusal(&["--builder", address, "--builder-tls", "nowhere"]), @r"
    exit code 3
    error: cannot use `$ROOT/nowhere/ca.pem` for the connection to the builder: it does not exist

    hint: `--builder-tls DIR` takes a directory with `ca.pem`, `cert.pem` and `key.pem`; `cacert=FILE,cert=FILE,key=FILE` names them singly.
    ");
}

#[test]
fn a_builder_that_does_not_answer_is_named() {
    assert_snapshot!(refusal(&["--builder", "tcp://127.0.0.1:9"]), @r"
    exit code 75
    warning: cannot reach the builder at `tcp://127.0.0.1:9` (--builder): Connection refused (os error 111); trying again in 1 s (1 of 3)
    warning: cannot reach the builder at `tcp://127.0.0.1:9` (--builder): Connection refused (os error 111); trying again in 2 s (2 of 3)
    warning: cannot reach the builder at `tcp://127.0.0.1:9` (--builder): Connection refused (os error 111); trying again in 4 s (3 of 3)
    error: cannot reach the builder at `tcp://127.0.0.1:9` (--builder)
      caused by: Connection refused (os error 111)

    hint: Nothing listens there: start buildkitd, or look at the port.
    ");
    assert_snapshot!(refusal(&["--builder", "unix:///nowhere/buildkitd.sock"]), @r"
    exit code 3
    error: cannot reach the builder at `unix:///nowhere/buildkitd.sock` (--builder)
      caused by: No such file or directory (os error 2)

    hint: There is no such socket or host: look at the address.
    ");
    let env: Env = [("BUILDKIT_HOST", "tcp://127.0.0.1:9")]
        .into_iter()
        .collect();
    let outcome = slimbuild_with(&shop(), &["apps/server"], &env);
    assert_snapshot!(outcome.refusal(&shop()), @r"
    exit code 75
    warning: cannot reach the builder at `tcp://127.0.0.1:9` (BUILDKIT_HOST): Connection refused (os error 111); trying again in 1 s (1 of 3)
    warning: cannot reach the builder at `tcp://127.0.0.1:9` (BUILDKIT_HOST): Connection refused (os error 111); trying again in 2 s (2 of 3)
    warning: cannot reach the builder at `tcp://127.0.0.1:9` (BUILDKIT_HOST): Connection refused (os error 111); trying again in 4 s (3 of 3)
    error: cannot reach the builder at `tcp://127.0.0.1:9` (BUILDKIT_HOST)
      caused by: Connection refused (os error 111)

    hint: Nothing listens there: start buildkitd, or look at the port.
    ");
}

/// Certificates of another authority than the lab's.
fn strangers(directory: &Path) {
    for name in ["ca", "cert"] {
        openssl(
            directory,
            &format!(
                "req -x509 {NEW_KEY} -days 2 -subj /CN=stranger -keyout {name}.key -out {name}.pem"
            ),
        );
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
            .replace(own, "$CERTS")
    };
    assert_snapshot!(said(strange), @r"
    exit code 3
    error: cannot trust the connection to the builder at `$BUILDER` (--builder): its certificate is signed by another authority than the one of `--builder-tls`

    hint: `ca.pem` must be the authority that signed the builder's certificate; `servername=NAME` in `--builder-tls` is for a certificate of another name than the address's.
    ");
    assert_snapshot!(said(&format!("cacert={own}/ca.pem,cert={strange}/cert.pem,key={strange}/key.pem")), @r"
    exit code 3
    error: cannot trust the connection to the builder at `$BUILDER` (--builder): it closed the connection, as builders do without a client certificate that they trust

    hint: `cert.pem` and `key.pem` must be a client's certificate that the builder's authority signed.
    ");
    assert_snapshot!(said(&format!("cacert={own}/ca.pem")), @r"
    exit code 3
    error: cannot trust the connection to the builder at `$BUILDER` (--builder): it closed the connection, as builders do without a client certificate that they trust

    hint: `cert.pem` and `key.pem` must be a client's certificate that the builder's authority signed.
    ");
    assert_snapshot!(said(&format!("dir={own},servername=elsewhere")), @r"
    exit code 3
    error: cannot trust the connection to the builder at `$BUILDER` (--builder): its certificate is for another name

    hint: `ca.pem` must be the authority that signed the builder's certificate; `servername=NAME` in `--builder-tls` is for a certificate of another name than the address's.
    ");
    assert_snapshot!(said(&format!("cacert={own}/key.pem")), @r"
    exit code 3
    error: cannot use `$CERTS/key.pem` for the connection to the builder: it holds no certificate in PEM format

    hint: `--builder-tls DIR` takes a directory with `ca.pem`, `cert.pem` and `key.pem`; `cacert=FILE,cert=FILE,key=FILE` names them singly.
    ");
    let plain = refusal(&["--builder", &lab.address]);
    assert_snapshot!(plain.replace(&lab.address, "$BUILDER"), @r"
    exit code 3
    error: the builder at `$BUILDER` (--builder) does not speak as BuildKit does: it closes the connection at the first request

    hint: Look at the port: `--builder` names buildkitd, `--host` a Docker daemon. A builder that wants certificates needs `--builder-tls`.
    ");
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
            "error: the builder at `$BUILDER` (--builder) cannot export images: its Docker daemon has no containerd image store"
        );
        assert!(text.contains("exit code 3"), "{text}");
        assert!(text.contains("containerd-snapshotter"), "{text}");
        assert!(!tree.root().join("x.tar").exists());

        let cache = [
            "apps/server",
            "--cache",
            "127.0.0.1:5000/slimbuild-it/cache:1",
        ];
        let text = daemon.slimbuild(tree.root(), &cache).refusal(tree.root());
        assert!(
            text.contains("cannot write a cache outside of the image"),
            "{text}"
        );
        assert!(text.contains("--cache-to type=inline"), "{text}");
    });
    let Some(lab) = Lab::new(test) else { return };
    let (address, own) = (&*lab.address, lab.certificates.to_str().unwrap());
    let said = |more: &[&str]| {
        let text = refusal(&[&["--builder", address, "--builder-tls", own], more].concat());
        text.replace(address, "$BUILDER").replace(own, "$CERTS")
    };
    assert_snapshot!(said(&["--smoke"]), @r"
    exit code 2
    error: `--smoke` starts the image in a Docker daemon, and only the builder has it

    hint: add `--load`, which loads it into a daemon; without `--smoke`, the trial start is a step at the builder
    ");
}
