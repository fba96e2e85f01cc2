//! What holds of any sequence of entries, over several layers.

use std::process::{Command, Stdio};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::image::oci::fuzzing::{layers, listed, written};

/// Few names, so that entries meet; and those that have a meaning, or ought to have none.
const NAMES: &[&str] = &[
    "a",
    "a",
    "a",
    "b",
    "b",
    "c",
    "d",
    "lib",
    "A",
    ".",
    "..",
    "",
    "@",
    ".wh.a",
    ".wh.b",
    ".wh.c",
    ".wh.d",
    ".wh.",
    ".wh..",
    ".wh...",
    ".wh..wh..opq",
    ".wh..wh.plnk",
    ".wh..wh..",
    "x~255",
    "x~254",
    "\\",
    "é",
    "\u{7f}\t",
];
const TARGETS: &[&str] = &[
    "/",
    ".",
    "..",
    "../..",
    "@",
    "@/",
    "@/secret",
    "@/dir",
    "/@",
    "../outside",
    "../../outside",
    "../outside/secret",
    "a",
    "b",
    "./a",
    "../a",
    "/a",
    "/a/b",
    "a/b",
    "../b/c",
    "",
    "d/../a",
    "/proc/self/root",
    "/proc/self/cwd/outside",
    "/dev/fd/3",
    "x~5000",
];
const KINDS: &[&str] = &[
    "file", "file", "file", "file", "dir", "dir", "dir", "link", "link", "link", "hard", "hard",
    "pipe", "device", "layer",
];

fn path(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    (
        vec(select(names), 1..5),
        option::weighted(0.2, select(&["/", "./", "../"][..])),
    )
        .prop_map(|(names, start)| format!("{}{}", start.unwrap_or_default(), names.join("/")))
}

/// Layers as lines.
fn lines() -> impl Strategy<Value = String> {
    let target = prop_oneof![select(TARGETS).prop_map(str::to_owned), path(NAMES)];
    let line = (select(KINDS), path(NAMES), target)
        .prop_map(|(kind, path, target)| format!("{kind} {path} {target}"));
    vec(line, 1..30).prop_map(|lines| lines.join("\n"))
}

/// Entries that mean well: a name is a directory, a file, or a link.
fn plain() -> impl Strategy<Value = Vec<String>> {
    let dirs = || vec(select(&["d", "e"][..]), 0..3);
    let line = (
        select(&["file", "dir", "link"][..]),
        dirs(),
        select(&["a", "b"][..]),
    )
        .prop_map(|(kind, mut dirs, name)| {
            let (name, target) = match kind {
                "file" => (format!("f{name}"), ""),
                "dir" => (if name == "a" { "d" } else { "e" }.to_owned(), ""),
                _ => (format!("l{name}"), "../x"),
            };
            dirs.push(&name);
            format!("{kind} {} {target}", dirs.join("/"))
        });
    vec(line, 1..20)
}

/// Files, directories and whiteouts of a layer.
fn hiding() -> impl Strategy<Value = Vec<String>> {
    let name = select(&["a", "b", "d", ".wh.a", ".wh.b", ".wh.d", ".wh..wh..opq"][..]);
    let dirs = vec(select(&["a", "b", "d"][..]), 0..3);
    let line = (dirs, name, any::<bool>()).prop_map(|(mut dirs, name, dir)| {
        dirs.push(name);
        let kind = if dir && !name.starts_with('.') {
            "dir"
        } else {
            "file"
        };
        format!("{kind} {}", dirs.join("/"))
    });
    vec(line, 1..16)
}

/// One case of so many that are wanted: `PROPTEST_CASES`, or 256.
fn config(of: u32) -> ProptestConfig {
    let all = ProptestConfig::default();
    ProptestConfig {
        failure_persistence: None,
        cases: all.cases.div_ceil(of),
        ..all
    }
}

/// What layers make, written as lines.
fn outcome(text: &str) -> Option<Vec<(PathBuf, u32, Vec<u8>)>> {
    let stage = Stage::new();
    let layers = written(text.as_bytes(), &stage.outside()).into_iter();
    let layers: Vec<ImageLayer> = layers.map(|tar| tar.keep(&stage.cache)).collect();
    let tree = stage.tree("tree");
    let unpacked = stage.unpack(&layers, &tree);
    stage.check(&tree);
    unpacked.ok().map(|()| listed(&tree))
}

proptest! {
    #![proptest_config(config(1))]

    #[test]
    fn nothing_outside_changes_or_is_read(text in lines()) {
        layers(text.as_bytes());
    }
}

proptest! {
    #![proptest_config(config(4))]

    #[test]
    fn a_whiteout_means_the_same_wherever_it_stands(
        below in hiding(),
        above in hiding(),
    ) {
        let (first, later): (Vec<String>, Vec<String>) =
            above.iter().cloned().partition(|line| line.contains(".wh."));
        let texts = [above.clone(), [first.clone(), later.clone()].concat(), [later, first].concat()]
            .map(|above| format!("{}\nlayer\n{}", below.join("\n"), above.join("\n")));
        let all = texts.map(|text| outcome(&text));
        let valid: Vec<_> = all.iter().flatten().collect();
        for pair in valid.windows(2) {
            prop_assert_eq!(pair[0], pair[1]);
        }
    }
}

proptest! {
    // A program is started for each.
    #![proptest_config(config(8))]

    #[test]
    fn what_means_well_is_as_tar_unpacks_it(lines in plain()) {
        let ours = outcome(&lines.join("\n")).unwrap();
        let stage = Stage::new();
        let mut archive = written(lines.join("\n").as_bytes(), &stage.outside())[0].0.clone();
        archive.resize(archive.len() + 1024, 0);
        let file = stage.outside().with_file_name("layer.tar");
        fs_err::write(&file, archive).unwrap();
        let theirs = stage.tree("theirs");
        let mut tar = Command::new("tar");
        tar.args(["--extract", "--same-permissions", "--no-same-owner", "--file"]).arg(&file);
        tar.arg("--directory").arg(&theirs).stdin(Stdio::null());
        let output = tar.output().unwrap();
        prop_assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // tar makes the directories on the way as the process's mask says.
        let text = |all: Vec<(PathBuf, u32, Vec<u8>)>| {
            all.into_iter().map(|(path, mode, bytes)| (path, mode & 0o170_000, bytes)).collect::<Vec<_>>()
        };
        prop_assert_eq!(text(ours), text(listed(&theirs)));
    }
}
