//! `--prebuilt`: images of a workspace that is installed and built on this machine.

use std::collections::BTreeSet;
use std::fs::FileTimes;
use std::time::{Duration, SystemTime};

use crate::images::contents::Contents;
use crate::support::container::Container;
use crate::support::daemon::{one_daemon, skipped};
use crate::support::pnpm::{built_server, reachable};
use crate::support::program::slimbuild;
use crate::support::tree::Tree;

/// An app without dependencies, whose build wrote a file.
fn built() -> Tree {
    Tree::new(&[
        ("package.json", r#"{"packageManager": "pnpm@10.34.8"}"#),
        ("pnpm-workspace.yaml", "packages: ['apps/*']\n"),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n  excludeLinksFromLockfile: false\n\nimporters:\n\n  .: {}\n\n  apps/api: {}\n",
        ),
        (
            "turbo.json",
            r#"{"tasks": {"build": {"outputs": ["dist/**", "!dist/cache/**"]}}}"#,
        ),
        (
            "apps/api/package.json",
            r#"{"name": "api", "scripts": {"build": "node build.js", "start": "node dist/main.js"}}"#,
        ),
        ("apps/api/build.js", ""),
        ("apps/api/src/main.js", ""),
        ("apps/api/views/page.html", ""),
        ("apps/api/.gitignore", "dist\n"),
        ("apps/api/notes/private.txt", ""),
        ("apps/api/dist/main.js", ""),
        ("apps/api/dist/cache/x", ""),
        ("apps/api/dist/.env", "SECRET=1"),
    ])
}

#[test]
fn the_context_has_outputs_and_the_dockerfile_copies_them() {
    let tree = built();
    let text = slimbuild(tree.root(), &["plan", "apps/api", "--prebuilt", "--json"]).text();
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    let context = plan["context"].as_array().unwrap().iter();
    let paths: Vec<&str> = context
        .map(|entry| entry["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "app/apps/api/build.js",
            "app/apps/api/dist/main.js",
            "app/apps/api/notes/private.txt",
            "app/apps/api/package.json",
            "app/apps/api/views/page.html",
            "verify/hook.cjs",
            "verify/image.json",
            "verify/trial.mjs",
            "verify/verify.mjs",
        ]
    );
    let dockerfile = slimbuild(tree.root(), &["dockerfile", "apps/api", "--prebuilt"]).text();
    assert!(!dockerfile.contains("pnpm install"), "{dockerfile}");
    assert!(!dockerfile.contains(" run "), "{dockerfile}");
    assert!(dockerfile.contains("\nCOPY app/ "), "{dockerfile}");
}

#[test]
fn what_is_missing_or_old_is_named_with_the_command_that_makes_it() {
    let tree = built();
    let refusal = || {
        let outcome = slimbuild(tree.root(), &["apps/api", "--prebuilt", "--dry-run"]);
        outcome.refusal(tree.root())
    };
    let later = SystemTime::now() + Duration::from_secs(10);
    let main = fs_err::File::options()
        .write(true)
        .open(tree.root().join("apps/api/src/main.js"))
        .unwrap();
    main.into_parts()
        .0
        .set_times(FileTimes::new().set_modified(later))
        .unwrap();
    assert_eq!(
        refusal(),
        "\
exit code 1
error: api was built before `apps/api/src/main.js` was changed

hint: run `pnpm turbo run build --filter=api`; if nothing is to do, `touch` what it wrote
"
    );
    tree.remove("apps/api/dist/main.js");
    assert_eq!(
        refusal(),
        "\
exit code 1
error: apps/api/dist/main.js is not there: api is not built

hint: run `pnpm turbo run build --filter=api`
"
    );
}

/// Most Next.js apps have no `output: 'standalone'`: the build command works all the same, in any
/// directory.
#[test]
fn what_next_needs_to_know_is_in_the_command() {
    let tree = Tree::shop();
    tree.replace("apps/web/next.config.mjs", "output: 'standalone',", "");
    let outcome = slimbuild(tree.root(), &["apps/web", "--prebuilt", "--dry-run"]);
    insta::assert_snapshot!(outcome.refusal(tree.root()), @r#"
    exit code 1
    error: apps/web/.next/standalone/apps/web/server.js is not there: @shop/web is not built

    hint: run `NEXT_PRIVATE_OUTPUT_TRACE_ROOT="$PWD" NEXT_PRIVATE_STANDALONE=true NEXT_TELEMETRY_DISABLED=1 pnpm turbo run build --filter=@shop/web --env-mode=loose`
    "#);
}

/// The files below `/app`. Directories may be empty where others are copied.
fn files(contents: &Contents) -> BTreeSet<String> {
    let paths = contents.paths().filter(|path| path.starts_with("app/"));
    paths
        .filter(|path| !path.ends_with('/'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_image_holds_what_docker_would_have_built() {
    let test = "the_image_holds_what_docker_would_have_built";
    one_daemon(test, |daemon| {
        if let Err(why) = reachable() {
            return skipped(&why, test);
        }
        let tree = built_server();

        let (built, taken) = (daemon.tag("built"), daemon.tag("taken"));
        daemon
            .slimbuild(tree.root(), &["apps/server", "-q", "-t", &built.name])
            .bytes();
        let arguments = ["apps/server", "--prebuilt", "-q", "-t", &taken.name];
        daemon.slimbuild(tree.root(), &arguments).bytes();
        let [built, taken_files] =
            [&built, &taken].map(|tag| files(&Contents::of(daemon, &tag.name)));
        let differences: Vec<&String> = built.symmetric_difference(&taken_files).collect();
        assert!(differences.is_empty(), "{differences:#?}");

        let container = Container::start(daemon, &taken.name, 3000);
        assert!(container.get(3000, "/health").contains("ok"));
        assert_eq!(container.stop(), 0);
    });
}
