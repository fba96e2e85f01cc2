use serde_json::{Value, json};

use super::*;
use crate::image::oci::Whole;
use crate::model::digest::Digest;

/// An image with these layers and this configuration.
fn image(layers: &[&str], config: &Value, history: &[Value], more: &Value) -> Whole {
    let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
    let diff_ids: Vec<String> = layers.iter().map(|name| digest(name)).collect();
    let mut file = json!({
        "architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z",
        "config": config, "history": history,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        file[key] = value.clone();
    }
    let file = file.to_string();
    let blobs = layers.iter().map(|name| {
        let kind = "application/vnd.docker.image.rootfs.diff.tar.gzip";
        json!({ "mediaType": kind, "digest": digest(&format!("{name}.gz")), "size": name.len() })
    });
    let manifest = json!({
        "schemaVersion": 2,
        "config": { "mediaType": "x", "digest": Digest::of(file.as_bytes()), "size": file.len() },
        "layers": blobs.collect::<Vec<_>>(),
        "annotations": { BASE_NAME: "old", "mine": "kept" },
    });
    Whole::parse(manifest.to_string().as_bytes(), file.as_bytes()).unwrap()
}

fn step(command: &str, makes: bool) -> Value {
    let mut step = json!({ "created_by": command });
    if !makes {
        step["empty_layer"] = true.into();
    }
    step
}

fn name() -> BaseName {
    BaseName {
        name: "registry.example.com/base:1".to_owned(),
        digest: Digest::of(b"new"),
    }
}

struct Scene {
    image: Whole,
    old: Whole,
    new: Whole,
}

impl Scene {
    /// An app on a base with two layers, and a newer base with three.
    fn new(change: impl FnOnce(&mut Value, &mut Vec<Value>, &mut Value)) -> Self {
        let base = json!({
            "Env": ["PATH=/usr/bin:/bin", "NODE_VERSION=22.1.0", "GONE=1"],
            "Entrypoint": ["/nodejs/bin/node"], "User": "65532", "WorkingDir": "/home/nonroot",
            "Labels": { "maintainer": "them" },
        });
        let mut newer = json!({
            "Env": ["PATH=/opt/bin:/usr/bin:/bin", "NODE_VERSION=22.2.0", "NEW=1"],
            "Entrypoint": ["/nodejs/bin/node"], "User": "65532", "WorkingDir": "/home/nonroot",
            "Labels": { "maintainer": "us" },
        });
        let mut own = json!({
            "Env": ["PATH=/usr/bin:/bin", "NODE_VERSION=22.1.0", "GONE=1", "NODE_ENV=production"],
            "Entrypoint": ["/nodejs/bin/node"], "Cmd": ["main.js"], "User": "65532:65532",
            "WorkingDir": "/app", "ExposedPorts": { "3000/tcp": {} },
            "Labels": {
                "maintainer": "them", NAMED_BY: BY_TAG, BASE_NAME: "old", IDENTITY: "sha256:1",
            },
        });
        let below = vec![step("b1", true), step("b2", true), step("ENV x", false)];
        let mut above = vec![
            step("ENV NODE_ENV=production", false),
            step("WORKDIR /app", true),
            step("COPY /app/ ./ # buildkit", true),
        ];
        change(&mut own, &mut above, &mut newer);
        let history = [below.clone(), above].concat();
        let more = json!({ "moby.buildkit.buildinfo.v1": "old", "author": "me" });
        Self {
            image: image(&["1", "2", "dir", "app"], &own, &history, &more),
            old: image(&["1", "2"], &base, &below, &json!({})),
            new: image(&["1", "2b", "3"], &newer, &[step("n", true)], &json!({})),
        }
    }

    fn exchange(&self, keeps_identity: bool) -> Result<(Value, Value), Unfit> {
        let exchange = Exchange {
            image: &self.image,
            old: &self.old,
            new: &self.new,
            name: &name(),
            keeps_identity,
        };
        let rewritten = exchange.rewritten()?;
        assert_eq!(exchange.rewritten().unwrap(), rewritten);
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        Ok((read(&rewritten.manifest), read(&rewritten.configuration)))
    }
}

#[test]
fn the_app_stays_and_the_base_is_new() {
    let scene = Scene::new(|_, _, _| {});
    assert!(is_on(&scene.image, &scene.old) && !is_on(&scene.image, &scene.new));
    let (manifest, file) = scene.exchange(true).unwrap();
    let layers: Vec<&Value> = (manifest["layers"].as_array().unwrap().iter())
        .map(|layer| &layer["digest"])
        .collect();
    let packed = |name: &str| json!(Digest::of(format!("{name}.gz").as_bytes()));
    let expected = ["1", "2b", "3", "dir", "app"].map(packed);
    assert_eq!(layers, expected.iter().collect::<Vec<_>>());
    let kinds = "application/vnd.oci.image.layer.v1.tar+gzip";
    assert_eq!(manifest["layers"][4]["mediaType"], kinds);
    assert_eq!(
        manifest["annotations"],
        json!({ BASE_NAME: name().name, BASE_DIGEST: name().digest, "mine": "kept" })
    );
    let of_file = Digest::of(file.to_string().as_bytes());
    assert_eq!(manifest["config"]["digest"], json!(of_file));
    let diff_ids = ["1", "2b", "3", "dir", "app"].map(|name| Digest::of(name.as_bytes()));
    assert_eq!(file["rootfs"]["diff_ids"], json!(diff_ids));
    let steps: Vec<&str> = (file["history"].as_array().unwrap().iter())
        .map(|step| step["created_by"].as_str().unwrap())
        .collect();
    // The new base's history told of one layer of three.
    let of_base = "slimbuild: a layer of the base";
    let own = [
        "ENV NODE_ENV=production",
        "WORKDIR /app",
        "COPY /app/ ./ # buildkit",
    ];
    assert_eq!(steps, [&[of_base; 3][..], &own].concat());
    assert_eq!(file["created"], "2026-01-01T00:00:00Z");
    assert_eq!(file["author"], "me");
    assert!(file.get("moby.buildkit.buildinfo.v1").is_none());
    insta::assert_snapshot!(serde_json::to_string_pretty(&file["config"]).unwrap(), @r#"
    {
      "Cmd": [
        "main.js"
      ],
      "Entrypoint": [
        "/nodejs/bin/node"
      ],
      "Env": [
        "PATH=/opt/bin:/usr/bin:/bin",
        "NODE_VERSION=22.2.0",
        "NEW=1",
        "NODE_ENV=production"
      ],
      "ExposedPorts": {
        "3000/tcp": {}
      },
      "Labels": {
        "dev.slimbuild.base": "tag",
        "dev.slimbuild.identity": "sha256:1",
        "maintainer": "us",
        "org.opencontainers.image.base.name": "registry.example.com/base:1",
        "org.opencontainers.image.base.digest": "sha256:11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437"
      },
      "User": "65532:65532",
      "WorkingDir": "/app"
    }
    "#);
    let (_, file) = scene.exchange(false).unwrap();
    assert!(file["config"]["Labels"].get(IDENTITY).is_none());
}

#[test]
fn what_the_app_has_set_stays() {
    let scene = Scene::new(|own, _, newer| {
        own["Env"] = json!(["PATH=/app/bin:/usr/bin:/bin", "NODE_VERSION=mine", "GONE=2"]);
        own["User"] = "65532".into();
        own["WorkingDir"] = "/home/nonroot".into();
        newer["User"] = "root".into();
        newer["WorkingDir"] = "/srv".into();
        newer["StopSignal"] = "SIGQUIT".into();
    });
    let (_, file) = scene.exchange(true).unwrap();
    let config = &file["config"];
    assert_eq!(
        config["Env"],
        json!([
            "PATH=/app/bin:/opt/bin:/usr/bin:/bin",
            "NODE_VERSION=mine",
            "NEW=1",
            "GONE=2"
        ])
    );
    // It does not become root's.
    assert_eq!(config["User"], "65532");
    assert_eq!(config["WorkingDir"], "/srv");
    assert_eq!(config["StopSignal"], "SIGQUIT");
}

#[test]
fn what_cannot_be_told_is_refused() {
    let said = |change: &dyn Fn(&mut Value, &mut Vec<Value>, &mut Value)| {
        let scene = Scene::new(change);
        let error = scene.exchange(true).unwrap_err();
        error.to_string()
    };
    let other = json!(["docker-entrypoint.sh"]);
    insta::assert_snapshot!(
        said(&|_, _, newer| newer["Entrypoint"] = other.clone()),
        @r#"its entry point is the base's, and the new base has another: ["docker-entrypoint.sh"], not ["/nodejs/bin/node"]"#
    );
    let install = "RUN /bin/sh -c apt-get update && apt-get install --yes curl # buildkit";
    insta::assert_snapshot!(
        said(&|_, above, _| above[1] = step(install, true)),
        @"a step above the base has run in the base: `RUN /bin/sh -c apt-get update && apt-get install --yes curl # buildkit`"
    );
    insta::assert_snapshot!(
        said(&|_, _, newer| newer["OnBuild"] = json!(["RUN x"])),
        @"the new base has ONBUILD instructions, which only a build carries out"
    );
    insta::assert_snapshot!(
        said(&|_, above, _| drop(above.pop())),
        @"its history does not tell which steps are the base's"
    );
    // slimbuild's own program may have run.
    let own = "RUN /nodejs/bin/node /writable/writable.cjs 65532:65532 /app/data # buildkit";
    let scene = Scene::new(|_, above, _| above[1] = step(own, true));
    scene.exchange(true).unwrap();
}

#[test]
fn a_base_whose_history_does_not_tell_all() {
    // A builder tells of the layers that are left over at the end.
    let mut scene = Scene::new(|_, above, _| {
        above.push(step("the builder's word for a layer", true));
    });
    let history = |image: &mut Whole, steps: Vec<Value>| {
        let key = "history".to_owned();
        image.configuration.insert(key, steps.into());
    };
    history(&mut scene.old, vec![step("b1", true)]);
    let all = scene.image.configuration["history"].as_array().unwrap();
    let all: Vec<Value> = all
        .iter()
        .filter(|step| step["created_by"] != "b2")
        .cloned()
        .collect();
    let all: Vec<Value> = all
        .into_iter()
        .filter(|step| step["created_by"] != "ENV x")
        .collect();
    history(&mut scene.image, all);
    let (_, file) = scene.exchange(true).unwrap();
    let last = file["history"].as_array().unwrap().last().unwrap();
    assert_eq!(last["created_by"], "COPY /app/ ./ # buildkit");
    // slimbuild itself tells at the beginning.
    let of_base = step("slimbuild: a layer of the base", true);
    let own = [
        step("slimbuild: modules", true),
        step("slimbuild: the app", true),
    ];
    history(&mut scene.image, [vec![of_base; 2], own.to_vec()].concat());
    let (_, file) = scene.exchange(true).unwrap();
    assert_eq!(file["history"][3], own[0]);
    // Another base's.
    let other = step("other", true);
    history(&mut scene.image, [vec![other; 2], own.to_vec()].concat());
    assert_eq!(scene.exchange(true), Err(Unfit::History));
}

#[test]
fn an_index_has_the_new_images_alone() {
    let scene = Scene::new(|_, _, _| {});
    let exchange = Exchange {
        image: &scene.image,
        old: &scene.old,
        new: &scene.new,
        name: &name(),
        keeps_identity: true,
    };
    let new = exchange.rewritten().unwrap();
    let entry = |digest: &Digest, platform: &str| {
        let (os, architecture) = platform.split_once('/').unwrap();
        json!({
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "digest": digest, "size": 1,
            "platform": { "os": os, "architecture": architecture },
        })
    };
    let old = json!({
        "schemaVersion": 2,
        "manifests": [
            entry(&scene.image.digest, "linux/amd64"),
            entry(&Digest::of(b"attested"), "unknown/unknown"),
        ],
        "annotations": { BASE_DIGEST: "old" },
    });
    let images = [(scene.image.digest.clone(), new.clone())].into();
    let made = index(old.as_object().unwrap(), &images, &name());
    let made: Value = serde_json::from_slice(&made).unwrap();
    let expected = json!([{
        "mediaType": MANIFEST, "digest": new.digest(), "size": new.manifest.len(),
        "platform": { "os": "linux", "architecture": "amd64" },
    }]);
    assert_eq!(made["manifests"], expected);
    assert_eq!(made["mediaType"], INDEX);
    assert_eq!(made["annotations"][BASE_DIGEST], json!(name().digest));
}

#[test]
fn an_image_tells_its_base() {
    let scene = Scene::new(|_, _, _| {});
    let said = Said::of(&scene.image).unwrap();
    assert_eq!(said.name.as_deref(), Some("old"));
    assert!(said.by_tag && said.digest.is_none());
    assert_eq!(Said::of(&scene.old), Err(Unfit::Foreign));
    let native = Scene::new(|own, above, _| {
        own["Labels"] = json!({});
        above[2] = step("slimbuild: the app", true);
    });
    assert_eq!(Said::of(&native.image), Ok(Said::default()));
}
