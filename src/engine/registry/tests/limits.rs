//! A registry that says too much, or tells sizes that are not true.

use super::*;

#[test]
fn no_answer_is_read_without_an_end() {
    let asked = |request: &str, fault: Fault, login: bool| {
        let (fake, _) = served();
        let machine = Machine::new();
        if login {
            fake.want_tokens("lab:secret-word");
            machine.log_in(&fake.address, "bGFiOnNlY3JldC13b3Jk"); // lab:secret-word
        }
        for _ in 0..4 {
            fake.fail(request, fault);
        }
        let error = machine.pull(&format!("{}/base:1", fake.address), false);
        let text = shown(&error.unwrap_err(), &fake);
        // What lies in buffers of the system was sent too.
        assert!(fake.endless() < 64 << 20, "{request}: {}", fake.endless());
        text.lines().next().unwrap().to_owned()
    };
    let ok = Fault::Endless(200);
    assert_snapshot!(asked("GET /v2/base/manifests/1", ok, false), @"cannot pull `REGISTRY/base:1`: the registry's answer makes no sense: its manifest has more than 4 MiB");
    let blob = asked("GET /v2/base/blobs/", ok, false);
    assert!(blob.contains(" is longer than the "), "{blob}");
    assert_snapshot!(asked("GET /v2/base/manifests/1", Fault::Endless(500), false), @"cannot pull `REGISTRY/base:1`: the registry answers 500, internal server error");
    assert_snapshot!(asked("GET /v2/base/manifests/1", Fault::Endless(403), false), @"cannot pull `REGISTRY/base:1`: the registry answers 403, forbidden");
    assert_snapshot!(asked("GET /token", ok, true), @"cannot pull `REGISTRY/base:1`: the registry's answer makes no sense: its token has more than 1 MiB");
}

#[test]
fn sizes_that_are_told_are_looked_at_before_anything_is_fetched() {
    let fake = Fake::start();
    let digest = crate::model::digest::Digest::of(b"x");
    let refused = |config: u64, layer: u64| {
        let kind = "application/vnd.oci.image.layer.v1.tar";
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "config": {"digest": digest, "size": config},
            "layers": [{"mediaType": kind, "digest": digest, "size": layer}],
        });
        fake.tag("base", "1", &serde_json::to_vec(&manifest).unwrap());
        let machine = Machine::new();
        let error = machine.pull(&format!("{}/base:1", fake.address), true);
        shown(&error.unwrap_err(), &fake)
    };
    assert_snapshot!(refused(1 << 40, 1), @"
    `REGISTRY/base:1` cannot be the base
      caused by: its configuration has 1 TiB, and more than 8 MiB are not taken
    ");
    assert_snapshot!(refused(1, 1 << 50), @"
    `REGISTRY/base:1` cannot be the base
      caused by: its layers are too large together, and more than 256 GiB are not taken
    ");
    let most = crate::image::oci::limits::PACKED;
    if crate::image::oci::limits::room(&std::env::temp_dir(), most).is_err() {
        let told = refused(1, most - 1);
        let cause = "cannot keep what was downloaded\n  caused by: it needs ";
        assert!(told.starts_with(cause), "{told}");
        assert_eq!(fake.asked("GET /v2/base/blobs/"), [""; 0]);
    }
}

#[test]
fn a_manifest_has_the_size_that_its_list_tells() {
    let (fake, image) = served();
    let manifest = image.manifest_json();
    let list = |size: usize| {
        let entry = serde_json::json!({
            "digest": image.digest(),
            "size": size,
            "platform": {"os": "linux", "architecture": "amd64"},
        });
        let list = serde_json::json!({"schemaVersion": 2, "manifests": [entry]});
        fake.tag("base", "list", &serde_json::to_vec(&list).unwrap());
        Machine::new().pull(&format!("{}/base:list", fake.address), true)
    };
    list(manifest.len()).unwrap();
    let error = list(manifest.len() - 1).unwrap_err().to_string();
    assert!(error.contains("its manifest has more than "), "{error}");
}
