//! What a build reports about its image: on stdout, in a metadata file, by tags.

use serde_json::Value;

use super::json_of;
use crate::support::container::Container;
use crate::support::daemon::{each_daemon, every_daemon};
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
        assert_eq!(metadata["containerimage.config.digest"], image.id.unwrap());
        // A digest by which registries find it comes with a push.
        assert_eq!(metadata["containerimage.digest"], Value::Null);
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

/// What an engine's own numbers mean depends on its image store; the report says the same for all.
#[test]
fn sizes_and_digests_are_told_as_the_image_store_knows_them() {
    let test = "sizes_and_digests_are_told_as_the_image_store_knows_them";
    every_daemon(test, |daemon| {
        let tag = daemon.tag("sizes");
        let shop = Tree::shop();
        let common = ["apps/server", "-t", &tag.name, "--metadata-file", "m.json"];
        let arguments = [&common[..], &["--progress", "plain"]].concat();
        let outcome = daemon.slimbuild(shop.root(), &arguments);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        let metadata = json_of(&shop.read("m.json"));
        let image = daemon.image(&tag.name);
        let (id, told) = (image.id.unwrap(), image.size.unwrap());
        let size = metadata["slimbuild.image.size"].as_u64().unwrap();
        let files = Container::create(daemon, &tag.name, 3000).files();
        let files: u64 = files.iter().map(|file| file.content.len() as u64).sum();
        let near = size > files / 10 * 9 && size < files / 10 * 13;
        assert!(near, "{size} bytes; its files have {files}");
        let repository = tag.name.rsplit_once(':').unwrap().0;
        let reference = format!("{repository}@{id}");
        let printed = |what: &str| {
            let arguments = [&common[..], &["-q", "--print", what]].concat();
            daemon.slimbuild(shop.root(), &arguments)
        };
        assert_eq!(printed("id").text(), format!("{id}\n"));
        if image.descriptor.is_some() {
            let packed = metadata["slimbuild.image.compressed"].as_u64().unwrap();
            assert_eq!(i64::try_from(packed).unwrap(), told);
            assert!(packed < size / 2, "{packed} of {size} bytes");
            assert_eq!(metadata["containerimage.digest"], id);
            assert_eq!(metadata["slimbuild.image.reference"], reference);
            assert!(
                outcome.stderr.contains(" MB to pull\n"),
                "{}",
                outcome.stderr
            );
            let line = format!("  digest   {reference}\n");
            assert!(outcome.stderr.contains(&line), "{}", outcome.stderr);
            assert_eq!(printed("digest").text(), format!("{id}\n"));
            assert_eq!(printed("reference").text(), format!("{reference}\n"));
            assert_eq!(daemon.image(&reference).id.unwrap(), id);
        } else {
            assert_eq!(size, u64::try_from(told).unwrap());
            for unknown in ["slimbuild.image.compressed", "slimbuild.image.reference"] {
                assert_eq!(metadata[unknown], Value::Null, "{unknown}");
            }
            for what in ["digest", "reference"] {
                let refused = printed(what);
                assert_eq!(refused.code, 2, "{}", refused.stderr);
                let why = "gives an image no digest before it is pushed";
                assert!(refused.stderr.contains(why), "{}", refused.stderr);
                assert!(
                    refused.stderr.contains("`--print id`"),
                    "{}",
                    refused.stderr
                );
            }
        }
    });
}
