//! Workspaces whose root is the app, and repositories with one package: planned as written down, made by both engines, and booted.

use std::path::PathBuf;

use insta::assert_snapshot;
use slimbuild::internals::Scope;

use crate::base::load;
use crate::fixtures::copy;
use crate::images::contents::Contents;
use crate::native::native;
use crate::support::archive::{context, listing};
use crate::support::container::Container;
use crate::support::daemon::{Daemon, each_daemon, one_daemon, skipped};
use crate::support::golden::assert_golden;
use crate::support::pnpm::{Pnpm, home, reachable};
use crate::support::program::slimbuild;
use crate::support::tree::{Tree, repository};

/// A workspace, what its app answers, and what the image has of it.
struct Root {
    name: &'static str,
    answer: &'static str,
    files: &'static [&'static str],
}

const ROOTS: [Root; 2] = [
    Root {
        name: "around",
        answer: "hello core 7 true",
        files: &[
            "build.js",
            "data/greeting.txt",
            "dist/generated.js",
            "dist/main.js",
            "package.json",
            "packages/core/build.js",
            "packages/core/dist/index.js",
            "packages/core/package.json",
            "src/generated.js",
        ],
    },
    Root {
        name: "single",
        answer: "patched: true",
        files: &["dist/main.js", "package.json"],
    },
];

impl Root {
    fn directory(&self) -> PathBuf {
        repository().join("testdata/roots").join(self.name)
    }

    /// A copy of it.
    fn tree(&self) -> Tree {
        copy(&self.directory())
    }

    fn assert_image(&self, daemon: &Daemon, image: &str) {
        let contents = Contents::of(daemon, image);
        assert_eq!(contents.ours(), self.files, "{}", self.name);
        let container = Container::start(daemon, image, 3000);
        assert_eq!(container.get(3000, "/"), self.answer);
        assert_eq!(container.stop(), 143, "signals reach the program");
    }
}

#[test]
fn roots_are_planned_as_written_down() {
    for root in ROOTS {
        let dir = root.directory();
        let file = |file: &str| format!("roots/{}/{file}", root.name);
        let text = |words: &[&str]| slimbuild(&dir, words).text();
        assert_golden(&file("Dockerfile"), &text(&["dockerfile", "."]));
        assert_golden(&file("plan.json"), &text(&["plan", ".", "--json"]));
        let native = text(&["plan", ".", "--json", "--engine", "native"]);
        assert_golden(&file("plan.native.json"), &native);
        assert_golden(&file("plan.txt"), &text(&["plan", "."]));
        assert_golden(&file("context.txt"), &listing(&context(&dir, ".", &[])));
        assert_golden(&file("ls.txt"), &text(&["ls"]));
        assert_golden(&file("graph.txt"), &text(&["graph", "."]));
    }
}

#[test]
fn a_root_made_by_docker_boots() {
    each_daemon("a_root_made_by_docker_boots", |daemon| {
        for root in ROOTS {
            let tag = daemon.tag(&format!("root-{}", root.name));
            let tree = root.tree();
            daemon
                .slimbuild(tree.root(), &[".", "-q", "-t", &tag.name])
                .bytes();
            root.assert_image(daemon, &tag.name);
        }
    });
}

#[test]
fn a_root_made_natively_boots() {
    let test = "a_root_made_natively_boots";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    for root in ROOTS {
        let tree = root.tree();
        let name = format!("slimbuild-it/root-{}:native", root.name);
        native(tree.root(), &[".", "-q", "-t", &name, "-o", "image.tar"]).bytes();
        each_daemon(test, |daemon| {
            load(daemon, &tree.root().join("image.tar"));
            root.assert_image(daemon, &name);
            daemon.remove(&name);
        });
    }
}

#[test]
fn a_root_that_is_built_already_boots() {
    let test = "a_root_that_is_built_already_boots";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    one_daemon(test, |daemon| {
        let root = &ROOTS[1];
        let tree = root.tree();
        let prebuilt = |tag: &str| {
            let arguments = [".", "-q", "--prebuilt", "-t", tag];
            daemon.slimbuild(tree.root(), &arguments)
        };
        let tag = daemon.tag("root-prebuilt");
        let pnpm = Pnpm::new("22", "10.34.9").unwrap();
        pnpm.install(tree.root(), Scope::Build, &home().join("store"))
            .unwrap();
        assert_snapshot!(prebuilt(&tag.name).refusal(tree.root()), @"
        exit code 1
        error: dist/main.js is not there: single is not built

        hint: run `pnpm run build`
        ");
        pnpm.run(tree.root(), &["run", "build"]);
        prebuilt(&tag.name).bytes();
        root.assert_image(daemon, &tag.name);
    });
}

#[test]
fn without_a_name_the_root_is_meant_where_it_is_the_only_app() {
    let [around, single] = &ROOTS;
    let named = |root: &Root, words: &[&str]| {
        slimbuild(&root.directory().join("src"), &[&["plan"], words].concat()).text()
    };
    assert_eq!(named(single, &[]), named(single, &["."]));
    assert_eq!(named(single, &[]), named(single, &["single"]));
    let refusal = |tree: &Tree, words: &[&str]| slimbuild(tree.root(), words).refusal(tree.root());
    let tree = around.tree();
    assert_snapshot!(refusal(&tree, &["plan"]), @"
    exit code 2
    error: which app?

    hint: name one: ., apps/other; `slimbuild ls` tells what each is, and `slimbuild --all` builds all
    ");
    fs_err::remove_dir_all(tree.root().join("apps")).unwrap();
    let alone = slimbuild(tree.root(), &["plan"]).text();
    assert!(alone.starts_with("around in .\n"), "{alone}");
}

#[test]
fn a_root_is_configured_by_the_file_that_lies_there() {
    let [around, single] = ROOTS;
    let port = |root: &Root, file: &str| {
        let tree = root.tree();
        tree.write("slimbuild.json", file);
        let plan = slimbuild(tree.root(), &["plan", "."]);
        let plan = plan.text();
        assert!(plan.contains("4000"), "{plan}");
    };
    port(&single, r#"{"port": 4000, "start": "dist/main.js"}"#);
    for root in [&single, &around] {
        port(root, r#"{"apps": {".": {"port": 4000}}}"#);
    }
    let tree = around.tree();
    tree.write("slimbuild.json", r#"{"start": "dist/main.js"}"#);
    let refusal = slimbuild(tree.root(), &["plan", "."]).refusal(tree.root());
    assert!(
        refusal.contains("cannot be the same for all apps"),
        "{refusal}"
    );
    let tree = single.tree();
    let init = slimbuild(tree.root(), &["init"]).text();
    assert_eq!(init, "slimbuild.json\n");
    assert_golden("roots/single/slimbuild.json", &tree.read("slimbuild.json"));
}

#[test]
fn a_root_is_pruned_and_asked_about_as_any_app() {
    let [around, _] = ROOTS;
    let tree = around.tree();
    let out = tree.root().join("out");
    let text = |words: &[&str]| slimbuild(tree.root(), words).text();
    slimbuild(tree.root(), &["prune", ".", "--out", "out"]).text();
    let has = |path: &str| out.join(path).exists();
    for path in [
        "json/package.json",
        "full/src/main.js",
        "full/data/greeting.txt",
        "full/packages/core/build.js",
        "full/packages/codegen/cli.js",
    ] {
        assert!(has(path), "{path}");
    }
    for path in ["json/apps", "full/apps", "full/out", "full/.git"] {
        assert!(!has(path), "{path}");
    }
    assert_snapshot!(text(&["why", ".", "is-number@6.0.0"]), @"
    is-number@6.0.0
      in the build and the runtime closure:
        . ⇒ (dependencies) is-odd@3.0.1 ⇒ is-number@6.0.0
        only through . → (dependencies) is-odd@3.0.1: removing that dependency removes it

    ⇒ every chain goes this way
    ");
}
