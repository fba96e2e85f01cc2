//! Images for several platforms: one index from one build.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};

use super::{Lab, app, fetched};
use crate::base::cache;
use crate::support::container::Container;
use crate::support::daemon::{each_daemon, newest_daemon, skipped};
use crate::support::pnpm::reachable;
use crate::support::program::slimbuild_with;
use crate::support::tree::Tree;
use crate::support::unique;
use slimbuild::Env;

pub(super) const BOTH: [&str; 2] = ["--platform", "linux/amd64,linux/arm64"];

/// The lab has distroless for this machine only. slimbuild's own base stands in for it, for both
/// platforms, under the name that a mirror has for distroless.
pub(super) fn distroless(lab: &Lab, test: &str) -> Option<String> {
    if let Err(why) = reachable() {
        skipped(&why, test);
        return None;
    }
    if Command::new("skopeo").arg("--version").output().is_err() {
        skipped("there is no skopeo", test);
        return None;
    }
    let mirror = format!("{}/slimbuild-it/mirror-{}", lab.open, unique());
    let image = format!("{mirror}/distroless/nodejs22-debian12");
    let (tree, cache) = (Tree::new(&[]), cache());
    for architecture in ["amd64", "arm64"] {
        let (platform, file) = (
            format!("linux/{architecture}"),
            format!("{architecture}.tar"),
        );
        let words = ["base", "--node", "22", "--platform", &platform, "-o", &file];
        let words = [&words[..], &["--cache-dir", cache.to_str().unwrap()]].concat();
        let made = slimbuild_with(tree.root(), &words, &Env::of_process());
        assert_eq!(made.code, 0, "{}", made.stderr);
        let copied = Command::new("skopeo")
            .args(["copy", "-q", "--dest-tls-verify=false"])
            .arg(format!("oci-archive:{}", tree.root().join(&file).display()))
            .arg(format!("docker://{image}:{architecture}"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&copied.stderr);
        assert!(copied.status.success(), "{said}");
    }
    let path = format!("/v2{}/manifests", image.strip_prefix(&lab.open).unwrap());
    let entries: Vec<Value> = ["amd64", "arm64"]
        .into_iter()
        .map(|architecture| {
            let (head, body) = fetched(&lab.open, &format!("{path}/{architecture}"), false);
            let digest = head.lines().find_map(|line| line.split_once("sha256:"));
            json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": format!("sha256:{}", digest.unwrap().1.trim_matches(['"', '\r'])),
                "size": body.len(),
                "platform": { "os": "linux", "architecture": architecture },
            })
        })
        .collect();
    let kind = "application/vnd.oci.image.index.v1+json";
    let index = json!({ "schemaVersion": 2, "mediaType": kind, "manifests": entries });
    put(
        &lab.open,
        &format!("{path}/nonroot"),
        kind,
        &index.to_string(),
    );
    Some(mirror)
}

fn put(registry: &str, path: &str, kind: &str, body: &str) {
    let mut stream = TcpStream::connect(registry).unwrap();
    let length = body.len();
    let request = format!(
        "PUT {path} HTTP/1.0\r\nHost: {registry}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 201 "), "{answer}");
}

/// An app without machine code is built and proved on the builder's own platform, so that neither
/// emulation nor another machine is needed. The lab has none.
#[test]
fn one_build_makes_an_index_of_two_platforms() {
    let test = "one_build_makes_an_index_of_two_platforms";
    let Some(lab) = Lab::new(test) else { return };
    let Some(mirror) = distroless(&lab, test) else {
        return;
    };
    newest_daemon(test, |daemon| {
        let tree = app();
        let name = format!("{}/slimbuild-it/index-{}:1", lab.open, unique());
        let mirror = format!("gcr.io={mirror}");
        let common = ["apps/api", "--node", "22", "--registry-mirror", &mirror];
        let common = [&common[..], &BOTH, &["--progress", "plain"]].concat();
        let places = [
            "--push",
            "-t",
            &name,
            "-o",
            "x.tar",
            "--metadata-file",
            "m.json",
        ];
        let built = lab.build(&tree, &[&common[..], &places].concat());
        assert_eq!(built.code, 0, "{}", built.stderr);
        assert!(
            built.stderr.contains("           linux/arm64, "),
            "{}",
            built.stderr
        );
        let metadata: Value = serde_json::from_str(&tree.read("m.json")).unwrap();
        let digest = metadata["containerimage.digest"].as_str().unwrap();

        // skopeo is the judge: it finds two images, each of its platform, in the registry and the file.
        let file = format!("oci-archive:{}", tree.root().join("x.tar").display());
        for place in [format!("docker://{name}"), file] {
            let raw = skopeo(&["--raw", &place]);
            let entries = raw["manifests"].as_array().unwrap();
            let platforms: Vec<&Value> = entries
                .iter()
                .map(|entry| &entry["platform"]["architecture"])
                .collect();
            assert_eq!(platforms, ["amd64", "arm64"], "{place}");
        }
        let index = skopeo(&["--raw", &format!("docker://{name}")]);
        for (at, architecture) in ["amd64", "arm64"].into_iter().enumerate() {
            let chosen = format!("--override-arch={architecture}");
            let place = format!("docker://{name}");
            let config = skopeo(&["--config", &chosen, &place]);
            assert_eq!(config["architecture"], architecture);
            let shown = skopeo(&[&chosen, &place]);
            assert_eq!(shown["Digest"], digest);
            let child = index["manifests"][at]["digest"].as_str().unwrap();
            let repository = place.rsplit_once(':').unwrap().0;
            let manifest = skopeo(&["--raw", &format!("{repository}@{child}")]);
            let layers = manifest["layers"].as_array().unwrap().iter();
            let packed: u64 = layers.map(|layer| layer["size"].as_u64().unwrap()).sum();
            let told = &metadata["slimbuild.image.platforms"][at];
            assert_eq!(told["platform"], format!("linux/{architecture}"));
            let with_documents = told["compressed"].as_u64().unwrap();
            assert!(
                (packed..packed + 10_000).contains(&with_documents),
                "{told}, {packed}"
            );
            assert!(
                told["size"].as_u64().unwrap() > packed * 2,
                "{told}, {packed}"
            );
        }

        // The same in containerd's image store, where the daemon starts its own platform's image.
        let tag = daemon.tag("index");
        let kept = daemon.slimbuild(tree.root(), &[&common[..], &["-t", &tag.name]].concat());
        assert_eq!(kept.code, 0, "{}", kept.stderr);
        let container = Container::start(daemon, &tag.name, 3000);
        assert!(container.get(3000, "/").ends_with("known"));
        drop(container);

        // What the build itself compiled would only run on the builder's platform.
        tree.write(
            "apps/api/build.js",
            "const fs = require('node:fs'); fs.mkdirSync('dist', { recursive: true });
fs.writeFileSync('dist/main.js', 'setInterval(() => {}, 1000)');
fs.writeFileSync('dist/tool', Buffer.from('\\x7fELF, and so on'));\n",
        );
        let compiled = lab.build(&tree, &[&common[..], &["-o", "y.tar"]].concat());
        assert_eq!(compiled.code, 4, "{}", compiled.stderr);
        let why = "apps/api/dist/tool is machine code for the machine that built it";
        assert!(compiled.stderr.contains(why), "{}", compiled.stderr);
    });
}

/// Two machines have pushed; a third joins what they made. Nothing of the layers is moved.
#[test]
fn images_of_two_machines_become_one_index() {
    let test = "images_of_two_machines_become_one_index";
    let Some(lab) = Lab::new(test) else { return };
    let Some(mirror) = distroless(&lab, test) else {
        return;
    };
    let image = format!("{mirror}/distroless/nodejs22-debian12");
    let tree = Tree::new(&[]);
    let join = |words: &[&str]| {
        let words = [&["index"][..], words].concat();
        slimbuild_with(tree.root(), &words, &Env::default())
    };
    let (amd64, arm64) = (format!("{image}:amd64"), format!("{image}:arm64"));
    // In the same repository, and in another one, which the registry gives the layers.
    let elsewhere = format!("{}/slimbuild-it/joined-{}:1", lab.open, unique());
    let mut by_digest = String::new();
    for name in [format!("{image}:joined"), elsewhere.clone()] {
        let joined = join(&[&name, &amd64, &arm64]);
        assert_eq!(joined.code, 0, "{}", joined.stderr);
        for platform in ["linux/amd64", "linux/arm64"] {
            assert!(joined.stderr.contains(platform), "{}", joined.stderr);
        }
        let index = skopeo(&["--raw", &format!("docker://{name}")]);
        assert_eq!(index["manifests"].as_array().unwrap().len(), 2, "{index}");
        for architecture in ["amd64", "arm64"] {
            let chosen = format!("--override-arch={architecture}");
            let config = skopeo(&["--config", &chosen, &format!("docker://{name}")]);
            assert_eq!(config["architecture"], architecture);
        }
        by_digest = joined.text().trim().to_owned();
        assert!(by_digest.contains("@sha256:"), "{by_digest}");
        skopeo(&["--raw", &format!("docker://{by_digest}")]);
    }
    // All of it is there: skopeo reads every layer of both.
    let copy = tree.root().join("copy").display().to_string();
    let copied = Command::new("skopeo")
        .args(["copy", "-q", "--all", "--src-tls-verify=false"])
        .args([format!("docker://{elsewhere}"), format!("oci:{copy}")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&copied.stderr);
    assert!(copied.status.success(), "{said}");
    // An index counts as its images; each platform is there once; the registry is one.
    let again = join(&[
        &format!("{image}:again"),
        &by_digest.replace('@', ":1@"),
        "-q",
    ]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(again.stderr, "");
    let twice = join(&[&elsewhere, &amd64, &amd64]);
    assert_eq!(twice.code, 4, "{}", twice.stderr);
    let why = "is for linux/amd64 too; an index has one image for each platform";
    assert!(twice.stderr.contains(why), "{}", twice.stderr);
    let other = join(&[&elsewhere, &amd64, "r.example/x:1"]);
    assert_eq!(other.code, 2, "{}", other.stderr);
    assert!(
        other.stderr.contains("`r.example/x:1` is not in `"),
        "{}",
        other.stderr
    );
    let missing = join(&[&elsewhere, &format!("{image}:s390x")]);
    assert_eq!(missing.code, 4, "{}", missing.stderr);
    assert!(
        missing.stderr.contains("there is no `"),
        "{}",
        missing.stderr
    );
}

pub(super) fn skopeo(words: &[&str]) -> Value {
    let shown = Command::new("skopeo")
        .args(["inspect", "--tls-verify=false"])
        .args(words)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&shown.stderr);
    assert!(shown.status.success(), "{words:?}: {said}");
    serde_json::from_slice(&shown.stdout).unwrap()
}

/// What a builder cannot do for a platform is said before anything is sent.
#[test]
fn platforms_that_nobody_can_build_for_are_refused() {
    let test = "platforms_that_nobody_can_build_for_are_refused";
    let Some(lab) = Lab::new(test) else { return };
    let tree = app();
    let refused = |more: &[&str]| {
        let common = [&["apps/api", "-q"][..], &BOTH].concat();
        lab.build(&tree, &[&common[..], more].concat())
    };
    let changed = refused(&["-o", "x.tar", "--base", "slim"]);
    assert_eq!(changed.code, 3, "{}", changed.stderr);
    let why = "cannot run steps for linux/arm64, and this image needs them: `debian:bookworm-slim` is changed before it is the base";
    assert!(changed.stderr.contains(why), "{}", changed.stderr);
    let why = "it runs steps for linux/amd64";
    assert!(changed.stderr.contains(why), "{}", changed.stderr);
    let single = refused(&["-o", "docker=x.tar"]);
    assert_eq!(single.code, 2, "{}", single.stderr);
    let why = "`--output docker=FILE` takes one image, not an index";
    assert!(single.stderr.contains(why), "{}", single.stderr);
    let words = ["apps/api", "-q", "--engine", "native"];
    let native = slimbuild_with(tree.root(), &[&words[..], &BOTH].concat(), &Env::default());
    assert_eq!(native.code, 2, "{}", native.stderr);
    let why = "an image that is made on this machine is for one platform";
    assert!(native.stderr.contains(why), "{}", native.stderr);
    each_daemon(test, |daemon| {
        let words = [&["apps/api", "-q"][..], &BOTH].concat();
        let refused = daemon.slimbuild(tree.root(), &words);
        assert_eq!(refused.code, 3, "{}", refused.stderr);
        let why = "cannot keep images for several platforms under one name without containerd's image store";
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    });
}
