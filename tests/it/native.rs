//! Images made without a daemon, in the daemons that they are for.

mod sites;

use std::path::Path;

use slimbuild::Env;

use crate::base::cache;
use crate::support::daemon::skipped;
use crate::support::pnpm::reachable;
use crate::support::program::{Outcome, slimbuild_with};
use crate::support::tree::Tree;

pub(crate) fn native(directory: &Path, arguments: &[&str]) -> Outcome {
    let cache = cache();
    let own = ["--engine", "native", "--cache-dir", cache.to_str().unwrap()];
    let arguments = [arguments, &own].concat();
    slimbuild_with(directory, &arguments, &Env::of_process())
}

#[test]
fn what_needs_a_daemon_says_so() {
    let tree = Tree::shop();
    let refusal = |arguments: &[&str]| native(tree.root(), arguments).refusal(tree.root());
    insta::assert_snapshot!(refusal(&["apps/site", "-q", "--base", "alpine"]), @"
    exit code 2
    error: the site is handed out by nginx on Alpine, which a Docker daemon has to fetch

    hint: leave `base` out, and it is nginx on Debian; or start Docker, or name its daemon with `--host`
    ");
    insta::assert_snapshot!(refusal(&["apps/server", "-q", "--load", "--host", "unix:///nowhere"]), @"
    exit code 3
    error: cannot reach a Docker daemon at `unix:///nowhere` (--host)
      caused by: there is no such socket

    hint: Start Docker: open Docker Desktop, or run `sudo systemctl start docker`. It is to be had at https://docs.docker.com/get-started/get-docker. `--dry-run` needs no daemon.
    ");
    insta::assert_snapshot!(refusal(&["apps/server", "-q", "--base", "slim"]), @"
    exit code 2
    error: the image starts from one that has more than node, which a Docker daemon has to fetch

    hint: start Docker, or name its daemon with `--host`; an image that has node is taken without one: `--base node:22-slim`
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
        Some("error: the task `build` of api failed with exit code 7; its log is above")
    );
    assert!(!tree.root().join("api.oci.tar").exists());
}
