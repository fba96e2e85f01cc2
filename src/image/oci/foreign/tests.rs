//! What is refused, and by which name things are called.

use insta::assert_snapshot;
use serde_json::json;

use super::*;

fn parse(value: &Value) -> Result<Document, ForeignError> {
    Document::parse(&serde_json::to_vec(value).unwrap())
}

fn manifest(layer: &Value) -> Value {
    let digest = Digest::of(b"");
    json!({
        "schemaVersion": 2,
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "digest": digest, "size": 2},
        "layers": [layer],
    })
}

#[test]
fn layers_of_docker_have_names_of_the_specification() {
    let digest = Digest::of(b"");
    for (theirs, ours) in [
        (
            "docker.image.rootfs.diff.tar.gzip",
            "oci.image.layer.v1.tar+gzip",
        ),
        ("docker.image.rootfs.diff.tar", "oci.image.layer.v1.tar"),
        ("oci.image.layer.v1.tar+zstd", "oci.image.layer.v1.tar+zstd"),
    ] {
        let kind = format!("application/vnd.{theirs}");
        let layer = json!({"mediaType": kind, "digest": digest, "size": 1});
        let Document::Image(image) = parse(&manifest(&layer)).unwrap() else {
            panic!("an image");
        };
        let ours = format!("application/vnd.{ours}");
        assert_eq!(image.layers[0].media_type, ours);
    }
}

#[test]
fn what_cannot_be_a_base_is_said() {
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let refused = |value: &Value| parse(value).unwrap_err().to_string();
    let layer = |kind: &str| {
        let kind = format!("application/vnd.{kind}");
        manifest(&json!({"mediaType": kind, "digest": digest, "size": 1}))
    };
    assert_snapshot!(refused(&layer("docker.image.rootfs.foreign.diff.tar.gzip")), @"its layer sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 is kept elsewhere (a foreign layer)");
    assert_snapshot!(refused(&layer("cncf.helm.chart")), @"its layer sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 is of an unknown kind, `application/vnd.cncf.helm.chart`");
    assert_snapshot!(refused(&json!({"schemaVersion": 1})), @"its manifest is of Docker's first format, which has no digests");
    assert_snapshot!(refused(&json!({})), @"its manifest cannot be read: it names neither images nor a configuration");
}

#[test]
fn configurations_are_held_against_the_layers() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    let mut blob = cache.begin().unwrap();
    io::Write::write_all(&mut blob, b"not what it should be").unwrap();
    let digest = Digest::of(b"not what it should be");
    blob.keep(&digest).unwrap();
    let kind = Packed::Not.media_type();
    let manifest = ForeignManifest {
        config: Descriptor::config(b""),
        layers: vec![Descriptor::new(kind, digest, 21)],
    };
    let refused = |config: &Value| {
        let config = serde_json::to_vec(config).unwrap();
        let platform = "linux/amd64".parse().unwrap();
        let image = manifest.image(&config, &platform, 0, &cache);
        image.unwrap_err().to_string()
    };
    let diff_ids = json!([Digest::of(b"tar")]);
    assert_snapshot!(refused(&json!({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": diff_ids}})), @"its layer sha256:19129019205b3883013b5f08547b5e6faa33f3f433bc7a11196f3001d27d0402 does not hold what its configuration says");
    assert_snapshot!(refused(&json!({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": []}})), @"its configuration cannot be read: it tells of 0 layers, and the manifest of 1");
    assert_snapshot!(refused(&json!({"os": "windows", "architecture": "amd64", "rootfs": {}})), @"it is for windows/amd64, and not for linux/amd64");
    assert_snapshot!(refused(&json!({"os": "linux", "architecture": "amd64", "rootfs": {}, "config": {"OnBuild": ["RUN x"]}})), @"it has ONBUILD instructions, which only a Docker daemon carries out");
}

#[test]
fn platforms_are_compared_as_docker_does() {
    let is = |theirs: &[&str], wanted: &str| {
        let theirs: Vec<String> = theirs.iter().map(ToString::to_string).collect();
        is_for(&theirs, &wanted.parse().unwrap())
    };
    assert!(is(&["linux", "arm64", "v8"], "linux/arm64"));
    assert!(is(&["linux", "arm64"], "linux/arm64/v8"));
    assert!(is(&["linux", "arm", "v7"], "linux/arm/v7"));
    assert!(is(&["linux", "arm", "v7"], "linux/arm"));
    assert!(!is(&["linux", "arm", "v6"], "linux/arm/v7"));
    assert!(!is(&["linux", "amd64"], "linux/arm64"));
    assert!(!is(&["windows", "amd64"], "linux/amd64"));
}

#[test]
fn a_manifest_may_tell_of_so_much_and_no_more() {
    let digest = Digest::of(b"");
    let kind = Packed::Not.media_type();
    let layer = |size: Value| json!({"mediaType": kind, "digest": digest, "size": size});
    let image = |config: Value, layers: Vec<Value>| json!({"config": {"digest": digest, "size": config}, "layers": layers});
    let refused = |value: &Value| parse(value).unwrap_err().to_string();
    let all = |size: u64, count: usize| image(json!(2), vec![layer(json!(size)); count]);
    assert!(parse(&all(1 << 20, limits::LAYERS)).is_ok());
    assert_snapshot!(refused(&all(1, 513)), @"its manifest tells of 513 layers, and more than 512 are not taken");
    let sizes = "its layers are too large together, and more than 256 GiB are not taken";
    assert_eq!(refused(&all(u64::MAX, 2)), sizes);
    assert_eq!(refused(&all(200 << 30, 2)), sizes);
    assert_snapshot!(refused(&image(json!(1_u64 << 40), vec![])), @"its configuration has 1 TiB, and more than 8 MiB are not taken");
    let negative = refused(&image(json!(2), vec![layer(json!(-1))]));
    assert!(
        negative.starts_with("its manifest cannot be read: invalid value: integer `-1`"),
        "{negative}"
    );
    let huge =
        r#"{"config": {"digest": "sha256:0", "size": 99999999999999999999999}, "layers": []}"#;
    Document::parse(huge.as_bytes()).unwrap_err();
    let list = |size: u64, count: usize| json!({"manifests": vec![layer(json!(size)); count]});
    assert_snapshot!(refused(&list(1, 1025)), @"its manifest tells of 1025 images, and more than 1024 are not taken");
    assert_snapshot!(refused(&list(1 << 30, 1)), @"its manifest has 1 GiB, and more than 4 MiB are not taken");
    let deep = format!("{}{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
    Document::parse(deep.as_bytes()).unwrap_err();
}
