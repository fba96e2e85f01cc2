//! Promises that were once broken: each test here failed before the fix.

use serde_json::Value;

use crate::support::archive::{context, context_files, entries};
use crate::support::daemon::one_daemon;
use crate::support::program::slimbuild;
use crate::support::tree::{Tree, shop};

const LOCKFILE: &str = "pnpm-lock.yaml";

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The Dockerfile counts the packages of the whole workspace in a comment.
#[test]
fn a_new_package_elsewhere_leaves_the_context_alone() {
    let tree = Tree::shop();
    let before = context(tree.root(), "apps/server", &[]);
    tree.replace(
        "apps/web/package.json",
        "\"typescript\":",
        "\"left-pad\": \"^1.3.0\",\n    \"typescript\":",
    );
    let entry = "      left-pad:\n        specifier: ^1.3.0\n        version: 1.3.0\n";
    tree.replace_after(
        LOCKFILE,
        "\n  apps/web:\n",
        "\n      typescript:\n",
        &format!("\n{entry}      typescript:\n"),
    );
    tree.replace(
        LOCKFILE,
        "\npackages:\n",
        "\npackages:\n\n  left-pad@1.3.0:\n    resolution: {integrity: sha512-AA==}\n",
    );
    tree.replace(
        LOCKFILE,
        "\nsnapshots:\n",
        "\nsnapshots:\n\n  left-pad@1.3.0: {}\n",
    );
    assert!(before == context(tree.root(), "apps/server", &[]));
}

/// The same comment counts the members.
#[test]
fn a_new_member_leaves_the_context_alone() {
    let tree = Tree::shop();
    let before = context(tree.root(), "apps/server", &[]);
    tree.write(
        "packages/fresh/package.json",
        "{\n  \"name\": \"@shop/fresh\"\n}\n",
    );
    tree.replace(
        LOCKFILE,
        "\n  packages/legacy:\n",
        "\n  packages/fresh: {}\n\n  packages/legacy:\n",
    );
    assert!(before == context(tree.root(), "apps/server", &[]));
}

/// A key of an ini file may stand in quotes.
#[test]
fn a_quoted_key_hides_no_secret() {
    let tree = Tree::shop();
    tree.append(
        ".npmrc",
        "\"//registry.example.org/:_authToken\"=hunter2\n'_auth'=hunter2\n",
    );
    for (path, entry) in context_files(tree.root(), "apps/worker", &[]) {
        assert!(
            !String::from_utf8_lossy(&entry.content).contains("hunter2"),
            "{path}"
        );
    }
}

#[test]
fn a_password_is_a_secret() {
    let tree = Tree::shop();
    tree.append(
        ".npmrc",
        "password=hunter2\n//registry.example.org/:_AuthToken=hunter2\n",
    );
    for (path, entry) in context_files(tree.root(), "apps/worker", &[]) {
        assert!(
            !String::from_utf8_lossy(&entry.content).contains("hunter2"),
            "{path}"
        );
    }
}

/// A `.dockerignore` as users write it for one app: the image lacked a package that the app
/// imports, without a warning.
#[test]
fn a_package_that_rules_drop_is_told() {
    let tree = Tree::shop();
    tree.write(".dockerignore", "*\n!apps/worker\n");
    let outcome = slimbuild(tree.root(), &["plan", "apps/worker"]);
    assert!(
        outcome.stderr.contains("packages/events"),
        "{}",
        outcome.stderr
    );
}

/// Nothing of a site is in its image but what its build wrote: the build failed for want of the
/// script `build`.
#[test]
fn an_app_or_a_built_package_that_rules_drop_is_told() {
    for (app, dropped) in [
        ("apps/site", "apps/site"),
        ("apps/server", "packages/catalog"),
    ] {
        let tree = Tree::shop();
        tree.write(".dockerignore", &format!("docs\n{dropped}\n"));
        let refusal = slimbuild(tree.root(), &["plan", app]).refusal(tree.root());
        let told = format!(
            "the image needs `{dropped}`, which is left out: `{dropped}` on line 2 of `.dockerignore`\n"
        );
        assert!(refusal.contains(&told), "{refusal}");
        assert!(
            refusal.contains(&format!("`--include {dropped}`")),
            "{refusal}"
        );
        // What the hint says helps.
        let files = context_files(tree.root(), app, &["--include", dropped]);
        let manifest = format!("{dropped}/package.json");
        let sources = |path: &&String| {
            ["src/", "run/"]
                .iter()
                .any(|place| path.strip_prefix(place) == Some(&manifest))
        };
        assert!(
            files.keys().any(|path| sources(&path)),
            "{:?}",
            files.keys()
        );
    }
}

#[test]
fn an_entry_that_rules_drop_is_told() {
    let tree = Tree::shop();
    tree.write("apps/worker/.gitignore", "src/main.js\n");
    let refusal = slimbuild(tree.root(), &["plan", "apps/worker"]).refusal(tree.root());
    assert!(refusal.contains(".gitignore"), "{refusal}");
}

/// Only a count of all packages looks at it.
#[test]
fn damage_in_another_apps_part_of_the_lockfile_stops_nobody() {
    let tree = Tree::shop();
    tree.replace_after(
        LOCKFILE,
        "\n  packages/catalog:\n",
        "version: 4.6.7",
        "version: 4.6.8",
    );
    slimbuild(tree.root(), &["plan", "apps/worker"]).bytes();
}

#[test]
fn nothing_that_is_not_used_is_sent() {
    let files = context_files(&shop(), "apps/worker", &[]);
    let unused: Vec<&String> = files
        .keys()
        .filter(|path| path.starts_with("build/") || path.starts_with("src/"))
        .collect();
    assert!(unused.is_empty(), "no step of the worker reads {unused:#?}");
}

#[test]
fn bad_arguments_have_exit_code_2() {
    for arguments in [
        &["plan", "apps/worker", "--node", "newest"][..],
        &["plan", "apps/worker", "--include", "["],
        &["plan", "apps/worker", "--include", "../x"],
        &["dockerfile", "apps/worker", "--base", "Bad!Image"],
        &["dockerfile", "apps/worker", "--build-base", "node:22:3"],
        &["dockerfile", "apps/worker", "--base", "alpine\nRUN true"],
        &["dockerfile", "apps/server", "--entry", "/etc/passwd"],
        &["dockerfile", "apps/server", "--entry", "../../outside.js"],
        &["dockerfile", "apps/server", "--entry", ""],
    ] {
        let outcome = slimbuild(&shop(), arguments);
        assert_eq!(outcome.code, 2, "{arguments:?}: {}", outcome.stderr);
    }
}

#[test]
fn a_digest_is_no_tag() {
    let digest = format!("x@sha256:{}", "a".repeat(64));
    one_daemon("a_digest_is_no_tag", |daemon| {
        let outcome = daemon.slimbuild(&shop(), &["apps/worker", "-t", &digest]);
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    });
}

#[test]
fn a_metadata_file_that_cannot_be_written_is_told_before_the_build() {
    one_daemon(
        "a_metadata_file_that_cannot_be_written_is_told_before_the_build",
        |daemon| {
            let tag = daemon.tag("metadata");
            daemon.slimbuild(
                &shop(),
                &[
                    "apps/worker",
                    "-q",
                    "-t",
                    &tag.name,
                    "--metadata-file",
                    "/nowhere/metadata.json",
                ],
            );
            assert!(daemon.wait(daemon.client.inspect_image(&tag.name)).is_err());
        },
    );
}

#[test]
fn a_cached_build_is_reported_as_cached() {
    one_daemon("a_cached_build_is_reported_as_cached", |daemon| {
        let tag = daemon.tag("cached");
        let out = Tree::new(&[]);
        let file = out.root().join("metadata.json");
        for _ in 0..2 {
            let arguments = [
                "apps/worker",
                "-q",
                "-t",
                &tag.name,
                "--metadata-file",
                file.to_str().unwrap(),
            ];
            daemon.slimbuild(&shop(), &arguments).bytes();
        }
        let metadata = json_of(&out.read("metadata.json"));
        assert_eq!(
            metadata["slimbuild.steps.cached"],
            metadata["slimbuild.steps"]
        );
    });
}

/// `context 128.00 kB in 40 files, of the workspace's 121.79 kB in 59 files`: the one with a tar's padding, the other without.
#[test]
fn the_context_is_compared_with_the_workspace_in_the_same_measure() {
    one_daemon(
        "the_context_is_compared_with_the_workspace_in_the_same_measure",
        |daemon| {
            let tag = daemon.tag("measure");
            let out = Tree::new(&[]);
            let file = out.root().join("metadata.json");
            let arguments = [
                "apps/server",
                "-q",
                "-t",
                &tag.name,
                "--metadata-file",
                file.to_str().unwrap(),
                // Programs of slimbuild's own weigh more than the whole sample.
                "--no-verify",
                "--whole-modules",
            ];
            daemon.slimbuild(&shop(), &arguments).bytes();
            let metadata = json_of(&out.read("metadata.json"));
            let number = |key: &str| metadata[key].as_u64().unwrap();
            assert!(
                number("slimbuild.context.size") < number("slimbuild.workspace.size"),
                "{metadata:#}"
            );
        },
    );
}

#[test]
fn keys_of_the_plan_are_written_in_one_way() {
    let plan = slimbuild(&shop(), &["plan", "apps/worker", "--json"]).text();
    assert!(!plan.contains("\"node_args\""));
}

#[test]
fn stages_are_parted_by_an_empty_line() {
    let text = slimbuild(&shop(), &["dockerfile", "apps/server"]).text();
    for (at, _) in text.match_indices("\nFROM ") {
        let block = text[..at].rfind("\n\n").unwrap();
        let comment = text[block..at]
            .trim()
            .lines()
            .all(|line| line.starts_with('#'));
        assert!(comment, "{}", &text[block..at]);
    }
}

#[test]
fn words_are_said_once() {
    let text = slimbuild(
        &shop(),
        &["dockerfile", "apps/server", "--entry", "dist/other.js"],
    )
    .text();
    assert!(!text.contains("named by named by"));
    let tree = Tree::shop();
    tree.write("pnpm-workspace.yaml", "packages: apps/*\n");
    let refusal = slimbuild(tree.root(), &["plan", "apps/worker"]).refusal(tree.root());
    assert_eq!(refusal.matches("line 1, column 11").count(), 1, "{refusal}");
    let tree = Tree::shop();
    fs_err::write(
        tree.root().join("apps/server/package.json"),
        b"{\"name\": \"\xff\"}",
    )
    .unwrap();
    let refusal = slimbuild(tree.root(), &["plan", "apps/worker"]).refusal(tree.root());
    assert_eq!(refusal.matches("valid UTF-8").count(), 1, "{refusal}");
    assert!(
        !refusal.contains("$ROOT"),
        "paths are relative to the workspace: {refusal}"
    );
}

#[test]
fn what_a_file_holds_does_not_reach_the_terminal_raw() {
    let tree = Tree::shop();
    tree.write(LOCKFILE, "\u{1b}[2Jnothing");
    let refusal = slimbuild(tree.root(), &["plan", "apps/worker"]).refusal(tree.root());
    assert!(!refusal.contains('\u{1b}'), "{refusal:?}");
}

#[test]
fn a_second_word_is_told_apart_from_a_command() {
    let refusal = slimbuild(&shop(), &["apps/server", "apps/wroker"]).refusal(&shop());
    assert!(!refusal.contains("command"), "{refusal}");
}

#[test]
fn only_near_names_are_suggested() {
    let refusal = slimbuild(&shop(), &["plan", "apps/sever"]).refusal(&shop());
    assert!(refusal.contains("did you mean `apps/server`?"), "{refusal}");
}

#[test]
fn a_context_does_not_hold_the_context_of_yesterday() {
    let tree = Tree::shop();
    for _ in 0..2 {
        slimbuild(
            &tree.root().join("apps/worker"),
            &["context", ".", "-o", "context.tar"],
        )
        .bytes();
    }
    let text = fs_err::read(tree.root().join("apps/worker/context.tar")).unwrap();
    let paths: Vec<String> = entries(&text).into_iter().map(|entry| entry.path).collect();
    assert!(
        paths.iter().all(|path| !path.contains("context.tar")),
        "{paths:#?}"
    );
}
