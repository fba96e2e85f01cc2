//! What an image runs for every way to write a start script: by the plan for all of the table, in a container for many.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::table::TABLE;
use crate::support::container::Container;
use crate::support::daemon::one_daemon;
use crate::support::program::slimbuild;
use crate::support::tree::Tree;

const LOCKFILE: &str = include_str!("../../../testdata/starts/pnpm-lock.yaml");

const SERVER: &str = "
const { createServer } = require('node:http');
const env = Object.fromEntries(['A', 'PORT', 'HOST'].map((name) => [name, process.env[name]]));
createServer((_, response) => {
  response.end(JSON.stringify({ flags: process.execArgv, env, args: process.argv.slice(1) }));
}).listen(Number(process.env.PORT ?? 3000));
";

fn workspace() -> Tree {
    let tree = Tree::new(&[
        (
            "package.json",
            r#"{"private": true, "packageManager": "pnpm@10.34.8"}"#,
        ),
        (
            "pnpm-workspace.yaml",
            "packages: ['apps/*', 'packages/*']\n",
        ),
        ("pnpm-lock.yaml", LOCKFILE),
        (
            "turbo.json",
            r#"{"tasks": {"build": {"outputs": ["dist/**"]}}}"#,
        ),
        (
            "packages/tool/package.json",
            r#"{"name": "@w/tool", "version": "1.0.0", "bin": {"tool": "./tool.js"}}"#,
        ),
        (
            "packages/tool/tool.js",
            "#!/usr/bin/env node\nconsole.log('migrated');\n",
        ),
        (
            "apps/a/build.js",
            "require('fs').cpSync('src', 'dist', { recursive: true });",
        ),
        ("apps/a/src/main.js", SERVER),
        ("apps/a/src/main.ts", &SERVER.replace("(_,", "(_: unknown,")),
        (
            "apps/a/src/job.js",
            "console.log('job'); setInterval(() => {}, 1000);",
        ),
        ("apps/a/public/index.html", "hi"),
        (
            "apps/a/ecosystem.config.js",
            "module.exports = { apps: [{ name: 'a', script: 'dist/main.js' }] };",
        ),
        (
            "apps/a/start.sh",
            "#!/bin/sh\nset -e\nnode node_modules/@w/tool/tool.js\nexec node dist/main.js\n",
        ),
        (
            "apps/a/docker-entrypoint.sh",
            "#!/bin/sh\nset -e\nexec \"$@\"\n",
        ),
    ]);
    let executable = std::fs::Permissions::from_mode(0o755);
    for file in [
        "apps/a/docker-entrypoint.sh",
        "apps/a/start.sh",
        "packages/tool/tool.js",
    ] {
        fs_err::set_permissions(tree.root().join(file), executable.clone()).unwrap();
    }
    tree
}

/// The app with this start script. All else stays, so that the install is made once.
fn say(tree: &Tree, start: &str) {
    let manifest = json!({
        "name": "a",
        "private": true,
        "scripts": {
            "build": "node build.js",
            "start": start,
            "serve:it": "A=b node dist/main.js --it",
            "db": "tool",
            "start:api": "node dist/main.js",
            "start:job": "node dist/job.js",
            "with-env": "dotenv -e ../../.env --",
        },
        "dependencies": {"@w/tool": "workspace:*", "serve": "14.2.4"},
        "devDependencies": {
            "concurrently": "9.1.2", "cross-env": "7.0.3", "dotenv-cli": "8.0.0", "npm-run-all2": "7.0.2", "pm2": "6.0.8", "tsx": "4.19.2",
        },
    });
    tree.write("apps/a/package.json", &manifest.to_string());
}

/// The plan's base, variables and command, or its refusal, in the words of the table.
fn planned(tree: &Tree) -> String {
    let outcome = slimbuild(tree.root(), &["plan", "apps/a", "--json"]);
    if outcome.code != 0 {
        let said = outcome.stderr.lines().next().unwrap();
        let start = "error: cannot start `apps/a` as it says: the `start` script ";
        return format!("refused: {}", said.strip_prefix(start).unwrap_or(said));
    }
    let plan: Value = serde_json::from_str(&outcome.text()).unwrap();
    let base = match plan["runtimeBase"]["value"]["image"].as_str().unwrap() {
        image if image.contains("distroless") => "distroless",
        "debian:bookworm-slim" => "slim",
        other => other,
    };
    let texts = |value: &Value| -> Vec<String> {
        let all = value.as_array().unwrap().iter();
        all.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let words = texts(&plan["runs"]["command"]);
    let line = match &words[..] {
        [shell, _, line] if shell == "sh" => format!("sh: {}", without_frame(line)),
        words => {
            let words = words
                .iter()
                .filter(|word| !word.starts_with("--import=data:"));
            words.cloned().collect::<Vec<_>>().join(" ")
        }
    };
    let env = plan["runs"]["env"].as_array().unwrap().iter().map(texts);
    let env = env.filter(|pair| pair[0] != "NODE_ENV");
    let env: String = env.map(|pair| pair.join("=") + " ").collect();
    format!("{base}: {env}{line}")
}

/// A line without what is the same in each: the hook for signals, and the frame of several processes.
fn without_frame(line: &str) -> String {
    let (head, tail) = (
        "stop() { trap '' TERM INT HUP; kill -TERM 0; wait; exit $1; }; trap 'stop 143' TERM; trap 'stop 130' INT; trap 'stop 1' HUP; all=; ",
        " result=0; for one in $all; do wait $one || result=$?; done; exit $result",
    );
    let mut line = line.replace(head, "at once: ").replace(tail, "");
    let (from, to) = (" '--import=data:", "process.exit(c))'");
    while let (Some(start), Some(end)) = (line.find(from), line.find(to)) {
        line.replace_range(start..end + to.len(), "");
    }
    line
}

#[test]
fn the_plan_says_what_each_start_script_runs() {
    let tree = workspace();
    let mut wrong = Vec::new();
    for (script, expected, _) in TABLE {
        say(&tree, script);
        let found = planned(&tree);
        if found != expected {
            wrong.push(format!(
                "{script}\n  is       {found}\n  expected {expected}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn containers_run_what_start_scripts_say() {
    one_daemon("containers_run_what_start_scripts_say", |daemon| {
        let tree = workspace();
        let booted = TABLE.iter().filter(|(.., answers)| !answers.is_empty());
        for (script, planned, answers) in booted {
            say(&tree, script);
            let tag = daemon.tag("starts");
            let arguments = ["apps/a", "-q", "-t", &tag.name];
            daemon.slimbuild(tree.root(), &arguments).bytes();
            let port = if planned.contains("PORT=4000") {
                4000
            } else {
                3000
            };
            let container = Container::start(daemon, &tag.name, port);
            // What runs beside the server may say a moment later that it does.
            let began = std::time::Instant::now();
            let mut said = container.get(port, "/") + &container.log();
            while !said.contains(answers) && began.elapsed().as_secs() < 10 {
                said = container.get(port, "/") + &container.log();
            }
            assert!(said.contains(answers), "{script}: {said}");
            // What a file starts by itself has no hook for signals, and the plan says so.
            if !script.contains("start.sh") {
                assert_ne!(container.stop(), 137, "{script}: signals reach it");
            }
        }
    });
}
