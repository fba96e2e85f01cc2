//! Images that this program wrote, as a base of another.

use std::collections::BTreeMap;
use std::path::Path;

use fs_err::File;
use insta::assert_snapshot;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::*;
use crate::image::layer::{Layer, LayerEntry, LayerNode};
use crate::image::oci::{Compression, Output, Packing, pack, write};

fn machine() -> (TempDir, Cache) {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(&directory.path().join("cache")).unwrap();
    (directory, cache)
}

fn image(cache: &Cache, text: &str) -> Image {
    let node = LayerNode::Made {
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
    write(
        &image,
        &names,
        &Output::Archive(here.join("a.tar")),
        &cache,
        &|| false,
    )
    .unwrap();
    write(
        &image,
        &names,
        &Output::Directory(here.join("d")),
        &cache,
        &|| false,
    )
    .unwrap();
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
    write(
        &image,
        &[],
        &Output::Directory(here.join("d")),
        &cache,
        &|| false,
    )
    .unwrap();
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

/// An archive with these files.
fn archive(path: &Path, files: &[(&str, &[u8])]) {
    let mut archive = Builder::new(File::create(path).unwrap());
    for (name, bytes) in files {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        // Names that no writer of archives would take.
        let field = &mut header.as_gnu_mut().unwrap().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive.append(&header, *bytes).unwrap();
    }
    archive.into_inner().unwrap();
}

#[test]
fn archives_that_are_no_images_are_refused_in_a_sentence() {
    let (directory, _cache) = machine();
    let here = directory.path();
    let cause = |name: &str| {
        let text = refused(name, here);
        let mut lines = text.lines().map(str::to_owned);
        (lines.next().unwrap(), lines.next().unwrap_or_default())
    };
    let caused = |name: &str| cause(name).1;
    let large = vec![b' '; (4 << 20) + 1];
    archive(
        &here.join("large.tar"),
        &[("index.json", &large), ("manifest.json", &large)],
    );
    assert_snapshot!(caused("oci-archive:large.tar"), @"  caused by: its `index.json` has more than 4 MiB");
    assert_snapshot!(caused("docker-archive:large.tar"), @"  caused by: its `manifest.json` has more than 4 MiB");
    archive(
        &here.join("two.tar"),
        &[("index.json", b"{}"), ("./index.json", b"{}")],
    );
    assert_snapshot!(caused("oci-archive:two.tar"), @"  caused by: it has two `index.json`");
    archive(
        &here.join("wrong.tar"),
        &[("index.json", b"{"), ("manifest.json", b"{}")],
    );
    assert_snapshot!(caused("oci-archive:wrong.tar"), @"  caused by: its manifest cannot be read: EOF while parsing an object at line 1 column 1");
    assert_snapshot!(caused("docker-archive:wrong.tar"), @"  caused by: its manifest cannot be read: invalid type: map, expected a sequence at line 1 column 0");
    let outside = br#"[{"Config": "../../etc/passwd", "Layers": ["/etc/shadow"]}]"#;
    archive(
        &here.join("outside.tar"),
        &[
            ("manifest.json", outside),
            ("/etc/x", b""),
            ("../../y", b""),
        ],
    );
    assert_snapshot!(caused("docker-archive:outside.tar"), @"  caused by: it has no `../../etc/passwd`");
    let layers: Vec<&str> = vec!["a"; 513];
    let many = serde_json::json!([{"Config": "c", "Layers": layers}]).to_string();
    archive(
        &here.join("many.tar"),
        &[("manifest.json", many.as_bytes()), ("c", b"{}")],
    );
    assert_snapshot!(caused("docker-archive:many.tar"), @"  caused by: its manifest tells of 513 layers, and more than 512 are not taken");
    let digest = Digest::of(b"x");
    let missing = serde_json::json!({"manifests": [{"digest": digest, "size": 1}]}).to_string();
    archive(
        &here.join("missing.tar"),
        &[("index.json", missing.as_bytes())],
    );
    assert_snapshot!(caused("oci-archive:missing.tar"), @"  caused by: it has no `blobs/sha256/2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881`");
    let blob = format!("blobs/sha256/{}", digest.hex());
    archive(
        &here.join("other.tar"),
        &[("index.json", missing.as_bytes()), (&blob, b"y")],
    );
    let (said, _) = cause("oci-archive:other.tar");
    assert_eq!(
        said,
        format!("`oci-archive:DIR/other.tar` is damaged: {digest} is not there, or something else")
    );
}

#[test]
fn names_of_an_archive_have_a_limit() {
    let (directory, _cache) = machine();
    let here = directory.path();
    let mut archive = Builder::new(File::create(here.join("a.tar")).unwrap());
    let name = vec![b'x'; (1 << 20) + 1];
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(name.len() as u64);
    header.set_cksum();
    archive.append(&header, &*name).unwrap();
    archive.into_inner().unwrap();
    let text = refused("oci-archive:a.tar", here);
    assert!(text.contains("it has a name of more than 1 MiB"), "{text}");
}

#[test]
fn what_is_no_file_is_not_opened() {
    let (directory, _cache) = machine();
    let here = directory.path();
    fs_err::create_dir(here.join("d")).unwrap();
    for place in ["d/index.json", "a.tar"] {
        let mut made = std::process::Command::new("mkfifo");
        assert!(made.arg(here.join(place)).status().unwrap().success());
    }
    assert_snapshot!(refused("oci:d", here), @r"
    cannot read `oci:DIR/d`
      caused by: `DIR/d/index.json` is no file
    hint: `oci:` names a directory with an OCI layout, `oci-archive:` a tar of one, `docker-archive:` what `docker save` writes
    ");
    assert!(refused("docker-archive:a.tar", here).contains("`DIR/a.tar` is no file"));
    fs_err::remove_file(here.join("d/index.json")).unwrap();
    fs_err::os::unix::fs::symlink("/dev/zero", here.join("d/index.json")).unwrap();
    assert!(refused("oci:d", here).contains("`DIR/d/index.json` is no file"));
}

#[test]
fn an_archive_that_is_cut_or_changed_is_an_image_or_an_error() {
    let (directory, cache) = machine();
    let here = directory.path();
    let image = image(&cache, "x");
    write(
        &image,
        &[],
        &Output::Archive(here.join("a.tar")),
        &cache,
        &|| false,
    )
    .unwrap();
    let whole = fs_err::read(here.join("a.tar")).unwrap();
    let open = |bytes: &[u8]| {
        fs_err::write(here.join("b.tar"), bytes).unwrap();
        let opened = ["oci-archive:b.tar", "docker-archive:b.tar"].map(|name| opened(name, here));
        opened.into_iter().filter_map(Result::ok).for_each(|image| {
            assert!(image.layers.iter().all(|layer| layer.unpacked > 0));
        });
    };
    for cut in (0..whole.len()).step_by(197) {
        open(&whole[..cut]);
    }
    for at in (0..whole.len()).step_by(131) {
        let mut changed = whole.clone();
        changed[at] ^= 0x81;
        open(&changed);
    }
    fs_err::write(here.join("c.tar"), &whole[..520]).unwrap();
    let text = refused("oci-archive:c.tar", here);
    assert!(text.contains("it ends in the middle of its `"), "{text}");
}
