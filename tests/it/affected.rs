//! Which apps changes affect: `ls --affected` and `ci matrix` against the identities before and after
//! an edit, in real repositories of git.
//!
//! Each row of the table edits the sample workspace. The row says which apps are affected. `hash` in
//! a clone from before the edit and in the edited one must say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use slimbuild::Env;

use crate::support::program::{slimbuild, slimbuild_with};
use crate::support::tree::Tree;

/// Runs git in a directory, as somebody with a name.
pub(crate) fn git(dir: &Path, words: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=x", "-c", "user.email=x@example.com"])
        .args([
            "-c",
            "protocol.file.allow=always",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(words)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {words:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub(crate) fn commit(dir: &Path, message: &str) {
    git(dir, &["add", "--all"]);
    git(dir, &["commit", "--quiet", "--allow-empty", "-m", message]);
}

/// The sample workspace as a repository with one commit on `main`.
pub(crate) fn repository() -> Tree {
    let tree = Tree::shop();
    git(tree.root(), &["init", "--quiet"]);
    commit(tree.root(), "first");
    tree
}

/// A clone with a branch `work`.
fn clone(of: &Tree) -> Tree {
    let tree = Tree::new(&[]);
    let from = of.root().to_str().unwrap();
    git(tree.root(), &["clone", "--quiet", from, "."]);
    git(tree.root(), &["checkout", "--quiet", "-b", "work"]);
    tree
}

/// The identities of all apps, by directory.
fn identities(dir: &Path) -> BTreeMap<String, String> {
    let json = slimbuild(dir, &["hash", "--all", "--json"]).text();
    let document: Value = serde_json::from_str(&json).unwrap();
    let apps = document["apps"].as_array().unwrap().iter();
    apps.map(|app| {
        let text = |key: &str| app[key].as_str().unwrap().to_owned();
        (text("dir"), text("identity"))
    })
    .collect()
}

/// What `ls --affected --json` prints.
fn affected(dir: &Path, base: &str) -> Value {
    let flag = format!("--affected={base}");
    let json = slimbuild(dir, &["ls", &flag, "--json"]).text();
    serde_json::from_str(&json).unwrap()
}

fn dirs(document: &Value) -> BTreeSet<String> {
    let apps = document["apps"].as_array().unwrap().iter();
    apps.map(|app| app["dir"].as_str().unwrap().to_owned())
        .collect()
}

/// The apps of a matrix of GitHub, and of GitLab.
fn matrices(dir: &Path, base: &str) -> [BTreeSet<String>; 2] {
    let flag = format!("--affected={base}");
    let github = slimbuild(dir, &["ci", "matrix", "--github", &flag]).text();
    assert_eq!(github.matches('\n').count(), 1, "one line: {github}");
    let github: Value = serde_json::from_str(&github).unwrap();
    let of = |list: &Value, key: &str| {
        let list = list.as_array().into_iter().flatten();
        list.map(|one| one[key].as_str().unwrap().to_owned())
            .collect::<BTreeSet<_>>()
    };
    let gitlab = slimbuild(dir, &["ci", "matrix", "--gitlab", &flag]).text();
    let gitlab: Value = serde_json::from_str(&gitlab).unwrap();
    [
        of(&github["include"], "app"),
        of(&gitlab["image"]["parallel"]["matrix"], "APP"),
    ]
}

/// An edit, and the last parts of the directories of the apps that it affects, with the kinds of
/// inputs that change.
struct Row {
    name: &'static str,
    edit: fn(&Tree),
    apps: &'static [&'static str],
    kinds: &'static [&'static str],
}

const ALL: &[&str] = &["server", "site", "web", "worker"];

fn chmod(tree: &Tree, path: &str, mode: u32) {
    let mode = std::fs::Permissions::from_mode(mode);
    fs_err::set_permissions(tree.root().join(path), mode).unwrap();
}

/// Replaces the integrity of a package in the lockfile, as another tarball would have it.
fn tarball(tree: &Tree, package: &str) {
    let at = format!("\n  {package}:\n    resolution: {{integrity: sha512-");
    tree.replace("pnpm-lock.yaml", &at, &format!("{at}AAAA"));
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { name: "nothing", edit: |_| (), apps: &[], kinds: &[] },
    Row { name: "an empty line in a source", edit: |t| t.append("apps/server/src/app.ts", "\n"), apps: &["server"], kinds: &["files"] },
    Row { name: "a new source, not added", edit: |t| t.write("apps/worker/src/new.js", ""), apps: &["worker"], kinds: &["files"] },
    Row { name: "a source goes", edit: |t| t.remove("apps/web/public/robots.txt"), apps: &["web"], kinds: &["files"] },
    Row { name: "a source is renamed", edit: |t| { git(t.root(), &["mv", "apps/web/public/robots.txt", "apps/web/public/humans.txt"]); }, apps: &["web"], kinds: &["files"] },
    Row { name: "a source may be executed", edit: |t| chmod(t, "apps/worker/src/main.js", 0o755), apps: &["worker"], kinds: &["files"] },
    Row { name: "others may write to a source", edit: |t| chmod(t, "apps/worker/src/main.js", 0o666), apps: &[], kinds: &[] },
    Row { name: "a source becomes a symlink", edit: |t| { let from = t.root().join("apps/worker/src/main.js"); fs_err::rename(&from, t.root().join("apps/worker/src/real.js")).unwrap(); symlink("real.js", from).unwrap(); }, apps: &["worker"], kinds: &["files"] },
    Row { name: "a library that is compiled", edit: |t| t.append("packages/catalog/src/index.ts", "\n"), apps: &["server"], kinds: &["files"] },
    Row { name: "a library that runs as it is", edit: |t| t.append("packages/events/src/index.js", "\n"), apps: &["server", "worker"], kinds: &["files"] },
    Row { name: "a library of pages", edit: |t| t.append("packages/ui/src/index.ts", "\n"), apps: &["site", "web"], kinds: &["files"] },
    Row { name: "a library that no app uses", edit: |t| t.append("packages/legacy/index.js", "\n"), apps: &[], kinds: &[] },
    Row { name: "a package outside of the workspace", edit: |t| t.append("packages/scratch/index.js", "\n"), apps: &[], kinds: &[] },
    Row { name: "the compiler's settings of pages", edit: |t| t.append("packages/tsconfig/nextjs.json", "\n"), apps: &["server", "site", "web"], kinds: &["files"] },
    Row { name: "the compiler's settings of the root", edit: |t| t.append("tsconfig.base.json", "\n"), apps: &["server"], kinds: &["files"] },
    Row { name: "the readme", edit: |t| t.append("README.md", "\n"), apps: &[], kinds: &[] },
    Row { name: "an app's readme", edit: |t| t.append("apps/server/README.md", "\n"), apps: &[], kinds: &[] },
    Row { name: "the linter's settings", edit: |t| t.append("eslint.config.mjs", "\n"), apps: &[], kinds: &[] },
    Row { name: "ignored files", edit: |t| { t.write("apps/server/dist/main.js", "x"); t.write("apps/web/.env", "A=b"); t.write("node_modules/a/index.js", "x"); }, apps: &[], kinds: &[] },
    Row { name: "a pipeline", edit: |t| t.write(".github/workflows/ci.yml", "on: push\n"), apps: &[], kinds: &[] },
    Row { name: "a package of one app has another tarball", edit: |t| tarball(t, "croner@10.0.1"), apps: &["worker"], kinds: &["lockfile"] },
    Row { name: "a package of no app has another tarball", edit: |t| tarball(t, "lodash@4.18.1"), apps: &[], kinds: &[] },
    Row { name: "a tool of the root has another tarball", edit: |t| tarball(t, "eslint@9.39.5"), apps: &["server", "site", "web"], kinds: &["lockfile"] },
    Row { name: "a script of the root", edit: |t| t.replace("package.json", "\"turbo run lint\"", "\"turbo run lint --continue\""), apps: &[], kinds: &[] },
    Row { name: "the version of pnpm", edit: |t| t.replace("package.json", "pnpm@10.34.8", "pnpm@10.34.7"), apps: ALL, kinds: &["manifests", "plan"] },
    Row { name: "the version of node", edit: |t| t.write(".nvmrc", "24\n"), apps: &["server", "web", "worker", "site"], kinds: &["bases"] },
    Row { name: "a task that no image needs", edit: |t| t.replace("turbo.json", "\"lint\": {}", "\"lint\": {\"cache\": false}"), apps: &[], kinds: &[] },
    Row { name: "a comment in turbo.json", edit: |t| t.replace("turbo.json", "// A package builds", "// Each package builds"), apps: &[], kinds: &[] },
    Row { name: "a script of an app", edit: |t| t.replace("apps/site/package.json", "tsc --noEmit && vite build", "vite build"), apps: &["site"], kinds: &["files"] },
    Row { name: "one task more", edit: |t| { t.replace("apps/site/package.json", "\"dev\": \"vite\"", "\"dev\": \"vite\", \"prepare-site\": \"node -v\""); t.replace("turbo.json", "\"lint\": {}", "\"lint\": {}, \"@shop/site#build\": {\"dependsOn\": [\"^build\", \"prepare-site\"]}, \"prepare-site\": {}"); }, apps: &["site"], kinds: &["files", "tasks"] },
    Row { name: "a setting of installs", edit: |t| t.append(".npmrc", "fetch-retries=7\n"), apps: ALL, kinds: &["settings"] },
    Row { name: "a file is left out", edit: |t| t.append(".dockerignore", "apps/web/public/robots.txt\n"), apps: &["web"], kinds: &["files"] },
    Row { name: "a rule about nothing", edit: |t| t.append(".dockerignore", "**/nothing\n"), apps: &[], kinds: &[] },
    Row { name: "a variable of all images", edit: |t| t.write("slimbuild.json", "{\"env\": {\"A\": \"b\"}}"), apps: ALL, kinds: &["plan"] },
    Row { name: "a variable of one image", edit: |t| t.write("apps/worker/slimbuild.json", "{\"env\": {\"A\": \"b\"}}"), apps: &["worker"], kinds: &["plan"] },
    Row { name: "a base of one image", edit: |t| t.write("apps/worker/slimbuild.json", "{\"base\": \"alpine\"}"), apps: &["worker"], kinds: &["bases"] },
    Row { name: "another name of an image", edit: |t| t.write("apps/worker/slimbuild.json", "{\"tags\": [\"shop/worker:9\"]}"), apps: &[], kinds: &[] },
    Row { name: "a configuration that says nothing", edit: |t| t.write("slimbuild.json", "{ // nothing\n}"), apps: &[], kinds: &[] },
];

#[test]
fn the_list_is_what_identities_say() {
    let origin = repository();
    let before = identities(origin.root());
    assert_eq!(before.len(), ALL.len());
    let base = git(origin.root(), &["rev-parse", "HEAD"]);
    let mut wrong = Vec::new();
    for (at, row) in ROWS.iter().enumerate() {
        let tree = clone(&origin);
        (row.edit)(&tree);
        // What is not committed counts too.
        if at % 2 == 0 {
            commit(tree.root(), "edit");
        }
        let now = identities(tree.root());
        let differ = now
            .iter()
            .filter(|(dir, now)| before.get(*dir) != Some(now));
        let differ: BTreeSet<String> = differ.map(|(dir, _)| dir.clone()).collect();
        let said: BTreeSet<String> = row.apps.iter().map(|app| format!("apps/{app}")).collect();
        let document = affected(tree.root(), &base);
        let found = dirs(&document);
        let mut problem = |what: &str, other: &dyn std::fmt::Debug| {
            let (name, list) = (row.name, &document["apps"]);
            wrong.push(format!("{name}: {what}: {other:?}\n{list:#}"));
        };
        if said != found {
            problem("the row says", &said);
        }
        if differ != found {
            problem("identities say", &differ);
        }
        if at % 5 == 0 {
            let all = matrices(tree.root(), &base);
            if all.iter().any(|apps| *apps != found) {
                problem("the matrices say", &all);
            }
        }
        let kinds: BTreeSet<&str> = row.kinds.iter().copied().collect();
        for app in document["apps"].as_array().unwrap() {
            let inputs = app["affected"]["inputs"].as_object().unwrap();
            let inputs: BTreeSet<&str> = inputs.keys().map(String::as_str).collect();
            if inputs != kinds {
                problem("the row's kinds are", &kinds);
            }
            let known = now.get(app["dir"].as_str().unwrap());
            if app["identity"].as_str() != known.map(String::as_str) {
                problem("another identity", &known);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(ROWS.len() >= 30);
}

#[test]
fn a_merge_commit_counts_only_the_branch() {
    let origin = repository();
    let tree = clone(&origin);
    tree.append("apps/web/app/page.tsx", "\n");
    commit(tree.root(), "branch");
    // Meanwhile on main.
    origin.append("apps/worker/src/main.js", "\n");
    commit(origin.root(), "main");
    git(tree.root(), &["fetch", "--quiet", "origin"]);
    let web: BTreeSet<String> = ["apps/web".to_owned()].into();
    // The branch as it is, and merged as a pull request is.
    let document = affected(tree.root(), "origin/main");
    assert_eq!(dirs(&document), web);
    let parted = git(tree.root(), &["merge-base", "HEAD", "origin/main"]);
    assert_eq!(document["base"]["commit"], *parted);
    git(
        tree.root(),
        &["merge", "--quiet", "--no-edit", "origin/main"],
    );
    assert_eq!(dirs(&affected(tree.root(), "origin/main")), web);
    // A revert gives the identity back.
    let merge = git(tree.root(), &["rev-parse", "HEAD"]);
    git(tree.root(), &["revert", "--no-edit", "-m", "2", &merge]);
    let none = affected(tree.root(), "origin/main");
    assert_eq!(dirs(&none), BTreeSet::new(), "{none:#}");
}

#[test]
fn apps_come_and_go() {
    let origin = repository();
    let tree = clone(&origin);
    tree.write(
        "apps/tiny/package.json",
        "{\"name\": \"tiny\", \"scripts\": {\"start\": \"node index.js\"}}",
    );
    tree.write("apps/tiny/index.js", "");
    tree.replace(
        "pnpm-lock.yaml",
        "\n  apps/web:\n",
        "\n  apps/tiny: {}\n\n  apps/web:\n",
    );
    fs_err::remove_dir_all(tree.root().join("apps/worker")).unwrap();
    let document = affected(tree.root(), "main");
    assert_eq!(
        document["apps"].as_array().unwrap().len(),
        1,
        "{document:#}"
    );
    assert_eq!(document["apps"][0]["dir"], "apps/tiny");
    assert_eq!(document["apps"][0]["affected"]["because"], "new");
}

#[test]
fn an_app_that_no_longer_plans_is_an_error_and_one_that_plans_again_is_affected() {
    let origin = repository();
    let tree = clone(&origin);
    let line = "\"croner\": \"^10.0.1\"";
    tree.replace("apps/worker/package.json", line, "\"croner\": \"^11.0.0\"");
    let outcome = slimbuild(tree.root(), &["ls", "--affected=main"]);
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    let words = "error: apps/worker cannot be planned\n  caused by: `pnpm-lock.yaml` is older than `apps/worker/package.json`";
    assert!(outcome.stderr.starts_with(words), "{}", outcome.stderr);
    // Broken there too: a warning.
    commit(tree.root(), "broken");
    tree.append("apps/web/app/page.tsx", "\n");
    let outcome = slimbuild(tree.root(), &["ls", "--affected=HEAD"]);
    let words = "warning: apps/worker is left out: it cannot be planned, and could not before";
    assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
    assert!(outcome.text().starts_with("apps/web\n"));
    tree.replace("apps/worker/package.json", "\"croner\": \"^11.0.0\"", line);
    let document = affected(tree.root(), "HEAD");
    let worker = &document["apps"][1];
    assert_eq!(worker["dir"], "apps/worker");
    assert_eq!(worker["affected"]["because"], "not-planned-before");
    // No workspace at all before.
    let tree = Tree::shop();
    fs_err::rename(
        tree.root().join("pnpm-workspace.yaml"),
        tree.root().join("w"),
    )
    .unwrap();
    fs_err::rename(tree.root().join("pnpm-lock.yaml"), tree.root().join("l")).unwrap();
    git(tree.root(), &["init", "--quiet"]);
    commit(tree.root(), "none yet");
    fs_err::rename(
        tree.root().join("w"),
        tree.root().join("pnpm-workspace.yaml"),
    )
    .unwrap();
    fs_err::rename(tree.root().join("l"), tree.root().join("pnpm-lock.yaml")).unwrap();
    assert_eq!(dirs(&affected(tree.root(), "HEAD")).len(), ALL.len());
}

#[test]
fn a_workspace_below_the_top_of_its_repository_is_found() {
    let shop = Tree::shop();
    let tree = Tree::new(&[(".gitignore", "*.draft\n"), ("other/file", "x")]);
    let below = tree.root().join("sub/shop");
    fs_err::create_dir_all(below.parent().unwrap()).unwrap();
    fs_err::rename(shop.root(), &below).unwrap();
    fs_err::create_dir(shop.root()).unwrap();
    git(tree.root(), &["init", "--quiet"]);
    commit(tree.root(), "first");
    tree.write("other/file", "y");
    tree.write("sub/shop/apps/web/a.draft", "ignored by the rules above");
    assert_eq!(dirs(&affected(&below, "HEAD")), BTreeSet::new());
    tree.write("sub/shop/apps/web/public/robots.txt", "x");
    let document = affected(&below.join("apps"), "HEAD");
    assert_eq!(dirs(&document), ["apps/web".to_owned()].into());
    // Line ends that a checkout changes are as in a checkout.
    tree.write("sub/shop/apps/web/public/robots.txt", "a\nb\n");
    tree.write(".gitattributes", "*.txt eol=crlf\n");
    commit(tree.root(), "attributes");
    tree.remove("sub/shop/apps/web/public/robots.txt");
    git(tree.root(), &["checkout", "--quiet", "--", "."]);
    let robots = tree.read("sub/shop/apps/web/public/robots.txt");
    assert_eq!(robots, "a\r\nb\r\n");
    tree.write("other/file", "z");
    let none = affected(&below, "HEAD");
    assert_eq!(dirs(&none), BTreeSet::new(), "{none:#}");
}

#[test]
fn the_repository_is_only_read() {
    let origin = repository();
    let tree = clone(&origin);
    tree.append("apps/web/app/page.tsx", "\n");
    git(tree.root(), &["add", "apps/web/app/page.tsx"]);
    // A hook and a monitor that would leave a trace.
    for name in ["post-checkout", "post-index-change", "monitor"] {
        let text = "#!/bin/sh\ntouch \"$(git rev-parse --show-toplevel)/trace\"\n";
        tree.write(&format!(".git/hooks/{name}"), text);
        chmod(&tree, &format!(".git/hooks/{name}"), 0o755);
    }
    git(
        tree.root(),
        &["config", "core.fsmonitor", ".git/hooks/monitor"],
    );
    let state = || {
        let files = tree.files().into_iter().map(|path| {
            let bytes = fs_err::symlink_metadata(tree.root().join(&path)).unwrap();
            (path, bytes.modified().unwrap(), bytes.len())
        });
        files.collect::<Vec<_>>()
    };
    let before = state();
    assert_eq!(dirs(&affected(tree.root(), "main")).len(), 1);
    assert_eq!(state(), before);
}

/// The hint's command, run in a shell.
fn fetch(tree: &Tree, stderr: &str) {
    let (_, hint) = stderr.split_once("hint: fetch it: `").expect(stderr);
    let (line, _) = hint.split_once('`').unwrap();
    assert!(line.starts_with("git fetch "), "{line}");
    git(tree.root(), &line.split(' ').skip(1).collect::<Vec<_>>());
}

#[test]
fn a_shallow_clone_says_what_to_fetch() {
    let origin = repository();
    git(origin.root(), &["checkout", "--quiet", "-b", "work"]);
    for text in ["1", "2", "3"] {
        origin.write("apps/web/public/robots.txt", text);
        commit(origin.root(), text);
    }
    git(origin.root(), &["checkout", "--quiet", "main"]);
    origin.write("apps/worker/src/more.js", "");
    commit(origin.root(), "meanwhile");
    let shallow = || {
        let tree = Tree::new(&[]);
        let from = format!("file://{}", origin.root().display());
        let words = ["clone", "--quiet", "--depth=1", "--branch=work", &from, "."];
        git(tree.root(), &words);
        tree
    };
    let run = |tree: &Tree, env: &[(&str, &str)]| {
        let env: Env = env.iter().copied().collect();
        slimbuild_with(tree.root(), &["ls", "--affected", "--json"], &env)
    };
    let first = git(origin.root(), &["rev-parse", "work~3"]);
    for env in [
        [
            ("GITHUB_BASE_REF", "main"),
            ("GITHUB_EVENT_NAME", "pull_request"),
        ],
        [
            ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
            ("GITLAB_CI", "true"),
        ],
        [
            ("CI_MERGE_REQUEST_DIFF_BASE_SHA", &first),
            ("GITLAB_CI", "true"),
        ],
        [("TURBO_SCM_BASE", "main"), ("A", "b")],
    ] {
        let tree = shallow();
        let mut outcome = run(&tree, &env);
        assert_eq!(outcome.code, 1, "{}", outcome.stderr);
        let named = format!(
            "error: there is no commit `{}` here, which {} names",
            env[0].1, env[0].0
        );
        assert!(outcome.stderr.starts_with(&named), "{}", outcome.stderr);
        // Each hint leads on, at most one to the base and one to the common ancestor.
        for _ in 0..2 {
            if outcome.code != 0 {
                fetch(&tree, &outcome.stderr);
                outcome = run(&tree, &env);
            }
        }
        let document: Value = serde_json::from_str(&outcome.text()).unwrap();
        assert_eq!(dirs(&document), ["apps/web".to_owned()].into(), "{env:?}");
    }
    // The tip of the base is here, but not the commits between.
    let tree = shallow();
    git(
        tree.root(),
        &[
            "fetch",
            "--quiet",
            "--depth=1",
            "origin",
            "main:refs/remotes/origin/main",
        ],
    );
    let outcome = run(&tree, &[]);
    let words = "error: `origin/main` and HEAD have no common ancestor in this shallow clone\n";
    assert!(outcome.stderr.starts_with(words), "{}", outcome.stderr);
    fetch(&tree, &outcome.stderr);
    let document: Value = serde_json::from_str(&run(&tree, &[]).text()).unwrap();
    assert_eq!(dirs(&document), ["apps/web".to_owned()].into());
}

/// Variables, and the affected apps.
type Case<'c> = (&'c [(&'c str, &'c str)], &'c [&'c str]);

#[test]
fn the_base_comes_from_the_pipeline_or_is_the_default_branch() {
    let origin = repository();
    let tree = clone(&origin);
    tree.write("apps/web/public/robots.txt", "1");
    commit(tree.root(), "web");
    let web = git(tree.root(), &["rev-parse", "HEAD"]);
    tree.write("apps/worker/src/more.js", "1");
    commit(tree.root(), "worker");
    let zeros = "0".repeat(40);
    let event = Tree::new(&[("event.json", &format!("{{\"before\": \"{web}\"}}"))]);
    let pushed = event.root().join("event.json").display().to_string();
    let cases: [Case<'_>; 7] = [
        (&[], &["apps/web", "apps/worker"]),
        (&[("TURBO_SCM_BASE", &web)], &["apps/worker"]),
        (
            &[("TURBO_SCM_BASE", ""), ("GITHUB_BASE_REF", "main")],
            &["apps/web", "apps/worker"],
        ),
        (
            &[
                ("GITHUB_EVENT_NAME", "push"),
                ("GITHUB_EVENT_PATH", &pushed),
            ],
            &["apps/worker"],
        ),
        (&[("CI_COMMIT_BEFORE_SHA", &web)], &["apps/worker"]),
        (
            &[("CI_COMMIT_BEFORE_SHA", &zeros)],
            &["apps/web", "apps/worker"],
        ),
        (
            &[
                ("CI_MERGE_REQUEST_DIFF_BASE_SHA", &web),
                ("CI_COMMIT_BEFORE_SHA", &zeros),
            ],
            &["apps/worker"],
        ),
    ];
    for (env, apps) in cases {
        let env: Env = env.iter().copied().collect();
        let json = slimbuild_with(tree.root(), &["ls", "--affected", "--json"], &env).text();
        let document: Value = serde_json::from_str(&json).unwrap();
        let expected: BTreeSet<String> = apps.iter().map(|app| (*app).to_owned()).collect();
        assert_eq!(dirs(&document), expected, "{env:?}");
    }
    // Nothing affected: an empty matrix, and a pipeline that GitLab takes.
    let github = slimbuild(tree.root(), &["ci", "matrix", "--affected=HEAD"]).text();
    assert_eq!(github, "{\"include\":[]}\n");
    let gitlab = slimbuild(
        tree.root(),
        &["ci", "matrix", "--gitlab", "--affected=HEAD"],
    )
    .text();
    let gitlab: Value = serde_json::from_str(&gitlab).unwrap();
    assert!(
        gitlab["nothing to build"]["script"].is_array(),
        "{gitlab:#}"
    );
    // Without `--affected`, all.
    let all = slimbuild(tree.root(), &["ci", "matrix"]).text();
    assert_eq!(
        all,
        "{\"include\":[{\"app\":\"apps/server\",\"name\":\"server\"},{\"app\":\"apps/site\",\"name\":\"site\"},{\"app\":\"apps/web\",\"name\":\"web\"},{\"app\":\"apps/worker\",\"name\":\"worker\"}]}\n"
    );
}

#[test]
fn what_cannot_be_compared_is_said() {
    let tree = Tree::shop();
    let outcome = slimbuild(tree.root(), &["ls", "--affected"]);
    assert_eq!(outcome.code, 1);
    assert!(
        outcome
            .stderr
            .contains("is in no git repository that can be used"),
        "{}",
        outcome.stderr
    );
    git(tree.root(), &["init", "--quiet", "--initial-branch=other"]);
    commit(tree.root(), "first");
    let outcome = slimbuild(tree.root(), &["ls", "--affected"]);
    assert_eq!(outcome.code, 1);
    assert!(
        outcome
            .stderr
            .starts_with("error: nothing says what to compare with"),
        "{}",
        outcome.stderr
    );
    for name in ["nope", "--output=x", "a b"] {
        let outcome = slimbuild(tree.root(), &["ls", &format!("--affected={name}")]);
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        let words = format!("error: there is no commit `{name}` here\n");
        assert!(outcome.stderr.starts_with(&words), "{}", outcome.stderr);
    }
    git(tree.root(), &["checkout", "--quiet", "--orphan", "alone"]);
    commit(tree.root(), "alone");
    let outcome = slimbuild(tree.root(), &["ls", "--affected=other"]);
    assert_eq!(outcome.code, 1);
    assert!(
        outcome
            .stderr
            .starts_with("error: `other` and HEAD have no common ancestor\n"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_run_builds_only_what_changed() {
    let tree = repository();
    tree.append("apps/web/app/page.tsx", "\n");
    let planned = |words: &[&str]| {
        let words: Vec<&str> = words.iter().chain(&["--dry-run", "-q"]).copied().collect();
        let text = slimbuild(tree.root(), &words).text();
        let heads = text.lines().filter_map(|line| line.strip_prefix("# apps/"));
        heads.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(planned(&["--affected=HEAD"]), ["web"]);
    assert_eq!(planned(&["apps/w*", "--affected=HEAD"]), ["web"]);
    assert_eq!(planned(&["apps/worker", "--affected=HEAD"]), [""; 0]);
    // A name that tells apps apart may be given to all of a run.
    let named = ["--all", "-t", "shop/{app}:{git.sha}"];
    assert_eq!(planned(&named), ["server", "site", "web", "worker"]);
    commit(tree.root(), "second");
    assert_eq!(planned(&["--affected=HEAD"]), [""; 0]);
}
