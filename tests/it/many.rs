//! Several apps in one run: which they are, how they are shown, and that none disturbs another.

mod faults;
mod queue;

use std::fmt::Write as _;

use serde_json::Value;
use slimbuild::Env;

use crate::support::golden::{assert_golden, assert_same};
use crate::support::program::{Outcome, slimbuild, slimbuild_with};
use crate::support::schema::assert_valid;
use crate::support::tree::{Tree, shop};
use crate::support::unique;

/// A workspace of servers that need nothing but node, each with this in the file that its build
/// runs.
pub(crate) fn servers(apps: &[(&str, &str)]) -> Tree {
    let tree = Tree::new(&[
        ("package.json", r#"{"packageManager": "pnpm@10.34.8"}"#),
        ("pnpm-workspace.yaml", "packages: ['apps/*']\n"),
        (
            "turbo.json",
            r#"{"tasks": {"build": {"outputs": ["dist/**"]}}}"#,
        ),
    ]);
    let mut lockfile = "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n  excludeLinksFromLockfile: false\n\nimporters:\n\n  .: {}\n".to_owned();
    // So that no other test's run is in a builder's cache.
    let run = unique();
    for (name, build) in apps {
        let _ = write!(lockfile, "\n  apps/{name}: {{}}\n");
        let manifest = format!(
            r#"{{"name": "{name}", "scripts": {{"build": "node build.js", "start": "node dist/main.js"}}}}"#
        );
        tree.write(&format!("apps/{name}/package.json"), &manifest);
        tree.write(&format!("apps/{name}/.gitignore"), "dist\n");
        let script = format!("// {run}\nconst write = () => {{
  const fs = require('node:fs');
  fs.mkdirSync('dist', {{ recursive: true }});
  fs.writeFileSync('dist/main.js', `require('node:http').createServer((_, answer) => answer.end('up')).listen(3000)`);
}};
{build}
");
        tree.write(&format!("apps/{name}/build.js"), &script);
    }
    tree.write("pnpm-lock.yaml", &lockfile);
    tree
}

/// An environment whose Docker daemon is not there.
pub(crate) fn without_docker() -> Env {
    let nowhere = "unix:///nowhere/docker.sock";
    [("DOCKER_HOST", nowhere)].into_iter().collect()
}

/// A text without times and sizes, which differ from run to run, and without the widths that they
/// lead to.
fn timeless(text: &str) -> String {
    let is_number = |word: &str| word.contains('.') && word.parse::<f64>().is_ok();
    let mut told = String::new();
    for line in text.lines() {
        let mut words: Vec<String> = Vec::new();
        for word in line.split_whitespace() {
            let unit = word.trim_end_matches([',', ':']);
            let before = words.last().is_some_and(|before| is_number(before));
            if before && ["s", "B", "kB", "MB"].contains(&unit) {
                words.pop();
                words.push(format!("N {word}"));
            } else if let Some(number) = unit.strip_suffix('s').filter(|number| is_number(number)) {
                words.push(word.replace(number, "N"));
            } else {
                words.push(word.to_owned());
            }
        }
        told += words.join(" ").trim_end();
        told.push('\n');
    }
    told
}

#[test]
fn a_dry_run_shows_what_each_app_alone_would_show() {
    let tree = Tree::shop();
    let all = slimbuild(tree.root(), &["--all", "--dry-run"]);
    let stderr = all.stderr.clone();
    let mut expected = String::new();
    for app in ["apps/server", "apps/site", "apps/web", "apps/worker"] {
        let text = slimbuild(tree.root(), &[app, "--dry-run", "-q"]).text();
        let _ = write!(expected, "# {app}\n{text}\n");
    }
    assert_same("--all", &expected, &all.text());
    assert!(stderr.contains("worker: "), "{stderr}");
    for line in [
        &["apps/*"][..],
        &["-F", "./apps/*"],
        &["--filter", "@shop/*", "--filter", "!@shop/ui"],
        &["apps/server", "apps/site", "apps/web", "apps/worker"],
        &["@shop/server", "apps/si*", "apps/w*", "apps/server"],
        &["build", "--all"],
    ] {
        let arguments = [line, &["--dry-run", "-q"]].concat();
        let text = slimbuild(tree.root(), &arguments).text();
        assert_same(&line.join(" "), &expected, &text);
    }
    // Words keep their order.
    let text = slimbuild(tree.root(), &["apps/worker", "apps/server", "--dry-run"]).text();
    let heads: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("# apps/"))
        .collect();
    assert_eq!(heads, ["# apps/worker", "# apps/server"]);
}

#[test]
fn a_library_selects_the_apps_that_use_it() {
    let apps = |filter: &str| {
        let text = slimbuild(&shop(), &["-F", filter, "--dry-run", "-q"]).text();
        let heads = text.lines().filter_map(|line| line.strip_prefix("# apps/"));
        heads.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(apps("...@shop/events"), ["server", "worker"]);
    assert_eq!(apps("...^catalog"), ["server"]);
    assert_eq!(apps("...{packages/ui}"), ["site", "web"]);
    assert_eq!(apps("!./apps/w*"), ["server", "site"]);
}

/// An app that `ls` cannot decide fails the run, whatever selected it, and the others go on.
#[test]
fn an_app_that_needs_a_decision_is_not_left_out_in_silence() {
    let tree = Tree::shop();
    tree.write("apps/mobile/package.json", r#"{"name": "@shop/mobile"}"#);
    tree.replace(
        "pnpm-lock.yaml",
        "\n  apps/server:\n",
        "\n  apps/mobile: {}\n\n  apps/server:\n",
    );
    for line in [&["--all"][..], &["apps/*"], &["-F", "@shop/*"]] {
        let arguments = [line, &["--dry-run"]].concat();
        let outcome = slimbuild(tree.root(), &arguments);
        assert_eq!(outcome.code, 1, "{}", outcome.stderr);
        let text = String::from_utf8(outcome.stdout).unwrap();
        assert!(text.contains("# apps/worker\n") && !text.contains("# apps/mobile"));
        let said = "error: apps/mobile: cannot tell how `apps/mobile` starts";
        assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
        assert!(
            outcome
                .stderr
                .ends_with("error: 1 of 5 apps failed: apps/mobile\n"),
            "{}",
            outcome.stderr
        );
    }
    slimbuild(tree.root(), &["-F", "!mobile", "--dry-run"]).text();
}

#[test]
fn what_is_about_one_image_is_refused_with_the_way_out() {
    let tree = Tree::shop();
    let mut text = String::new();
    for line in [
        "apps/server apps/worker -t shop/server:1",
        "--all -o image.tar",
        "--all --cache-to type=local,dest=cache",
        "--all apps/server",
        "apps/srever apps/worker",
        "apps/server apps/wroker",
        "apps/w*r apps/zz*",
        "packages/*",
        "--filter catalog",
        "--filter ...[main]",
        "--filter server --filter !server",
        "--all --push",
        "--all --push --dry-run",
        "--all --jobs 0",
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let outcome = slimbuild_with(tree.root(), &arguments, &without_docker());
        let refusal = outcome.refusal(tree.root());
        let _ = write!(text, "$ slimbuild {line}\n{}\n", timeless(&refusal));
    }
    assert_golden("many/refused.txt", &text);
}

#[test]
fn two_images_of_one_name_are_refused_before_anything_is_built() {
    let tree = servers(&[
        ("api", "write()"),
        ("back", "write()"),
        ("front", "write()"),
    ]);
    tree.replace("apps/back/package.json", r#""back""#, r#""@x/api""#);
    let outcome = slimbuild_with(tree.root(), &["--all"], &without_docker());
    insta::assert_snapshot!(outcome.refusal(tree.root()), @"
    exit code 2
    error: the images of `apps/api` and `apps/back` would both be named `api:latest`

    hint: name one of them otherwise with `tags` in its slimbuild.json, or leave one of the apps out
    ");
    // As they are named, and not as they are called.
    tree.write("apps/back/slimbuild.json", r#"{"tags": ["front:latest"]}"#);
    let outcome = slimbuild_with(tree.root(), &["--all"], &without_docker());
    insta::assert_snapshot!(outcome.refusal(tree.root()), @"
    exit code 2
    error: the images of `apps/back` and `apps/front` would both be named `front:latest`

    hint: name one of them otherwise with `tags` in its slimbuild.json, or leave one of the apps out
    ");
    tree.write("apps/back/slimbuild.json", r#"{"tags": ["back"]}"#);
    slimbuild(tree.root(), &["--all", "--dry-run"]).text();
}

/// Runs an edit of the sample whose server has no start, where there is no Docker.
fn failing(more: &[&str]) -> Outcome {
    let tree = Tree::shop();
    tree.replace(
        "apps/server/package.json",
        "node dist/main.js",
        "bun src/main.ts",
    );
    let own = ["apps/server", "apps/site", "apps/worker", "-j", "1"];
    let mut outcome = slimbuild_with(tree.root(), &[&own, more].concat(), &without_docker());
    outcome.stderr = timeless(&outcome.stderr);
    outcome
}

#[test]
fn each_error_is_told_at_the_end_and_the_worst_gives_the_exit_code() {
    let outcome = failing(&[]);
    assert_eq!(outcome.code, 1);
    assert_eq!(outcome.stdout, b"");
    assert_golden("many/without-docker.txt", &outcome.stderr);
    let quiet = failing(&["-q"]);
    assert_eq!((quiet.code, &*quiet.stdout), (1, &b""[..]));
    assert_golden("many/without-docker-quiet.txt", &quiet.stderr);
}

#[test]
fn the_json_stream_names_the_app_of_each_event() {
    let outcome = failing(&["--progress", "json"]);
    assert_eq!(outcome.code, 1);
    let mut last = Value::Null;
    let mut states: Vec<String> = Vec::new();
    for line in outcome.stderr.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert_valid("events", &event);
        if event["event"] == "state" {
            let (app, state) = (
                event["app"].as_str().unwrap(),
                event["state"].as_str().unwrap(),
            );
            states.push(format!("{app} {state}"));
        } else if event["event"] == "error" {
            assert_eq!(last["event"], "apps", "{line}");
            assert_eq!((&event["code"], &event["app"]), (&1.into(), &Value::Null));
        } else {
            assert!(last.is_null(), "{line}");
            last = event;
        }
    }
    states.sort();
    assert_eq!(
        states,
        [
            "apps/server failed",
            "apps/server planning",
            "apps/site building",
            "apps/site failed",
            "apps/site planning",
            "apps/site waiting",
            "apps/worker building",
            "apps/worker failed",
            "apps/worker planning",
            "apps/worker waiting",
        ]
    );
    assert_eq!(last["event"], "apps");
    let apps = last["apps"].as_array().unwrap();
    assert_eq!(apps.len(), 3);
    assert!(
        apps[0]["message"]
            .as_str()
            .unwrap()
            .starts_with("cannot start `apps/server`")
    );
    assert!(
        apps[1]["hint"]
            .as_str()
            .unwrap()
            .starts_with("Start Docker")
    );
}

#[test]
fn the_first_failure_stops_all_if_that_is_wanted() {
    let outcome = failing(&["--fail-fast"]);
    assert_eq!(outcome.code, 1);
    assert!(!outcome.stderr.contains("building"), "{}", outcome.stderr);
    let end = "error: 1 of 3 apps failed: apps/server; 2 were stopped\n";
    assert!(outcome.stderr.ends_with(end), "{}", outcome.stderr);
}

#[test]
fn the_metadata_has_all_apps_even_those_that_failed() {
    let tree = Tree::shop();
    let arguments = ["apps/site", "apps/worker", "--metadata-file", "images.json"];
    let outcome = slimbuild_with(tree.root(), &arguments, &without_docker());
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    let document: Value = serde_json::from_str(&tree.read("images.json")).unwrap();
    assert_valid("metadata", &document);
    let apps: Vec<&String> = document.as_object().unwrap().keys().collect();
    assert_eq!(apps, ["apps/site", "apps/worker"]);
    for app in apps {
        assert_eq!(document[app]["slimbuild.app"], **app);
        assert_eq!(document[app]["slimbuild.state"], "failed");
        let error = document[app]["slimbuild.error"].as_str().unwrap();
        assert!(error.starts_with("cannot reach a Docker daemon"), "{error}");
    }
}
