//! Layers that are read, and those that must not be.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

use super::*;

/// A tar with these files.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        let directory = path.ends_with('/');
        header.set_entry_type(if directory {
            EntryType::Directory
        } else {
            EntryType::Regular
        });
        builder.append_data(&mut header, path, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read_of(blob: &[u8], tar: &[u8], is_sent: bool) -> Result<ReadLayer, ReadError> {
    let blob = Blob {
        from: blob,
        size: blob.len() as u64,
        is_sent,
    };
    read_layer(blob, &Digest::of(tar))
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// The sum over the entries, and the whole.
fn sums(layer: &ReadLayer) -> (Weight, Weight) {
    let inside = layer.entries.iter().map(|entry| entry.weight).sum();
    (inside, layer.weight)
}

#[test]
fn bytes_add_up_in_each_compression() {
    let (noise, long) = (noise(200_000), "a".repeat(150));
    let text = "text ".repeat(40_000);
    let tar = tar(&[
        ("a/", b""),
        ("a/noise", &noise),
        ("a/text", text.as_bytes()),
        (&format!("a/{long}/{long}"), b"x"),
        ("empty", b""),
    ]);
    let content = 200_000 + 200_000 + 1;
    let packed = [gzip(&tar), zstd::encode_all(&*tar, 3).unwrap(), tar.clone()];
    for blob in &packed {
        let layer = read_of(blob, &tar, true).unwrap();
        let (inside, whole) = sums(&layer);
        assert_eq!(whole.unpacked, tar.len() as u64);
        assert_eq!(whole.compressed, Some(blob.len() as u64));
        assert_eq!(inside.unpacked, content);
        assert!(inside.compressed < whole.compressed);
        let of = |path: &str| {
            let entry = layer.entries.iter().find(|entry| entry.path == path);
            entry.unwrap().weight.compressed.unwrap()
        };
        // Noise takes what it has, text nearly nothing.
        let is_packed = blob.len() < tar.len();
        assert!(of("a/noise") > 190_000, "{}", of("a/noise"));
        assert_eq!(of("a/text") < 20_000, is_packed, "{}", of("a/text"));
        assert_eq!(of("empty"), 0);
    }
    // A daemon keeps tars, of which nobody knows how large they get.
    let kept = read_of(&tar, &tar, false).unwrap();
    assert_eq!(sums(&kept).1.compressed, None);
    assert_eq!(kept.entries[1].weight.compressed, None);
    let kept = read_of(&packed[0], &tar, false).unwrap();
    assert_eq!(sums(&kept).1.compressed, Some(packed[0].len() as u64));
}

#[test]
fn what_tells_of_packages_is_looked_into() {
    let manifest = br#"{"name": "a", "version": "1.0.0", "os": ["linux"], "cpu": "x64", "libc": [1], "x": {"y": []}}"#;
    let tar = tar(&[
        ("app/node_modules/a/package.json", manifest),
        ("app/node_modules/a/index.js", b"code"),
        ("app/package.json", b"no json"),
        ("var/lib/dpkg/status", b"Package: a\n"),
    ]);
    let layer = read_of(&tar, &tar, true).unwrap();
    let said: Vec<&Option<Said>> = layer.entries.iter().map(|entry| &entry.said).collect();
    let Some(Said::Manifest(manifest)) = said[0] else {
        panic!("{said:?}")
    };
    assert_eq!(manifest.name.as_deref(), Some("a"));
    assert_eq!(
        (&*manifest.os, &*manifest.cpu),
        (&["linux".to_owned()][..], &["x64".to_owned()][..])
    );
    assert!(manifest.libc.is_empty());
    assert_eq!((said[1], said[2]), (&None, &None));
    assert_eq!(*said[3], Some(Said::Text("Package: a\n".to_owned())));
    // Modules have versions; other files may change without one.
    let digests = layer.entries.iter().map(|entry| entry.digest.is_some());
    assert_eq!(digests.collect::<Vec<_>>(), [false, false, true, true]);
}

#[test]
fn paths_do_not_leave_the_image() {
    let of = |path: &[u8], kind| kind_of(path, kind);
    let file = EntryType::Regular;
    assert_eq!(
        of(b"./a/../../../etc/passwd", file),
        (EntryKind::File, "etc/passwd".to_owned())
    );
    assert_eq!(of(b"/a//b/.", file), (EntryKind::File, "a/b".to_owned()));
    assert_eq!(of(b"a/", file), (EntryKind::Directory, "a".to_owned()));
    assert_eq!(
        of(b"a/.wh.b", file),
        (EntryKind::Whiteout, "a/b".to_owned())
    );
    assert_eq!(of(b".wh.b", file), (EntryKind::Whiteout, "b".to_owned()));
    assert_eq!(
        of(b"a/.wh..wh..opq", file),
        (EntryKind::Opaque, "a".to_owned())
    );
    assert_eq!(
        of(b"a/.wh..wh.plnk", file),
        (EntryKind::Other, "a/.wh..wh.plnk".to_owned())
    );
    assert_eq!(of(b"a\xff", file), (EntryKind::File, "a\\xff".to_owned()));
    assert_eq!(of(b"a", EntryType::Symlink).0, EntryKind::Other);
}

#[test]
fn what_is_damaged_or_false_is_refused() {
    let tar = tar(&[("a", &noise(10_000))]);
    let blob = gzip(&tar);
    let cut = &blob[..blob.len() / 2];
    assert!(matches!(
        read_of(cut, &tar, true),
        Err(ReadError::Malformed { .. })
    ));
    assert!(matches!(
        read_of(b"no tar at all", &tar, true),
        Err(ReadError::Malformed { .. })
    ));
    assert!(matches!(
        read_of(&blob, b"other", true),
        Err(ReadError::Contents(_))
    ));
    // The file is shorter than it was said to be.
    let short = Blob {
        from: &*blob,
        size: blob.len() as u64 + 1,
        is_sent: true,
    };
    let read = read_layer(short, &Digest::of(&tar));
    assert!(matches!(read, Err(ReadError::Malformed { .. })));
    assert!(read_of(&[], &[], true).unwrap().entries.is_empty());
}

#[test]
fn bombs_are_refused() {
    // A small blob that says to unpack to 2 GB.
    let mut header = Header::new_gnu();
    header.set_path("a").unwrap();
    header.set_size(2 << 30);
    header.set_cksum();
    let bomb = gzip(&[header.as_bytes().as_slice(), &[0; 4096]].concat());
    assert!(matches!(
        read_of(&bomb, b"", true),
        Err(ReadError::Excess {
            excess: Excess::Bytes(_),
            ..
        })
    ));
    // A sparse file of any size, all of whose bytes are made up.
    let mut header = Header::new_gnu();
    header.set_path("a").unwrap();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(0);
    if let Some(gnu) = header.as_gnu_mut() {
        gnu.realsize = *b"77777777777\0";
        gnu.sparse[0].offset = *b"77777777777\0";
        gnu.sparse[0].numbytes = *b"00000000000\0";
    }
    header.set_cksum();
    let sparse = [header.as_bytes().as_slice(), &[0; 1024]].concat();
    assert!(matches!(
        read_of(&sparse, b"", true),
        Err(ReadError::Excess { .. })
    ));
}
