//! The packages of the image: their unchanged files, and the outputs of their builds.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::files::{self, Found, LeftOut, Wanted};
use super::trim::Spare;
use super::{Built, PrebuiltError};
use crate::files::tree::Tree;
use crate::model::path::RepoPath;
use crate::plan::{Content, ContextEntry, ImagePackage, Place, Plan};

/// The entries of all packages, each at its place.
pub(super) fn entries(
    plan: &Plan,
    tree: &Tree,
    built: Built,
    spare: &Spare,
    left_out: &mut LeftOut,
) -> Result<Vec<ContextEntry>, PrebuiltError> {
    let mut entries = Vec::new();
    for package in &plan.image_packages {
        let place = if package.dir == plan.app.dir {
            Place::App
        } else {
            Place::Packages
        };
        let mut paths: BTreeSet<&RepoPath> = BTreeSet::new();
        for entry in of(plan, Place::kept(&package.dir), &package.dir) {
            entries.push(entry.at(place));
            paths.insert(&entry.path);
        }
        if package.stage.is_none() {
            continue;
        }
        let written = written(plan, package, tree, built, left_out)?;
        check(plan, package, tree, &written, &paths, built)?;
        for found in written {
            let path = &found.file.path;
            if !paths.contains(path) && !spare.files.contains(path.as_str()) {
                let why = "the package's build wrote it";
                entries.push(ContextEntry::source(place, &found.file, why));
            }
        }
    }
    Ok(entries)
}

/// The files of a package in one place of the context.
fn of<'p>(
    plan: &'p Plan,
    place: Place,
    dir: &'p RepoPath,
) -> impl Iterator<Item = &'p ContextEntry> {
    let all = plan.context().iter();
    all.filter(move |entry| entry.place == place && entry.path.is_within(dir))
}

/// The files that a package's build wrote.
fn written(
    plan: &Plan,
    package: &ImagePackage,
    tree: &Tree,
    built: Built,
    left_out: &mut LeftOut,
) -> Result<Vec<Found>, PrebuiltError> {
    let outputs = &package.outputs;
    let (not, globs): (Vec<&str>, Vec<&str>) = outputs
        .entries
        .iter()
        .chain(&outputs.globs)
        .map(String::as_str)
        .partition(|glob| glob.starts_with('!'));
    let not = files::glob_set(not.iter().map(|glob| &glob[1..]));
    let globs = files::glob_set(globs.into_iter());
    let wanted = Wanted {
        modules: files::Modules::None,
        outputs: true,
        globs: (built == Built::Once).then_some((&globs, &not)),
    };
    let mut found = files::below(tree, &package.dir, &wanted, left_out)?;
    // The output globs may also match sources that only the build needs, and other packages.
    let sources: BTreeSet<&RepoPath> = of(plan, Place::read(&package.dir), &package.dir)
        .map(|entry| &entry.path)
        .collect();
    found.retain(|found| {
        let path = &found.file.path;
        let output = match built {
            Built::Once => !sources.contains(path),
            Built::Since(time) => found.written.is_some_and(|at| at > time),
        };
        output && !package.nested.iter().any(|dir| path.is_within(dir))
    });
    Ok(found)
}

/// Checks that a build's output exists and is not older than its sources.
fn check(
    plan: &Plan,
    package: &ImagePackage,
    tree: &Tree,
    written: &[Found],
    kept: &BTreeSet<&RepoPath>,
    built: Built,
) -> Result<(), PrebuiltError> {
    let not_built = |path: RepoPath| PrebuiltError::NotBuilt {
        package: package.name.clone(),
        path,
        command: command(plan),
    };
    let start = plan
        .delivery
        .written()
        .filter(|_| package.dir == plan.app.dir);
    if let Some((path, _)) = start {
        let path = package.dir.join(path).unwrap_or_default();
        let there = written.iter().any(|found| found.file.path == path);
        if !there && !kept.contains(&path) {
            return Err(not_built(path));
        }
    }
    if built != Built::Once {
        return Ok(());
    }
    let lacking = package.outputs.entries.iter().find_map(|top| {
        let path = package.dir.join(top).ok()?;
        let there = tree.link_metadata(&path).is_ok();
        (!there).then_some(path)
    });
    // A package without any output is not built. One that lacks some outputs may never have had
    // them.
    if let Some(path) = lacking.filter(|_| written.is_empty()) {
        return Err(not_built(path));
    }
    // Files that the image gets unchanged need not be sources of the build.
    let inputs = of(plan, Place::read(&package.dir), &package.dir);
    let inputs = inputs.filter_map(|entry| match &entry.content {
        Content::Source { path, .. } => Some((changed(tree, path)?, path)),
        Content::Made { .. } | Content::Packed { .. } => None,
    });
    let newest = inputs.max_by_key(|(changed, _)| *changed);
    let last = written.iter().filter_map(|found| found.changed).max();
    if let (Some((changed, input)), Some(last)) = (newest, last)
        && changed > last
    {
        return Err(PrebuiltError::Stale {
            package: package.name.clone(),
            input: input.clone(),
            command: command(plan),
        });
    }
    Ok(())
}

/// When a file was changed; manifests are ignored, since tools rewrite them at every install and
/// release.
fn changed(tree: &Tree, path: &RepoPath) -> Option<SystemTime> {
    if path.file_name() == Some("package.json") {
        return None;
    }
    tree.link_metadata(path).ok()?.modified
}

/// The command that builds the app.
pub(super) fn command(plan: &Plan) -> String {
    if plan.app.dir.is_root() {
        // turbo runs no script of the root's that turbo.json does not name.
        return "pnpm run build".to_owned();
    }
    format!("pnpm turbo run build --filter={}", plan.app.name)
}
