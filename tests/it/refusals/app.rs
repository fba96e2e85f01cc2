//! Apps that do not exist, are ambiguous, or cannot be built.

use insta::assert_snapshot;

use super::refusal;
use crate::support::program::slimbuild;
use crate::support::tree::Tree;

#[test]
fn unknown_app() {
    assert_snapshot!(refusal("apps/sever", |_| {}), @"
    exit code 1
    error: there is no app `apps/sever` in this workspace

    hint: did you mean `apps/server`?
    ");
    assert_snapshot!(refusal("@shop/sever", |_| {}), @"
    exit code 1
    error: there is no app `@shop/sever` in this workspace

    hint: did you mean `apps/server`?
    ");
    assert_snapshot!(refusal("wroker", |_| {}), @"
    exit code 1
    error: there is no app `wroker` in this workspace

    hint: did you mean `apps/worker`?
    ");
    assert_snapshot!(refusal("qqqqqqqq", |_| {}), @"
    exit code 1
    error: there is no app `qqqqqqqq` in this workspace

    hint: there are: apps/server, apps/site, apps/web, apps/worker
    ");
    assert_snapshot!(refusal("packages/scratch", |_| {}), @"
    exit code 1
    error: `packages/scratch` is no package of this workspace: `packages` in pnpm-workspace.yaml does not name it

    hint: add `packages/scratch` to `packages` in pnpm-workspace.yaml, and run `pnpm install`
    ");
    assert_snapshot!(refusal("/etc", |_| {}), @"
    exit code 1
    error: there is no app `/etc` in this workspace

    hint: there are: apps/server, apps/site, apps/web, apps/worker
    ");
    assert_snapshot!(refusal("", |_| {}), @"
    exit code 2
    error: which app?

    hint: name one: apps/server, apps/site, apps/web, apps/worker; `slimbuild ls` tells what each is, and `slimbuild --all` builds all
    ");
}

#[test]
fn no_app() {
    let tree = Tree::shop();
    assert_snapshot!(slimbuild(tree.root(), &[]).refusal(tree.root()), @"
    exit code 2
    error: which app?

    hint: name one: apps/server, apps/site, apps/web, apps/worker; `slimbuild ls` tells what each is, and `slimbuild --all` builds all
    ");
    assert_snapshot!(slimbuild(&tree.root().join("packages"), &["plan"]).refusal(tree.root()), @"
    exit code 2
    error: which app?

    hint: name one: apps/server, apps/site, apps/web, apps/worker; `slimbuild ls` tells what each is, and `slimbuild --all` builds all
    ");
    assert_snapshot!(slimbuild(tree.root(), &["."]).refusal(tree.root()), @r#"
    exit code 1
    error: the workspace's root starts nothing of its own

    hint: name one of its packages: `apps/server`, `apps/site`, `apps/web` or `apps/worker`; or say in slimbuild.json what the root starts: `"apps": {".": {"entry": "dist/main.js"}}`
    "#);
}

#[test]
fn a_name_that_two_packages_have() {
    let twins = |tree: &Tree| {
        tree.replace(
            "packages/legacy/package.json",
            "@shop/legacy",
            "@shop/worker",
        );
    };
    assert_snapshot!(refusal("@shop/worker", twins), @"
    exit code 1
    error: `@shop/worker` is the name of several packages: apps/worker, packages/legacy

    hint: name the directory instead
    ");
}

#[test]
fn a_site_with_a_server() {
    let with_server = |tree: &Tree| {
        tree.replace(
            "apps/site/package.json",
            "\"dev\": \"vite\"",
            "\"start\": \"node server.js\"",
        );
    };
    assert_snapshot!(refusal("apps/site", with_server), @r#"
    exit code 1
    error: `apps/site` may be a static site (it depends on `vite`; its build runs `vite build`) or a program that node runs (the `start` script runs `node server.js`)

    hint: decide: `--kind static-site` or `--kind node`, or for good with `"kind": "static-site"` in apps/site/slimbuild.json (or "node")
    "#);
    let tree = Tree::shop();
    let wrong = slimbuild(tree.root(), &["plan", "apps/server", "--kind", "next"]);
    assert_snapshot!(wrong.refusal(tree.root()), @r#"
    exit code 1
    error: `apps/server` is not of the kind `Next.js`: no framework that makes such an app builds it

    hint: leave `--kind` out, and `"kind"` of slimbuild.json, to see what is found; or say what node starts: `--kind node --entry dist/main.js`, or for good with `"kind": "node", "start": "dist/main.js"` in apps/server/slimbuild.json
    "#);
}

#[test]
fn nothing_to_start() {
    let unbuilt = |tree: &Tree| {
        tree.replace(
            "apps/server/package.json",
            "    \"build\": \"node scripts/generate.mjs && tsc -p tsconfig.build.json\",\n",
            "",
        );
    };
    assert_snapshot!(refusal("apps/server", unbuilt), @r#"
    exit code 1
    error: `apps/server/package.json` has no `build` script, and `dist/main.js` (the `start` script) is not there without one

    hint: add a `build` script that writes the file, or name another one with `--entry FILE`, or for good with `"start": "FILE"` in apps/server/slimbuild.json
    "#);
    let gone = |tree: &Tree| tree.remove("apps/worker/src/main.js");
    assert_snapshot!(refusal("apps/worker", gone), @r#"
    exit code 1
    error: `apps/worker/package.json` has no `build` script, and `src/main.js` (the `start` script) is not there without one

    hint: add a `build` script that writes the file, or name another one with `--entry FILE`, or for good with `"start": "FILE"` in apps/worker/slimbuild.json
    "#);
    assert_snapshot!(refusal("packages/tsconfig", |_| {}), @r#"
    exit code 1
    error: cannot tell how `packages/tsconfig` starts: no script starts node with a file, and there is no `main`, `bin` or `index.js`

    hint: name the file that node starts with `--entry dist/main.js`, or for good with `"start": "dist/main.js"` in packages/tsconfig/slimbuild.json, or in the `start` script as `node dist/main.js`
    "#);
    let elsewhere = |tree: &Tree| {
        tree.replace(
            "apps/server/package.json",
            "node dist/main.js",
            "node dist/index.js",
        );
    };
    assert_snapshot!(refusal("apps/server", elsewhere), @r#"
    exit code 1
    error: cannot tell how `apps/server` starts: the `start` script starts `dist/index.js`, which neither the sources hold nor the build writes; it writes `dist/app.js`, `dist/main.js`, `dist/orders.js`, `dist/schema.js`

    hint: name the file that node starts with `--entry dist/main.js`, or for good with `"start": "dist/main.js"` in apps/server/slimbuild.json, or in the `start` script as `node dist/main.js`
    "#);
}

#[test]
fn an_entry_that_is_not_there() {
    let tree = Tree::shop();
    let refusal = |app: &str, entry: &str| {
        slimbuild(tree.root(), &["plan", app, "--entry", entry]).refusal(tree.root())
    };
    assert_snapshot!(refusal("apps/worker", "src/mian.js"), @r#"
    exit code 1
    error: `apps/worker/package.json` has no `build` script, and `src/mian.js` (named by --entry) is not there without one

    hint: add a `build` script that writes the file, or name another one with `--entry FILE`, or for good with `"start": "FILE"` in apps/worker/slimbuild.json
    "#);
    assert_snapshot!(refusal("apps/worker", "../../packages/events/src/index.js"), @"
    exit code 2
    error: invalid value '../../packages/events/src/index.js' for '--entry <FILE>': `../../packages/events/src/index.js` leaves the workspace; name a file inside of the app, as in `dist/main.js`

    For more information, try '--help'.
    ");
}

/// Makes `packages/catalog` and `packages/events` need each other; `kind` is how events needs catalog.
fn circle(tree: &Tree, kind: &str) {
    tree.replace(
        "packages/catalog/package.json",
        "\"zod\":",
        "\"@shop/events\": \"workspace:*\",\n    \"zod\":",
    );
    tree.replace_after(
        "pnpm-lock.yaml",
        "\n  packages/catalog:\n    dependencies:\n",
        "      zod:\n",
        "      '@shop/events':\n        specifier: workspace:*\n        version: link:../events\n      zod:\n",
    );
    let field = format!("  \"{kind}\": {{\n    \"@shop/catalog\": \"workspace:*\"\n  }}\n");
    let after = "\"nanoid\": \"^5.1.16\"\n  }\n";
    let manifest = "packages/events/package.json";
    let (entry, before) = (
        "      '@shop/catalog':\n        specifier: workspace:*\n        version: link:../catalog\n",
        "      nanoid:\n",
    );
    if kind == "dependencies" {
        tree.replace(
            manifest,
            "\"nanoid\":",
            "\"@shop/catalog\": \"workspace:*\",\n    \"nanoid\":",
        );
        tree.replace_after(
            "pnpm-lock.yaml",
            "\n  packages/events:\n",
            before,
            &format!("{entry}{before}"),
        );
    } else {
        tree.replace(
            manifest,
            after,
            &format!("\"nanoid\": \"^5.1.16\"\n  }},\n{field}"),
        );
        let version = "        version: 5.1.16\n";
        tree.replace_after(
            "pnpm-lock.yaml",
            "\n  packages/events:\n",
            version,
            &format!("{version}    {kind}:\n{entry}"),
        );
    }
}

#[test]
fn packages_that_need_each_other() {
    assert_snapshot!(refusal("apps/server", |tree| circle(tree, "dependencies")), @"
    exit code 1
    error: packages need each other to be built first: @shop/catalog → @shop/events → @shop/catalog

    hint: turn one of these dependencies into a dev dependency, or move what both need into a package of its own
    ");
}

#[test]
fn a_circle_of_dev_dependencies_is_passed_over() {
    let tree = Tree::shop();
    circle(&tree, "devDependencies");
    let outcome = slimbuild(tree.root(), &["plan", "apps/server", "--json"]);
    assert_eq!(outcome.stderr, "", "JSON holds its warnings itself");
    let plan: serde_json::Value = serde_json::from_str(&outcome.text()).unwrap();
    assert_snapshot!(plan["warnings"][0], @r#""dev dependencies make a circle, which is passed over: @shop/catalog → @shop/events → @shop/catalog""#);
    let stages: Vec<&str> = plan["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["stage"].as_str().unwrap())
        .collect();
    assert_eq!(stages, ["build-packages-catalog", "build-apps-server"]);
}
