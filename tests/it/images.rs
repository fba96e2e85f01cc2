//! Images on real daemons: they boot, answer, and contain nothing that the app does not need.

mod bases;
mod beside;
mod cases;
pub(crate) mod contents;
mod installs;
mod kinds;
mod loaders;
mod lockfiles;
mod naive;
mod names;
mod native;
mod proof;
mod registry;
mod smoke;
mod spare;

use serde_json::Value;

use crate::support::archive::context;
use crate::support::container::Container;
use crate::support::daemon::{Daemon, each_daemon};
use crate::support::tree::shop;

use contents::Contents;

const SERVER: u16 = 3000;
const WORKER: u16 = 3001;

pub(crate) fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The user that a program of the image runs as, and what it may do to its own code.
fn assert_harmless(daemon: &Daemon, image: &str) {
    let script = "
        const attempt = (file) => { try { fs.appendFileSync(file, ''); return 'written' } catch (error) { return error.code } };
        console.log(process.getuid(), process.getgid(), attempt('package.json'), attempt('new.js'), attempt('/etc/passwd'));";
    let output = Container::output(daemon, image, &["-e", script]);
    assert_eq!(output, "65532 65532 EACCES EACCES EACCES\n");
}

#[test]
fn the_image_starts_node_directly_and_not_as_root() {
    each_daemon("the_image_starts_node_directly_and_not_as_root", |daemon| {
        for (app, entry) in [
            ("apps/server", "dist/main.js"),
            ("apps/worker", "src/main.js"),
        ] {
            let tag = daemon.tag("configuration");
            daemon
                .slimbuild(
                    &shop(),
                    &[app, "-q", "-t", &tag.name, "--label", "stage=test"],
                )
                .bytes();
            let config = daemon.image(&tag.name).config.unwrap();
            assert_eq!(config.user.as_deref(), Some("65532:65532"));
            assert_eq!(config.entrypoint.unwrap(), ["/nodejs/bin/node"]);
            let command = config.cmd.unwrap();
            assert!(command[0].starts_with("--import=data:"), "{command:?}");
            assert_eq!(command[1..], [entry], "no shell before it");
            assert_eq!(config.working_dir.unwrap(), format!("/app/{app}"));
            let env = config.env.unwrap();
            assert!(env.contains(&"NODE_ENV=production".to_owned()), "{env:?}");
            assert_eq!(config.labels.unwrap()["stage"], "test");
            assert_harmless(daemon, &tag.name);
        }
    });
}

#[test]
fn the_image_holds_the_runtime_closure_and_nothing_else() {
    each_daemon(
        "the_image_holds_the_runtime_closure_and_nothing_else",
        |daemon| {
            for app in ["apps/server", "apps/worker"] {
                let tag = daemon.tag("contents");
                daemon
                    .slimbuild(&shop(), &[app, "-q", "-t", &tag.name])
                    .bytes();
                let contents = Contents::of(daemon, &tag.name);
                contents.assert_packages(app);
                contents.assert_our_files(app);
                contents.assert_no_tools();
                contents.assert_nothing_outside_of_app(
                    daemon,
                    "gcr.io/distroless/nodejs22-debian12:nonroot",
                );
            }
        },
    );
}

#[test]
fn the_context_builds_the_same_image_by_hand() {
    each_daemon("the_context_builds_the_same_image_by_hand", |daemon| {
        for (app, port) in [("apps/server", SERVER), ("apps/worker", WORKER)] {
            let (ours, by_hand) = (daemon.tag("ours"), daemon.tag("by-hand"));
            let flags = [app, "-q", "-t", &ours.name, "--no-trial", "--no-oci-labels"];
            daemon.slimbuild(&shop(), &flags).bytes();
            // Docker 20.10 cannot start the app in a step.
            let context = context(&shop(), app, &["--no-trial"]);
            daemon.build(context, &by_hand.name);
            let container = Container::start(daemon, &by_hand.name, port);
            assert_eq!(json_of(&container.get(port, "/health"))["status"], "ok");
            let (ours, by_hand) = (daemon.image(&ours.name), daemon.image(&by_hand.name));
            assert_eq!(ours.root_fs, by_hand.root_fs, "the same layers");
            // The identity, and what of the proof was asked for, are known only to slimbuild.
            let mut config = ours.config.unwrap();
            let labels = config.labels.take().unwrap_or_default();
            let mut names: Vec<&String> = labels.keys().collect();
            names.sort();
            assert_eq!(names, ["dev.slimbuild.identity", "dev.slimbuild.proof"]);
            assert_eq!(Some(config), by_hand.config);
        }
    });
}
