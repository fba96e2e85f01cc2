//! Several nodes of one builder: each makes the images of its platforms, and the index names them all.
//! The lab has one BuildKit alone and no second platform, so both nodes lead to it, and the second
//! platform is a variant of the first.

use serde_json::Value;
use slimbuild::Env;

use super::buildx::{Store, buildx};
use super::platforms::skopeo;
use super::{Lab, app};
use crate::support::program::slimbuild_with;
use crate::support::unique;

#[test]
fn nodes_of_a_builder_make_an_index_together() {
    let test = "nodes_of_a_builder_make_an_index_together";
    let Some(lab) = Lab::new(test) else { return };
    let Some(buildx) = buildx(test) else { return };
    let directory = lab.certificates.to_str().unwrap();
    let certificates = format!(
        "cacert={directory}/ca.pem,cert={directory}/cert.pem,key={directory}/key.pem,servername=localhost"
    );
    // buildx takes an address once.
    let again = lab.address.replace("127.0.0.1", "localhost");
    let remote = [
        "--driver",
        "remote",
        "--driver-opt",
        &certificates,
        "--platform",
    ];
    let store = Store::create(
        &buildx,
        &[&remote[..], &["linux/amd64", &lab.address]].concat(),
    );
    store.append(
        &buildx,
        &[&remote[..], &["linux/amd64/v2", &again]].concat(),
    );
    let env: Env = [("BUILDX_CONFIG", store.path())].into_iter().collect();
    let tree = app();
    // A step of the image has to run on its own platform.
    tree.write("apps/api/slimbuild.json", r#"{"writable": ["data"]}"#);
    let name = format!("{}/slimbuild-it/nodes-{}:1", lab.open, unique());
    let both = ["--platform", "linux/amd64,linux/amd64/v2"];
    let common = ["apps/api", "--builder", "team", "--progress", "plain"];
    let cache = format!("{name}-cache");
    let push = ["--push", "-t", &name, "--cache", &cache];
    let metadata = ["--metadata-file", "m.json", "--print", "digest"];
    let build = |words: &[&[&str]]| {
        let words = [&[&common[..], &both], words].concat().concat();
        slimbuild_with(tree.root(), &words, &env)
    };
    let built = build(&[&push, &metadata]);
    assert_eq!(built.code, 0, "{}", built.stderr);
    for platform in ["linux/amd64", "linux/amd64/v2"] {
        let begins = format!("for {platform}, at the builder at `tcp://");
        assert!(built.stderr.contains(&begins), "{}", built.stderr);
    }

    // skopeo is the judge.
    let place = format!("docker://{name}");
    let index = skopeo(&["--raw", &place]);
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2, "{index}");
    let metadata: Value = serde_json::from_str(&tree.read("m.json")).unwrap();
    let pushed = skopeo(&[&place]);
    assert_eq!(metadata["containerimage.digest"], pushed["Digest"]);
    for (at, variant) in ["", "v2"].into_iter().enumerate() {
        let entry = &index["manifests"][at]["platform"];
        assert_eq!(entry["variant"].as_str().unwrap_or_default(), variant);
        let platform = format!("linux/amd64/{variant}");
        let platform = platform.trim_end_matches('/');
        let size = &metadata["slimbuild.image.platforms"][at];
        assert_eq!(size["platform"], platform);
        // Each node has a cache of its own.
        let word = platform.replace('/', "-");
        skopeo(&["--raw", &format!("docker://{cache}-{word}")]);
    }
    let digest = metadata["containerimage.digest"].as_str().unwrap();
    assert_eq!(built.text().trim(), digest);

    // Only a registry joins images, and there is one cache for each node.
    for (words, why) in [
        (&["-o", "x.tar"][..], "can only be joined in a registry"),
        (
            &["--push", "-t", &name, "--cache-to", "type=local,dest=c"],
            "would write their caches to the same place",
        ),
    ] {
        let refused = build(&[words]);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
    // One node is enough for one platform, and for an image that is the same for all.
    let one = [
        &common[..],
        &["--platform", "linux/amd64/v2", "-o", "x.tar"],
    ]
    .concat();
    let one = slimbuild_with(tree.root(), &one, &env);
    assert_eq!(one.code, 0, "{}", one.stderr);
    tree.write("apps/api/slimbuild.json", "{}");
    let same = build(&[&["-o", "x.tar"]]);
    assert_eq!(same.code, 0, "{}", same.stderr);
}
