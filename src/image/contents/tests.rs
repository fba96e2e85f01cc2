//! Owners of files, and layers over each other.

use insta::assert_snapshot;

use super::*;

/// A layer of entries: `path` is a file of so many bytes, `path/` a directory, `-path` a whiteout,
/// `!path` an opaque directory. A file may say something.
fn layer(entries: &[(&str, u64, &str)]) -> ReadLayer {
    let entries: Vec<Entry> = entries.iter().map(entry).collect();
    let inside: u64 = entries.iter().map(|entry| entry.weight.unpacked).sum();
    ReadLayer {
        diff_id: Digest::of(b"tar"),
        // As if each entry had a header, and the tar an end.
        weight: weight(inside + 512 * entries.len() as u64 + 1024),
        entries,
    }
}

fn weight(bytes: u64) -> Weight {
    Weight {
        unpacked: bytes,
        compressed: Some(bytes / 2),
    }
}

fn entry((path, bytes, said): &(&str, u64, &str)) -> Entry {
    let (kind, path) = match (path.chars().next(), path.strip_suffix('/')) {
        (Some('-'), _) => (EntryKind::Whiteout, &path[1..]),
        (Some('!'), _) => (EntryKind::Opaque, &path[1..]),
        (_, Some(directory)) => (EntryKind::Directory, directory),
        _ => (EntryKind::File, *path),
    };
    let word = |words: &str, at: usize| words.split('@').nth(at).map(str::to_owned);
    let said = match *said {
        "" => None,
        text if path.ends_with("package.json") => Some(Said::Manifest(Box::new(Manifest {
            name: word(text, 0)
                .filter(|name| name != "-")
                .map(|name| name.replace('~', "@")),
            version: word(text, 1),
            ..Manifest::default()
        }))),
        text => Some(Said::Text(text.to_owned())),
    };
    Entry {
        path: path.to_owned(),
        kind,
        weight: weight(*bytes),
        said,
        digest: None,
    }
}

/// A line for each owner, with its bytes.
fn owners(layers: &[ReadLayer], places: &Places) -> String {
    let contents = Contents::new(layers, places);
    let mut lines: Vec<String> = contents
        .owners
        .iter()
        .enumerate()
        .map(|(at, owner)| {
            let files = contents.files.iter().filter(|file| file.owner == at);
            let weight: Weight = files.map(|file| file.weight).sum();
            format!("{:?} {} {}", owner.kind, owner.label(), weight.unpacked)
        })
        .collect();
    lines.sort();
    let inside: Weight = contents.files.iter().map(|file| file.weight).sum();
    let archive: Weight = contents.layers.iter().map(|layer| layer.archive).sum();
    assert_eq!((inside + archive).unpacked, contents.weight().unpacked);
    assert_eq!(
        contents.weight(),
        layers.iter().map(|layer| layer.weight).sum()
    );
    lines.join("\n")
}

fn places(working_dir: &str) -> Places {
    Places {
        working_dir: working_dir.to_owned(),
        node: Some("22.11.0".to_owned()),
        ..Places::default()
    }
}

/// A base with node, npm, and a package of Debian's.
fn base() -> ReadLayer {
    layer(&[
        ("usr/bin/dash", 10, ""),
        ("usr/lib/x86_64-linux-gnu/libc.so.6", 100, ""),
        ("etc/hosts", 1, ""),
        ("nodejs/bin/node", 1000, ""),
        (
            "usr/local/lib/node_modules/npm/package.json",
            3,
            "npm@10.9.0",
        ),
        (
            "usr/local/lib/node_modules/npm/node_modules/a/index.js",
            7,
            "",
        ),
        (
            "var/lib/dpkg/status.d/libc6",
            2,
            "Package: libc6\nVersion: 2.36\n",
        ),
        (
            "var/lib/dpkg/status.d/libc6.md5sums",
            4,
            "0  lib/x86_64-linux-gnu/libc.so.6\n",
        ),
    ])
}

/// Modules as pnpm lays them out, and packages of the workspace.
fn modules() -> ReadLayer {
    let modules = "app/node_modules/.pnpm/";
    let path = |rest: &str| format!("{modules}{rest}");
    let files = [
        (
            "fastify@5.2.0/node_modules/fastify/package.json",
            5,
            "fastify@5.2.0",
        ),
        ("fastify@5.2.0/node_modules/fastify/lib/index.js", 50, ""),
        (
            "fastify@5.2.0/node_modules/fastify/lib/package.json",
            1,
            "-",
        ),
        // Code that prisma has made: no manifest.
        (
            "@prisma+client@6.1.0_x@1/node_modules/.prisma/client/index.js",
            9,
            "",
        ),
        // An alias: the manifest counts.
        (
            "real@1.0.0/node_modules/alias/package.json",
            2,
            "real@1.0.0",
        ),
        // A package inside of a package.
        (
            "a@1.0.0/node_modules/a/node_modules/b/package.json",
            3,
            "b@2.0.0",
        ),
        ("a@1.0.0/node_modules/a/node_modules/b/index.js", 30, ""),
        // A copy of a package of the workspace.
        (
            "@shop+events@file+packages+events/node_modules/@shop/events/package.json",
            4,
            "~shop/events@0.0.0",
        ),
        ("bare@3.0.0/node_modules/bare/index.js", 8, ""),
    ];
    let files: Vec<(String, u64, &str)> = files
        .map(|(rest, bytes, said)| (path(rest), bytes, said))
        .into();
    let mut files: Vec<(&str, u64, &str)> = files
        .iter()
        .map(|(path, bytes, said)| (path.as_str(), *bytes, *said))
        .collect();
    files.extend([
        ("app/package.json", 1, "shop"),
        (
            "app/packages/catalog/package.json",
            1,
            "~shop/catalog@1.0.0",
        ),
        ("app/packages/catalog/dist/index.js", 20, ""),
        ("app/apps/server/package.json", 1, "~shop/server"),
        ("app/apps/server/dist/main.js", 40, ""),
        ("app/apps/server/dist/package.json", 1, "-"),
        ("app/apps/server/node_modules/.modules.yaml", 6, ""),
        ("srv/data", 11, ""),
    ]);
    layer(&files)
}

#[test]
fn each_file_has_the_owner_that_its_path_tells() {
    let layers = [base(), modules()];
    assert_snapshot!(owners(&layers, &places("app/apps/server")), @"
    App the app 59
    Node node@22.11.0 1000
    Node npm@10.9.0 10
    Other files of no package 11
    Package @prisma/client@6.1.0 9
    Package b@2.0.0 33
    Package bare@3.0.0 8
    Package fastify@5.2.0 56
    Package real@1.0.0 2
    System libc6@2.36 106
    Workspace @shop/catalog 21
    Workspace @shop/events 4
    Workspace shop 1
    ");
    // The workspace knows better which one the app is.
    let of_workspace = Places {
        app: Some("packages/catalog".to_owned()),
        ..places("app")
    };
    let told = owners(&layers, &of_workspace);
    assert!(told.contains("App the app 32"), "{told}");
    assert!(told.contains("Workspace @shop/server"), "{told}");
}

#[test]
fn the_workspace_knows_directories_whose_manifests_are_not_read() {
    let layers = [layer(&[
        ("app/packages/catalog/dist/index.js", 20, ""),
        ("app/packages/catalog-more/index.js", 10, ""),
        ("app/apps/server/dist/main.js", 40, ""),
    ])];
    let of_workspace = Places {
        app: Some("apps/server".to_owned()),
        directories: [
            ("packages/catalog", "@shop/catalog"),
            ("apps/server", "@shop/server"),
        ]
        .map(|(dir, name)| (dir.to_owned(), name.to_owned()))
        .into(),
        ..places("app/apps/server")
    };
    assert_snapshot!(owners(&layers, &of_workspace), @"
    App the app 50
    Workspace @shop/catalog 20
    ");
    assert_snapshot!(owners(&layers, &places("app/apps/server")), @"App the app 70");
}

#[test]
fn an_image_without_packages_has_an_app_too() {
    let layers = [layer(&[
        ("app/index.html", 5, ""),
        ("lib/ld-musl-x86_64.so.1", 9, ""),
        (
            "lib/apk/db/installed",
            1,
            "P:musl\nV:1.2\nF:lib\nR:ld-musl-x86_64.so.1\n",
        ),
    ])];
    assert_snapshot!(owners(&layers, &places("")), @"
    App the app 5
    Other files of no package 1
    System musl@1.2 9
    ");
    let contents = Contents::new(&layers, &places(""));
    assert_eq!(contents.musl, Some(true));
    let nothing = Contents::new(&[], &places(""));
    assert_eq!((nothing.musl, nothing.weight()), (None, Weight::NONE));
}

#[test]
fn what_a_later_layer_replaces_or_removes_is_hidden() {
    let layers = [
        layer(&[
            ("a/", 0, ""),
            ("a/kept", 1, ""),
            ("a/replaced", 2, ""),
            ("b/removed", 4, ""),
            ("b-sibling", 8, ""),
            ("c/below", 16, ""),
            ("d/deep/er", 32, ""),
            ("e", 64, ""),
            ("f/x", 128, ""),
        ]),
        layer(&[
            // A directory over a directory hides nothing.
            ("a/", 0, ""),
            ("a/replaced", 256, ""),
            ("-b", 0, ""),
            ("b/new", 512, ""),
            // A file over a directory, and a directory over a file.
            ("c", 1024, ""),
            ("!d", 0, ""),
            ("d/new", 2048, ""),
            ("e/", 0, ""),
            // What removes something of its own layer removes only what is below.
            ("f/y", 4096, ""),
            ("-f/x", 0, ""),
            ("-f/y", 0, ""),
            // Twice in one layer.
            ("g", 8192, ""),
            ("g", 16384, ""),
        ]),
    ];
    let contents = Contents::new(&layers, &places(""));
    let hidden = |file: &&File| contents.owners[file.owner].kind == Kind::Hidden;
    let hidden: Vec<&str> = contents
        .files
        .iter()
        .filter(hidden)
        .map(|file| &*file.path)
        .collect();
    let expected = [
        "a/replaced",
        "b/removed",
        "c/below",
        "d/deep/er",
        "e",
        "f/x",
        "g",
    ];
    assert_eq!(hidden, expected);
    let below_root = [
        layer(&[(".hidden", 1, ""), ("z/y", 2, "")]),
        layer(&[("!", 0, ""), ("new", 4, "")]),
    ];
    let contents = Contents::new(&below_root, &places(""));
    let hidden = contents
        .files
        .iter()
        .filter(|file| contents.owners[file.owner].kind == Kind::Hidden);
    assert_eq!(hidden.count(), 2);
}

#[test]
fn unknown_compressed_bytes_stay_unknown() {
    let unknown = Weight {
        unpacked: 3,
        compressed: None,
    };
    assert_eq!((unknown + weight(4)).compressed, None);
    let rest = weight(4).without(unknown);
    assert_eq!((rest.unpacked, rest.compressed), (1, None));
    let sum: Weight = [weight(2), weight(4)].into_iter().sum();
    assert_eq!(sum, weight(6));
}
