//! Layers that mean well or harm, unpacked.

use std::collections::BTreeMap;

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::*;
use crate::image::layer::{Layer, LayerEntry, LayerNode};
use crate::image::oci::fuzzing::{Stage, Tar, keep};
use crate::image::oci::{Compression, Packing, pack};

mod properties;

fn made(text: &str) -> LayerNode {
    let bytes = text.as_bytes().into();
    LayerNode::Made { bytes, mode: 0o644 }
}

fn packed(entries: &[(&str, LayerNode)], packing: Packing, cache: &Cache) -> ImageLayer {
    let entries = entries.iter();
    let entries: BTreeMap<String, LayerEntry> = entries
        .map(|(path, node)| ((*path).to_owned(), LayerEntry::root(node.clone())))
        .collect();
    let title = String::new();
    pack(&Layer { title, entries }, packing, cache).unwrap()
}

/// All below a directory: names of directories end with `/`, links and files have their text.
fn listed(dir: &Path) -> Vec<String> {
    let walk = walkdir::WalkDir::new(dir).min_depth(1).sort_by_file_name();
    let line = |entry: walkdir::DirEntry| {
        let path = entry
            .path()
            .strip_prefix(dir)
            .unwrap()
            .display()
            .to_string();
        if entry.file_type().is_dir() {
            format!("{path}/")
        } else if entry.file_type().is_symlink() {
            format!(
                "{path} -> {}",
                fs_err::read_link(entry.path()).unwrap().display()
            )
        } else {
            format!("{path}: {}", fs_err::read_to_string(entry.path()).unwrap())
        }
    };
    walk.into_iter().map(|entry| line(entry.unwrap())).collect()
}

#[test]
fn layers_lie_on_each_other() {
    for compression in [Compression::Gzip, Compression::Zstd] {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let packing = Packing {
            compression,
            ..Packing::default()
        };
        let below = packed(
            &[
                ("a/file", made("below")),
                ("a/gone", made("")),
                ("b/all/of/it", made("")),
                ("link", LayerNode::Symlink("a".to_owned())),
                ("m/index.js", made("code")),
                ("m/package.json", made("{}")),
            ],
            packing,
            &cache,
        );
        let above = packed(
            &[
                ("a/.wh.gone", made("")),
                ("a/file", made("above")),
                ("b/.wh..wh..opq", made("")),
                ("b/new", made("new")),
                ("link", made("a file now")),
            ],
            packing,
            &cache,
        );
        let into = tempfile::tempdir().unwrap();
        unpack(&below, &cache, into.path()).unwrap();
        unpack(&above, &cache, into.path()).unwrap();
        assert_eq!(
            listed(into.path()),
            [
                "a/",
                "a/file: above",
                "b/",
                "b/new: new",
                "link: a file now",
                "m/",
                "m/index.js: code",
                "m/package.json: {}",
            ]
        );
    }
}

/// Unpacks layers on each other, looks that nothing beside them was touched, and lists what there
/// is.
fn staged(layers: impl FnOnce(&str) -> Vec<Tar>) -> Result<Vec<String>, OciError> {
    let stage = Stage::new();
    let outside = stage.outside().display().to_string();
    let layers: Vec<ImageLayer> = layers(&outside)
        .into_iter()
        .map(|tar| tar.keep(&stage.cache))
        .collect();
    let tree = stage.tree("tree");
    let unpacked = stage.unpack(&layers, &tree);
    stage.check(&tree);
    unpacked?;
    let inside = outside.trim_start_matches('/');
    let lines = listed(&tree);
    Ok(lines.iter().map(|line| line.replace(inside, "@")).collect())
}

/// What a layer is refused for.
fn refused(layers: impl FnOnce(&str) -> Vec<Tar>) -> String {
    let error = staged(layers).unwrap_err();
    assert!(!error.is_damage() && error.is_of_a_layer(), "{error:?}");
    let text = error.to_string();
    let (start, reason) = text.split_once(": ").unwrap_or(("", &text));
    match start.split_once(" is ") {
        Some((_, "not a valid tar")) => reason.to_owned(),
        _ => text.split(" has ").nth(1).unwrap_or(&text).to_owned(),
    }
}

fn tar() -> Tar {
    Tar::default()
}

#[test]
fn a_layer_cannot_write_through_a_link() {
    let one = |outside: &str| vec![tar().dir("d").link("d", outside).file("d/file", "text")];
    let files = staged(one).unwrap();
    // An absolute target counts from the image's root.
    assert!(files.contains(&"@/file: text".to_owned()), "{files:?}");
    assert!(files.contains(&"d -> /@".to_owned()), "{files:?}");
    let two = |outside: &str| {
        let up = format!("../../../../../../../..{outside}");
        vec![tar().link("d", &up), tar().file("d/dir/a", "text")]
    };
    let files = staged(two).unwrap();
    assert!(files.contains(&"@/dir/a: text".to_owned()), "{files:?}");
}

#[test]
fn a_layer_cannot_delete_through_a_link() {
    for hidden in [".wh.secret", ".wh.dir", ".wh..wh..opq", "dir/.wh..wh..opq"] {
        for layers in [1, 2] {
            let all = |outside: &str| {
                let link = tar().dir("d").link("d", outside);
                let hidden = format!("d/{hidden}");
                match layers {
                    1 => vec![link.file(&hidden, "")],
                    _ => vec![link, tar().file(&hidden, "")],
                }
            };
            assert_eq!(staged(all).unwrap(), ["d -> /@"], "{hidden}");
        }
    }
}

#[test]
fn a_whiteout_names_a_file() {
    for name in [".wh.", ".wh..", ".wh..."] {
        for path in [name.to_owned(), format!("d/{name}")] {
            let reason = refused(|_| vec![tar().file("d/a", ""), tar().file(&path, "")]);
            assert_eq!(reason, format!("the whiteout `{path}` names no file"));
        }
    }
    let kept = staged(|_| vec![tar().file("a", ""), tar().dir(".wh..wh.plnk")]);
    assert_eq!(kept.unwrap(), ["a: "]);
}

#[test]
fn a_hard_link_cannot_lead_outside() {
    let reason = refused(|outside| vec![tar().link("l", outside).hard("x", "l/secret")]);
    assert_eq!(
        reason,
        "`x` is a hard link to `l/secret`, which is not there"
    );
    let reason = refused(|outside| vec![tar().hard("x", &format!("{outside}/secret"))]);
    assert!(reason.ends_with("/outside/secret`, which is not there"));
    assert_eq!(
        refused(|_| vec![tar().hard("x", "../outside/secret")]),
        "`../outside/secret` leaves the image"
    );
    assert_eq!(
        refused(|_| vec![tar().dir("d").hard("x", "d")]),
        "`x` is a hard link to a directory"
    );
    // The link itself gets a second name, and stays a link.
    let files = staged(|outside| {
        let secret = format!("{outside}/secret");
        vec![tar().link("l", &secret).hard("x", "l").file("x", "text")]
    });
    assert_eq!(files.unwrap(), ["l -> /@/secret", "x: text"]);
}

#[test]
fn a_hard_link_is_to_what_is_there_at_its_turn() {
    let stage = Stage::new();
    let below = tar().file("a", "below").keep(&stage.cache);
    let above = tar().hard("b", "a").file("a", "above").hard("c", "a");
    let above = above.file("c", "new").hard("d", "a").keep(&stage.cache);
    let tree = stage.tree("tree");
    stage.unpack(&[below, above], &tree).unwrap();
    assert_eq!(
        listed(&tree),
        ["a: above", "b: below", "c: new", "d: above"]
    );
    let inode = |name: &str| fs_err::metadata(tree.join(name)).unwrap().ino();
    assert_eq!(inode("a"), inode("d"));
}

#[test]
fn paths_stay_in_the_image() {
    for path in ["../x", "d/../../x", "/../x", "d/.."] {
        assert_eq!(
            refused(|_| vec![tar().file(path, "")]),
            format!("`{path}` leaves the image")
        );
    }
    let files = staged(|_| vec![tar().dir("./").file("/./a//b", "text")]);
    assert_eq!(files.unwrap(), ["a/", "a/b: text"]);
}

#[test]
fn links_of_the_image_are_followed_within_it() {
    let files = staged(|_| {
        let merged = tar().dir("usr/lib").link("lib", "usr/lib");
        let merged = merged
            .link("lib64", "/usr/lib")
            .link("run", "../../var/run");
        let above = tar().file("lib/a", "1").file("lib64/b", "2");
        let above = above.file("run/pid", "3").file("usr/lib/a", "4");
        vec![merged, above.dir("lib64/c")]
    });
    assert_eq!(
        files.unwrap(),
        [
            "lib -> usr/lib",
            "lib64 -> /usr/lib",
            "run -> ../../var/run",
            "usr/",
            "usr/lib/",
            "usr/lib/a: 4",
            "usr/lib/b: 2",
            "usr/lib/c/",
            "var/",
            "var/run/",
            "var/run/pid: 3",
        ]
    );
    let reason = refused(|_| vec![tar().link("a", "b").link("b", "a").file("a/x", "")]);
    assert_eq!(reason, "`a` has links without end");
    let reason = refused(|_| vec![tar().file("a", "").file("a/x", "")]);
    assert_eq!(reason, "`a`: `a` is not a directory");
}

#[test]
fn what_takes_a_place_replaces_it() {
    let below = || {
        let tar = tar().dir("dir").file("dir/a/b", "").file("file", "");
        tar.link("link", "dir")
            .file("pipe/x", "")
            .file("device", "")
    };
    let above = || {
        let tar = tar().file("dir", "file").dir("file").dir("link");
        let tar = tar.entry(EntryType::Fifo, "pipe", "", b"");
        tar.entry(EntryType::Char, "device", "", b"")
    };
    let expected = ["dir: file", "file/", "link/"];
    assert_eq!(staged(|_| vec![below(), above()]).unwrap(), expected);
    let one = |_: &str| {
        let mut one = below();
        one.0.extend(above().0);
        vec![one]
    };
    assert_eq!(staged(one).unwrap(), expected);
}

#[test]
fn a_whiteout_hides_what_lies_below_and_nothing_of_its_own_layer() {
    let below = || {
        let tar = tar().file("d/a", "below").file("d/b", "").file("d/e/f", "");
        tar.file("o/a", "").file("o/d/a", "").file("gone/a", "")
    };
    let entries = [
        tar().file("d/a", "above"),
        tar().file("d/.wh.a", ""),
        tar().file("d/.wh.b", ""),
        tar().dir("d/e").file("d/e/g", "above"),
        tar().file("d/.wh.e", ""),
        tar().file("o/new", "above"),
        tar().file("o/d/new", "above"),
        tar().file("o/.wh..wh..opq", ""),
        tar().file(".wh.gone", ""),
        tar().file("gone/.wh.a", "").file("nothing/.wh.a", ""),
        tar().file("nothing/.wh..wh..opq", ""),
    ];
    let expected = [
        "d/",
        "d/a: above",
        "d/e/",
        "d/e/g: above",
        "o/",
        "o/d/",
        "o/d/new: above",
        "o/new: above",
    ];
    let forth: Vec<u8> = entries.iter().flat_map(|tar| tar.0.clone()).collect();
    let back: Vec<u8> = entries.iter().rev().flat_map(|tar| tar.0.clone()).collect();
    for above in [forth, back] {
        assert_eq!(staged(|_| vec![below(), Tar(above)]).unwrap(), expected);
    }
}

#[test]
fn permissions_are_what_everybody_may_have() {
    let stage = Stage::new();
    let mut layer = tar();
    for (path, kind, mode) in [
        ("setuid", EntryType::Regular, 0o6755),
        ("none", EntryType::Regular, 0o000),
        ("dir", EntryType::Directory, 0o000),
        ("tmp", EntryType::Directory, 0o1777),
    ] {
        let start = layer.0.len();
        layer = layer.entry(kind, path, "", b"");
        let header = &mut layer.0[start..start + 512];
        header[100..108].copy_from_slice(format!("{mode:07o}\0").as_bytes());
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    }
    let tree = stage.tree("tree");
    stage.unpack(&[layer.keep(&stage.cache)], &tree).unwrap();
    let mode = |name: &str| {
        let metadata = fs_err::symlink_metadata(tree.join(name)).unwrap();
        metadata.permissions().mode() & 0o7777
    };
    let modes = ["setuid", "none", "dir", "tmp"].map(mode);
    assert_eq!(modes, [0o755, 0o600, 0o700, 0o777]);
}

#[test]
fn a_layer_that_asks_for_too_much_is_refused() {
    let long = "x/".repeat(2049);
    assert_eq!(
        refused(|_| vec![tar().file(&format!("{long}a"), "")]),
        "a path of more than 4096 bytes, and slimbuild unpacks no such layer"
    );
    assert!(
        refused(|_| vec![tar().link("a", &long)]).starts_with("a path of more than 4096 bytes")
    );
    let name = "n".repeat(256);
    assert!(refused(|_| vec![tar().file(&name, "")]).ends_with("is too long"));
    let deep = "x/".repeat(257);
    assert!(
        refused(|_| vec![tar().file(&format!("{deep}a"), "")])
            .ends_with("lies in more than 256 directories")
    );
    // Links make a path deeper than it is long.
    let deeper = |_: &str| {
        let half = "x/".repeat(200);
        vec![
            tar()
                .dir(&half)
                .link("l", &half)
                .file(&format!("l/{half}a"), ""),
        ]
    };
    assert!(refused(deeper).ends_with("lies in more than 256 directories"));
    let name = "n".repeat(2 << 20);
    assert!(
        refused(|_| vec![tar().file(&name, "")])
            .starts_with("a file whose headers have more than 1048576 bytes")
    );
}

#[test]
fn a_sparse_file_cannot_fill_the_disk() {
    let size = 1_u64 << 40;
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_path("large").unwrap();
    header.set_mode(0o644);
    header.set_size(0);
    let octal = |field: &mut [u8], number: u64| {
        field[..11].copy_from_slice(format!("{:011o}", number % (1 << 33)).as_bytes());
    };
    let gnu = header.as_gnu_mut().unwrap();
    // Numbers of more than 8 GiB are binary.
    let mut binary = [0; 12];
    binary[0] = 0x80;
    binary[4..].copy_from_slice(&size.to_be_bytes());
    gnu.realsize = binary;
    gnu.sparse[0].offset = binary;
    octal(&mut gnu.sparse[0].numbytes, 0);
    header.set_cksum();
    let mut layer = tar();
    layer.0.extend_from_slice(header.as_bytes());
    let reason = refused(|_| vec![layer]);
    assert!(
        reason.starts_with("more than 1073741824 bytes when it is unpacked"),
        "{reason}"
    );
}

#[test]
fn a_tar_that_is_malformed_is_not_damaged() {
    let stage = Stage::new();
    let whole = tar().file("a", "text").file("b", &"b".repeat(2000)).0;
    let garbage = vec![b'x'; 2048];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&whole).unwrap();
    let gzip = gzip.finish().unwrap();
    let kind = |packed: &str| format!("application/vnd.oci.image.layer.v1.tar{packed}");
    let cases = [
        (garbage.clone(), kind(""), "numeric field was not a number"),
        (whole[..1700].to_vec(), kind(""), "unexpected end of file"),
        (whole[..700].to_vec(), kind(""), ""),
        (garbage.clone(), kind("+gzip"), "gzip"),
        (garbage, kind("+zstd"), ""),
        (gzip[..gzip.len() / 2].to_vec(), kind("+gzip"), ""),
    ];
    for (bytes, kind, part) in cases {
        let layer = keep(&bytes, &bytes, &kind, &stage.cache);
        let blob = stage.cache.path(&layer.descriptor.digest);
        let tree = tempfile::tempdir().unwrap();
        let error = unpack(&layer, &stage.cache, tree.path()).unwrap_err();
        let text = error.to_string();
        let start = format!("layer {} is not a valid tar: ", layer.descriptor.digest);
        assert!(text.starts_with(&start) && text.contains(part), "{text}");
        assert!(blob.exists() && !error.is_damage(), "{text}");
    }
}

#[test]
fn a_damaged_layer_is_thrown_away() {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    let layer = packed(&[("a", made("text"))], Packing::default(), &cache);
    let blob = cache.path(&layer.descriptor.digest);
    let mut bytes = fs_err::read(&blob).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs_err::write(&blob, bytes).unwrap();
    let into = tempfile::tempdir().unwrap();
    let error = unpack(&layer, &cache, into.path()).unwrap_err();
    assert!(error.is_damage() && !blob.exists(), "{error}");
}
