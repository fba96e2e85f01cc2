use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use fs_err::File;

use super::*;
use crate::image::layer::{Layer, LayerEntry, LayerNode};
use crate::image::oci::{Compression, Packing, pack};

fn image(cache: &Cache) -> Image {
    packed(cache, Compression::Gzip)
}

fn packed(cache: &Cache, compression: Compression) -> Image {
    let packing = Packing {
        epoch: 0,
        compression,
    };
    let mut image = Image::empty("linux/amd64".parse().unwrap(), 0);
    for path in ["a", "b"] {
        let bytes = Arc::from(path.as_bytes());
        let entry = LayerEntry::root(LayerNode::Made { bytes, mode: 0o644 });
        let layer = Layer {
            title: path.to_owned(),
            entries: [(path.to_owned(), entry)].into(),
        };
        image.push(pack(&layer, packing, cache).unwrap());
    }
    image
}

fn names(names: &[&str]) -> Vec<ImageRef> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = Archive::new(File::open(path).unwrap());
    let read = |entry: io::Result<tar::Entry<'_, File>>| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().display().to_string(), bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

use ::tar::Archive;

#[test]
fn an_archive_and_a_directory_hold_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(&directory.path().join("cache")).unwrap();
    let image = image(&cache);
    let names = names(&["shop/server:1", "localhost:5000/server"]);
    let out = directory.path().join("out");
    fs_err::create_dir(&out).unwrap();
    let (archive, layout) = (out.join("server.oci.tar"), out.join("layout"));
    // Twice: what an earlier run wrote is replaced.
    for _ in 0..2 {
        write(
            &image,
            &names,
            &Output::Archive(archive.clone()),
            &cache,
            &|| false,
        )
        .unwrap();
        write(
            &image,
            &names,
            &Output::Directory(layout.clone()),
            &cache,
            &|| false,
        )
        .unwrap();
    }
    let files = files(&archive);
    assert_eq!(files.len(), 3 + 2 + 2);
    for (name, bytes) in &files {
        assert_eq!(fs_err::read(layout.join(name)).unwrap(), *bytes);
        if let Some((_, hex)) = name.rsplit_once('/') {
            assert_eq!(Digest::of(bytes).hex(), hex);
        }
    }
    let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
    assert_eq!(index["manifests"][0]["digest"], image.digest().to_string());
    let called = |at: usize| &index["manifests"][at]["annotations"]["io.containerd.image.name"];
    assert_eq!(called(0), "docker.io/shop/server:1");
    assert_eq!(called(1), "localhost:5000/server:latest");
    let docker: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    assert_eq!(
        docker[0]["RepoTags"],
        json!(["shop/server:1", "localhost:5000/server:latest"])
    );
    let left: Vec<_> = fs_err::read_dir(&out).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn an_archive_for_tools_without_oci_has_layers_that_are_not_compressed() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(&directory.path().join("cache")).unwrap();
    let names = names(&["shop/server:1"]);
    let written = [Compression::Gzip, Compression::Zstd].map(|compression| {
        let mut image = packed(&cache, compression);
        // The same layer twice is one file.
        image.push(image.layers[0].clone());
        let path = directory.path().join("server.tar");
        write(
            &image,
            &names,
            &Output::Docker(path.clone()),
            &cache,
            &|| false,
        )
        .unwrap();
        let files = files(&path);
        assert_eq!(files.len(), 2 + 2);
        let manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        assert_eq!(manifest[0]["RepoTags"], json!(["shop/server:1"]));
        let config = manifest[0]["Config"].as_str().unwrap();
        assert_eq!(config, format!("{}.json", Digest::of(&files[config]).hex()));
        let layers = manifest[0]["Layers"].as_array().unwrap();
        assert_eq!(layers.len(), 3);
        for (name, layer) in layers.iter().zip(&image.layers) {
            assert_eq!(Digest::of(&files[name.as_str().unwrap()]), layer.diff_id);
        }
        fs_err::read(path).unwrap()
    });
    assert!(written[0] == written[1], "compression leaves no trace");
}

#[test]
fn a_damaged_layer_is_thrown_away_and_no_archive_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(&directory.path().join("cache")).unwrap();
    let image = image(&cache);
    let damaged = &image.layers[1].descriptor;
    let path = cache.path(&damaged.digest);
    let mut damaged_bytes = fs_err::read(&path).unwrap();
    damaged_bytes[20] ^= 1;
    let out = directory.path().join("out");
    fs_err::create_dir(&out).unwrap();
    for output in [
        Output::Archive(out.join("a.tar")),
        Output::Docker(out.join("b.tar")),
        Output::Directory(out.join("d")),
    ] {
        fs_err::write(&path, &damaged_bytes).unwrap();
        let error = write(&image, &[], &output, &cache, &|| false).unwrap_err();
        assert!(error.is_damage(), "{error}");
        assert!(!path.exists());
        assert_eq!(fs_err::read_dir(&out).unwrap().count(), 0);
    }
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(&directory.path().join("cache")).unwrap();
    let error = write(
        &image(&cache),
        &[],
        &Output::Directory(directory.path().to_path_buf()),
        &cache,
        &|| false,
    );
    assert!(matches!(error, Err(OciError::Occupied(_))));
}

/// The blobs that an index names, and the names of its images.
fn listed(layout: &Path) -> Vec<(String, String)> {
    let index = fs_err::read(layout.join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let all = index["manifests"].as_array().unwrap().iter();
    all.map(|entry| {
        let name = &entry["annotations"]["org.opencontainers.image.ref.name"];
        let digest = entry["digest"].as_str().unwrap().to_owned();
        let (_, hex) = digest.split_once(':').unwrap();
        assert!(layout.join("blobs/sha256").join(hex).is_file(), "{digest}");
        (name.as_str().unwrap_or_default().to_owned(), digest)
    })
    .collect()
}

#[test]
fn other_images_of_a_layout_stay() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(&directory.path().join("cache")).unwrap();
    let (one, two) = (
        packed(&cache, Compression::Gzip),
        packed(&cache, Compression::Zstd),
    );
    let layout = directory.path().join("layout");
    let output = Output::Directory(layout.clone());
    let digest = |image: &Image| image.digest().to_string();
    write(&one, &names(&["server:1"]), &output, &cache, &|| false).unwrap();
    write(&one, &names(&["web:2"]), &output, &cache, &|| false).unwrap();
    fs_err::write(layout.join("notes"), "mine").unwrap();
    output.check().unwrap();
    write(&two, &names(&["web:2"]), &output, &cache, &|| false).unwrap();
    let expected = [
        ("1".to_owned(), digest(&one)),
        ("2".to_owned(), digest(&two)),
    ];
    assert_eq!(listed(&layout), expected);
    assert_eq!(
        fs_err::read_to_string(layout.join("notes")).unwrap(),
        "mine"
    );
    let docker: Value =
        serde_json::from_slice(&fs_err::read(layout.join("manifest.json")).unwrap()).unwrap();
    let tags: Vec<&Value> = docker
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["RepoTags"])
        .collect();
    assert_eq!(tags, [&json!(["server:1"]), &json!(["web:2"])]);
    let entries = fs_err::read_dir(&layout).unwrap().count();
    assert_eq!(entries, 5, "nothing unfinished is left");
}

#[test]
fn a_blob_that_is_not_what_its_name_says_is_written_anew() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(&directory.path().join("cache")).unwrap();
    let image = image(&cache);
    let layout = directory.path().join("layout");
    let output = Output::Directory(layout.clone());
    write(&image, &names(&["server:1"]), &output, &cache, &|| false).unwrap();
    let blob = layout.join(blob_path(&image.layers[0].descriptor.digest));
    let right = fs_err::read(&blob).unwrap();
    fs_err::write(&blob, vec![0; right.len()]).unwrap();
    write(&image, &names(&["server:2"]), &output, &cache, &|| false).unwrap();
    assert_eq!(fs_err::read(&blob).unwrap(), right);
    assert_eq!(listed(&layout).len(), 2);
}

#[test]
fn a_link_in_a_layout_leads_nothing_out() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(&directory.path().join("cache")).unwrap();
    let image = image(&cache);
    let elsewhere = directory.path().join("elsewhere");
    for link in [
        "blobs",
        "blobs/sha256",
        "index.json",
        "manifest.json",
        "oci-layout",
    ] {
        let layout = directory.path().join("layout");
        let output = Output::Directory(layout.clone());
        write(&image, &names(&["server:1"]), &output, &cache, &|| false).unwrap();
        fs_err::rename(layout.join(link), &elsewhere).unwrap();
        fs_err::os::unix::fs::symlink(&elsewhere, layout.join(link)).unwrap();
        assert!(output.check().is_err(), "{link}");
        assert!(
            write(&image, &names(&["server:2"]), &output, &cache, &|| false).is_err(),
            "{link}"
        );
        fs_err::remove_dir_all(&layout).unwrap();
        if elsewhere.is_dir() {
            fs_err::remove_dir_all(&elsewhere).unwrap();
        }
    }
}

#[test]
fn who_stops_finds_what_was_there_before() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(&directory.path().join("cache")).unwrap();
    let image = image(&cache);
    let out = directory.path().join("out");
    fs_err::create_dir(&out).unwrap();
    let layout = Output::Directory(out.join("layout"));
    write(
        &packed(&cache, Compression::Zstd),
        &names(&["web:1"]),
        &layout,
        &cache,
        &|| false,
    )
    .unwrap();
    let there = || {
        let walk = walkdir::WalkDir::new(&out).sort_by_file_name();
        let entries = walk.into_iter().map(|entry| entry.unwrap().into_path());
        entries.collect::<Vec<_>>()
    };
    for output in [
        layout,
        Output::Directory(out.join("new")),
        Output::Archive(out.join("a.tar")),
        Output::Docker(out.join("b.tar")),
    ] {
        let before = there();
        // However often it is asked before.
        for patience in 0.. {
            let asked = std::cell::Cell::new(0);
            let stop = || {
                asked.set(asked.get() + 1);
                asked.get() > patience
            };
            let written = write(&image, &names(&["server:1"]), &output, &cache, &stop);
            if written.is_ok() {
                assert!(patience > 2, "{output:?}");
                break;
            }
            assert!(matches!(written, Err(OciError::Interrupted)), "{written:?}");
            assert_eq!(there(), before, "{output:?}, {patience}");
        }
    }
}
