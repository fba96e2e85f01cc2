//! Builds that fail on a real daemon: the log is shown, the step is named, and nothing is left
//! behind.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

use insta::assert_snapshot;

use crate::support::daemon::{Daemon, each_daemon, one_daemon, skipped};
use crate::support::line::Line;
use crate::support::tree::Tree;
use crate::support::unique;

/// The server with another build script.
fn server(script: &str) -> Tree {
    let tree = Tree::shop();
    let manifest = "apps/server/package.json";
    tree.replace(
        manifest,
        "node scripts/generate.mjs && tsc -p tsconfig.build.json",
        script,
    );
    tree
}

/// The output of a failing build, from the failed step's mark on.
fn failure(daemon: &Daemon, tree: &Tree, more: &[&str]) -> String {
    let tag = daemon.tag("failing");
    let arguments = ["apps/server", "-t", &tag.name];
    let outcome = daemon.slimbuild(tree.root(), &[&arguments[..], more].concat());
    let text = outcome.refusal(tree.root());
    let made = daemon.wait(daemon.client.inspect_image(&tag.name));
    assert!(made.is_err(), "there is an image in spite of all");
    let (code, words) = text.split_once('\n').unwrap();
    let from = words.find('✗').unwrap_or_else(|| panic!("no log: {words}"));
    format!("{code}\n{}", &words[from..])
}

#[test]
fn a_failing_step_is_shown_with_its_log() {
    each_daemon("a_failing_step_is_shown_with_its_log", |daemon| {
        let tree = server("echo compiling; echo 'src/main.ts(1,1): no such type' >&2; exit 7");
        for progress in ["quiet", "plain", "auto"] {
            let text = failure(daemon, &tree, &["--progress", progress]);
            assert!(
                text.starts_with("exit code 4\n✗ [build-apps-server "),
                "{text}"
            );
            // Two streams, which the engine merges as they come.
            for line in ["compiling", "src/main.ts(1,1): no such type"] {
                assert!(text.contains(&format!("\n  │ {line}\n")), "{line}: {text}");
            }
            let error = text.split("\nerror: ").nth(1).unwrap();
            let told =
                "the task `build` of @shop/server failed with exit code 7; its log is above\n";
            assert!(error.starts_with(told), "{text}");
            // The user sees what the task ran, without the shell code around it.
            let shell = ["RUN ", "written ", "test -f", "/bin/sh -c", "||"];
            assert!(shell.iter().all(|part| !text.contains(part)), "{text}");
        }
    });
}

#[test]
fn an_entry_that_the_build_does_not_write() {
    one_daemon("an_entry_that_the_build_does_not_write", |daemon| {
        let text = failure(daemon, &Tree::shop(), &["-q", "--entry", "dist/mian.js"]);
        assert!(text.starts_with("exit code 4\n"), "{text}");
        let told = "the image starts apps/server/dist/mian.js, which the build did not write (--entry names another); it wrote:";
        assert!(
            text.contains(&format!("\n  │ slimbuild: {told}\n")),
            "{text}"
        );
        assert!(text.contains("\n  │ apps/server/dist/main.js\n"), "{text}");
    });
}

/// A build in a process of its own, in the middle of the server's build script.
struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Running {
    fn start(tree: &Tree, address: &str, tag: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_slimbuild"))
            .args(["apps/server", "--progress", "plain", "-t", tag])
            .current_dir(tree.root())
            .env("DOCKER_HOST", address)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        // The script's own output, not the step's name or pnpm's echo of the script.
        while !line.contains(" started ") || line.contains("echo") {
            line.clear();
            assert!(
                stderr.read_line(&mut line).unwrap() > 0,
                "it ended by itself"
            );
        }
        Self { child, stderr }
    }

    /// Waits for its end, and gives the exit code and what it still said.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        let output = self.child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
        (output.status.code(), rest)
    }
}

/// A server whose build takes long.
fn slow_server() -> Tree {
    server(&format!("echo started {}; sleep 300", unique()))
}

#[test]
fn a_daemon_that_goes_away_in_the_middle() {
    let test = "a_daemon_that_goes_away_in_the_middle";
    one_daemon(test, |daemon| {
        let Some(line) = Line::to(&daemon.address) else {
            return skipped("the daemon has no socket", test);
        };
        let tag = daemon.tag("cut");
        let build = Running::start(&slow_server(), &line.address, &tag.name);
        line.cut();
        let (code, rest) = build.end();
        assert_eq!(code, Some(75), "{rest}");
        assert!(rest.contains("; trying again in 1 s (1 of 3)\n"), "{rest}");
        let from = rest.find("error: ").unwrap_or_else(|| panic!("{rest}"));
        let text = rest[from..].replace(&line.address, "$ADDRESS");
        // The cause differs by what is under way.
        let text: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("  caused by: "))
            .collect();
        assert_snapshot!(text.join("\n"), @"
        error: lost the connection to the Docker daemon at `$ADDRESS` (DOCKER_HOST) during the build

        hint: Check that the daemon runs with `docker version`, and look into its log for why it stopped; then build again: finished steps are cached.
        ");
    });
}

#[test]
fn an_interrupt_ends_the_build() {
    one_daemon("an_interrupt_ends_the_build", |daemon| {
        let tag = daemon.tag("interrupted");
        let build = Running::start(&slow_server(), &daemon.address, &tag.name);
        let process = build.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &process]).status();
        assert!(sent.unwrap().success());
        let (code, rest) = build.end();
        assert_eq!(code, Some(130), "{rest}");
        assert_eq!(rest.lines().last(), Some("error: interrupted"), "{rest}");
        assert!(daemon.wait(daemon.client.inspect_image(&tag.name)).is_err());
    });
}
