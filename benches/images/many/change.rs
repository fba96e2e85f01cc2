//! What a change costs where all images are in the daemon.

use std::io::Write as _;
use std::time::SystemTime;

use fs_err as fs;
use serde_json::Value;

use super::slimbuild;
use super::workspace::APPS;
use crate::Result;
use crate::tree::Tree;

const DOCKER: [&str; 2] = ["--engine", "docker"];

/// Only what changed of all.
const ALL: [&str; 4] = [
    "--all",
    "--skip-unchanged",
    "--metadata-file",
    "images.json",
];

/// One app, and nothing else is looked at.
pub(super) fn one(tree: &Tree) -> Result<f64> {
    warm(tree)?;
    let app = APPS[0].directory();
    change(tree, &format!("{app}/src/main.ts"))?;
    slimbuild(tree, &[&DOCKER[..], &[&app]].concat())
}

/// One app of all.
pub(super) fn one_of_ten(tree: &Tree, more: &[&str]) -> Result<f64> {
    warm(tree)?;
    change(tree, &format!("{}/src/main.ts", APPS[0].directory()))?;
    all(tree, more, 9)
}

/// A library that three apps use.
pub(super) fn library(tree: &Tree, more: &[&str]) -> Result<f64> {
    warm(tree)?;
    change(tree, "packages/ui/src/index.ts")?;
    all(tree, more, 7)
}

/// Has the daemon make what it lacks.
fn warm(tree: &Tree) -> Result<()> {
    slimbuild(tree, &[&DOCKER[..], &ALL].concat()).map(drop)
}

/// Builds all apps, of which so many must be unchanged.
fn all(tree: &Tree, more: &[&str], unchanged: usize) -> Result<f64> {
    let took = slimbuild(tree, &[&DOCKER[..], &ALL, more].concat())?;
    let document = fs::read(tree.path().join("images.json"))?;
    let document: Value = serde_json::from_slice(&document)?;
    let apps = document.as_object().into_iter().flatten();
    let same = apps.filter(|(_, app)| app["slimbuild.state"] == "unchanged");
    match same.count() {
        count if count == unchanged => Ok(took),
        count => Err(format!("{count} apps are unchanged, and {unchanged} should be").into()),
    }
}

/// Adds a line that no build has seen.
fn change(tree: &Tree, file: &str) -> Result<()> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(tree.path().join(file))?;
    writeln!(file, "console.log({});", now.as_nanos() % 1_000_000_007)?;
    Ok(())
}
