//! The built-in base, made from today's Debian and npm, on real engines and for tools that read
//! images.

use std::path::{Path, PathBuf};
use std::process::Command;

use bollard::body_full;
use bollard::errors::Error;
use bollard::query_parameters::ImportImageOptions;
use futures_util::future::ready;
use futures_util::{StreamExt, TryStreamExt};
use insta::assert_snapshot;
use serde_json::Value;
use slimbuild::Env;

use crate::support::container::Container;
use crate::support::daemon::{Daemon, each_daemon, skipped};
use crate::support::program::{Outcome, slimbuild, slimbuild_with};
use crate::support::tree::Tree;

/// Kept between runs, so that only the first run downloads.
pub(crate) fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("base-cache")
}

fn base(directory: &Path, cache: &Path, arguments: &[&str]) -> Outcome {
    let cache = cache.to_str().unwrap();
    let arguments = [&["base", "--cache-dir", cache], arguments].concat();
    slimbuild_with(directory, &arguments, &Env::of_process())
}

/// Makes sure that the cache has a base with this node.
pub(crate) fn base_of_node(version: &str) {
    let tree = Tree::new(&[]);
    base(tree.root(), &cache(), &["--node", version]).text();
}

fn digest(outcome: Outcome) -> String {
    let shown: Value = serde_json::from_str(&outcome.text()).unwrap();
    shown["digest"].as_str().unwrap().to_owned()
}

pub(crate) fn load(daemon: &Daemon, archive: &Path) {
    let bytes = fs_err::read(archive).unwrap();
    let options = ImportImageOptions::default();
    let answers = daemon
        .client
        .import_image(options, body_full(bytes.into()), None);
    // bollard misreads the end of some answers; see `is_end` in src/engine/docker/error.rs.
    let is_end = |answer: &Result<_, Error>| matches!(answer, Err(Error::IOError { err }) if err.to_string() == "bytes remaining on stream");
    let answers = answers.take_while(|answer| ready(!is_end(answer)));
    let answers = daemon.wait(answers.try_collect::<Vec<_>>()).unwrap();
    assert!(!answers.is_empty());
}

#[test]
fn node_finds_what_it_needs() {
    let tree = Tree::new(&[]);
    each_daemon("node_finds_what_it_needs", |daemon| {
        let tag = daemon.tag("base");
        base(
            tree.root(),
            &cache(),
            &["--node", "22", "-o", "base.oci.tar", "-t", &tag.name],
        )
        .text();
        load(daemon, &tree.root().join("base.oci.tar"));
        let [probe, key, certificate] = [
            include_str!("base/probe.cjs"),
            include_str!("base/key.pem"),
            include_str!("base/certificate.pem"),
        ];
        let output = Container::output(daemon, &tag.name, &["-e", probe, "--", key, certificate]);
        insta::allow_duplicates! {
            assert_snapshot!(output, @"
            user nonroot 65532 65532 /home/nonroot /home/nonroot
            zone Thu Jan 01 1970 01:00:00 GMT+0100 (Central European Standard Time)
            intl Donnerstag, 1. Januar 1970
            dns true found
            authorities true
            tls DEPTH_ZERO_SELF_SIGNED_CERT
            tls, openssl DEPTH_ZERO_SELF_SIGNED_CERT
            tls, added connected
            tls, openssl, added connected
            ");
        }
    });
}

#[test]
fn the_same_versions_are_the_same_image() {
    let (tree, cache) = (Tree::new(&[]), cache());
    let lock = ["--lock", "base.lock.json", "--json"];
    let first = digest(base(tree.root(), &cache, &lock));
    assert!(tree.read("base.lock.json").contains("libssl3"));
    // Only the downloads are kept. Other tests write notes meanwhile.
    let gone = (0..5).any(|_| fs_err::remove_dir_all(cache.join("notes")).is_ok());
    assert!(gone, "the notes of {} stay", cache.display());
    let other = Tree::new(&[("base.lock.json", &tree.read("base.lock.json"))]);
    assert_eq!(digest(base(other.root(), &cache, &lock)), first);
    // A damaged layer is made again.
    let shown: Value = serde_json::from_str(&base(other.root(), &cache, &lock).text()).unwrap();
    let layer = shown["layers"][0]["digest"].as_str().unwrap();
    let blob = cache.join("blobs").join(layer.replace(':', "/"));
    let mut bytes = fs_err::read(&blob).unwrap();
    bytes[1000] ^= 1;
    fs_err::write(&blob, bytes).unwrap();
    let written = [&lock[..], &["-o", "base.oci.tar"]].concat();
    assert_eq!(digest(base(other.root(), &cache, &written)), first);
    assert!(other.root().join("base.oci.tar").exists());
    let zstd = [&lock[..], &["--compression", "zstd"]].concat();
    assert_ne!(digest(base(other.root(), &cache, &zstd)), first);
}

#[test]
fn it_is_small_and_other_tools_read_it() {
    let tree = Tree::new(&[]);
    let arguments = [
        "--json",
        "-o",
        "base.oci.tar",
        "-o",
        "dir=layout",
        "-t",
        "base:1",
    ];
    let shown = base(tree.root(), &cache(), &arguments).text();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let size = shown["layers"][0]["unpackedSize"].as_u64().unwrap();
    assert!(size <= 24_000_000, "{size}");
    let run = |program: &str, arguments: &[&str]| -> Option<String> {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(tree.root())
            .output();
        let Ok(output) = output else {
            skipped(
                &format!("no {program}"),
                "it_is_small_and_other_tools_read_it",
            );
            return None;
        };
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Some(String::from_utf8(output.stdout).unwrap())
    };
    for place in ["oci-archive:base.oci.tar", "oci:layout"] {
        if let Some(inspected) = run("skopeo", &["inspect", place]) {
            let inspected: Value = serde_json::from_str(&inspected).unwrap();
            assert_eq!(inspected["Digest"], shown["digest"]);
        }
    }
    run(
        "skopeo",
        &[
            "--insecure-policy",
            "copy",
            "docker-archive:base.oci.tar",
            "dir:copied",
        ],
    );
    if run(
        "umoci",
        &["unpack", "--rootless", "--image", "layout:1", "bundle"],
    )
    .is_some()
    {
        let root = tree.root().join("bundle/rootfs");
        assert!(root.join("lib/x86_64-linux-gnu/libc.so.6").exists());
        assert!(
            fs_err::read_to_string(root.join("etc/os-release"))
                .unwrap()
                .contains("bookworm")
        );
        assert!(root.join("var/lib/dpkg/status.d/libssl3").exists());
        assert!(root.join("usr/share/doc/libssl3/copyright").exists());
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let tree = Tree::new(&[("lock.json", "{}")]);
    let refused = |arguments: &[&str]| {
        let arguments = [&["base", "--cache-dir", "cache"], arguments].concat();
        slimbuild(tree.root(), &arguments).refusal(tree.root())
    };
    assert_snapshot!(refused(&["--platform", "linux/s390x"]), @"
    exit code 2
    error: there is no built-in base for linux/s390x

    hint: there is one for linux/amd64 and linux/arm64
    ");
    assert_snapshot!(refused(&["--lock", "lock.json"]), @"
    exit code 1
    error: `$ROOT/lock.json` is not a lock of a base: missing field `lockVersion` at line 1 column 2

    hint: remove it, and it is written anew
    ");
    assert_snapshot!(refused(&["--output", "dir="]), @"
    exit code 2
    error: invalid value 'dir=' for '--output <FILE>': name a file or a directory, as in `server.oci.tar`

    For more information, try '--help'.
    ");
    assert_snapshot!(refused(&["--debian-mirror", "http://127.0.0.1:1"]), @"
    exit code 4
    error: cannot download `http://127.0.0.1:1/debian/dists/bookworm/InRelease`
      caused by: Connection refused (os error 111)

    hint: look at the network, and at HTTP_PROXY, HTTPS_PROXY and NO_PROXY; then try again
    ");
    let env = [("SOURCE_DATE_EPOCH", "today")].into_iter().collect();
    assert_snapshot!(slimbuild_with(tree.root(), &["base"], &env).refusal(tree.root()), @"
    exit code 2
    error: SOURCE_DATE_EPOCH is `today`, which is no number of seconds

    hint: set it to seconds since 1970, as in `git log -1 --format=%ct`
    ");
}
