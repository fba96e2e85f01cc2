//! Images that are made without a daemon, in the daemons that they are for.

use std::path::Path;

use slimbuild::env::Env;

use crate::base::cache;
use crate::support::daemon::skipped;
use crate::support::pnpm::reachable;
use crate::support::program::{Outcome, slimbuild_with};
use crate::support::tree::Tree;

fn native(directory: &Path, arguments: &[&str]) -> Outcome {
    let cache = cache();
    let own = ["--engine", "native", "--cache-dir", cache.to_str().unwrap()];
    let arguments = [arguments, &own].concat();
    slimbuild_with(directory, &arguments, &Env::of_process())
}

#[test]
fn what_needs_a_daemon_says_so() {
    let tree = Tree::shop();
    let refusal = |arguments: &[&str]| native(tree.root(), arguments).refusal(tree.root());
    insta::assert_snapshot!(refusal(&["apps/site", "-q"]), @"
    exit code 2
    error: a static site needs nginx, which slimbuild's own base has not

    hint: start Docker, or name its daemon with `--host`
    ");
    insta::assert_snapshot!(refusal(&["apps/server", "-q", "--base", "slim"]), @"
    exit code 2
    error: the image starts from one that has more than node, which a Docker daemon has to fetch

    hint: start Docker, or name its daemon with `--host`; an image that has node is taken without one: `--base node:22-slim`
    ");
    let arguments = ["apps/server", "-q", "--engine", "docker", "-o", "x.tar"];
    let outcome = slimbuild_with(tree.root(), &arguments, &Env::default());
    insta::assert_snapshot!(outcome.refusal(tree.root()), @"
    exit code 2
    error: the image of a Docker daemon stays there: `--output` is for `--engine native`

    hint: leave one of them out, or write it with `docker save --output x.tar`
    ");
    insta::assert_snapshot!(refusal(&["apps/server", "-q", "--smoke"]), @"
    exit code 2
    error: `--smoke` starts a container, which needs a Docker daemon

    hint: leave it out: the proof that all is there runs here too
    ");
}

#[test]
fn a_step_that_fails_leaves_no_image() {
    let test = "a_step_that_fails_leaves_no_image";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    let tree = Tree::new(&[
        ("package.json", r#"{"packageManager": "pnpm@10.34.8"}"#),
        ("pnpm-workspace.yaml", "packages: ['apps/*']\n"),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n  excludeLinksFromLockfile: false\n\nimporters:\n\n  .: {}\n\n  apps/api: {}\n",
        ),
        (
            "apps/api/package.json",
            r#"{"name": "api", "scripts": {"build": "node build.js", "start": "node dist/main.js"}}"#,
        ),
        (
            "apps/api/build.js",
            "console.log('about to fail'); process.exit(7)",
        ),
    ]);
    let outcome = native(tree.root(), &["apps/api", "-q"]);
    assert_eq!(outcome.code, 4, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("about to fail"),
        "{}",
        outcome.stderr
    );
    let last = outcome
        .stderr
        .lines()
        .rev()
        .find(|line| line.starts_with("error"));
    assert_eq!(
        last,
        Some("error: `[build-apps-api] pnpm --dir=apps/api run build` failed: exit code 7")
    );
    assert!(!tree.root().join("api.oci.tar").exists());
}
