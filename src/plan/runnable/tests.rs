use crate::plan::config::Given;
use crate::plan::{Plan, PlanOptions};
use crate::testing::{at, workspace};

/// An app without its file.
const GONE: (&str, &str) = ("apps/a/index.js", "");

fn lockfile(version: &str) -> String {
    format!(
        "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {{}}\n\n  apps/a:\n    dependencies:\n      lib:\n        specifier: workspace:*\n        version: {version}\n\n  packages/lib: {{}}\n"
    )
}

/// What is said of `apps/a`, on this node, with these files.
fn said(node: &str, files: &[(&str, &str)]) -> String {
    let lock = lockfile("link:../../packages/lib");
    let mut all = vec![
        (
            "package.json",
            r#"{"name":"r","packageManager":"pnpm@10.34.8"}"#,
        ),
        ("pnpm-lock.yaml", lock.as_str()),
        (
            "apps/a/package.json",
            r#"{"name":"a","type":"module","scripts":{"start":"node index.js"},"dependencies":{"lib":"workspace:*"}}"#,
        ),
        ("apps/a/index.js", "import { x } from 'lib'"),
        (
            "packages/lib/package.json",
            r#"{"name":"lib","exports":"./src/index.ts"}"#,
        ),
        ("packages/lib/src/index.ts", "export const x: number = 1"),
    ];
    for file in files {
        all.retain(|(path, _)| path != &file.0);
        if *file != GONE {
            all.push(*file);
        }
    }
    let (_dir, workspace) = workspace(&all);
    let options = PlanOptions {
        node: Some(Given::by_flag(node.to_owned(), "--node")),
        ..PlanOptions::default()
    };
    match Plan::new(&workspace, at(&workspace, "apps/a"), &options) {
        Ok(plan) => plan.delivery.start().unwrap().command(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_package_of_sources_runs_where_node_takes_out_types() {
    assert_eq!(said("24", &[]), "node index.js");
    assert_eq!(
        said("20", &[]),
        "node cannot run `apps/a`: packages/lib/src/index.ts is TypeScript, which node 20 does not run (apps/a/index.js loads it)"
    );
    assert_eq!(
        said(
            "24",
            &[
                ("packages/lib/src/index.ts", "export * from './client'"),
                ("packages/lib/src/client.ts", "")
            ]
        ),
        "node cannot run `apps/a`: packages/lib/src/index.ts loads `./client`, and node finds no packages/lib/src/client.ts by that name (apps/a/index.js loads it)"
    );
    let index = "export * from './e.ts'";
    let enumeration = "\nexport enum E { A }";
    assert_eq!(
        said(
            "24",
            &[
                ("packages/lib/src/index.ts", index),
                ("packages/lib/src/e.ts", enumeration)
            ]
        ),
        "node cannot run `apps/a`: packages/lib/src/e.ts has an `enum` in line 2, and node takes out types alone: it does not run an `enum` (apps/a/index.js → packages/lib/src/index.ts loads it)"
    );
}

#[test]
fn what_may_never_be_loaded_is_left_to_the_proof() {
    let e = ("packages/lib/src/index.ts", "export enum E { A }");
    for main in [
        "const { x } = await import('lib')",
        "import type { x } from 'lib'",
        "import { register } from 'node:module'; import 'lib'",
        "import 'tsx/esm'; import 'lib'",
        "import { jiti } from 'jiti'; import 'lib'",
    ] {
        assert_eq!(
            said("24", &[e, ("apps/a/index.js", main)]),
            "node index.js",
            "{main}"
        );
    }
    let manifest = r#"{"name":"a","scripts":{"start":"node --import ./hooks.mjs index.js"},"dependencies":{"lib":"workspace:*"}}"#;
    let files = [
        e,
        ("apps/a/package.json", manifest),
        ("apps/a/hooks.mjs", ""),
    ];
    assert_eq!(said("20", &files), "node --import ./hooks.mjs index.js");
}

#[test]
fn an_injected_package_of_sources_lies_where_node_runs_none() {
    let lock = lockfile("file:packages/lib").replace(
        "\n  packages/lib: {}\n",
        "    dependenciesMeta:\n      lib:\n        injected: true\n\n  packages/lib: {}\n\npackages:\n\n  lib@file:packages/lib:\n    resolution: {directory: packages/lib, type: directory}\n\nsnapshots:\n\n  lib@file:packages/lib: {}\n",
    );
    let manifest = r#"{"name":"a","type":"module","scripts":{"start":"node index.js"},"dependencies":{"lib":"workspace:*"},"dependenciesMeta":{"lib":{"injected":true}}}"#;
    let files = [
        ("pnpm-lock.yaml", lock.as_str()),
        ("apps/a/package.json", manifest),
    ];
    assert_eq!(
        said("24", &files),
        "node cannot run `apps/a`: packages/lib/src/index.ts is TypeScript that is installed below node_modules, where node runs none (apps/a/index.js loads it)"
    );
}

#[test]
fn an_entry_that_node_cannot_run_is_not_chosen() {
    let main = r#"{"name":"a","main":"index.ts"}"#;
    let files = [
        ("apps/a/package.json", main),
        ("apps/a/index.ts", "let x: 1"),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n\n  apps/a: {}\n\n  packages/lib: {}\n",
        ),
    ];
    assert_eq!(said("24", &files), "node index.ts");
    let mut without: Vec<_> = files.to_vec();
    without.push(("apps/a/index.js", "1"));
    assert_eq!(said("20", &without), "node index.js");
    // Nothing else would start it.
    let build = r#"{"name":"a","main":"main.ts","scripts":{"build":"echo x"}}"#;
    let files = [
        ("apps/a/package.json", build),
        ("apps/a/main.ts", "let x: 1"),
        files[2],
        GONE,
    ];
    assert_eq!(
        said("20", &files),
        "node cannot run `apps/a`: apps/a/main.ts is TypeScript, which node 20 does not run"
    );
}
