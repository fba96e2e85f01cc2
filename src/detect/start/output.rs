//! The build output to start in place of a source that scripts or the manifest name.

use std::collections::BTreeSet;

use super::candidate::{self, Candidate};
use super::locate::{locate, with_extension};
use super::{Start, from_candidate, plain_file};
use crate::detect::loader;
use crate::detect::script::Command;
use crate::detect::subject::Subject;
use crate::detect::tsc::Writes;

/// Whether the build may write something to start. Commands that only check or generate do not.
fn makes(subject: &Subject<'_>) -> bool {
    let only_checks = ["tsc", "prisma", "eslint", "biome", "echo"];
    let mut build = subject.build().into_iter();
    build.any(|command| !only_checks.contains(&command.program()))
}

/// The build output of a TypeScript source that the manifest names as `main` or `bin`, as packages
/// do that others read as sources.
pub(super) fn output_of(
    subject: &Subject<'_>,
    source: &Candidate,
    writes: &Writes,
) -> Option<Start> {
    let stem = source.file.strip_suffix(".ts")?;
    if source.by_script || stem.ends_with(".d") {
        return None;
    }
    let name = stem.rsplit('/').next()?;
    let file = match writes {
        Writes::Known(outputs) => of_source(stem, outputs)?.clone(),
        Writes::Unknown if subject.build().iter().any(bundles) => format!("dist/{name}.js"),
        Writes::Unknown => return None,
    };
    let mut start = from_candidate(source, file, true);
    start.warnings.push(format!(
        "{} names `{}`, a source: the image starts `{}`, which the build is taken to write (`--entry` names another)",
        source.reason, source.file, start.entry
    ));
    Some(start)
}

/// Scripts that start an app for those who work on it.
const DEV_SCRIPTS: [&str; 2] = ["dev", "start:dev"];

/// The build output of the source that developers start. It stands in for a `main` that exists
/// nowhere, as `npm init` writes one into every manifest.
fn of_developers(subject: &Subject<'_>, missing: &Candidate, writes: &Writes) -> Option<Start> {
    let (Writes::Known(outputs), false) = (writes, missing.by_script) else {
        return None;
    };
    let watched = candidate::of_watchers(subject, &DEV_SCRIPTS);
    let sources = watched
        .into_iter()
        .chain(candidate::of_scripts(subject, &DEV_SCRIPTS));
    sources.into_iter().find_map(|source| {
        let file = of_source(source.file.strip_suffix(".ts")?, outputs)?.clone();
        let mut start = from_candidate(&plain_file(&file, source.reason.clone()), file, true);
        start.warnings.push(format!(
            "{} starts `{}`, which the build does not write: `{}` is taken, whose source {} starts (`--entry` names another)",
            missing.reason, missing.file, start.entry, source.reason
        ));
        Some(start)
    })
}

/// What the build writes in place of a file that is nowhere.
pub(super) fn instead(
    subject: &Subject<'_>,
    missing: &Candidate,
    writes: &Writes,
) -> Option<Start> {
    let elsewhere = written_elsewhere(missing, writes);
    let near = |start: &&Start| start.entry.split('/').rev().skip(1).all(is_plain);
    match elsewhere.as_ref().filter(near) {
        Some(_) => elsewhere,
        None => of_developers(subject, missing, writes).or(elsewhere),
    }
}

/// Whether a directory says nothing about the files in it.
fn is_plain(directory: &str) -> bool {
    ["dist", "build", "lib", "out", "src"].contains(&directory)
}

/// The named file is written elsewhere by the compiler. If there is a single output of that name,
/// it must be meant.
fn written_elsewhere(candidate: &Candidate, writes: &Writes) -> Option<Start> {
    let Writes::Known(outputs) = writes else {
        return None;
    };
    let file = with_extension(&candidate.file);
    let name = format!("/{}", file.rsplit('/').next().unwrap_or_default());
    let alike: Vec<&String> = outputs
        .iter()
        .filter(|output| output.ends_with(&name))
        .collect();
    let [only] = alike[..] else { return None };
    let mut start = from_candidate(candidate, only.clone(), true);
    start.warnings.push(format!(
        "{} starts `{}`, which the build does not write: it writes `{only}`",
        candidate.reason, candidate.file
    ));
    Some(start)
}

/// What a compiler makes of a source, which is named without its ending: below the output's directory,
/// with or without that of the sources.
fn of_source<'o>(stem: &str, outputs: &'o BTreeSet<String>) -> Option<&'o String> {
    let ending = format!("/{}.js", stem.strip_prefix("src/").unwrap_or(stem));
    let all = outputs.iter().filter(|output| output.ends_with(&ending));
    all.min_by_key(|output| output.len())
}

/// Whether a command is a bundler that writes to `dist` by default.
fn bundles(command: &Command) -> bool {
    let bundlers = [
        "tsup",
        "tsdown",
        "unbuild",
        "pkgroll",
        "bunchee",
        "microbundle",
    ];
    bundlers.contains(&command.program())
}

/// The build output of a source that a loader starts, if the loader is a dev dependency and
/// something also names the output.
pub(super) fn compiled(
    subject: &Subject<'_>,
    source: &Candidate,
    others: &[Candidate],
    writes: &Writes,
) -> Option<Start> {
    let loader = loader::for_developers(subject, &source.node_args)?;
    if *writes == Writes::Unknown && !makes(subject) {
        return None;
    }
    let built = |one: &Candidate| match locate(&one.file, subject.files, writes) {
        Some((file, true)) => Some(from_candidate(one, file, true)),
        _ => None,
    };
    let mut start = others.iter().find_map(built)?;
    start.warnings.push(format!(
        "{} starts `{}` through {loader}, a dev dependency: the build's `{}` is taken",
        source.reason, source.file, start.entry
    ));
    Some(start)
}
