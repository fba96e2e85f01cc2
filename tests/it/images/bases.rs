//! Other bases, other versions of node, odd names: the image still boots.

use serde_json::Value;

use super::{WORKER, json_of};
use crate::support::container::Container;
use crate::support::daemon::{Daemon, each_daemon, one_daemon};
use crate::support::tree::{Tree, shop};

use super::contents::Contents;

/// Builds the worker, boots it read-only, and returns its image's configuration.
fn boot(daemon: &Daemon, more: &[&str]) -> bollard::models::ImageConfig {
    let tag = daemon.tag("bases");
    let arguments = ["apps/worker", "-q", "-t", &tag.name];
    daemon
        .slimbuild(&shop(), &[&arguments[..], more].concat())
        .bytes();
    let container = Container::start(daemon, &tag.name, WORKER);
    let health: Value = json_of(&container.get(WORKER, "/health"));
    assert_eq!(health["status"], "ok", "{more:?}");
    assert_eq!(container.stop(), 0, "{more:?}: signals reach the program");
    daemon.image(&tag.name).config.unwrap()
}

#[test]
fn every_kind_of_base_boots() {
    each_daemon("every_kind_of_base_boots", |daemon| {
        let line = boot(daemon, &["--node", "20"]);
        assert_eq!(line.entrypoint.unwrap(), ["/nodejs/bin/node"]);
        // An exact version has no distroless image: node is copied out of the build stage.
        let exact = boot(
            daemon,
            &["--node", "22.11.0", "--build-base", "node:22-slim"],
        );
        assert_eq!(exact.entrypoint.unwrap(), ["/nodejs/bin/node"]);
        assert_eq!(exact.user.unwrap(), "65532:65532");
        for base in ["node:22-slim", "slim"] {
            let own = boot(daemon, &["--base", base]);
            let command = own.cmd.unwrap();
            assert_eq!([&command[0], &command[2]], ["node", "src/main.js"]);
            assert_eq!(own.user.unwrap(), "1000:1000");
        }
    });
}

#[test]
fn debian_comes_with_node_alone() {
    one_daemon("debian_comes_with_node_alone", |daemon| {
        let tag = daemon.tag("slim");
        daemon
            .slimbuild(
                &shop(),
                &["apps/worker", "-q", "--base", "slim", "-t", &tag.name],
            )
            .bytes();
        let contents = Contents::of(daemon, &tag.name);
        assert_eq!(contents.mode("usr/local/bin/node"), 0o755);
        let tools = [
            "bin/npm",
            "bin/npx",
            "bin/corepack",
            "lib/node_modules",
            "include/node",
        ];
        for tool in tools {
            let path = format!("usr/local/{tool}");
            assert!(contents.paths().all(|other| other != path), "{path}");
        }
    });
}

#[test]
fn odd_names_arrive_in_the_image() {
    each_daemon("odd_names_arrive_in_the_image", |daemon| {
        let tree = Tree::with_odd_names();
        let tag = daemon.tag("odd");
        daemon
            .slimbuild(tree.root(), &["apps/worker", "-q", "-t", &tag.name])
            .bytes();
        let contents = Contents::of(daemon, &tag.name);
        let ours = contents.ours();
        for path in tree.files() {
            let path = path.to_str().unwrap();
            if path.starts_with("apps/worker/assets") {
                assert!(ours.contains(&path), "{path}");
            }
        }
        assert_eq!(
            contents.link("app/apps/worker/start.link"),
            Some("assets/run.sh")
        );
        assert_eq!(contents.mode("app/apps/worker/assets/run.sh"), 0o755);
    });
}

#[test]
fn a_directory_with_a_space_boots() {
    one_daemon("a_directory_with_a_space_boots", |daemon| {
        let tree = Tree::shop();
        let (old, new) = (
            tree.root().join("apps/worker"),
            tree.root().join("apps/the worker"),
        );
        fs_err::rename(old, new).unwrap();
        tree.replace(
            "pnpm-lock.yaml",
            "\n  apps/worker:\n",
            "\n  apps/the worker:\n",
        );
        let manifest = "apps/the worker/package.json";
        // With a step of its own, so that all instructions meet the name.
        tree.replace(
            manifest,
            "\"lint\":",
            "\"build\": \"mkdir -p dist && cp src/main.js dist/main.js\",\n    \"lint\":",
        );
        tree.replace(manifest, "node src/main.js\"", "node dist/main.js\"");
        let tag = daemon.tag("space");
        daemon
            .slimbuild(tree.root(), &["apps/the worker", "-q", "-t", &tag.name])
            .bytes();
        let container = Container::start(daemon, &tag.name, WORKER);
        assert_eq!(json_of(&container.get(WORKER, "/health"))["status"], "ok");
    });
}
