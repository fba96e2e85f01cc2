//! What a Dockerfile does so that node starts the right file, looked at and tried without Docker.

mod scripts;
mod table;

use std::process::Command;

use crate::support::program::slimbuild;
use crate::support::tree::Tree;

#[test]
fn a_command_of_a_package_takes_arguments() {
    let tree = Tree::shop();
    let manifest = "apps/worker/package.json";
    tree.replace(
        manifest,
        "\"main\": \"src/main.js\"",
        "\"bin\": {\"shop-work\": \"./src/main.js\"}",
    );
    tree.replace(
        manifest,
        "\"lint\": \"eslint .\",\n    \"start\": \"node src/main.js\"",
        "\"lint\": \"eslint .\"",
    );
    let start = |more: &[&str]| {
        let arguments = [&["dockerfile", "apps/worker"], more].concat();
        let text = slimbuild(tree.root(), &arguments).text();
        let end = text
            .lines()
            .skip_while(|line| !line.starts_with("ENTRYPOINT"));
        end.collect::<Vec<_>>().join("\n")
    };
    let shown = start(&[]);
    assert!(
        shown.starts_with("ENTRYPOINT [\"/nodejs/bin/node\", \"--import="),
        "{shown}"
    );
    assert!(
        shown.ends_with("\"/app/apps/worker/src/main.js\"]\nCMD []"),
        "{shown}"
    );
    let shown = start(&["--base", "node:22-slim"]);
    assert!(
        shown.starts_with("ENTRYPOINT [\"node\", \"--import="),
        "{shown}"
    );
}

const LOCKFILE: &str = "\
lockfileVersion: '9.0'

importers:

  .: {}

  apps/a:
    dependencies:
      sirv-cli:
        specifier: ^3.0.0
        version: 3.0.0

packages:

  sirv-cli@3.0.0:
    resolution: {integrity: sha512-x}
    hasBin: true

snapshots:

  sirv-cli@3.0.0: {}
";

/// pnpm writes a script for a shell, or a link where `node-linker=hoisted`; into the app's modules, or only into the root's.
#[test]
fn programs_are_found_where_pnpm_puts_them() {
    let workspace = Tree::new(&[
        ("package.json", r#"{"packageManager": "pnpm@10.34.8"}"#),
        ("pnpm-workspace.yaml", "packages: ['apps/*']\n"),
        ("pnpm-lock.yaml", LOCKFILE),
        (
            "apps/a/package.json",
            r#"{"name": "a", "scripts": {"start": "sirv public"}, "dependencies": {"sirv-cli": "^3.0.0"}}"#,
        ),
        ("apps/a/public/index.html", ""),
    ]);
    let dockerfile = slimbuild(workspace.root(), &["dockerfile", "apps/a"]).text();
    let step = dockerfile
        .split("# node starts the file itself")
        .nth(1)
        .unwrap();
    let step = step
        .split("\nRUN ")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let script =
        "#!/bin/sh\nbasedir=$(dirname \"$0\")\nexec node  \"$basedir/../sirv-cli/bin.js\" \"$@\"\n";
    let own = "apps/a/node_modules";
    for (modules, link) in [
        (own, false),
        (own, true),
        ("node_modules", false),
        ("node_modules", true),
    ] {
        let program = format!("{modules}/sirv-cli/bin.js");
        let bin = format!("{modules}/.bin/sirv");
        let image = Tree::new(&[(&program, "the program"), ("apps/a/package.json", "{}")]);
        if link {
            let bin = image.root().join(&bin);
            fs_err::create_dir_all(bin.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink("../sirv-cli/bin.js", bin).unwrap();
        } else {
            image.write(&bin, script);
        }
        let done = Command::new("sh")
            .args(["-c", step])
            .current_dir(image.root())
            .status();
        assert!(done.unwrap().success(), "{bin}");
        assert_eq!(
            image.read("apps/a/node_modules/.bin/sirv"),
            "the program",
            "{bin}, link: {link}"
        );
    }
}

#[test]
fn a_name_that_leads_into_a_package_nobody_depends_on_is_told() {
    let tree = Tree::shop();
    tree.write(
        "apps/worker/tsconfig.json",
        r#"{"compilerOptions": {"baseUrl": "src", "paths": {"~ui": ["../../../packages/ui/src/index.ts"], "@/*": ["./*"], "~events": ["../../../packages/events/*"]}}}"#,
    );
    let run = slimbuild(tree.root(), &["plan", "apps/worker"]);
    let warnings: Vec<&str> = run
        .stderr
        .lines()
        .filter(|line| line.starts_with("warning: `~"))
        .collect();
    assert_eq!(
        warnings,
        [
            "warning: `~ui` in apps/worker/tsconfig.json leads to packages/ui, which no dependency names, so the build does not get it: add `\"@shop/ui\": \"workspace:*\"` to apps/worker/package.json and run `pnpm install`"
        ]
    );
}
