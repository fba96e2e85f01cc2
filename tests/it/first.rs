//! The README's first command, exactly as written there, with and without a daemon.

use std::path::Path;
use std::process::{Command, Output};

use crate::base::load;
use crate::support::container::Container;
use crate::support::daemon::{Daemon, each_daemon, skipped};
use crate::support::pnpm::reachable;
use crate::support::tree::{Tree, repository, shop_files};

/// The command, without the part that makes cargo build the program.
fn first_command() -> Vec<String> {
    let readme = fs_err::read_to_string(repository().join("README.md")).unwrap();
    let line = readme.lines().find(|line| line.starts_with("$ ")).unwrap();
    let command = line.split('#').next().unwrap();
    let arguments = command.strip_prefix("$ cargo run -- ").expect(line);
    arguments.split_whitespace().map(str::to_owned).collect()
}

/// A copy of the sample in a directory like this repository.
fn clone() -> Tree {
    let tree = Tree::new(&[]);
    for path in shop_files() {
        let to = tree.root().join("testdata/shop").join(&path);
        fs_err::create_dir_all(to.parent().unwrap()).unwrap();
        fs_err::copy(repository().join("testdata/shop").join(&path), to).unwrap();
    }
    tree
}

fn run(directory: &Path, before: &[&str], host: Option<&str>) -> Output {
    let program = env!("CARGO_BIN_EXE_slimbuild");
    let words = [before, &["env", program]].concat();
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .args(first_command())
        .current_dir(directory)
        .env_remove("DOCKER_HOST")
        .env_remove("DOCKER_CONTEXT")
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    if let Some(host) = host {
        command.env("DOCKER_HOST", host);
    }
    command.output().unwrap()
}

/// It boots, answers, and does not run as root.
fn answers(daemon: &Daemon) {
    let config = daemon.image("server:latest").config.unwrap();
    assert_eq!(config.user.as_deref(), Some("65532:65532"));
    assert_eq!(config.working_dir.as_deref(), Some("/app/apps/server"));
    let container = Container::start(daemon, "server:latest", 3000);
    assert!(container.get(3000, "/health").contains("80189d84db5f"));
    assert!(container.get(3000, "/").contains("<html"));
    assert_eq!(container.stop(), 0);
}

#[test]
fn the_first_command_without_docker() {
    let test = "the_first_command_without_docker";
    // Hides Docker's sockets.
    let hidden = "mount -t tmpfs none /run && exec \"$@\"";
    let alone = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        hidden,
        "sh",
    ];
    let possible = Command::new(alone[0])
        .args(&alone[1..])
        .arg("true")
        .output();
    if !possible.is_ok_and(|output| output.status.success()) {
        return skipped("no user namespaces, to hide Docker in", test);
    }
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    let tree = clone();
    let output = run(tree.root(), &alone, None);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    // Relative to where the command was typed.
    let file = String::from_utf8(output.stdout).unwrap();
    assert_eq!(file, "testdata/shop/server.oci.tar\n");
    assert!(said.contains("no Docker daemon answers"), "{said}");
    each_daemon(test, |daemon| {
        load(daemon, &tree.root().join(file.trim()));
        answers(daemon);
    });
}

#[test]
fn the_first_command_with_docker() {
    each_daemon("the_first_command_with_docker", |daemon| {
        let tree = clone();
        let output = run(tree.root(), &[], Some(&daemon.address));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        assert_eq!(output.stdout, b"server:latest\n");
        assert!(!tree.root().join("testdata/shop/server.oci.tar").exists());
        answers(daemon);
    });
}
