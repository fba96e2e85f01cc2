//! Images that this program wrote, as a base of another.

use std::collections::BTreeMap;
use std::path::Path;

use insta::assert_snapshot;
use tar::{Builder, Header};
use tempfile::TempDir;

use super::*;
use crate::layer::{Entry as LayerEntry, Layer, Node};
use crate::oci::{Compression, Output, Packing, pack, write};

fn machine() -> (TempDir, Cache) {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(&directory.path().join("cache")).unwrap();
    (directory, cache)
}

fn image(cache: &Cache, text: &str) -> Image {
    let node = Node::Made {
        bytes: text.as_bytes().into(),
        mode: 0o644,
    };
    let layer = Layer {
        title: "one".to_owned(),
        entries: BTreeMap::from([("file".to_owned(), LayerEntry::root(node))]),
    };
    let packing = Packing {
        epoch: 0,
        compression: Compression::Zstd,
    };
    let mut image = Image::empty(platform(), 0);
    image.push(pack(&layer, packing, cache).unwrap());
    image.config.user = "65532".to_owned();
    image
}

fn platform() -> Platform {
    "linux/amd64".parse().unwrap()
}

fn opened(name: &str, directory: &Path) -> Result<Image, DiskError> {
    let (_other, cache) = machine();
    let name = DiskImage::parse(name).unwrap().below(directory);
    open(&name, &platform(), 0, &cache)
}

fn refused(name: &str, directory: &Path) -> String {
    let error = opened(name, directory).unwrap_err();
    let source = std::error::Error::source(&error);
    let source = source.map_or(String::new(), |source| format!("\n  caused by: {source}"));
    let hint = error
        .hint()
        .map_or(String::new(), |hint| format!("\nhint: {hint}"));
    let directory = directory.display().to_string();
    format!("{error}{source}{hint}").replace(&directory, "DIR")
}

#[test]
fn what_was_written_is_read() {
    let (directory, cache) = machine();
    let here = directory.path();
    let image = image(&cache, "x");
    let names: Vec<ImageRef> = ["shop/base:1", "shop/base:2"]
        .map(|name| name.parse().unwrap())
        .into();
    write(&image, &names, &Output::Archive(here.join("a.tar")), &cache).unwrap();
    write(&image, &names, &Output::Directory(here.join("d")), &cache).unwrap();
    for name in [
        "oci:d",
        "oci:d:2",
        "oci-archive:a.tar",
        "oci-archive:a.tar:docker.io/shop/base:1",
        "docker-archive:a.tar",
        "docker-archive:a.tar:shop/base:2",
    ] {
        let read = opened(name, here).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read.digest(), image.digest(), "{name}");
        assert_eq!(read.layers[0].unpacked, image.layers[0].unpacked);
    }
    assert_snapshot!(refused("oci:d:3", here), @r"
    `oci:DIR/d:3` holds several images: `1`, `2`, `docker.io/shop/base:1`, `docker.io/shop/base:2`
    hint: name one of them: `oci:DIR/d:1`
    ");
    assert_snapshot!(refused("docker-archive:a.tar:other", here), @r"
    `docker-archive:DIR/a.tar:other` holds several images: `shop/base:1`, `shop/base:2`
    hint: name one of them: `docker-archive:DIR/a.tar:shop/base:1`
    ");
}

#[test]
fn what_is_damaged_or_something_else_is_said() {
    let (directory, cache) = machine();
    let here = directory.path();
    let image = image(&cache, "x");
    write(&image, &[], &Output::Directory(here.join("d")), &cache).unwrap();
    let digest = &image.layers[0].descriptor.digest;
    let blob = here.join("d").join(blob_name(digest));
    let mut bytes = fs_err::read(&blob).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs_err::write(&blob, bytes).unwrap();
    let shown = refused("oci:d", here).replace(&digest.to_string(), "LAYER");
    assert_snapshot!(shown, @r"
    `oci:DIR/d` is damaged: LAYER is not there, or something else
    hint: write it anew, as with `skopeo copy` or `docker save`
    ");
    fs_err::write(here.join("z.tar"), [0x1f, 0x8b, 8]).unwrap();
    assert_snapshot!(refused("docker-archive:z.tar", here), @r"
    cannot read `docker-archive:DIR/z.tar`
      caused by: it is compressed: unpack it with `gunzip` first
    hint: `oci:` names a directory with an OCI layout, `oci-archive:` a tar of one, `docker-archive:` what `docker save` writes
    ");
    fs_err::write(here.join("e.tar"), [0; 1024]).unwrap();
    assert_snapshot!(refused("oci-archive:e.tar", here), @r"
    cannot read `oci-archive:DIR/e.tar`
      caused by: it has no `index.json`
    hint: `oci:` names a directory with an OCI layout, `oci-archive:` a tar of one, `docker-archive:` what `docker save` writes
    ");
}

/// As Engine 20.10 saves an image: layers are not compressed, and one that comes twice is a link.
#[test]
fn old_archives_of_docker_are_read() {
    let (directory, cache) = machine();
    let here = directory.path();
    let mut layer = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    layer.append_data(&mut header, "file", &b"x"[..]).unwrap();
    let layer = layer.into_inner().unwrap();
    let diff_id = Digest::of(&layer);
    let config = serde_json::json!({
        "os": "linux", "architecture": "amd64",
        "config": {"Env": ["A=b"], "Cmd": null, "OnBuild": null, "Hostname": "x"},
        "rootfs": {"type": "layers", "diff_ids": [diff_id, diff_id]},
    });
    let manifest = serde_json::json!([{
        "Config": "c.json", "RepoTags": ["base:1"], "Layers": ["a/layer.tar", "b/layer.tar"],
    }]);
    let mut archive = Builder::new(File::create(here.join("saved.tar")).unwrap());
    for (name, bytes) in [
        ("c.json", serde_json::to_vec(&config).unwrap()),
        ("a/layer.tar", layer.clone()),
        ("manifest.json", serde_json::to_vec(&manifest).unwrap()),
    ] {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, &*bytes).unwrap();
    }
    let mut link = Header::new_gnu();
    link.set_entry_type(EntryType::Symlink);
    link.set_size(0);
    archive
        .append_link(&mut link, "b/layer.tar", "../a/layer.tar")
        .unwrap();
    archive.into_inner().unwrap();

    let name = DiskImage::parse("docker-archive:saved.tar").unwrap();
    let image = open(&name.below(here), &platform(), 0, &cache).unwrap();
    assert_eq!(image.layers.len(), 2);
    let found = &image.layers[1].descriptor;
    assert_eq!(found.media_type, "application/vnd.oci.image.layer.v1.tar");
    assert_eq!((&found.digest, found.size), (&diff_id, layer.len() as u64));
    assert_eq!(image.config.env, ["A=b"]);
    assert!(image.config.other.is_empty());
}
