//! What a build reports about its image: on stdout, in a metadata file, by tags.

use serde_json::Value;

use super::json_of;
use crate::support::daemon::each_daemon;
use crate::support::steps::build;
use crate::support::tree::{Tree, shop};

#[test]
fn stdout_is_the_first_name_and_nothing_else() {
    each_daemon("stdout_is_the_first_name_and_nothing_else", |daemon| {
        let (first, second) = (daemon.tag("first"), daemon.tag("second"));
        let arguments = ["apps/worker", "-t", &first.name, "-t", &second.name];
        for more in [
            &["-q"][..],
            &[],
            &["--progress", "plain"],
            &["--progress", "json"],
        ] {
            let outcome = daemon.slimbuild(&shop(), &[&arguments[..], more].concat());
            assert_eq!(
                more == ["-q"],
                outcome.stderr.is_empty(),
                "{}",
                outcome.stderr
            );
            assert_eq!(outcome.text(), format!("{}\n", first.name));
            let (first, second) = (daemon.image(&first.name), daemon.image(&second.name));
            assert_eq!(first.id, second.id);
        }
    });
}

#[test]
fn metadata_tells_what_was_made() {
    each_daemon("metadata_tells_what_was_made", |daemon| {
        let tag = daemon.tag("metadata");
        let out = Tree::new(&[]);
        let file = out.root().join("metadata.json");
        let build_once = || -> Value {
            let arguments = [
                "apps/server",
                "-q",
                "-t",
                &tag.name,
                "--metadata-file",
                file.to_str().unwrap(),
            ];
            daemon.slimbuild(&shop(), &arguments).bytes();
            json_of(&out.read("metadata.json"))
        };
        build_once();
        let metadata = build_once();
        let image = daemon.image(&tag.name);
        assert_eq!(metadata["image.name"], tag.name.as_str());
        assert_eq!(metadata["containerimage.digest"], image.id.unwrap());
        assert_eq!(metadata["slimbuild.app"], "apps/server");
        assert_eq!(metadata["slimbuild.image.size"], image.size.unwrap());
        let number = |key: &str| {
            metadata[key]
                .as_u64()
                .unwrap_or_else(|| panic!("{key}: {metadata:#}"))
        };
        let context = crate::support::archive::context(&shop(), "apps/server", &[]);
        // Without a tar's padding and without the Dockerfile, as the workspace is measured.
        assert!(number("slimbuild.context.size") < context.len() as u64);
        assert_eq!(
            number("slimbuild.context.files"),
            crate::support::archive::entries(&context).len() as u64
        );
        assert!(number("slimbuild.workspace.files") > number("slimbuild.context.files"));
        assert!(number("slimbuild.workspace.size") > 0);
        assert!(number("slimbuild.steps") > 10, "{metadata:#}");
        assert!(metadata["slimbuild.seconds"].is_f64());
        assert_eq!(out.files().len(), 1, "nothing half is left");
    });
}

#[test]
fn a_second_build_runs_nothing() {
    each_daemon("a_second_build_runs_nothing", |daemon| {
        for app in ["apps/server", "apps/worker"] {
            let tag = daemon.tag("again");
            daemon
                .slimbuild(&shop(), &[app, "-q", "-t", &tag.name])
                .bytes();
            let first = daemon.image(&tag.name).id;
            let steps = build(daemon, &shop(), app, &tag.name);
            assert_eq!(steps.ran(), [""; 0], "{app}");
            assert!(steps.cached.len() > 5, "{steps:#?}");
            assert_eq!(daemon.image(&tag.name).id, first);
        }
    });
}
