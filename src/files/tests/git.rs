//! A walk with nothing but `.gitignore` files keeps what git would add.

use std::process::Command;

use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::properties::{lines, paths};
use super::*;

/// Runs git without any configuration of the machine; nothing if there is no git.
fn git(dir: &Path, home: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args([
            "-c",
            "core.excludesFile=/dev/null",
            "-c",
            "core.quotePath=false",
        ])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home)
        .env_remove("GIT_DIR")
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout).unwrap())
}

/// How many trees are asked for.
fn more_trees() -> Option<u32> {
    std::env::var_os("SLIMBUILD_GIT_TREES")?
        .to_str()?
        .parse()
        .ok()
}

const NAMES: &[&str] = &[
    "a", "b", "ab", "dist", "a.log", "b.ts", "{a,b}", "x y", "é", "#a", "!a", "*", "[a]", "a-",
    "\\a", "A", "1",
];
const TOKENS: &[&str] = &[
    "a",
    "b",
    "a",
    "dist",
    "*",
    "**",
    "/",
    "/",
    "!",
    "?",
    "*.log",
    ".ts",
    "[ab]",
    "[!a]",
    "{a,b}",
    "{",
    " ",
    "é",
    "\\*",
    "\\!a",
    "\\#a",
    "#",
    "\r",
    "[",
    "]",
    "-",
    "^",
    "[^",
    "[:alpha:]",
    "[[:digit:]]",
    "\\",
];
const DIRS: &[&str] = &[
    "", "a/", "b/", "a/b/", "ws/", "ws/a/", "ws/b/", "ws/a/b/", "ws/dist/",
];

proptest! {
    // Always the same trees, so that what git's next version does otherwise is no business of other
    // changes; SLIMBUILD_GIT_TREES=N takes N others.
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: if more_trees().is_some() { RngSeed::Random } else { RngSeed::Fixed(1) },
        ..ProptestConfig::with_cases(more_trees().unwrap_or(48))
    })]

    #[test]
    fn keeps_what_git_would_add(
        files in paths(NAMES),
        ignores in btree_map(prop::sample::select(DIRS), lines(TOKENS), 1..4),
    ) {
        let (dir, home) = (tree(&[]), tree(&[]));
        if git(dir.path(), home.path(), &["init", "--quiet", "--template="]).is_none() {
            return Ok(());
        }
        for file in &files {
            write(dir.path(), file, "");
            write(dir.path(), &format!("ws/{file}"), "");
        }
        for (below, text) in &ignores {
            // a file of the tree may have the directory's name
            if dir.path().join(below).is_dir() {
                write(dir.path(), &format!("{below}.gitignore"), text);
            }
        }
        for root in [dir.path().to_path_buf(), dir.path().join("ws")] {
            // a root that is ignored itself is treated as if it were no part of the repository
            if root != dir.path() && git(dir.path(), home.path(), &["check-ignore", "--quiet", "ws"]).is_some() {
                continue;
            }
            let listed = git(&root, home.path(), &["ls-files", "--others", "--cached", "--exclude-standard", "-z"]).unwrap();
            let mut expected: Vec<&str> = listed.split_terminator('\0').collect();
            expected.sort_unstable();
            let walk = walk_all(&root, &rules(&root, &[], &[])).unwrap();
            prop_assert_eq!(names(&walk), expected, "{}", root.display());
        }
    }
}
