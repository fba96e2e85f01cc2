use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::*;
use crate::image::layer::{LayerEntry, LayerNode, Owner};

fn file(from: &Path, mode: u32) -> LayerEntry {
    let from = from.to_path_buf();
    LayerEntry::root(LayerNode::File { from, mode })
}

fn made(text: &str) -> LayerEntry {
    let bytes = Arc::from(text.as_bytes());
    LayerEntry::root(LayerNode::Made { bytes, mode: 0o644 })
}

fn cache() -> (tempfile::TempDir, Cache) {
    let directory = tempfile::tempdir().unwrap();
    let cache = Cache::open(directory.path()).unwrap();
    (directory, cache)
}

/// A layer with all that is hard, from files in a directory.
fn layer(directory: &Path) -> Layer {
    let source = directory.join("main.js");
    fs_err::write(&source, "x".repeat(3_000_000)).unwrap();
    let long = format!("app/{}/{}.js", "d".repeat(120), "n".repeat(120));
    let entries = [
        ("app/main.js".to_owned(), file(&source, 0o644)),
        ("app/run".to_owned(), file(&source, 0o755)),
        (long, made("long")),
        ("app-of-old/größe-日本".to_owned(), made("")),
        (
            "app/a".to_owned(),
            LayerEntry::root(LayerNode::Symlink("./b//c/".to_owned())),
        ),
        (
            "app/b".to_owned(),
            LayerEntry::root(LayerNode::Symlink(format!("../{}", "t".repeat(150)))),
        ),
        (
            "home/node".to_owned(),
            LayerEntry {
                node: LayerNode::Directory(0o700),
                owner: Owner {
                    user: 1000,
                    group: 3_000_000,
                },
            },
        ),
    ];
    Layer {
        title: "all that is hard".to_owned(),
        entries: entries.into_iter().collect(),
    }
}

fn tar_of(layer: &ImageLayer, cache: &Cache) -> Vec<u8> {
    let path = cache
        .blob(&layer.descriptor.digest, layer.descriptor.size)
        .unwrap();
    let bytes = fs_err::read(path).unwrap();
    let mut tar = Vec::new();
    MultiGzDecoder::new(&*bytes).read_to_end(&mut tar).unwrap();
    tar
}

#[test]
fn a_layer_is_a_sorted_tar_with_its_directories() {
    let (_directory, cache) = cache();
    let sources = tempfile::tempdir().unwrap();
    let packing = Packing {
        epoch: 17,
        ..Packing::default()
    };
    let packed = pack(&layer(sources.path()), packing, &cache).unwrap();
    let bytes = tar_of(&packed, &cache);
    assert_eq!(packed.diff_id, Digest::of(&bytes));
    let mut archive = ::tar::Archive::new(&*bytes);
    let shown = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!(header.mtime().unwrap(), 17);
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let link = entry
            .link_name_bytes()
            .map(|link| String::from_utf8(link.into_owned()).unwrap());
        let (user, group) = (header.uid().unwrap(), header.gid().unwrap());
        format!(
            "{:04o} {user}:{group} {} {path} {}",
            header.mode().unwrap(),
            header.size().unwrap(),
            link.unwrap_or_default()
        )
        .replace(&"d".repeat(120), "DDD")
        .replace(&"n".repeat(120), "NNN")
        .replace(&"t".repeat(150), "TTT")
    });
    let shown: Vec<String> = shown.collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    0755 0:0 0 app/ 
    0755 0:0 0 app-of-old/ 
    0644 0:0 0 app-of-old/größe-日本 
    0777 0:0 0 app/a ./b//c/
    0777 0:0 0 app/b ../TTT
    0755 0:0 0 app/DDD/ 
    0644 0:0 4 app/DDD/NNN.js 
    0644 0:0 3000000 app/main.js 
    0755 0:0 3000000 app/run 
    0755 0:0 0 home/ 
    0700 1000:3000000 0 home/node/ 
    ");
}

#[test]
fn the_same_digest_wherever_the_files_lie_and_on_any_number_of_threads() {
    let mut packed = Vec::new();
    for threads in [1, 2, 5] {
        let (_directory, cache) = cache();
        let sources = tempfile::tempdir().unwrap();
        let layer = layer(sources.path());
        let listing = Listing::new(&layer).unwrap();
        packed.push([Compression::Gzip, Compression::Zstd].map(|compression| {
            let packing = Packing {
                epoch: 0,
                compression,
            };
            let note = write(&listing, packing, &cache, threads).unwrap();
            (note.digest, note.size, note.diff_id)
        }));
    }
    assert_eq!(packed[0], packed[1]);
    assert_eq!(packed[0], packed[2]);
    let [gzip, zstd] = &packed[0];
    assert_eq!(gzip.2, zstd.2);
}

/// Long enough ago that the next change shows.
fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(150));
}

#[test]
fn an_unchanged_layer_is_not_read_again() {
    let (_directory, cache) = cache();
    let sources = tempfile::tempdir().unwrap();
    let layer = layer(sources.path());
    settle();
    let first = pack(&layer, Packing::default(), &cache).unwrap();
    let listing = Listing::new(&layer).unwrap();
    let known = key(&listing, Packing::default());
    let found = || look_up(&known, &layer.title, Packing::default(), &cache);
    assert_eq!(found().as_ref(), Some(&first));
    // Another epoch and another compression are other layers.
    let packing = Packing {
        epoch: 1,
        ..Packing::default()
    };
    assert_ne!(key(&listing, packing), known);
    assert_ne!(
        pack(&layer, packing, &cache).unwrap().diff_id,
        first.diff_id
    );
    // A blob that was cut short is made anew.
    fs_err::write(cache.path(&first.descriptor.digest), "half").unwrap();
    assert_eq!(found(), None);
    assert_eq!(pack(&layer, Packing::default(), &cache).unwrap(), first);
    // A file that changed under the same name and size is seen.
    fs_err::write(sources.path().join("main.js"), "y".repeat(3_000_000)).unwrap();
    let changed = pack(&layer, Packing::default(), &cache).unwrap();
    assert_ne!(changed.diff_id, first.diff_id);
}

#[test]
fn what_was_written_a_moment_ago_is_read_again() {
    let (_directory, cache) = cache();
    let sources = tempfile::tempdir().unwrap();
    let layer = layer(sources.path());
    // The clock of the file system is not this one: what was written now may seem to be of the last
    // tick.
    let listing = Listing::new(&layer).unwrap();
    assert!(!listing.settled);
    pack(&layer, Packing::default(), &cache).unwrap();
    let known = key(&listing, Packing::default());
    assert_eq!(look_up(&known, "", Packing::default(), &cache), None);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_named() {
    let sources = tempfile::tempdir().unwrap();
    let layer = layer(sources.path());
    let listing = Listing::new(&layer).unwrap();
    let main = sources.path().join("main.js");
    for text in [
        "shorter".to_owned(),
        "z".repeat(3_000_000),
        "z".repeat(4_000_000),
    ] {
        fs_err::write(&main, text).unwrap();
        let error = listing.write(0, &mut io::sink()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{}` changed while it was read", main.display())
        );
    }
    fs_err::remove_file(&main).unwrap();
    let error = listing.write(0, &mut io::sink()).unwrap_err();
    assert!(matches!(error, OciError::Read(_)), "{error}");
}

#[test]
fn a_file_that_gets_another_name_while_it_is_read_is_unchanged() {
    let sources = tempfile::tempdir().unwrap();
    let layer = layer(sources.path());
    let listing = Listing::new(&layer).unwrap();
    // As pnpm does that installs from the same store.
    let main = sources.path().join("main.js");
    fs_err::hard_link(&main, sources.path().join("other.js")).unwrap();
    listing.write(0, &mut io::sink()).unwrap();
}

#[test]
fn what_is_known_by_its_parts_is_made_once() {
    let (_directory, cache) = cache();
    let make = || {
        Ok::<_, OciError>(Layer {
            title: String::new(),
            entries: [("a".to_owned(), made("a"))].into(),
        })
    };
    let unused = || panic!("made again");
    let first = pack_keyed("base", &["libc6 2.36"], Packing::default(), &cache, make).unwrap();
    let second =
        pack_keyed::<OciError>("base", &["libc6 2.36"], Packing::default(), &cache, unused);
    assert_eq!(second.unwrap(), first);
}
