//! Properties of any `.dockerignore` and any `.gitignore`.

use super::dockerignore::{DockerIgnore, Inherited};
use super::gitignore::{Entry, GitIgnores};
use super::pattern::clean;

/// Files of a small tree. Some names contain special characters.
const FILES: [&str; 22] = [
    "a",
    "b",
    "ab",
    "a.log",
    "b.ts",
    "x y",
    "é",
    "#a",
    "!a",
    "*",
    "{a,b}",
    "[a]",
    "\\a",
    "d/a",
    "d/b.log",
    "d/é",
    "d/d/a",
    "d/d/ab",
    "d/!a/b",
    "dist/a",
    "dist/d/x y/[a]/b",
    "a-b/^/]",
];

fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

/// A walk that skips directories without kept files finds every kept file; line ends do not matter.
pub fn dockerignore(text: &str) {
    let parsed = DockerIgnore::parse(text);
    if !text.contains('\r') {
        let windows = DockerIgnore::parse(&text.replace('\n', "\r\n"));
        assert_eq!(parsed.is_ok(), windows.is_ok(), "{text}");
    }
    let Ok(docker) = parsed else { return };
    for file in FILES {
        let mut inherited = Inherited::default();
        let mut passed_over = None;
        for dir in parents(file) {
            let (dropped_by, below) = docker.judge(dir, &inherited);
            if dropped_by.is_some() && !docker.may_keep_below(dir) {
                passed_over = passed_over.or(Some(dir));
            }
            inherited = below;
        }
        let dropped_by = docker.judge(file, &inherited).0;
        if let (Some(dir), None) = (passed_over, dropped_by) {
            panic!("`{dir}` is passed over and `{file}` kept by\n{text}");
        }
    }
    let cleaned = clean(text);
    assert_eq!(clean(&cleaned), cleaned, "{text}");
}

/// The last line that applies to a path decides, whatever the other lines are; line ends do not
/// matter.
pub fn gitignore(text: &str) {
    let whole = GitIgnores::of_text(text);
    let windows = GitIgnores::of_text(&text.replace('\n', "\r\n"));
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The byte order mark counts only at the start of the file.
    let lines: Vec<GitIgnores> = body
        .split('\n')
        .map(|line| GitIgnores::of_text(&format!("\n{line}")))
        .collect();
    for file in FILES {
        for entry in [Entry::File, Entry::Directory] {
            let verdict = whole.verdict(file, entry);
            let last = lines
                .iter()
                .rev()
                .find_map(|line| line.verdict(file, entry));
            assert_eq!(verdict, last, "{file} by\n{text}");
            if !text.contains('\r') {
                assert_eq!(verdict, windows.verdict(file, entry), "{file} by\n{text}");
            }
        }
    }
}
