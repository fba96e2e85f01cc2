//! The proof that an image can run: what is missing is named before the image has a name, and the proof itself leaves nothing behind.

use crate::support::daemon::{Daemon, each_daemon, one_daemon};
use crate::support::tree::{Tree, shop};

/// What is said of an app that cannot run.
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
            let (with, without) = (
                build(&with.name, &[]),
                build(&without.name, &["--no-verify"]),
            );
            assert_eq!(with.config, without.config);
            assert_eq!(with.size, without.size);
            let layers = |image: bollard::models::ImageInspect| image.root_fs.unwrap().layers;
            let (with, without) = (layers(with).unwrap(), layers(without).unwrap());
            assert_eq!(with.len(), without.len());
            assert_eq!(with[..with.len() - 2], without[..without.len() - 2]);
        }
    });
}
