//! Documents beside images.

use serde_json::Value;

use super::fake::Fake;
use super::*;
use crate::engine::registry::{Attached, Attachment, Rewrite};
use crate::image::oci::{Descriptor, MANIFEST, Rewritten};

#[test]
fn documents_are_listed_by_the_registry_or_by_a_tag() {
    let (fake, machine) = (Fake::start(), Machine::new());
    let image = machine.image(&["app"]);
    fake.serve("app", "1", &image, &machine.cache);
    let name: ImageRef = format!("{}/app:1", fake.address).parse().unwrap();
    let size = image.manifest_json().len() as u64;
    let attach = |text: &str| -> Result<Vec<Attached>, RegistryError> {
        let attachment = Attachment {
            subject: Descriptor::new(MANIFEST, image.digest(), size),
            kind: "application/spdx+json",
            bytes: text.as_bytes().to_vec(),
        };
        machine.with(|all| all.attach(&name, &[attachment], &mut |_| {}))
    };
    let tag = image.digest().to_string().replace(':', "-");
    let list = || -> Vec<Value> {
        let list = fake.there(&format!("app/{tag}")).unwrap_or_default();
        let list: Value = serde_json::from_slice(&list).unwrap_or_default();
        list["manifests"].as_array().cloned().unwrap_or_default()
    };
    // The same twice is there once.
    for text in ["one", "one", "two"] {
        let [attached] = &attach(text).unwrap()[..] else {
            panic!("one");
        };
        assert_eq!(attached.tag.as_ref(), Some(&tag));
        let last = list().pop().unwrap();
        assert_eq!(last["digest"], serde_json::json!(attached.digest));
        assert_eq!(last["artifactType"], "application/spdx+json");
        let manifest = fake.there(&format!("app/{}", attached.digest)).unwrap();
        assert_eq!(last["size"], manifest.len());
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let subject = serde_json::json!({
            "mediaType": MANIFEST, "digest": image.digest(), "size": size,
        });
        assert_eq!(manifest["subject"], subject);
        let digest = Digest::of(text.as_bytes());
        assert_eq!(manifest["layers"][0]["digest"], serde_json::json!(digest));
    }
    assert_eq!(list().len(), 2);

    fake.list_referrers();
    let attached = attach("three").unwrap();
    assert_eq!(attached[0].tag, None);
    assert_eq!(list().len(), 2);

    // A tag of that name that is something else stays as it is.
    let other = Fake::start();
    other.serve("app", "1", &image, &machine.cache);
    other.tag("app", &tag, &image.manifest_json());
    let name: ImageRef = format!("{}/app:1", other.address).parse().unwrap();
    let attachment = Attachment {
        subject: Descriptor::new(MANIFEST, image.digest(), size),
        kind: "application/spdx+json",
        bytes: Vec::new(),
    };
    let error = machine.with(|all| all.attach(&name, &[attachment], &mut |_| {}));
    let error = error.unwrap_err().to_string();
    assert!(
        error.ends_with("it is no list of what refers to an image"),
        "{error}"
    );
}

#[test]
fn an_image_that_was_pushed_meanwhile_is_not_lost() {
    let (fake, machine) = (Fake::start(), Machine::new());
    let [first, second] = ["first", "second"].map(|name| machine.image(&[name]));
    fake.serve("app", "1", &first, &machine.cache);
    let name: ImageRef = format!("{}/app:1", fake.address).parse().unwrap();
    let rewrite = || Rewrite {
        from: name.clone(),
        old: first.digest(),
        to: name.clone(),
        trust: Trust::default(),
        images: vec![Rewritten {
            configuration: second.config_json(),
            manifest: second.manifest_json(),
        }],
        index: None,
        base: name.clone(),
        base_layers: Vec::new(),
        own_layers: Vec::new(),
        following: None,
    };
    let write = || {
        machine
            .with(|all| all.rewrite(&[rewrite()], &mut |_| {}))
            .unwrap()
    };
    let third = machine.image(&["third"]);
    fake.serve("app", "1", &third, &machine.cache);
    let error = write().pop().unwrap().unwrap_err();
    assert!(matches!(error, RegistryError::Moved { .. }), "{error}");
    assert_eq!(fake.there("app/1"), Some(third.manifest_json()));
    fake.serve("app", "1", &first, &machine.cache);
    let written = write().pop().unwrap().unwrap();
    assert_eq!(written.digest, second.digest());
    assert_eq!(fake.there("app/1"), Some(second.manifest_json()));
}
