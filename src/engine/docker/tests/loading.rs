//! Images of slimbuild's own, on real daemons.

use std::sync::Arc;

use crate::engine::docker::{Docker, EngineError, Loaded, runtime};
use crate::engine::testing::{remove, unique, with_each_daemon};
use crate::engine::{Event, Interrupt, StepId};
use crate::image::layer::{Layer, LayerEntry, LayerNode};
use crate::image::oci::{Compression, Image, Packing, pack};
use crate::model::image::{ImageRef, Platform};
use crate::store::cache::Cache;

/// An image with a layer for each text.
fn image(texts: &[&str], compression: Compression, cache: &Cache) -> Image {
    let mut image = Image::empty(Platform::host(), 0);
    for (at, text) in texts.iter().enumerate() {
        let bytes = Arc::from(text.as_bytes());
        let entry = LayerEntry::root(LayerNode::Made { bytes, mode: 0o644 });
        let layer = Layer {
            title: format!("layer {at}"),
            entries: [(format!("file-{at}"), entry)].into(),
        };
        let packing = Packing {
            epoch: 0,
            compression,
        };
        image.push(pack(&layer, packing, cache).unwrap());
    }
    image
}

fn load(
    docker: &Docker,
    image: &Image,
    name: &ImageRef,
    cache: &Cache,
) -> Result<Loaded, EngineError> {
    let (_trigger, interrupt) = Interrupt::by_hand();
    let names = [name.clone()];
    let mut events = Vec::new();
    let loaded = docker.load(image, &names, cache, StepId(7), &interrupt, &mut |event| {
        events.push(event);
    });
    let failed = events
        .iter()
        .any(|event| matches!(event, Event::StepFailed { .. }));
    assert_eq!(failed, loaded.is_err());
    loaded
}

#[test]
fn only_layers_that_are_missing_are_sent() {
    with_each_daemon("only_layers_that_are_missing_are_sent", |_, docker| {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let id = unique();
        let name: ImageRef = format!("slimbuild-test/load:{id}").parse().unwrap();
        let [one, two, three] = ["one", "two", "three"].map(|word| format!("{word} {id}"));
        // No engine before 23 reads zstd.
        let first = image(&[&one, &two, &one], Compression::Zstd, &cache);
        assert_eq!(load(docker, &first, &name, &cache).unwrap().layers, 3);
        let again = load(docker, &first, &name, &cache).unwrap();
        assert_eq!(again.layers, 0);
        assert!(again.bytes < 10_000, "{again:?}");
        let second = image(&[&one, &two, &three], Compression::Gzip, &cache);
        assert_eq!(load(docker, &second, &name, &cache).unwrap().layers, 1);
        // The last layer is one that the daemon has, but not on these.
        let third = image(&[&one, &two, &three, &one], Compression::Gzip, &cache);
        assert_eq!(load(docker, &third, &name, &cache).unwrap().layers, 1);
        let inspected = runtime()
            .unwrap()
            .block_on(docker.client.inspect_image(&name.to_string()))
            .unwrap();
        let layers = inspected.root_fs.unwrap().layers.unwrap();
        let wanted: Vec<String> = third
            .layers
            .iter()
            .map(|layer| layer.diff_id.to_string())
            .collect();
        assert_eq!(layers, wanted);
        remove(docker, &name.to_string());
    });
}

#[test]
fn a_daemon_that_lacks_more_than_was_thought_gets_all() {
    let test = "a_daemon_that_lacks_more_than_was_thought_gets_all";
    with_each_daemon(test, |_, docker| {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let id = unique();
        let name: ImageRef = format!("slimbuild-test/load:{id}").parse().unwrap();
        let texts = [format!("one {id}"), format!("two {id}")];
        let image = image(
            &texts.each_ref().map(String::as_str),
            Compression::Gzip,
            &cache,
        );
        let (_trigger, interrupt) = Interrupt::by_hand();
        let names = [name.clone()];
        let sent = docker.send_missing(&image, &names, 1, &cache, &interrupt);
        assert_eq!(sent.unwrap().layers, 2);
        remove(docker, &name.to_string());

        // What is damaged is found, and the daemon has nothing of it.
        let blob = cache.path(&image.layers[1].descriptor.digest);
        let mut bytes = fs_err::read(&blob).unwrap();
        bytes[20] ^= 1;
        fs_err::write(&blob, bytes).unwrap();
        let error = load(docker, &image, &name, &cache).unwrap_err();
        assert!(
            matches!(&error, EngineError::Layer(damage) if damage.is_damage()),
            "{error:?}"
        );
        assert!(!blob.exists());
        let inspected = runtime()
            .unwrap()
            .block_on(docker.client.inspect_image(&name.to_string()));
        assert!(inspected.is_err());
    });
}
