//! `--progress json`: whatever happens, each line of stderr is an event, and the last one of a run that
//! failed is its error.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use slimbuild::Env;

use crate::faults::has_base;
use crate::support::daemon::{one_daemon, skipped};
use crate::support::pnpm::reachable;
use crate::support::program::{Outcome, PROGRAM, slimbuild_with};
use crate::support::schema::assert_valid;
use crate::support::tree::Tree;
use crate::support::unique;
use crate::trial::server;

/// The events of a run.
fn events(outcome: &Outcome) -> Vec<Value> {
    let text = &outcome.stderr;
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let event = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}\n{text}"));
        assert_valid("events", &event);
        event
    };
    let events: Vec<Value> = text.lines().map(event).collect();
    let last = events.last().unwrap_or(&Value::Null);
    let errors = events.iter().filter(|event| event["event"] == "error");
    if outcome.code == 0 {
        assert_eq!(errors.count(), 0, "{text}");
    } else {
        assert_eq!(errors.count(), 1, "{text}");
        assert_eq!(last["event"], "error", "{text}");
        assert_eq!(last["code"], outcome.code, "{text}");
        assert!(last["message"].is_string(), "{text}");
    }
    events
}

/// How often an event of this kind was told.
fn count(events: &[Value], kind: &str) -> usize {
    let of_kind = events.iter().filter(|event| event["event"] == kind);
    of_kind.count()
}

fn run(tree: &Tree, line: &str) -> Outcome {
    let arguments: Vec<&str> = line.split(' ').collect();
    let nowhere = "unix:///nowhere/docker.sock";
    let env = [("DOCKER_HOST", nowhere)].into_iter().collect();
    slimbuild_with(tree.root(), &arguments, &env)
}

#[test]
fn what_is_refused_before_anything_starts_is_an_event() {
    let tree = Tree::shop();
    for (line, code) in [
        ("apps/server --progress json --tga x", 2),
        ("apps/server --progress json --tag", 2),
        ("apps/server --progress=json --engine podman", 2),
        ("apps/server --progress json -q", 2),
        ("apps/sever --progress json", 1),
        ("plna apps/server --progress json", 2),
        ("--progress json", 2),
        ("apps/server --progress json --push", 2),
        ("apps/server --progress json --node newest", 2),
        ("apps/server --progress json --include nope/**", 1),
        ("apps/server --progress json", 3),
        (
            "apps/server --progress json --builder tcp://127.0.0.1:1",
            75,
        ),
        ("apps/server apps/wroker --progress json", 1),
        ("--all --progress json -t one", 2),
        ("--all --progress json", 3),
        ("--affected --progress json", 1),
        ("-C nowhere apps/server --progress json", 1),
    ] {
        let outcome = run(&tree, line);
        assert_eq!(outcome.code, code, "{line}: {}", outcome.stderr);
        assert_eq!(outcome.stdout, b"", "{line}");
        assert!(!events(&outcome).is_empty(), "{line}");
    }
    let outcome = run(&tree, "apps/server --progress json");
    let events = events(&outcome);
    let error = events.last().unwrap();
    assert_eq!(error["app"], "apps/server");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.starts_with("Start Docker"), "{hint}");
}

#[test]
fn warnings_and_summaries_are_events() {
    let tree = Tree::shop();
    for (line, notes, warnings) in [
        ("apps/server --dry-run --progress json", 1, 0),
        ("apps/server --dry-run --progress json --exclude nope", 1, 1),
        ("--all --dry-run --progress json --exclude nope", 4, 1),
        ("apps/site --dry-run --progress json --engine native", 1, 0),
    ] {
        let outcome = run(&tree, line);
        assert_eq!(outcome.code, 0, "{line}: {}", outcome.stderr);
        let events = events(&outcome);
        assert_eq!(count(&events, "note"), notes, "{line}: {events:?}");
        assert_eq!(count(&events, "warning"), warnings, "{line}: {events:?}");
    }
}

#[test]
fn a_build_with_docker_tells_events() {
    one_daemon("a_build_with_docker_tells_events", |daemon| {
        let (tree, tag) = (Tree::shop(), daemon.tag("events"));
        let run = |more: &[&str]| {
            let own = ["apps/worker", "--progress", "json", "-t", &tag.name];
            let own = [&own[..], &["--metadata-file", "image.json"]].concat();
            daemon.slimbuild(tree.root(), &[&own[..], more].concat())
        };
        let outcome = run(&["-v", "--smoke", "--exclude", "nope"]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let told = events(&outcome);
        let metadata: Value = serde_json::from_str(&tree.read("image.json")).unwrap();
        assert_valid("metadata", &metadata);
        for (kind, times) in [("warning", 1), ("image", 1), ("program-log", 0)] {
            assert_eq!(count(&told, kind), times, "{kind}: {told:?}");
        }
        // The plan, the start of the image, and what was decided.
        for begin in [
            "@shop/worker in apps/worker\n",
            "starting the image",
            "the Docker daemon is that of `",
        ] {
            let notes = told.iter().filter(|event| event["event"] == "note");
            let texts = notes.filter_map(|note| note["message"].as_str());
            let found = texts.filter(|text| text.starts_with(begin)).count();
            assert_eq!(found, 1, "{begin}: {told:?}");
        }
        assert!(count(&told, "step-known") > 5);
        tree.write(
            "apps/worker/src/main.js",
            "console.log('out of paper'); process.exit(3);",
        );
        let outcome = run(&["--smoke"]);
        assert_eq!(outcome.code, 4, "{}", outcome.stderr);
        let told = events(&outcome);
        assert_eq!(count(&told, "program-log"), 1, "{told:?}");
        tree.write("apps/worker/src/main.js", "import 'left-pad';");
        let outcome = run(&[]);
        assert_eq!(outcome.code, 4, "{}", outcome.stderr);
        let told = events(&outcome);
        assert!(count(&told, "log") > 0 && count(&told, "step-failed") == 1);
        // A name without a registry that answers.
        let outcome = daemon.slimbuild(
            tree.root(),
            &[
                "apps/site",
                "--progress",
                "json",
                "--push",
                "-t",
                "127.0.0.1:1/x:1",
            ],
        );
        assert_eq!(outcome.code, 4, "{}", outcome.stderr);
        events(&outcome);
        daemon.remove("127.0.0.1:1/x:1");
    });
}

/// Nothing was ever downloaded, and all that is needed is.
#[test]
fn a_native_build_with_an_empty_cache_tells_events() {
    let test = "a_native_build_with_an_empty_cache_tells_events";
    if !has_base(test) {
        return;
    }
    let tree = server("require('net').createServer().listen(0)");
    let native = |cache: &str, more: &[&str]| {
        let own = ["apps/api", "--prebuilt", "--engine", "native"];
        let cache = ["--progress", "json", "--cache-dir", cache];
        slimbuild_with(
            tree.root(),
            &[&own[..], &cache, more].concat(),
            &Env::of_process(),
        )
    };
    let own = crate::support::temporary();
    let cache = own.path().join("cache");
    let more = ["--no-trial", "--metadata-file", "image.json"];
    let outcome = native(cache.to_str().unwrap(), &more);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let metadata: Value = serde_json::from_str(&tree.read("image.json")).unwrap();
    assert_valid("metadata", &metadata);
    let told = events(&outcome);
    let downloads = told.iter().filter_map(|event| event["message"].as_str());
    let downloads = downloads.filter(|message| message.starts_with("downloading http"));
    assert!(downloads.count() > 1, "{told:?}");
    // A cache that cannot be used.
    let shared = crate::base::cache();
    let outcome = native(shared.to_str().unwrap(), &["-o", "nowhere/api.tar"]);
    assert_ne!(outcome.code, 0, "{}", outcome.stderr);
    events(&outcome);
}

#[test]
fn an_interrupt_is_an_event() {
    let test = "an_interrupt_is_an_event";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    let tree = server("");
    let sign = tree.root().join("sign");
    let script = format!(
        "require('node:fs').writeFileSync({:?}, ''); setInterval(() => {{}}, 1000); // {}",
        sign.display().to_string(),
        unique()
    );
    tree.write("apps/api/build.js", &script);
    for apps in [&["apps/api"][..], &["--all"]] {
        let cache = crate::base::cache();
        let child = Command::new("env")
            .args(["--default-signal=INT", PROGRAM])
            .args(apps)
            .args(["--engine", "native", "--progress", "json", "--cache-dir"])
            .arg(&cache)
            .current_dir(tree.root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for(&sign);
        let id = rustix::process::Pid::from_child(&child);
        let asked = std::time::Instant::now();
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        let output = child.wait_with_output().unwrap();
        let outcome = Outcome {
            code: output.status.code().unwrap(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert_eq!(outcome.code, 130, "{}", outcome.stderr);
        if asked.elapsed().as_secs() < 4 {
            events(&outcome);
        }
        // A run that has not ended after 5 s is ended as it is.
        for line in outcome.stderr.lines() {
            assert_valid("events", &serde_json::from_str(line).unwrap());
        }
        fs_err::remove_file(&sign).unwrap();
    }
}

fn wait_for(file: &Path) {
    let began = std::time::Instant::now();
    while !file.exists() {
        assert!(
            began.elapsed().as_secs() < 120,
            "{} never came",
            file.display()
        );
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
