use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::lockfile::keys::package_key;
use crate::lockfile::prune::{Kept, prune};
use crate::lockfile::reachable::Reach;
use crate::lockfile::{Lockfile, Text};
use crate::model::path::RepoPath;

/// A workspace's lockfile as pnpm 12.21 wrote it in format 13.0, and the same in format 9.0.
fn twins() -> (String, String) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/prune/lockfile-13");
    let read = |file: &str| fs_err::read_to_string(dir.join(file)).unwrap();
    (read("in/pnpm-lock.yaml"), read("format-9.yaml"))
}

/// A package and its peers, each with its own version alone.
type Node = (String, BTreeSet<String>);

/// What each project of a lockfile reaches.
fn reached(text: &str) -> BTreeMap<String, BTreeSet<Node>> {
    let text = Text::from(text);
    let lockfile = Lockfile::read(RepoPath::ROOT, &text).unwrap();
    let of_project = |importer: &crate::lockfile::Importer<'_>| {
        let mut reach = Reach::new(&lockfile);
        for dependency in &importer.dependencies {
            reach.follow(importer, dependency).unwrap();
        }
        let nodes = lockfile.nodes().iter().enumerate();
        let nodes = nodes.filter(|(at, _)| reach.node(*at).is_some());
        nodes.map(|(_, entry)| node(&entry.key)).collect()
    };
    let all = lockfile.importers().iter();
    all.map(|importer| (importer.key.to_string(), of_project(importer)))
        .collect()
}

fn node(key: &str) -> Node {
    let package = package_key(key);
    let (mut peers, mut depth, mut peer) = (BTreeSet::new(), 0, String::new());
    for letter in key[package.len()..].chars() {
        match letter {
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    peers.insert(std::mem::take(&mut peer));
                }
            }
            _ if depth == 1 => peer.push(letter),
            _ => {}
        }
    }
    // The hash of a patch is no peer.
    peers.retain(|peer| !peer.starts_with("patch_hash="));
    (package.to_owned(), peers)
}

#[test]
fn it_means_what_pnpm_writes_as_format_9() {
    let (ours, theirs) = twins();
    assert_eq!(reached(&ours), reached(&theirs));
}

#[test]
fn errors_say_where() {
    let (text, _) = twins();
    let error = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let text = Text::from(text.replacen(from, to, 1));
        let error = Lockfile::read(RepoPath::ROOT, &text).unwrap_err();
        error.to_string()
    };
    let expected = [
        (
            "\"lockfileVersion\": \"13.0\"",
            "\"lockfileVersion\": \"14.0\"",
            "has format 14.0",
        ),
        (
            "\"projects\": {",
            "\"projects\": [",
            "is not what pnpm writes there",
        ),
        (
            "\"ms\": \"2.1.3\"",
            "\"ms\": \"2.1.4\"",
            "`packages` has no `ms@2.1.4`",
        ),
        (
            "\"ms\": \"2.1.3\"",
            "\"ms\": \"catalog:\"",
            "it records no `ms` of the catalog `default`",
        ),
        (
            "\"opt\": \"workspace:^\"",
            "\"none\": \"workspace:^\"",
            "no project of the file has the name `none`",
        ),
        (
            "\"ms\": \"2.1.3\",",
            "\"ms\": \"2.1.3",
            "a quoted text does not end on its line",
        ),
        (
            "\"dependencies\": {",
            "\"dependencies\": {}, \"x\": {",
            "its lines for itself",
        ),
    ];
    for (from, to, words) in expected {
        let found = error(from, to);
        assert!(found.contains(words), "{from} -> {to}: {found}");
    }
}

#[test]
fn whatever_is_missing_is_an_error_or_is_pruned() {
    let (text, _) = twins();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut read = 0;
    for without in 0..lines.len() {
        let rest = [&lines[..without], &lines[without + 1..]].concat().concat();
        let text = Text::from(rest);
        let Ok(lockfile) = Lockfile::read(RepoPath::ROOT, &text) else {
            continue;
        };
        read += 1;
        let importers = lockfile.importers().iter();
        let importers = importers.map(|importer| importer.key.to_string()).collect();
        let mut reach = Reach::new(&lockfile);
        for importer in lockfile.importers() {
            for dependency in &importer.dependencies {
                reach.follow(importer, dependency).unwrap();
            }
        }
        let kept = Kept {
            importers: &importers,
            dependency: &|_, _, _| true,
        };
        let pruned = Text::from(prune(&lockfile, &kept, &reach));
        let pruned = Lockfile::read(RepoPath::ROOT, &pruned);
        assert_eq!(pruned.err(), None, "without {}", lines[without]);
    }
    assert!(read > 100, "{read}");
}
