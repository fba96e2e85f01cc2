//! Typos and wrong turns of somebody who uses slimbuild for the first time. Each answer names the next
//! step.

use std::fmt::Write as _;
use std::os::unix::net::UnixListener;

use slimbuild::Env;

use crate::support::daemon::one_daemon;
use crate::support::golden::assert_golden;
use crate::support::program::{PROGRAM, slimbuild, slimbuild_with};
use crate::support::tree::Tree;

/// What is typed where, after an edit of the sample workspace.
struct Turn {
    name: &'static str,
    edit: fn(&Tree),
    directory: &'static str,
    arguments: &'static [&'static str],
}

const NOTHING: fn(&Tree) = |_| {};

const fn typed(name: &'static str, arguments: &'static [&'static str]) -> Turn {
    Turn {
        name,
        edit: NOTHING,
        directory: "",
        arguments,
    }
}

const TURNS: [Turn; 31] = [
    // The wrong command.
    typed("a misspelt command and an app", &["plna", "apps/server"]),
    typed("a misspelt command alone", &["plna"]),
    typed("a command of another tool", &["run", "apps/server"]),
    typed("a misspelt command of the cache", &["cache", "prnue"]),
    // The wrong app.
    typed("a misspelt app", &["apps/sever"]),
    typed("a misspelt app, planned", &["plan", "apps/sever"]),
    typed("a package that is no app", &["plan", "packages/tsconfig"]),
    typed("two apps, one misspelt", &["apps/server", "apps/wroker"]),
    typed("a library instead of its apps", &["packages/cat*"]),
    typed("no app", &["plan"]),
    // The wrong directory.
    Turn {
        name: "outside of a workspace",
        edit: |tree| {
            for file in ["pnpm-workspace.yaml", "pnpm-lock.yaml"] {
                tree.remove(file);
            }
        },
        directory: "apps",
        arguments: &["plan", "server"],
    },
    Turn {
        name: "a misspelt command outside of a workspace",
        edit: |tree| {
            for file in ["pnpm-workspace.yaml", "pnpm-lock.yaml"] {
                tree.remove(file);
            }
        },
        directory: "apps",
        arguments: &["hlep"],
    },
    typed(
        "a directory that is not there",
        &["-C", "shpo", "plan", "apps/server"],
    ),
    // Another package manager, and no lockfile.
    Turn {
        name: "an npm workspace",
        edit: |tree| {
            for file in ["pnpm-workspace.yaml", "pnpm-lock.yaml"] {
                tree.remove(file);
            }
            tree.write("package-lock.json", "{}");
        },
        directory: "",
        arguments: &["plan", "apps/server"],
    },
    Turn {
        name: "no lockfile",
        edit: |tree| tree.remove("pnpm-lock.yaml"),
        directory: "",
        arguments: &["plan", "apps/server"],
    },
    // The wrong order.
    typed("the command behind the app", &["apps/server", "plan"]),
    typed("an option of the build", &["plan", "apps/server", "--push"]),
    typed("an option's value is missing", &["apps/server", "--tag"]),
    typed("the app behind --smoke", &["--smoke", "apps/server"]),
    // The wrong option, and a wrong value.
    typed("a misspelt option", &["apps/server", "--tga", "x"]),
    typed(
        "an option that is not there",
        &["apps/server", "--everything"],
    ),
    typed("a wrong value", &["apps/server", "--engine", "podman"]),
    typed(
        "a platform that is not Linux",
        &["apps/server", "--platform", "windows/amd64"],
    ),
    typed(
        "a glob that brings nothing",
        &["plan", "apps/server", "--include", "nope/**"],
    ),
    typed(
        "a glob that brings nothing to a pruned workspace",
        &["prune", "apps/server", "--out", "out", "--include", "nope"],
    ),
    typed("a push to nowhere", &["apps/server", "--push", "--dry-run"]),
    typed(
        "the port of a smoke test in a dry run",
        &["apps/server", "--smoke-port", "3000", "--dry-run"],
    ),
    typed("a file that is not there", &["size", "server.tar"]),
    // slimbuild.json.
    Turn {
        name: "a wrong key",
        edit: |tree| tree.write("apps/server/slimbuild.json", "{ \"prot\": 3000 }\n"),
        directory: "",
        arguments: &["plan", "apps/server"],
    },
    Turn {
        name: "a wrong value of a key",
        edit: |tree| tree.write("apps/server/slimbuild.json", "{ \"port\": \"http\" }\n"),
        directory: "",
        arguments: &["plan", "apps/server"],
    },
    Turn {
        name: "a wrong base",
        edit: |tree| {
            tree.write(
                "apps/server/slimbuild.json",
                "{ \"base\": \"Distroless Node\" }\n",
            );
        },
        directory: "",
        arguments: &["plan", "apps/server"],
    },
];

/// The answers must tell what to do next.
const NEXT_STEPS: [&str; 5] = [
    "hint:",
    "try '--help'",
    "write `",
    "must be",
    "the other bases are",
];

fn answer(text: &mut String, name: &str, line: &str, refusal: &str) {
    assert!(
        NEXT_STEPS.iter().any(|step| refusal.contains(step)),
        "{name}: {refusal}"
    );
    let _ = write!(text, "# {name}\n$ slimbuild {line}\n{refusal}\n");
}

#[test]
fn wrong_turns_are_answered_with_the_next_step() {
    let mut text = String::new();
    for turn in TURNS {
        let tree = Tree::shop();
        (turn.edit)(&tree);
        let outcome = slimbuild(&tree.root().join(turn.directory), turn.arguments);
        let refusal = outcome.refusal(tree.root());
        answer(&mut text, turn.name, &turn.arguments.join(" "), &refusal);
    }
    let tree = Tree::shop();
    let socket = format!("unix://{}/docker.sock", tree.root().display());
    let env: Env = [("DOCKER_HOST", socket)].into_iter().collect();
    let refusal = slimbuild_with(tree.root(), &["apps/server"], &env).refusal(tree.root());
    answer(&mut text, "no Docker", "apps/server", &refusal);
    assert_golden("newcomer.txt", &text);
}

#[test]
fn a_socket_without_permission_is_answered_with_the_next_step() {
    let tree = Tree::shop();
    let socket = tree.root().join("docker.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o000);
    fs_err::set_permissions(&socket, closed).unwrap();
    // Root may connect to every socket, until it gives up its capabilities. The directories here are not
    // for other users.
    let owner = fs_err::metadata(tree.root()).unwrap();
    let mut program = std::process::Command::new(PROGRAM);
    if std::os::unix::fs::MetadataExt::uid(&owner) == 0 {
        program = std::process::Command::new("setpriv");
        program.args(["--inh-caps=-all", "--bounding-set=-all", PROGRAM]);
    }
    let output = program
        .arg("apps/server")
        .current_dir(tree.root())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .output();
    let Ok(output) = output else {
        return crate::support::daemon::skipped(
            "no setpriv",
            "a_socket_without_permission_is_answered_with_the_next_step",
        );
    };
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    let said = said.replace(&*tree.root().to_string_lossy(), "$ROOT");
    assert!(said.contains("hint:"), "{said}");
    assert_golden("newcomer-permission.txt", &said);
}

#[test]
fn an_app_that_is_named_like_a_command_or_a_typo_of_one_works() {
    let tree = Tree::new(&[
        ("pnpm-workspace.yaml", "packages: ['*']\n"),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\nimporters:\n  plan: {}\n  plna: {}\n",
        ),
        ("package.json", r#"{"packageManager": "pnpm@10.34.8"}"#),
        (
            "plan/package.json",
            r#"{"name": "plan", "scripts": {"start": "node a.js"}}"#,
        ),
        ("plan/a.js", ""),
        (
            "plna/package.json",
            r#"{"name": "plna", "scripts": {"start": "node a.js"}}"#,
        ),
        ("plna/a.js", ""),
    ]);
    for arguments in [
        &["plna", "--dry-run"][..],
        &["./plan", "--dry-run"],
        &["build", "plan", "--dry-run"],
        &["plan", "plan"],
        &["-q", "plan", "plna"],
    ] {
        slimbuild(tree.root(), arguments).text();
    }
}

/// bash asks for completions as the script of `slimbuild completions bash` does.
#[test]
fn bash_completes_commands_options_and_apps() {
    let tree = Tree::shop();
    let complete = |words: &[&str]| {
        let output = std::process::Command::new(PROGRAM)
            .arg("--")
            .arg("slimbuild")
            .args(words)
            .current_dir(tree.root().join("packages"))
            .env("SLIMBUILD_COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
            .env("_CLAP_COMPLETE_COMP_TYPE", "9")
            .env("_CLAP_IFS", "\n")
            .output()
            .unwrap();
        assert!(output.status.success());
        assert!(output.stderr.is_empty());
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete(&["pl"]), ["plan"]);
    assert_eq!(complete(&["plan", "apps/s"]), ["apps/server", "apps/site"]);
    assert_eq!(complete(&["apps/w"]), ["apps/web", "apps/worker"]);
    assert_eq!(complete(&["plan", "--jso"]), ["--json"]);
    assert_eq!(complete(&["-C", "..", "why", "apps/se"]), ["apps/server"]);
    assert_eq!(complete(&["completions", "f"]), ["fish"]);
}

#[test]
fn each_shell_gets_a_script_and_each_command_a_manual_page() {
    let tree = Tree::new(&[]);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = slimbuild(tree.root(), &["completions", shell]).text();
        assert!(script.contains("SLIMBUILD_COMPLETE"), "{script}");
    }
    let page = slimbuild(tree.root(), &["man"]).text();
    assert!(page.contains(".TH slimbuild 1"), "{page}");
    let page = slimbuild(tree.root(), &["man", "plan"]).text();
    assert!(page.contains(".TH slimbuild-plan 1"), "{page}");
}

#[test]
fn colours_come_where_they_are_wanted() {
    let tree = Tree::shop();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(PROGRAM);
        command.args(arguments).current_dir(tree.root());
        command.env_clear();
        command
    };
    let said = |mut command: std::process::Command| {
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    let coloured = |text: &str| text.contains('\u{1b}');
    assert!(!coloured(&said(run(&["apps/sever"]))));
    assert!(coloured(&said(run(&["apps/sever", "--color", "always"]))));
    assert!(coloured(&said(run(&[
        "--color=always",
        "apps/sever",
        "--nope"
    ]))));
    let mut wanted = run(&["apps/sever"]);
    wanted.env("CLICOLOR_FORCE", "1");
    assert!(coloured(&said(wanted)));
    let mut never = run(&["--color", "never", "apps/sever"]);
    never.env("CLICOLOR_FORCE", "1");
    assert!(!coloured(&said(never)));
    let mut variable = run(&["apps/sever"]);
    variable.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1");
    assert!(!coloured(&said(variable)));
}

#[test]
fn a_build_shows_its_decisions_where_that_is_asked_for() {
    let tree = Tree::shop();
    let socket = format!("unix://{}/docker.sock", tree.root().display());
    // Without the daemon that is named, there is no build.
    let env: Env = [("DOCKER_HOST", socket)].into_iter().collect();
    let outcome = slimbuild_with(tree.root(), &["apps/worker", "-v"], &env);
    assert!(
        !outcome.stderr.contains("needed to run"),
        "{}",
        outcome.stderr
    );
    let outcome = slimbuild(tree.root(), &["apps/worker", "-v", "-q"]);
    assert_eq!(outcome.code, 2);
    one_daemon("a_build_shows_its_decisions", |daemon| {
        let tag = daemon.tag("verbose");
        for (arguments, shown) in [(&["-v"][..], true), (&[], false)] {
            let build = ["apps/worker", "-t", &tag.name];
            let outcome = daemon.slimbuild(tree.root(), &[&build, arguments].concat());
            assert_eq!(outcome.code, 0, "{}", outcome.stderr);
            let says = outcome.stderr.contains("needed to run: 2 of 9 packages");
            assert_eq!(says, shown, "{}", outcome.stderr);
        }
    });
}

#[test]
fn quiet_leaves_errors_and_data() {
    let tree = Tree::shop();
    let warned = ["plan", "apps/server", "--exclude", "nope/**"];
    assert!(slimbuild(tree.root(), &warned).stderr.contains("warning:"));
    let quiet = [&["-q"][..], &warned].concat();
    let outcome = slimbuild(tree.root(), &quiet);
    assert_eq!(outcome.stderr, "");
    assert!(outcome.text().starts_with("@shop/server"));
    let pruned = slimbuild(tree.root(), &["prune", "apps/worker", "-q"]);
    assert_eq!(pruned.stderr, "");
    assert_eq!(pruned.code, 0);
    let wrong = slimbuild(tree.root(), &["-q", "plan", "apps/sever"]);
    assert!(wrong.stderr.contains("error:"), "{}", wrong.stderr);
}
