//! The smoke test: an image that does not come up gets no name, and its log is shown.

use bollard::query_parameters::ListContainersOptions;

use crate::support::daemon::{Daemon, each_daemon, one_daemon};
use crate::support::tree::{Tree, shop};

/// Checks that no container of a smoke test is left.
fn assert_cleared(daemon: &Daemon) {
    let options = ListContainersOptions {
        all: true,
        filters: Some([("label".to_owned(), vec!["slimbuild.smoke".to_owned()])].into()),
        ..ListContainersOptions::default()
    };
    let left = daemon.wait(daemon.client.list_containers(Some(options)));
    assert_eq!(left.unwrap().len(), 0);
}

#[test]
fn what_answers_gets_its_name() {
    each_daemon("what_answers_gets_its_name", |daemon| {
        for (app, smoke, seen) in [
            (
                "apps/worker",
                "--smoke=/health",
                "GET /health on port 3001 answers 200, after ",
            ),
            ("apps/worker", "--smoke", "port 3001 is open, after "),
            (
                "apps/site",
                "--smoke=/healthz",
                "GET /healthz on port 8080 answers 200, after ",
            ),
        ] {
            let (first, second) = (daemon.tag("smoke"), daemon.tag("smoke"));
            let tags = ["-t", &first.name, "-t", &second.name];
            let arguments = [&[app, smoke, "--progress", "plain"], &tags[..]].concat();
            let outcome = daemon.slimbuild(&shop(), &arguments);
            assert_eq!(outcome.code, 0, "{}", outcome.stderr);
            let line = format!("\n  smoke    {seen}");
            assert!(outcome.stderr.contains(&line), "{}", outcome.stderr);
            let (first, second) = (daemon.image(&first.name), daemon.image(&second.name));
            assert_eq!(first.id, second.id);
        }
        assert_cleared(daemon);
    });
}

/// The messages about a worker that does not come up.
fn refused(daemon: &Daemon, tree: &Tree, more: &[&str]) -> String {
    let tag = daemon.tag("smoke");
    let arguments = ["apps/worker", "--progress", "plain", "-t", &tag.name];
    let outcome = daemon.slimbuild(tree.root(), &[&arguments[..], more].concat());
    let text = outcome.refusal(tree.root());
    let made = daemon.wait(daemon.client.inspect_image(&tag.name));
    assert!(made.is_err(), "the image has a name in spite of all");
    assert_cleared(daemon);
    assert!(text.starts_with("exit code 4\n"), "{text}");
    let (_, words) = text.split_once("starting the image\n").unwrap();
    words.to_owned()
}

#[test]
fn what_dies_is_shown_with_its_log_and_without_secrets() {
    each_daemon(
        "what_dies_is_shown_with_its_log_and_without_secrets",
        |daemon| {
            let tree = Tree::shop();
            let main = "apps/worker/src/main.js";
            let script = "console.log('the token', process.env.TOKEN, process.env.FROM_FILE, process.env.HOSTNAME_HERE);\nprocess.exit(3);\n";
            tree.write(main, script);
            tree.write("smoke.env", "# for tests\nFROM_FILE=a file's value\n");
            let arguments = [
                "--smoke",
                "-e",
                "TOKEN=s3cret-value",
                "--env-file",
                "smoke.env",
            ];
            let text = refused(daemon, &tree, &arguments);
            let told = "  │ the token *** *** undefined\nerror: the image was started, and ended with exit code 3 before it was up\n\n\
                        hint: `--env` and `--env-file` give it variables.";
            assert!(text.starts_with(told), "{text}");
        },
    );
}

#[test]
fn what_does_not_answer_is_told_from_what_answers_elsewhere() {
    one_daemon(
        "what_does_not_answer_is_told_from_what_answers_elsewhere",
        |daemon| {
            let tree = Tree::shop();
            for (more, told) in [
                (
                    vec!["--smoke=/nope"],
                    "is not up after 4 s: GET /nope on port 3001 answers 404",
                ),
                (
                    vec!["--smoke", "--smoke-port", "4000"],
                    "is not up after 4 s: nothing listens on port 4000, but on 3001",
                ),
            ] {
                let text = refused(
                    daemon,
                    &tree,
                    &[&more[..], &["--smoke-timeout", "4"]].concat(),
                );
                assert!(text.contains(told), "{text}");
            }
            tree.replace("apps/worker/src/main.js", "'0.0.0.0'", "'127.0.0.1'");
            let text = refused(daemon, &tree, &["--smoke", "--smoke-timeout", "4"]);
            let told = "it listens on 127.0.0.1:3001, where nobody outside of the container can reach it: let it listen on 0.0.0.0";
            assert!(text.contains(told), "{text}");
        },
    );
}
