//! What an image says about itself: attestations beside it, and times that are the same each time.

use serde_json::Value;
use slimbuild::Env;

use super::{Lab, SECRET, SECRETS, app, fetched};
use crate::support::archive::entries;
use crate::support::daemon::{each_daemon, newest_daemon};
use crate::support::program::slimbuild_with;
use crate::support::unique;

/// The builder says how it made the image, in the same index; without being asked it says nothing.
#[test]
fn a_builder_attests_how_it_made_an_image_where_it_is_asked() {
    let test = "a_builder_attests_how_it_made_an_image_where_it_is_asked";
    let Some(lab) = Lab::new(test) else { return };
    let tree = app();
    let name = format!("{}/slimbuild-it/attested-{}:1", lab.open, unique());
    let common = ["apps/api", "-q", "--push", "-t", &name];
    let more = ["--provenance=mode=max", "--metadata-file", "m.json"];
    let built = lab.build(&tree, &[&common[..], &SECRETS, &more].concat());
    assert_eq!(built.code, 0, "{}", built.stderr);
    let path = name.strip_prefix(&lab.open).unwrap().strip_suffix(":1");
    let path = format!("/v2{}/manifests", path.unwrap());
    let (_, index) = fetched(&lab.open, &format!("{path}/1"), false);
    let index: Value = serde_json::from_slice(&index).unwrap();
    let manifests = index["manifests"].as_array().unwrap();
    let kind = |at: usize| &manifests[at]["annotations"]["vnd.docker.reference.type"];
    assert_eq!(manifests.len(), 2, "{index}");
    assert_eq!(*kind(1), "attestation-manifest");
    let digest = manifests[1]["digest"].as_str().unwrap();
    let (_, manifest) = fetched(&lab.open, &format!("{path}/{digest}"), false);
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let blob = manifest["layers"][0]["digest"].as_str().unwrap();
    let blobs = path.replace("/manifests", "/blobs");
    let (_, statement) = fetched(&lab.open, &format!("{blobs}/{blob}"), false);
    let statement = String::from_utf8(statement).unwrap();
    assert!(
        statement.contains("https://slsa.dev/provenance/"),
        "{statement}"
    );
    assert!(!statement.contains(SECRET), "{statement}");
    // The size is that of the one image, without the statement.
    let metadata: Value = serde_json::from_str(&tree.read("m.json")).unwrap();
    assert!(metadata["slimbuild.image.size"].is_u64(), "{metadata:#}");
    assert_eq!(metadata["slimbuild.image.platforms"], Value::Null);

    let plain = lab.build(&tree, &[&common[..], &SECRETS].concat());
    assert_eq!(plain.code, 0, "{}", plain.stderr);
    let (_, manifest) = fetched(&lab.open, &format!("{path}/1"), false);
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert!(manifest["layers"].is_array(), "{manifest}");

    each_daemon(test, |daemon| {
        let refused = daemon.slimbuild(tree.root(), &["apps/api", "-q", "--provenance"]);
        assert_eq!(refused.code, 3, "{}", refused.stderr);
        assert!(
            refused.stderr.contains("makes no attestations"),
            "{}",
            refused.stderr
        );
    });
}

/// Three builds without a cache give the same bytes.
#[test]
fn a_named_time_makes_images_the_same_each_time() {
    let test = "a_named_time_makes_images_the_same_each_time";
    let Some(lab) = Lab::new(test) else { return };
    let epoch = 1_700_000_000;
    let text = epoch.to_string();
    newest_daemon(test, |daemon| {
        let tree = app();
        let certificates = lab.certificates.to_str().unwrap().to_owned();
        let builder = ["--builder", &lab.address, "--builder-tls", &certificates];
        let built = |more: &[&str], host: &str| {
            let env: Env = [("SOURCE_DATE_EPOCH", &*text), ("DOCKER_HOST", host)]
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .collect();
            let common = ["apps/api", "-q", "--no-cache", "--print", "digest"];
            let outcome =
                slimbuild_with(tree.root(), &[&common[..], &SECRETS, more].concat(), &env);
            assert_eq!(outcome.code, 0, "{}", outcome.stderr);
            outcome.text()
        };
        let first = built(&[&builder[..], &["-o", "a.tar"]].concat(), "");
        let second = built(&[&builder[..], &["-o", "b.tar"]].concat(), "");
        assert_eq!(first, second);
        // What the builder pushes is the same, too.
        let name = format!("{}/slimbuild-it/epoch-{}:1", lab.open, unique());
        let pushed = built(&[&builder[..], &["--push", "-t", &name]].concat(), "");
        assert_eq!(pushed, first);
        // A daemon takes the time for the image, but keeps the files' own.
        let tag = daemon.tag("epoch");
        built(&["-t", &tag.name], &daemon.address);
        let created = daemon.image(&tag.name).created.unwrap().to_string();
        assert!(created.starts_with("2023-11-14"), "{created}");
        let archive = entries(&fs_err::read(tree.root().join("a.tar")).unwrap());
        let config = archive
            .iter()
            .filter_map(|entry| serde_json::from_slice::<Value>(&entry.content).ok())
            .find(|value| value["rootfs"].is_object())
            .unwrap();
        assert_eq!(config["created"], "2023-11-14T22:13:20Z");
    });
}
