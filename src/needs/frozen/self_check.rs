//! Checks our own work: a pruned lockfile must be complete.

use std::collections::BTreeSet;

use crate::lockfile::reachable::Reach;
use crate::lockfile::{Lockfile, LockfileError, Text};
use crate::model::path::RepoPath;

/// Checks that a pruned lockfile in `dir` is readable, has an importer for each of these keys, and
/// an entry for every reference. (The lockfile of a single project has only its importer.)
pub fn check(
    dir: &RepoPath,
    text: &str,
    importers: &BTreeSet<String>,
) -> Result<(), LockfileError> {
    let text = Text::from(text);
    let lockfile = Lockfile::read(dir.clone(), &text)?;
    let single = lockfile.section("importers").is_none();
    if let Some(missing) = importers
        .iter()
        .find(|key| !(single && *key != ".") && lockfile.importer(key).is_none())
    {
        return Err(LockfileError::NoImporter(missing.clone()));
    }
    let mut reach = Reach::new(&lockfile);
    for importer in lockfile.importers() {
        for dependency in &importer.dependencies {
            reach.follow(importer, dependency)?;
        }
    }
    Ok(())
}
