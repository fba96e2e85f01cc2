//! Runs that build: what is printed and written, and two runs at once.

use serde_json::Value;

use super::{servers, timeless};
use crate::base::cache;
use crate::faults::has_base;
use crate::support::daemon::{Daemon, one_daemon};
use crate::support::golden::assert_golden;
use crate::support::program::{Outcome, PROGRAM, slimbuild};
use crate::support::schema::assert_valid;
use crate::support::tree::Tree;
use crate::support::unique;

/// Three apps of the sample under names of their own, of which the server's build fails.
fn shop_that_fails(prefix: &str) -> Tree {
    let tree = Tree::shop();
    for app in ["server", "site", "worker"] {
        let names = format!(r#"{{"tags": ["{prefix}/{app}:1"]}}"#);
        tree.write(&format!("apps/{app}/slimbuild.json"), &names);
    }
    tree.replace(
        "apps/server/package.json",
        "node scripts/generate.mjs && tsc -p tsconfig.build.json",
        "node -e 'console.error(`out of paper`); process.exit(7)'",
    );
    tree
}

fn run(daemon: &Daemon, tree: &Tree, more: &[&str]) -> Outcome {
    let own = ["apps/server", "apps/site", "apps/worker", "-j", "1"];
    daemon.slimbuild(tree.root(), &[&own, more].concat())
}

/// The lines of our own: those of BuildKit's steps differ with its cache.
fn own_lines(text: &str, prefix: &str) -> String {
    let is_step = |line: &&str| {
        let rest = line.split_once("│ ").map_or(*line, |(_, rest)| rest);
        // The report says what was cached.
        let is_report = rest.starts_with("  ") && !rest.starts_with("  │");
        is_report || rest.starts_with('#') || rest.starts_with("context: ")
    };
    let lines = text.lines().filter(|line| !is_step(line));
    let text = lines.collect::<Vec<_>>().join("\n") + "\n";
    timeless(&text).replace(prefix, "PREFIX")
}

#[test]
fn one_app_fails_and_the_others_are_built() {
    one_daemon("one_app_fails_and_the_others_are_built", |daemon| {
        let prefix = format!("slimbuild-it/many-{}", unique());
        let tree = shop_that_fails(&prefix);
        let outcome = run(daemon, &tree, &["--metadata-file", "images.json"]);
        assert_eq!(outcome.code, 4, "{}", outcome.stderr);
        let names = ["site", "worker"].map(|app| format!("{prefix}/{app}:1"));
        assert_eq!(
            String::from_utf8(outcome.stdout).unwrap(),
            names.clone().map(|name| name + "\n").concat()
        );
        assert_golden("many/plain.txt", &own_lines(&outcome.stderr, &prefix));
        let document: Value = serde_json::from_str(&tree.read("images.json")).unwrap();
        assert_valid("metadata", &document);
        assert_eq!(document["apps/server"]["slimbuild.state"], "failed");
        for app in ["apps/site", "apps/worker"] {
            assert_eq!(document[app]["slimbuild.state"], "verified");
            assert!(document[app]["slimbuild.image.size"].as_u64().unwrap() > 1_000_000);
        }
        let outcome = run(daemon, &tree, &["--progress", "json", "--print", "id"]);
        assert_eq!(outcome.code, 4, "{}", outcome.stderr);
        let printed = String::from_utf8(outcome.stdout).unwrap();
        let expected: Vec<String> = names
            .iter()
            .map(|name| daemon.image(name).id.unwrap())
            .collect();
        assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
        let mut told = String::new();
        for line in outcome.stderr.lines() {
            let mut event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
            assert_valid("events", &event);
            let kind = event["event"].as_str().unwrap().to_owned();
            let of_all = ["apps", "error"].contains(&&*kind);
            assert_eq!(event["app"].is_string(), !of_all, "{line}");
            if !of_all && kind != "state" {
                continue;
            }
            forget_numbers(&mut event);
            told += &event.to_string().replace(&prefix, "PREFIX");
            told.push('\n');
        }
        // The apps are planned at the same time.
        let (mut first, rest): (Vec<&str>, Vec<&str>) = told
            .lines()
            .partition(|line| line.contains(r#""planning""#) || line.contains(r#""waiting""#));
        first.sort_unstable();
        let told = [first, rest].concat().join("\n") + "\n";
        assert_golden("many/events.jsonl", &told);
        for name in names {
            daemon.remove(&name);
        }
    });
}

/// Replaces times and sizes, which differ from run to run.
fn forget_numbers(event: &mut Value) {
    for key in ["seconds", "size"] {
        if event[key].is_number() {
            event[key] = 0.into();
        }
    }
    for app in event["apps"].as_array_mut().into_iter().flatten() {
        forget_numbers(app);
    }
    if let Some(object) = event.as_object_mut() {
        object.retain(|key, value| {
            !(value.is_null() && ["seconds", "size", "apps"].contains(&&**key))
        });
    }
}

/// What is made without Docker can be compared to the byte.
#[test]
fn two_runs_at_once_do_not_disturb_each_other() {
    if !has_base("two_runs_at_once_do_not_disturb_each_other") {
        return;
    }
    let apps = ["a", "b", "c", "d"];
    let tree = servers(&apps.map(|app| (app, "")));
    for app in apps {
        let main = format!(
            "require('node:http').createServer((_, answer) => answer.end('{app}')).listen(3000)"
        );
        tree.write(&format!("apps/{app}/dist/main.js"), &main);
    }
    let cache = cache();
    let start = |output: &str| {
        let mut command = std::process::Command::new(PROGRAM);
        command
            .args(["--all", "--prebuilt", "--engine", "native", "-j", "4"])
            .args(["--progress", "plain", "--no-cache", "--output", output])
            .args(["--cache-dir", cache.to_str().unwrap()])
            .args(["--metadata-file", &format!("{}.json", &output[..3])])
            .current_dir(tree.root())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    fs_err::create_dir(tree.root().join("one")).unwrap();
    fs_err::create_dir(tree.root().join("two")).unwrap();
    let runs = [start("one/{app}.tar"), start("two/{app}.tar")];
    for run in runs {
        let output = run.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
    }
    let bytes = |path: String| fs_err::read(tree.root().join(path)).unwrap();
    for app in apps {
        let (one, two) = (
            bytes(format!("one/{app}.tar")),
            bytes(format!("two/{app}.tar")),
        );
        assert!(one == two, "{app} differs");
    }
    assert!(bytes("one/a.tar".to_owned()) != bytes("one/b.tar".to_owned()));
    let digest = |run: &str, app: &str| {
        let text = tree.read(&format!("{run}.json"));
        let document: Value = serde_json::from_str(&text).unwrap();
        document[format!("apps/{app}")]["containerimage.digest"].clone()
    };
    for app in apps {
        assert!(digest("one", app).is_string());
        assert_eq!(digest("one", app), digest("two", app));
    }
    // Alone, it is the same image.
    slimbuild(
        tree.root(),
        &[
            "apps/a",
            "--prebuilt",
            "--engine",
            "native",
            "-o",
            "alone.tar",
            "--cache-dir",
            cache.to_str().unwrap(),
        ],
    )
    .text();
    assert!(bytes("alone.tar".to_owned()) == bytes("one/a.tar".to_owned()));
}

/// The proof that fails unpacks the base anew, and others use the one in the cache meanwhile.
#[test]
fn an_app_that_would_not_run_leaves_the_others_alone() {
    if !has_base("an_app_that_would_not_run_leaves_the_others_alone") {
        return;
    }
    let apps = ["a", "b", "bad", "c", "worse"];
    let tree = servers(&apps.map(|app| (app, "")));
    for app in apps {
        let main = match app {
            "bad" | "worse" => "require('left-pad')",
            _ => "require('node:http').createServer((_, answer) => answer.end('up')).listen(3000)",
        };
        let main = format!("{main} // {}", unique());
        tree.write(&format!("apps/{app}/dist/main.js"), &main);
    }
    let cache = cache();
    let cache = cache.to_str().unwrap();
    let own = ["--all", "--prebuilt", "--engine", "native", "-j", "5"];
    let more = ["--cache-dir", cache, "-o", "{app}.tar"];
    let outcome = slimbuild(tree.root(), &[&own[..], &more].concat());
    assert_eq!(outcome.code, 4, "{}", outcome.stderr);
    let end = "error: 2 of 5 apps failed: apps/bad, apps/worse\n";
    assert!(outcome.stderr.ends_with(end), "{}", outcome.stderr);
    let printed = String::from_utf8(outcome.stdout).unwrap();
    assert_eq!(printed, "a.tar\nb.tar\nc.tar\n");
}
