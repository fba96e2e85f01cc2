//! What holds for every tree and every set of rules.

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Paths of files, none of which is a directory of another.
pub(super) fn paths(names: &'static [&'static str]) -> impl Strategy<Value = BTreeSet<String>> {
    btree_set(
        vec(select(names), 1..5).prop_map(|parts| parts.join("/")),
        1..16,
    )
    .prop_map(|paths| {
        let is_dir = |path: &str| {
            paths.iter().any(|other| {
                other
                    .strip_prefix(path)
                    .is_some_and(|rest| rest.starts_with('/'))
            })
        };
        paths.iter().filter(|path| !is_dir(path)).cloned().collect()
    })
}

/// Lines put together of such tokens.
pub(super) fn lines(tokens: &'static [&'static str]) -> impl Strategy<Value = String> {
    vec(
        vec(select(tokens), 1..5).prop_map(|tokens| tokens.concat()),
        0..5,
    )
    .prop_map(|lines| lines.join("\n"))
}

const NAMES: &[&str] = &[
    "a",
    "b",
    "apps",
    "x",
    "a.b",
    "dist",
    "node_modules",
    ".env",
    ".env.local",
    ".git",
    ".npmrc",
    ".turbo",
    "t.tsbuildinfo",
];
const TOKENS: &[&str] = &[
    "a",
    "b",
    "apps",
    "x",
    "*",
    "**",
    "/",
    "!",
    "?",
    "dist",
    "[ab]",
    ".env",
    "node_modules",
];
const GLOBS: &[&str] = &[
    "**",
    "a",
    "apps/*",
    "*/x",
    "**/.env",
    "node_modules",
    "**/node_modules/**",
    ".git/**",
    "{a,b}/**/x",
    "**/dist",
];

fn is_barred(path: &str) -> bool {
    let barred = |name: &str| {
        matches!(
            name,
            "node_modules" | ".git" | ".npmrc" | ".turbo" | "t.tsbuildinfo"
        ) || name.starts_with(".env")
    };
    path.split('/').any(barred)
}

fn kept(dir: &TempDir, include: &[&str], exclude: &[&str]) -> Option<Walk> {
    // random lines may be no patterns
    let owned = |globs: &[&str]| globs.iter().map(ToString::to_string).collect::<Vec<_>>();
    let rules = Rules::load(dir.path(), &owned(include), &owned(exclude)).ok()?;
    Some(walk_all(dir.path(), &rules).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn a_walk_depends_on_the_tree_alone_and_never_keeps_what_is_barred(
        paths in paths(NAMES),
        git in lines(TOKENS),
        docker in lines(TOKENS),
        include in vec(select(GLOBS), 0..3),
        exclude in vec(select(GLOBS), 0..2),
    ) {
        let (one, other) = (tree(&[]), tree(&[]));
        for path in &paths {
            write(one.path(), path, "");
        }
        for path in paths.iter().rev() {
            write(other.path(), path, "");
        }
        for dir in [&one, &other] {
            write(dir.path(), ".gitignore", &git);
            write(dir.path(), ".dockerignore", &docker);
        }
        let walk = kept(&one, &include, &exclude);
        prop_assert_eq!(&walk, &kept(&other, &include, &exclude));
        let Some(walk) = walk else { return Ok(()) };

        prop_assert!(walk.files.is_sorted_by(|a, b| a.path.as_str().as_bytes() < b.path.as_str().as_bytes()));
        prop_assert!(walk.dropped.is_sorted_by(|a, b| a.path.as_str().as_bytes() < b.path.as_str().as_bytes()));
        for file in &walk.files {
            prop_assert!(!is_barred(file.path.as_str()), "{}", file.path);
        }
        // each file is either kept or accounted for, and none is both
        for text in &paths {
            let file = path(text);
            let is_kept = walk.files.iter().any(|kept| kept.path == file);
            let is_dropped = walk.dropped.iter().any(|dropped| file.is_within(&dropped.path));
            let is_silent = text.split('/').any(|name| matches!(name, "node_modules" | ".git"));
            prop_assert!(is_kept != (is_dropped || is_silent), "{text}");
        }
        // asking about one file says the same as walking
        let owned = |globs: &[&str]| globs.iter().map(ToString::to_string).collect::<Vec<_>>();
        let rules = Rules::load(one.path(), &owned(&include), &owned(&exclude)).unwrap();
        for text in &paths {
            let is_kept = walk.files.iter().any(|kept| kept.path.as_str() == text);
            prop_assert_eq!(rules.file(&path(text)).unwrap() == Verdict::Keep, is_kept, "{}", text);
        }
    }

    #[test]
    fn an_exception_keeps_one_directory_and_nothing_else(paths in paths(NAMES)) {
        let dir = tree(&[(".dockerignore", "*\n!apps/x\n")]);
        for path in &paths {
            write(dir.path(), path, "");
        }
        let expected: Vec<String> =
            paths.into_iter().filter(|path| path == "apps/x" || path.starts_with("apps/x/")).filter(|path| !is_barred(path)).collect();
        prop_assert_eq!(names(&kept(&dir, &[], &[]).unwrap()), expected);
    }
}
