//! Files and directories with an image, from a builder and from every daemon. skopeo is the judge.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{Lab, SECRETS, app, change};
use crate::support::daemon::{every_daemon, newest_daemon, skipped};
use crate::support::unique;

/// What skopeo says, or its complaint.
fn skopeo(words: &[&str]) -> Result<Value, String> {
    let output = Command::new("skopeo").args(words).output().unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Has skopeo read all of an image, which checks every digest.
fn copied(place: &str) {
    let to = crate::support::temporary();
    let to = format!("dir:{}", to.path().join("copy").display());
    let output = Command::new("skopeo")
        .args(["copy", "-q", place, &to])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{place}: {said}");
}

fn has_skopeo(test: &str) -> bool {
    let there = Command::new("skopeo").arg("--version").output().is_ok();
    if !there {
        skipped("there is no skopeo", test);
    }
    there
}

fn entries(directory: &Path) -> Vec<Value> {
    let index = fs_err::read(directory.join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    index["manifests"].as_array().unwrap().clone()
}

/// A builder adds an image to the others in a directory, and replaces one of the same name.
#[test]
fn a_builder_adds_images_to_a_directory() {
    let test = "a_builder_adds_images_to_a_directory";
    let Some(lab) = Lab::new(test) else { return };
    if !has_skopeo(test) {
        return;
    }
    newest_daemon(test, |_| {
        let tree = app();
        let images = tree.root().join("images");
        let built = |tag: &str, to: &str| {
            let name = format!("api:{tag}");
            let words = ["apps/api", "-q", "-t", &name, "-o", to];
            let metadata = ["--metadata-file", "m.json"];
            let built = lab.build(&tree, &[&words[..], &metadata, &SECRETS].concat());
            assert_eq!(built.code, 0, "{}", built.stderr);
            let metadata: Value = serde_json::from_str(&tree.read("m.json")).unwrap();
            metadata["containerimage.digest"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let first = built("1", "dir=images");
        assert_eq!(entries(&images)[0]["digest"], first);
        change(&tree, &unique());
        let second = built("2", "type=dir,dest=images");
        change(&tree, &unique());
        let third = built("1", "dir=images");
        let digests: Vec<Value> = entries(&images)
            .iter()
            .map(|entry| entry["digest"].clone())
            .collect();
        assert_eq!(digests, [second, third]);
        for tag in ["1", "2"] {
            copied(&format!("oci:{}:{tag}", images.display()));
        }
        for entry in fs_err::read_dir(tree.root()).unwrap() {
            let name = entry.unwrap().file_name();
            assert!(!name.to_string_lossy().starts_with(".slimbuild-"));
        }

        // A build that fails changes nothing, and what holds no images stays as it is.
        let before = entries(&images);
        tree.write("apps/api/build.js", "process.exit(7);\n");
        let words = ["apps/api", "-q", "-o", "dir=images"];
        let failed = lab.build(&tree, &[&words[..], &SECRETS].concat());
        assert_eq!(failed.code, 4, "{}", failed.stderr);
        assert_eq!(entries(&images), before);
        tree.write("kept/notes.txt", "mine");
        let words = ["apps/api", "-q", "-o", "dir=kept"];
        let refused = lab.build(&tree, &[&words[..], &SECRETS].concat());
        assert_eq!(refused.code, 4, "{}", refused.stderr);
        let why = "is not empty, and holds no OCI layout";
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    });
}

/// Every daemon gives its image away in each form, and keeps it. It has one id everywhere.
#[test]
fn every_daemon_writes_files_and_directories() {
    let test = "every_daemon_writes_files_and_directories";
    if !has_skopeo(test) {
        return;
    }
    every_daemon(test, |daemon| {
        let tree = app();
        let tag = daemon.tag("outputs");
        let common = ["apps/api", "-q", "-t", &tag.name, "--engine", "docker"];
        let cache = tree.root().join("cache");
        let places = [
            "-o",
            "x.tar",
            "-o",
            "docker=y.tar",
            "-o",
            "dir=images",
            "--cache-dir",
            cache.to_str().unwrap(),
            "--metadata-file",
            "m.json",
        ];
        let arguments = [&common[..], &places, &SECRETS].concat();
        for smoke in [&[][..], &["--smoke=/"]] {
            let built = daemon.slimbuild(tree.root(), &[&arguments[..], smoke].concat());
            assert_eq!(built.code, 0, "{}", built.stderr);
            let at = |name: &str| tree.root().join(name).display().to_string();
            let metadata: Value = serde_json::from_str(&tree.read("m.json")).unwrap();
            let id = metadata["containerimage.config.digest"].as_str().unwrap();
            for place in [
                format!("oci-archive:{}", at("x.tar")),
                format!("docker-archive:{}", at("y.tar")),
                format!("oci:{}", at("images")),
            ] {
                let raw = skopeo(&["inspect", "--raw", &place]).unwrap();
                assert_eq!(raw["config"]["digest"], id, "{place}: {raw}");
                copied(&place);
            }
            let raw = skopeo(&["inspect", "--raw", &format!("oci:{}", at("images"))]).unwrap();
            for layer in raw["layers"].as_array().unwrap() {
                let kind = layer["mediaType"].as_str().unwrap();
                assert!(kind.ends_with(".tar+gzip"), "{raw}");
            }
            let there = daemon.image(&tag.name);
            assert!(there.id.is_some());
            fs_err::remove_file(tree.root().join("x.tar")).unwrap();
        }
    });
}
