//! On a terminal, slimbuild asks which app is meant.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::daemon::skipped;
use crate::support::program::PROGRAM;
use crate::support::tree::{Tree, repository};

/// Runs slimbuild on a terminal of its own, and types keys when it asks.
fn on_a_terminal(directory: &Path, keys: &str, arguments: &[&str]) -> Option<Output> {
    let output = Command::new("python3")
        .arg(repository().join("tests/it/support/terminal.py"))
        .args(["Which app?", keys, PROGRAM])
        .args(arguments)
        .current_dir(directory)
        .env_remove("CI")
        .env("TERM", "xterm")
        .output();
    output.ok()
}

#[test]
fn the_app_that_is_chosen_is_built() {
    let tree = Tree::shop();
    let test = "the_app_that_is_chosen_is_built";
    let run = |keys: &str, arguments: &[&str]| {
        let output = on_a_terminal(tree.root(), keys, arguments)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        Some((output.status.code(), said))
    };
    // Letters filter, and Enter chooses.
    let Some((code, said)) = run("work\r", &["--dry-run"]) else {
        return skipped("no python3", test);
    };
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("slimbuild apps/worker"), "{said}");
    assert!(
        said.contains("COPY run/apps/worker/ apps/worker/"),
        "{said}"
    );
    // Escape.
    let (code, said) = run("\u{1b}", &["--dry-run"]).unwrap();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("which app?"), "{said}");
    // Ctrl-C.
    let (code, said) = run("\u{3}", &["--dry-run"]).unwrap();
    assert_eq!(code, Some(130), "{said}");
    // Somebody who reads lines or JSON is not asked.
    for mode in ["plain", "json"] {
        let (code, said) = run("\r", &["--progress", mode]).unwrap();
        assert_eq!(code, Some(2), "{said}");
        assert!(!said.contains("Which app?"), "{said}");
    }
}
