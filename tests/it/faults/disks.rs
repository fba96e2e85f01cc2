//! A full or read-only disk, at every place that slimbuild writes to: one sentence names the place,
//! and nothing half-written is left.

use std::path::Path;
use std::process::Command;

use super::scene::names;
use super::{has_base, large, said};
use crate::base::cache;
use crate::support::tree::Tree;

const FULL: (&str, &str) = ("-o size=64k", "No space left on device");
const READ_ONLY: (&str, &str) = ("-o ro", "Read-only file system");

/// Runs slimbuild with the directory `place` of the tree on such a disk.
fn on(tree: &Tree, place: &str, options: &str, arguments: &[&str]) -> String {
    let root = tree.root();
    let script = format!(
        "mount -t tmpfs {options} disk {place} || exit 99
         export TMPDIR=$PWD/tmp
         \"$@\"
         code=$?
         ls -A {place} >&2
         exit $code"
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .args(["sh", env!("CARGO_BIN_EXE_slimbuild")])
        .args(arguments)
        .current_dir(root)
        .output()
        .unwrap();
    said(&output, root)
}

#[test]
fn a_disk_that_takes_nothing_is_named_wherever_it_is() {
    if !has_base("a_disk_that_takes_nothing_is_named_wherever_it_is") {
        return;
    }
    let tree = large(1);
    for dir in ["out", "tmp"] {
        fs_err::create_dir(tree.root().join(dir)).unwrap();
    }
    let home = cache();
    let native = |more: &[&'static str]| {
        let own = ["apps/api", "--prebuilt", "--engine", "native", "-q"];
        let kept = ["--cache-dir", home.to_str().unwrap()];
        [&own[..], &kept[..], more]
            .concat()
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    // The place, its name in messages, whether it is also tried as too small, and the command that
    // writes to it.
    let table: [(&str, &str, bool, Vec<String>); 6] = [
        ("tmp", "tmp", false, native(&["-o", "out.tar"])),
        ("out", "out/api.tar", true, native(&["-o", "out/api.tar"])),
        (
            "out",
            "out/m.json",
            false,
            native(&["-o", "out.tar", "--metadata-file", "out/m.json"]),
        ),
        ("out", "out/api", true, native(&["-o", "dir=out/api"])),
        (
            "out",
            "out/context.tar",
            true,
            words(&["context", "apps/api", "--prebuilt", "-o", "out/context.tar"]),
        ),
        (
            "out",
            "out/pruned",
            true,
            words(&[
                "prune",
                "apps/api",
                "--out",
                "out/pruned",
                "--include",
                "apps/api/dist/**",
            ]),
        ),
    ];
    for (place, named, small, arguments) in &table {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let disks = [(READ_ONLY, true), (FULL, *small)];
        for ((options, cause), _) in disks.iter().filter(|(_, tried)| *tried) {
            let text = on(&tree, place, options, &arguments);
            let told = format!("{options} {arguments:?}:\n{text}");
            assert!(
                text.starts_with("exit code 4\nerror: ")
                    || text.starts_with("exit code 1\nerror: "),
                "{told}"
            );
            assert_eq!(text.matches("error:").count(), 1, "{told}");
            // If the size is known, the free space is checked first.
            let says_why = text.contains(cause) || text.contains("and the disk has room for ");
            assert!(text.contains(named) && says_why, "{told}");
            // The last line of output is what is left there.
            let left = text.lines().any(|line| {
                line.starts_with(".slimbuild") || line == "api.tar" || line == "pruned"
            });
            assert!(!left, "{told}");
            assert!(!Path::new(&tree.root().join("out.tar")).exists(), "{told}");
        }
    }
    assert_eq!(names(&tree.root().join("out")), [""; 0]);
}

#[test]
fn memory_that_is_full_is_done_without() {
    if !has_base("memory_that_is_full_is_done_without") {
        return;
    }
    let tree = large(1);
    fs_err::create_dir(tree.root().join("tmp")).unwrap();
    let home = cache();
    let arguments = [
        "apps/api",
        "--prebuilt",
        "--engine",
        "native",
        "-q",
        "--no-cache",
        "--cache-dir",
    ];
    let text = on(
        &tree,
        "/dev/shm",
        "-o size=64k",
        &[&arguments[..], &[home.to_str().unwrap()]].concat(),
    );
    assert!(text.starts_with("exit code 0\n"), "{text}");
    assert_eq!(names(&tree.root().join("tmp")), [""; 0]);
}
