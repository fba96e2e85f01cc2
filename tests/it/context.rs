//! The context: an archive that depends only on names, contents and executable bits of the files
//! that the rules keep.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use insta::assert_snapshot;
use tar::EntryType;

use crate::support::archive::{Entry, context, context_files, entries};
use crate::support::program::slimbuild;
use crate::support::tree::{Tree, shop};

#[test]
fn headers_are_the_same_everywhere() {
    let tree = Tree::with_odd_names();
    for (root, app) in [
        (shop(), "apps/server"),
        (tree.root().to_path_buf(), "apps/worker"),
    ] {
        let bytes = context(&root, app, &[]);
        assert!(bytes.ends_with(&[0; 1024]), "the end is marked");
        let entries = entries(&bytes);
        for entry in &entries {
            let path = &entry.path;
            assert_eq!((entry.time, entry.owner), (0, (0, 0)), "{path}");
            let mode = match entry.kind {
                EntryType::Regular if path.ends_with(".sh") => 0o755,
                EntryType::Regular => 0o644,
                EntryType::Symlink => 0o755,
                other => panic!("{path} is {other:?}"),
            };
            assert_eq!(entry.mode, mode, "{path}");
            let plain = |part: &str| !matches!(part, "" | "." | "..");
            assert!(path.split('/').all(plain), "{path}");
        }
        let paths: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths[0], "Dockerfile");
        assert!(
            paths[1..].is_sorted_by(|left, right| left < right),
            "{paths:#?}"
        );
        let mut archive = tar::Archive::new(&bytes[..]);
        for entry in archive.entries().unwrap() {
            let entry = entry.unwrap();
            let names = [
                entry.header().username_bytes(),
                entry.header().groupname_bytes(),
            ];
            assert_eq!(names, [Some(&b""[..]); 2]);
        }
    }
}

#[test]
fn every_name_arrives() {
    let tree = Tree::with_odd_names();
    let files = context_files(tree.root(), "apps/worker", &[]);
    for path in tree.files() {
        let path = path.to_str().unwrap();
        if path.starts_with("apps/worker/assets") && !path.ends_with("empty.txt") {
            assert_eq!(files[&format!("run/{path}")].text(), path);
        }
    }
    assert!(files["run/apps/worker/assets/empty.txt"].content.is_empty());
    let link = &files["run/apps/worker/start.link"];
    assert_eq!(link.link.as_deref(), Some("assets/run.sh"));
}

#[test]
fn a_file_a_directory_and_a_pipe_get_the_same() {
    let tree = Tree::with_odd_names();
    let piped = context(tree.root(), "apps/worker", &[]);
    let out = crate::support::temporary();
    let write = |target: &str| {
        let target = out.path().join(target);
        let arguments = ["context", "apps/worker", "-o", target.to_str().unwrap()];
        let outcome = slimbuild(tree.root(), &arguments);
        assert!(
            outcome.stderr.contains(" of context, "),
            "{}",
            outcome.stderr
        );
        assert!(outcome.bytes().is_empty());
        target
    };
    assert!(fs_err::read(write("context.tar")).unwrap() == piped);
    fs_err::create_dir(out.path().join("empty")).unwrap();
    for target in ["new", "new.d/", "empty"] {
        assert_eq!(
            on_disk(&write(target)),
            summary(&entries(&piped)),
            "{target}"
        );
    }
    let left: Vec<_> = fs_err::read_dir(out.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 4, "nothing half is left: {left:?}");
}

/// By path: the executable bit, and content or target.
fn summary(entries: &[Entry]) -> BTreeMap<String, (bool, String)> {
    let of = |entry: &Entry| match &entry.link {
        Some(link) => (false, link.clone()),
        None => (entry.mode == 0o755, entry.text().to_owned()),
    };
    entries
        .iter()
        .map(|entry| (entry.path.clone(), of(entry)))
        .collect()
}

fn on_disk(root: &Path) -> BTreeMap<String, (bool, String)> {
    let walk = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap);
    walk.filter(|entry| !entry.file_type().is_dir())
        .map(|entry| {
            let path = entry
                .path()
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if entry.file_type().is_symlink() {
                let target = fs_err::read_link(entry.path()).unwrap();
                return (path, (false, target.to_str().unwrap().to_owned()));
            }
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert!(matches!(mode, 0o644 | 0o755), "{path}: {mode:o}");
            (
                path,
                (mode == 0o755, fs_err::read_to_string(entry.path()).unwrap()),
            )
        })
        .collect()
}

/// The paths below `run/apps/worker/` and `src/apps/worker/`.
fn worker_files(tree: &Tree, more: &[&str]) -> Vec<String> {
    let below = |path: &String| {
        path.contains("/apps/worker/") && !path.starts_with("build/") && !path.starts_with("prod/")
    };
    context_files(tree.root(), "apps/worker", more)
        .into_keys()
        .filter(below)
        .collect()
}

#[test]
fn ignored_files_stay_out() {
    let tree = Tree::shop();
    for path in [
        "apps/worker/data/kept.json",
        "apps/worker/data/dropped.log",
        "apps/worker/data/kept.log",
        "apps/worker/cache/x.bin",
        "apps/worker/keys/private.pem",
        "apps/worker/keys/public.pem",
        "apps/worker/node_modules/croner/index.js",
        "apps/worker/data/node_modules/x.js",
        "apps/worker/.git/HEAD",
        "apps/worker/.turbo/log",
    ] {
        tree.write(path, "x");
    }
    tree.write("apps/worker/.gitignore", "*.log\n!kept.log\n/cache/\n");
    tree.append(".dockerignore", "**/keys/*.pem\n!**/keys/public.pem\n");
    assert_eq!(
        worker_files(&tree, &[]),
        [
            "run/apps/worker/data/kept.json",
            "run/apps/worker/data/kept.log",
            "run/apps/worker/keys/public.pem",
            "run/apps/worker/package.json",
            "run/apps/worker/src/main.js",
        ]
    );
}

#[test]
fn include_and_exclude_have_the_last_word() {
    let tree = Tree::shop();
    tree.append(".gitignore", "*.gen.json\n");
    tree.write("apps/worker/data/a.gen.json", "{}");
    tree.write("apps/worker/data/b.gen.json", "{}");
    tree.write("apps/worker/test/fixture.txt", "x");
    let without = worker_files(&tree, &[]);
    assert!(
        !without
            .iter()
            .any(|path| path.starts_with("run/apps/worker/data/")),
        "{without:?}"
    );
    assert!(
        !without.contains(&"run/apps/worker/test/fixture.txt".to_owned()),
        "{without:?}"
    );
    // Both are ignored by git, and for tests only; the image contains them on request.
    let included = worker_files(
        &tree,
        &[
            "--include",
            "apps/worker/data/a.gen.json",
            "--include",
            "apps/worker/test",
        ],
    );
    assert_eq!(
        included,
        [
            "run/apps/worker/data/a.gen.json",
            "run/apps/worker/package.json",
            "run/apps/worker/src/main.js",
            "run/apps/worker/test/fixture.txt",
        ]
    );
    let both = worker_files(
        &tree,
        &["--include", "apps/worker/data/*", "--exclude", "**/b.*"],
    );
    let data = |path: &&String| path.contains("/data/");
    let data: Vec<&String> = both.iter().filter(data).collect();
    assert_eq!(data, ["run/apps/worker/data/a.gen.json"]);
    let excluded = context_files(
        tree.root(),
        "apps/worker",
        &["--exclude", "packages/events/src/index.d.ts"],
    );
    assert!(!excluded.contains_key("run/packages/events/src/index.d.ts"));
}

#[test]
fn symlinks_stay_symlinks() {
    let tree = Tree::shop();
    tree.write("apps/worker/config/base.json", "{}");
    let link = |target: &str, path: &str| symlink(target, tree.root().join(path)).unwrap();
    link("base.json", "apps/worker/config/current.json");
    link("../config", "apps/worker/src/config");
    link("gone.json", "apps/worker/config/dangling.json");
    let files = context_files(tree.root(), "apps/worker", &[]);
    for (path, target) in [
        ("config/current.json", "base.json"),
        ("src/config", "../config"),
        ("config/dangling.json", "gone.json"),
    ] {
        let entry = &files[&format!("run/apps/worker/{path}")];
        assert_eq!(
            (entry.kind, entry.link.as_deref()),
            (EntryType::Symlink, Some(target))
        );
    }
}

#[test]
fn symlinks_that_leave_are_refused() {
    let refusal = |target: &str| {
        let tree = Tree::shop();
        symlink(target, tree.root().join("apps/worker/src/link")).unwrap();
        slimbuild(tree.root(), &["context", "apps/worker", "-o", "-"]).refusal(tree.root())
    };
    assert_snapshot!(refusal("/etc/passwd"), @"
    exit code 1
    error: the symlink `apps/worker/src/link` has the absolute target `/etc/passwd`

    hint: make the link relative to its directory, or leave it out with `--exclude apps/worker/src/link`
    ");
    assert_snapshot!(refusal("../../../../elsewhere"), @"
    exit code 1
    error: the symlink `apps/worker/src/link` leaves the workspace: its target is `../../../../elsewhere`

    hint: move what it leads to into the workspace, or leave the link out with `--exclude apps/worker/src/link`
    ");
    let tree = Tree::shop();
    symlink("/etc/passwd", tree.root().join("apps/worker/src/link")).unwrap();
    tree.append(".gitignore", "link\n");
    slimbuild(tree.root(), &["plan", "apps/worker"]).bytes();
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_slimbuild"))
        .args(["context", "apps/server", "-o", "-"])
        .current_dir(shop())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success(), "{:?}", output.status);
}
