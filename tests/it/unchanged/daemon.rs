//! Images of a Docker daemon that are there already.

use serde_json::Value;

use crate::many::servers;
use crate::support::daemon::{Daemon, one_daemon};
use crate::support::tree::Tree;
use crate::support::unique;

/// Five apps, of which three use a library.
fn with_library(prefix: &str) -> Tree {
    let apps = ["a", "b", "c", "d", "e"];
    let tree = servers(&apps.map(|app| (app, "write()")));
    tree.write(
        "pnpm-workspace.yaml",
        "packages: ['apps/*', 'packages/*']\n",
    );
    tree.write(
        "packages/lib/package.json",
        r#"{"name": "lib", "main": "index.js"}"#,
    );
    tree.write("packages/lib/index.js", "module.exports = 1;\n");
    tree.append("pnpm-lock.yaml", "\n  packages/lib: {}\n");
    for app in &apps[..3] {
        tree.replace(
            &format!("apps/{app}/package.json"),
            r#""scripts""#,
            r#""dependencies": {"lib": "workspace:*"}, "scripts""#,
        );
        tree.replace(
            "pnpm-lock.yaml",
            &format!("\n  apps/{app}: {{}}\n"),
            &format!("\n  apps/{app}:\n    dependencies:\n      lib:\n        specifier: workspace:*\n        version: link:../../packages/lib\n"),
        );
    }
    let settings = format!(r#"{{"tags": ["{prefix}/{{app}}:1"]}}"#);
    tree.write("slimbuild.json", &settings);
    tree
}

fn states(daemon: &Daemon, tree: &Tree, more: &[&str]) -> Vec<String> {
    let own = ["--all", "--skip-unchanged", "--metadata-file", "m.json"];
    let outcome = daemon.slimbuild(tree.root(), &[&own, more].concat());
    outcome.bytes();
    let document: Value = serde_json::from_str(&tree.read("m.json")).unwrap();
    let apps = document.as_object().unwrap().values();
    let states = apps.map(|app| app["slimbuild.state"].as_str().unwrap().to_owned());
    states.collect()
}

#[test]
fn a_change_builds_the_apps_that_it_reaches() {
    one_daemon("a_change_builds_the_apps_that_it_reaches", |daemon| {
        let prefix = format!("slimbuild-it/same-{}", unique());
        let tree = with_library(&prefix);
        let new = "verified";
        assert_eq!(states(daemon, &tree, &[]), [new; 5]);
        let id = |app: &str| daemon.image(&format!("{prefix}/{app}:1")).id.unwrap();
        let before = ["a", "d"].map(id);

        // What no image depends on.
        tree.write("README.md", "hello");
        let same = "unchanged";
        assert_eq!(states(daemon, &tree, &[]), [same; 5]);
        assert_eq!(["a", "d"].map(id), before);

        // One app, and a library that three use.
        tree.append("apps/d/build.js", "// changed\n");
        assert_eq!(states(daemon, &tree, &[]), [same, same, same, new, same]);
        tree.append("packages/lib/index.js", "// changed\n");
        assert_eq!(states(daemon, &tree, &[]), [new, new, new, same, same]);
        assert_ne!(id("a"), before[0]);

        // Back, without a build: the daemon has it, though its name went on.
        tree.write("packages/lib/index.js", "module.exports = 1;\n");
        assert_eq!(states(daemon, &tree, &[]), [same; 5]);
        assert_eq!(id("a"), before[0]);

        // What was proved less is not taken for it.
        tree.append("apps/e/build.js", "// again\n");
        let without = ["--no-trial", "-F", "e"];
        let own = ["--skip-unchanged"];
        let build = |more: &[&str]| {
            let outcome = daemon.slimbuild(tree.root(), &[&own, more].concat());
            let stderr = outcome.stderr.clone();
            outcome.bytes();
            stderr.contains("unchanged")
        };
        assert!(!build(&without));
        assert!(build(&without));
        assert!(!build(&["-F", "e"]));
        assert!(build(&["-F", "e"]));
        for app in ["a", "b", "c", "d", "e"] {
            daemon.remove(&format!("{prefix}/{app}:1"));
        }
    });
}
