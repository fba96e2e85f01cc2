//! The proof that an image can run: it names what is missing before the image has a name, and
//! leaves nothing behind.

use std::process::Command;

use crate::support::daemon::{Daemon, each_daemon, one_daemon, skipped};
use crate::support::tree::{Tree, repository, shop};

/// The messages about an app that cannot run.
fn disproved(daemon: &Daemon, tree: &Tree, app: &str) -> String {
    let tag = daemon.tag("disproved");
    let outcome = daemon.slimbuild(tree.root(), &[app, "-q", "-t", &tag.name]);
    let text = outcome.refusal(tree.root());
    let made = daemon.wait(daemon.client.inspect_image(&tag.name));
    assert!(made.is_err(), "the image has a name in spite of all");
    let lines = text.lines().map(|line| line.replacen("  │ ", "", 1));
    let lines = lines.filter(|line| !line.starts_with('✗'));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_missing_is_named_with_the_chain_that_needs_it() {
    each_daemon(
        "what_is_missing_is_named_with_the_chain_that_needs_it",
        |daemon| {
            let tree = Tree::shop();
            let main = "apps/worker/src/main.js";
            let text = tree.read(main);
            tree.write(main, &format!("import 'pino-pretty';\n{text}"));
            tree.append(
                "packages/events/src/index.js",
                "export * from './gone.js';\nexport { default as lodash } from 'lodash/fp';\n",
            );
            insta::allow_duplicates! {
                insta::assert_snapshot!(disproved(daemon, &tree, "apps/worker"), @r"
                exit code 4
                slimbuild: the image would not run as it is:
                  apps/worker/src/main.js loads `pino-pretty`, which is not in the image
                    It is a dev dependency in apps/worker/package.json: what runs needs it among `dependencies`.
                  packages/events/src/index.js loads `./gone.js`, which is not in the image
                    needed by: apps/worker/src/main.js → packages/events/src/index.js
                  packages/events/src/index.js loads `lodash/fp`, which is not in the image
                    needed by: apps/worker/src/main.js → packages/events/src/index.js
                    packages/events/package.json does not name it: add it to `dependencies`.
                error: the image of apps/worker would not run; what is missing is said above

                hint: a package that the app loads belongs into its `dependencies`: `slimbuild why apps/worker PACKAGE` shows who needs one. `--no-trial` does not start the app, and `--no-verify` makes the image as it is.
                ");
            }
        },
    );
}

#[test]
fn files_that_node_cannot_read_are_named() {
    one_daemon("files_that_node_cannot_read_are_named", |daemon| {
        let tree = Tree::shop();
        tree.append("packages/events/src/index.js", "const = 1;\n");
        let text = disproved(daemon, &tree, "apps/worker");
        let told = "packages/events/src/index.js is not what node 22.";
        assert!(text.contains(told), "{text}");
        assert!(text.contains("Unexpected token '='"), "{text}");
    });
}

#[test]
fn a_site_without_its_script_is_caught() {
    one_daemon("a_site_without_its_script_is_caught", |daemon| {
        let tree = Tree::shop();
        let manifest = "apps/site/package.json";
        tree.replace(
            manifest,
            "vite build\"",
            "vite build && rm dist/assets/*.js\"",
        );
        let text = disproved(daemon, &tree, "apps/site");
        assert!(
            text.contains("  index.html loads `/assets/index-"),
            "{text}"
        );
        assert!(
            text.contains("`, which the build did not write\n"),
            "{text}"
        );
    });
}

#[test]
fn the_proof_leaves_nothing_in_the_image() {
    each_daemon("the_proof_leaves_nothing_in_the_image", |daemon| {
        for app in ["apps/server", "apps/worker"] {
            let (with, without) = (daemon.tag("proved"), daemon.tag("unproved"));
            let build = |name: &str, more: &[&str]| {
                let arguments = [&[app, "-q", "-t", name], more].concat();
                daemon.slimbuild(&shop(), &arguments).bytes();
                daemon.image(name)
            };
            let (with, mut without) = (
                build(&with.name, &[]),
                build(&without.name, &["--no-verify"]),
            );
            // Only a label tells that there was no proof.
            let labels = without.config.as_mut().and_then(|it| it.labels.as_mut());
            let said = labels.and_then(|labels| labels.remove("dev.slimbuild.proof"));
            assert_eq!(said.as_deref(), Some("none"));
            assert_eq!(with.config, without.config);
            assert_eq!(with.size, without.size);
            let layers = |image: bollard::models::ImageInspect| image.root_fs.unwrap().layers;
            let (with, without) = (layers(with).unwrap(), layers(without).unwrap());
            assert_eq!(with.len(), without.len());
            assert_eq!(with[..with.len() - 2], without[..without.len() - 2]);
        }
    });
}

/// What the proof says of an app with these files in a directory, by the node of this machine.
fn judged(files: &[(&str, &str)]) -> Option<String> {
    let tree = Tree::new(files);
    let image = serde_json::json!({
        "holds": "bundle", "app": "app", "entry": "index.mjs", "nodeArgs": [], "removed": [], "hooked": false, "sources": ["app/scripts/w.mjs"],
    });
    tree.write("image.json", &image.to_string());
    let root = fs_err::canonicalize(tree.root()).unwrap();
    let mut node = Command::new("node");
    let flags = [
        "--no-warnings",
        "--experimental-vm-modules",
        "--experimental-import-meta-resolve",
    ];
    node.args(flags)
        .arg(repository().join("templates/verify.mjs"));
    let output = node
        .arg(root.join("image.json"))
        .env("SLIMBUILD_ROOT", &root)
        .output()
        .ok()?;
    Some(String::from_utf8(output.stderr).unwrap())
}

#[test]
fn literals_that_lead_to_code_are_followed() {
    let main = "
import { createRequire } from 'node:module';
import { fork } from 'node:child_process';
import data from './data.json';
import './style.css';
const require = createRequire(import.meta.url);
const gone = require('gone-package');
const load = createRequire(import.meta.url);
const late = load('late-package'), direct = createRequire(import.meta.url)('./direct.cjs');
const other = await import('./missing.mjs');
await import('./handled.mjs').catch(() => {});
try { await import('./tried.mjs'); } catch { /* it may be there */ }
const work = () => new Worker(new URL('./worker.mjs', import.meta.url));
const seed = () => fork('./scripts/w.mjs');
";
    let files = [
        ("app/index.mjs", main),
        ("app/package.json", r#"{"name": "app"}"#),
        ("app/data.json", "{}"),
        ("app/style.css", ""),
        ("app/worker.mjs", "import './nothing.mjs';"),
    ];
    let Some(said) = judged(&files) else {
        return skipped("no node", "literals_that_lead_to_code_are_followed");
    };
    let version = said
        .split("asks for")
        .next()
        .unwrap()
        .rsplit("node ")
        .next()
        .unwrap();
    insta::assert_snapshot!(said.replace(version, "VERSION "), @"
    slimbuild: the image would not run as it is:
      app/index.mjs starts app/scripts/w.mjs, which is in the workspace and not in the image: take it along with `--include 'app/scripts/w.mjs'`
      app/index.mjs loads `./data.json` without `with { type: 'json' }`, which node VERSION asks for
      app/index.mjs imports `./style.css`, and node VERSION imports no such file: read it with `readFileSync`, or have the build compile it
      app/index.mjs loads `./missing.mjs`, which is not in the image
      app/index.mjs loads `gone-package`, which is not in the image
        app/package.json does not name it: add it to `dependencies`.
      app/index.mjs loads `late-package`, which is not in the image
        app/package.json does not name it: add it to `dependencies`.
      app/index.mjs loads `./direct.cjs`, which is not in the image
      app/worker.mjs loads `./nothing.mjs`, which is not in the image
        needed by: app/index.mjs → app/worker.mjs
    ");
}

/// What bundlers and `tsx` find, and node does not.
#[test]
fn names_that_only_bundlers_find_are_told_apart() {
    let files = [
        (
            "app/index.mjs",
            "import './config'; import './errors'; import './llm.js'; import './gone';",
        ),
        ("app/package.json", r#"{"name": "app"}"#),
        ("app/config.js", ""),
        ("app/errors/index.js", ""),
        ("app/llm.ts", ""),
    ];
    let Some(said) = judged(&files) else {
        return skipped("no node", "names_that_only_bundlers_find_are_told_apart");
    };
    insta::assert_snapshot!(said, @r"
    slimbuild: the image would not run as it is:
      app/index.mjs loads `./config`, and node wants the whole name in an ES module: `./config.js`
      app/index.mjs loads `./errors`, and node wants the whole name in an ES module: `./errors/index.js`
      app/index.mjs loads `./llm.js`, and there is only app/llm.ts, which node does not take for it
      app/index.mjs loads `./gone`, which is not in the image
    ");
}

/// node says no line for modules, and that of its own code is none of the file.
#[test]
fn no_line_is_named_that_is_not_the_file_s() {
    let files = [
        ("app/index.mjs", "const a = 1;\nconst = 2;"),
        ("app/package.json", r#"{"name": "app"}"#),
    ];
    let Some(said) = judged(&files) else {
        return skipped("no node", "no_line_is_named_that_is_not_the_file_s");
    };
    let told = "  app/index.mjs is not what node ";
    assert!(said.contains(told), "{said}");
}

#[test]
fn typescript_is_judged_by_the_node_that_runs_it() {
    let with = |text: &str| {
        judged(&[
            ("app/index.mjs", "import './part.ts';"),
            ("app/part.ts", text),
            ("app/package.json", r#"{"name": "app"}"#),
        ])
    };
    let Some(said) = with("export enum A { B }") else {
        return skipped("no node", "typescript_is_judged_by_the_node_that_runs_it");
    };
    // Of any version: one before 22.18 runs none, and a later one no `enum`.
    assert!(said.contains("  app/part.ts is "), "{said}");
    assert!(
        said.contains("needed by: app/index.mjs → app/part.ts"),
        "{said}"
    );
}
