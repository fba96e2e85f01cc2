//! A Docker daemon that exists but refuses to work: slimbuild reports it, and no other engine
//! silently takes over.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::{Command, Output};
use std::thread;

use super::said;
use crate::support::tree::Tree;
use crate::trial::server;

/// Runs slimbuild, without rights of root, where the default socket is the file `run/docker.sock` of the tree.
fn auto(tree: &Tree, more: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_slimbuild");
    let script = "mount --bind run \"$(readlink -f /var/run)\" || exit 99
                  exec unshare --user --map-user=1000 --map-group=1000 \"$@\"";
    Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .args([script, "sh", program, "apps/api", "--prebuilt"])
        .args(["--cache-dir", "cache"])
        .args(more)
        .env_remove("DOCKER_HOST")
        .env_remove("DOCKER_CONTEXT")
        .env("DOCKER_CONFIG", tree.root().join("no-configuration"))
        .current_dir(tree.root())
        .output()
        .unwrap()
}

/// A server that is already built, and a directory for `/var/run`.
fn workspace() -> Tree {
    let tree = server("");
    fs_err::create_dir(tree.root().join("run")).unwrap();
    tree
}

fn listen(tree: &Tree) -> UnixListener {
    UnixListener::bind(tree.root().join("run/docker.sock")).unwrap()
}

fn forbid(tree: &Tree, path: &str, mode: u32) {
    let mode = std::fs::Permissions::from_mode(mode);
    fs_err::set_permissions(tree.root().join(path), mode).unwrap();
}

#[test]
fn a_socket_without_permission_is_said_whatever_the_engine() {
    let tree = workspace();
    let _listener = listen(&tree);
    forbid(&tree, "run/docker.sock", 0o000);
    let told = said(&auto(&tree, &[]), tree.root());
    insta::assert_snapshot!(told, @"
    exit code 3
    error: cannot reach a Docker daemon at `unix:///var/run/docker.sock` (the default socket)
      caused by: Permission denied (os error 13)

    hint: Join the group `docker` with `sudo usermod -aG docker $USER` and log in again, or point DOCKER_HOST at a daemon of your own. `--engine native` makes the image without a daemon. `--dry-run` needs no daemon.
    ");
    assert_eq!(
        said(&auto(&tree, &["--engine", "docker"]), tree.root()),
        told
    );
    // Its directory must not be accessible either.
    forbid(&tree, "run", 0o000);
    let unseen = said(&auto(&tree, &[]), tree.root());
    forbid(&tree, "run", 0o700);
    assert_eq!(unseen, told);
    assert!(!tree.root().join("cache").exists());
}

#[test]
fn a_daemon_that_answers_with_an_error_is_said() {
    let tree = workspace();
    let listener = listen(&tree);
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            drop(connection.read(&mut [0; 4096]));
            let answer = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 22\r\nConnection: close\r\n\r\n{\"message\":\"starting\"}";
            drop(connection.write_all(answer.as_bytes()));
        }
    });
    let told = said(&auto(&tree, &[]), tree.root());
    insta::assert_snapshot!(told, @"
    exit code 75
    warning: cannot reach a Docker daemon at `unix:///var/run/docker.sock` (the default socket): it answers with status 503: starting; trying again in 1 s (1 of 3)
    warning: cannot reach a Docker daemon at `unix:///var/run/docker.sock` (the default socket): it answers with status 503: starting; trying again in 2 s (2 of 3)
    warning: cannot reach a Docker daemon at `unix:///var/run/docker.sock` (the default socket): it answers with status 503: starting; trying again in 4 s (3 of 3)
    error: cannot reach a Docker daemon at `unix:///var/run/docker.sock` (the default socket)
      caused by: it answers with status 503: starting

    hint: Look into the daemon's log, or start it anew. `--engine native` makes the image without a daemon. `--dry-run` needs no daemon.
    ");
}

#[test]
fn no_daemon_at_all_turns_to_the_native_engine_and_says_so() {
    let tree = workspace();
    let turned = "no Docker daemon answers: the image is made on this machine";
    // Fails before it downloads anything, because the platform does not exist.
    let native = |more: &[&str]| {
        said(
            &auto(
                &tree,
                &[
                    &[
                        "--npm-registry",
                        "http://127.0.0.1:9",
                        "--debian-mirror",
                        "http://127.0.0.1:9",
                    ],
                    more,
                ]
                .concat(),
            ),
            tree.root(),
        )
    };
    let absent = native(&[]);
    assert!(absent.contains(turned), "{absent}");
    // The listener is gone and left its socket.
    drop(listen(&tree));
    let refused = native(&[]);
    assert!(refused.contains(turned), "{refused}");
    for (named, word) in [
        (&["--engine", "docker"][..], "the default socket"),
        (&["--host", "unix:///var/run/docker.sock"][..], "--host"),
    ] {
        let insisted = native(named);
        assert!(
            insisted.starts_with("exit code 3\nerror: cannot reach a Docker daemon at"),
            "{insisted}"
        );
        assert!(
            insisted.contains(word) && !insisted.contains(turned),
            "{insisted}"
        );
    }
}
