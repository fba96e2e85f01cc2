//! The start command, as arguments for node: from `--entry`, the scripts, `main`, `bin` or a
//! framework's convention.

mod candidate;
mod locate;
mod output;
pub(super) mod shell;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::DetectError;
use super::program::BIN;
use super::script::words::quote;
use super::subject::Subject;
use super::tsc::{self, Writes};
use super::typescript::{self, Takes};
use crate::files::tree::Limit;
use crate::workspace::manifest::package::Manifest;
use candidate::{Candidate, of_command, of_scripts, plain_file};
use locate::locate;
use output::{compiled, instead, output_of};
pub use shell::{Shell, ShellLine};

/// How the app starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Start {
    /// The file that node runs, relative to the app's directory.
    pub entry: String,
    /// node's own flags, before the file.
    pub node_args: Vec<String>,
    /// The program's arguments, after the file.
    pub args: Vec<String>,
    /// Variables that the start script sets.
    pub env: BTreeMap<String, String>,
    /// Whether the build writes the file; otherwise it is a source.
    pub built: bool,
    /// The file from the build that `entry` loads, if `entry` is a dependency's program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loads: Option<String>,
    /// Whether it is a command of the package (`bin`): the arguments after the image's name in
    /// `docker run` are its arguments.
    pub command: bool,
    /// Why it needs a shell, if node alone is not enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Shell>,
    /// What names it.
    pub reason: String,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

impl Start {
    /// The line that starts the app, in shell syntax.
    pub fn command(&self) -> String {
        if let Some(line) = self.line() {
            return format!("sh -c {}", quote(&line.text(None)));
        }
        let words = self.node_args.iter().chain([&self.entry]).chain(&self.args);
        words.fold("node".to_owned(), |line, word| format!("{line} {word}"))
    }

    /// The line for a shell, if one runs.
    pub fn line(&self) -> Option<&ShellLine> {
        self.shell.as_ref()?.line.as_ref()
    }

    /// The names of the dependencies' programs that it runs.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        let own = self.entry.strip_prefix(BIN);
        let more = self.shell.iter().flat_map(|shell| &shell.programs);
        let more = more
            .map(String::as_str)
            .filter(move |name| own != Some(*name));
        own.into_iter().chain(more)
    }
}

/// Scripts that start an app in production, most explicit first.
pub(crate) const START_SCRIPTS: [&str; 5] =
    ["start:prod", "start:production", "prod", "start", "serve"];

/// Files that start an app if nothing names one.
const CONVENTIONS: [&str; 6] = [
    "index.js",
    "server.js",
    "src/index.js",
    "src/main.js",
    "dist/main.js",
    "dist/index.js",
];

/// Decides the start command of an app.
pub fn start(subject: &Subject<'_>) -> Result<Start, DetectError> {
    let files = subject.files;
    let member = subject.member();
    let scripts = subject.build_scripts();
    let writes = writes(subject)?;
    if let Some(wanted) = subject.entry {
        let entry = wanted.entry.trim_start_matches("./").to_owned();
        let built = !files.contains(&entry);
        if built && scripts.is_empty() {
            let (manifest, reason) = (member.manifest.file().to_owned(), wanted.reason.clone());
            return Err(DetectError::NoBuild {
                app: member.dir.clone(),
                manifest,
                entry,
                reason,
            });
        }
        return Ok(Start {
            node_args: wanted.node_args.clone(),
            args: wanted.args.clone(),
            ..named(entry, built, &wanted.reason)
        });
    }
    let candidates = candidates(subject);
    if !candidates.iter().any(|one| one.by_script)
        && let Some(error) = shell::unheeded(subject)
    {
        return Err(error);
    }
    if let Some(start) = watched(subject, &candidates, &writes) {
        return Ok(start);
    }
    let mut missing: Vec<&Candidate> = Vec::new();
    let mut refused = None;
    for (at, candidate) in candidates.iter().enumerate() {
        match locate(&candidate.file, files, &writes) {
            Some((file, false)) if !candidate.by_script && refuses(subject, &file) => {
                refused.get_or_insert((candidate, file));
            }
            Some((file, built)) => {
                let output = compiled(subject, candidate, &candidates[at..], &writes)
                    .or_else(|| output_of(subject, candidate, &writes));
                let mut start = output.unwrap_or_else(|| from_candidate(candidate, file, built));
                start
                    .warnings
                    .extend(refused.map(|(other, file)| not_run(other, &file, &start)));
                start.warnings.extend(missing.iter().map(|other| {
                    format!(
                        "{} starts `{}`, which the build does not write: `{}` is taken",
                        other.reason, other.file, start.entry
                    )
                }));
                return Ok(start);
            }
            None => missing.push(candidate),
        }
    }
    if let Some((candidate, file)) = refused {
        // If nothing else can start, the check of loaded files says why node cannot run this one.
        return Ok(match guess(files, &writes) {
            Some(mut start) => {
                start.warnings.push(not_run(candidate, &file, &start));
                start
            }
            None => from_candidate(candidate, file, false),
        });
    }
    let Some(&first) = missing.first() else {
        return guess(files, &writes).ok_or_else(|| DetectError::NoStart {
            app: member.dir.clone(),
            tried: "no script starts node with a file, and there is no `main`, `bin` or `index.js`"
                .to_owned(),
            entry: None,
            dev: None,
        });
    };
    if let Some(start) = instead(subject, first, &writes) {
        return Ok(start);
    }
    let (entry, reason) = (first.file.clone(), first.reason.clone());
    if scripts.is_empty() {
        return Err(DetectError::NoBuild {
            app: member.dir.clone(),
            manifest: member.manifest.file().to_owned(),
            entry,
            reason,
        });
    }
    let tried = format!(
        "{reason} starts `{entry}`, which neither the sources hold nor the build writes{}",
        writes.named()
    );
    Err(DetectError::NoStart {
        app: member.dir.clone(),
        tried,
        entry: Some(entry),
        dev: None,
    })
}

/// What the app's own Dockerfile starts.
pub(super) fn of_dockerfile(subject: &Subject<'_>) -> Option<String> {
    let path = subject.member().dir.join("Dockerfile").ok()?;
    let text = subject
        .workspace
        .tree
        .read_text(&path, Limit::Source)
        .ok()?;
    let last = |word: &str| {
        let mut lines = text.lines().rev().map(str::trim);
        lines.find_map(|line| line.strip_prefix(word).map(str::trim))
    };
    let (entry, command) = (last("ENTRYPOINT "), last("CMD "));
    let words = |line: &str| match serde_json::from_str::<Vec<String>>(line) {
        Ok(words) => words.join(" "),
        Err(_) => line.to_owned(),
    };
    let whole: Vec<String> = entry.into_iter().chain(command).map(words).collect();
    let whole = whole.join(" ");
    let plain = !whole.is_empty() && whole.len() < 200 && !whole.contains(char::is_control);
    plain.then(|| format!("its Dockerfile starts `{whole}`"))
}

/// What the `dev` script starts, without a program that watches files.
pub(super) fn for_developers(subject: &Subject<'_>) -> Option<String> {
    let command = shell::plain(subject, "dev")?;
    let command = shell::watched(&command).unwrap_or(command);
    let starts = of_command(subject, &command, "the `dev` script").is_some();
    let watches = shell::is_for_development(&command);
    (starts && !watches).then(|| command.words.join(" "))
}

/// Whether node, without options, does not run a file of the app.
fn refuses(subject: &Subject<'_>, file: &str) -> bool {
    let path = subject.member().dir.join(file).unwrap_or_default();
    let text = subject.workspace.tree.read_text(&path, Limit::Source);
    let takes = Takes::of(subject.node, std::iter::empty());
    typescript::refused(subject.node, takes, file, &text.unwrap_or_default(), false).is_some()
}

/// The warning that another file is started than the one that is named.
fn not_run(other: &Candidate, file: &str, start: &Start) -> String {
    let (reason, entry) = (&other.reason, &start.entry);
    format!("{reason} is `{file}`, which node does not run as it is: `{entry}` is taken")
}

/// What the build writes.
fn writes(subject: &Subject<'_>) -> Result<Writes, DetectError> {
    if subject.build_scripts().is_empty() {
        return Ok(Writes::Known(BTreeSet::new()));
    }
    let dir = &subject.member().dir;
    Ok(tsc::writes(
        subject.workspace,
        dir,
        &subject.build(),
        subject.files,
    )?)
}

/// The path of a file that a line starts, and whether the build writes it; `None` if it will
/// certainly not exist.
fn written_by_build(subject: &Subject<'_>, file: &str) -> Option<(String, bool)> {
    locate(file, subject.files, &writes(subject).ok()?)
}

/// The start of an app whose framework writes `file`: a script may start it with its own flags, or
/// start another file.
pub(super) fn written(
    subject: &Subject<'_>,
    file: &str,
    reason: &str,
) -> Result<Start, DetectError> {
    let writes = Writes::Known([file.to_owned()].into());
    let found = by_script(subject, &writes)?;
    Ok(found.unwrap_or_else(|| named(file.to_owned(), true, reason)))
}

/// The file that a script starts with node, if the build is a bundler's, whose outputs are unknown.
pub(super) fn scripted(subject: &Subject<'_>) -> Result<Option<Start>, DetectError> {
    by_script(subject, &Writes::Unknown)
}

/// The file of `--entry`, or the first script that starts node with a file that will exist.
fn by_script(subject: &Subject<'_>, writes: &Writes) -> Result<Option<Start>, DetectError> {
    if subject.entry.is_some() {
        return start(subject).map(Some);
    }
    let candidates = candidates(subject);
    let scripts = candidates
        .iter()
        .filter(|one| one.command.program() == "node");
    for candidate in scripts {
        let found = locate(&candidate.file, subject.files, writes)
            .or_else(|| locate(&candidate.file, subject.files, &Writes::Unknown));
        if let Some((file, built)) = found {
            return Ok(Some(from_candidate(candidate, file, built)));
        }
    }
    Ok(None)
}

/// The start of an app whose scripts start it only through a program that watches files: the same
/// without that program. A script says more than `main`, unless the build writes what `main` names.
fn watched(subject: &Subject<'_>, others: &[Candidate], writes: &Writes) -> Option<Start> {
    let built = |file| matches!(locate(file, subject.files, writes), Some((_, true)));
    if others.iter().any(|one| one.by_script || built(&one.file)) {
        return None;
    }
    let candidates = candidate::of_watchers(subject, &START_SCRIPTS);
    candidates.iter().find_map(|one| {
        let (file, built) = locate(&one.file, subject.files, writes)?;
        let mut start = from_candidate(one, file, built);
        start.warnings.push(format!(
            "{} starts `{}` for those who work on it, and again when a file changes: the image starts it once",
            one.reason, start.entry
        ));
        Some(start)
    })
}

/// Nothing names a file: picks one that exists or certainly will.
fn guess(files: &BTreeSet<String>, writes: &Writes) -> Option<Start> {
    let certain = |file: &&str| match locate(file, files, writes) {
        Some((_, true)) if *writes == Writes::Unknown => None,
        found => found,
    };
    let (file, built) = CONVENTIONS.iter().find_map(certain)?;
    Some(named(file, built, "convention: nothing names another file"))
}

/// A file that is started without flags.
fn named(entry: String, built: bool, reason: &str) -> Start {
    let (node_args, args, env, warnings) = (Vec::new(), Vec::new(), BTreeMap::new(), Vec::new());
    Start {
        entry,
        node_args,
        args,
        env,
        built,
        loads: None,
        command: false,
        shell: None,
        reason: reason.to_owned(),
        warnings,
    }
}

fn from_candidate(candidate: &Candidate, entry: String, built: bool) -> Start {
    let mut warnings: Vec<String> = candidate.command.derived.iter().map(|one| {
        let (reason, name, written) = (&candidate.reason, &one.name, &one.written);
        let left = if one.has_default { "its default" } else { "nothing" };
        format!("{reason} sets {name} to `{written}`, and the image to {left}: set {name} itself when the container starts")
    }).collect();
    let notes = shell::of_wrappers(&candidate.command).into_iter();
    let notes = notes.chain(candidate.left_out.iter().cloned());
    warnings.extend(notes.map(|note| format!("{} {note}", candidate.reason)));
    warnings.dedup();
    // The image sets NODE_ENV itself.
    let env = candidate
        .command
        .env
        .iter()
        .filter(|(name, _)| name != "NODE_ENV")
        .cloned()
        .collect();
    Start {
        entry,
        node_args: candidate.node_args.clone(),
        args: candidate.args.clone(),
        env,
        built,
        loads: None,
        command: false,
        shell: None,
        reason: candidate.reason.clone(),
        warnings,
    }
}

/// All files that something names, in order of precedence.
fn candidates(subject: &Subject<'_>) -> Vec<Candidate> {
    let manifest = subject.manifest();
    let mut found = of_scripts(subject, &START_SCRIPTS);
    if let Some(main) = manifest.text("main") {
        found.push(plain_file(main, "`main` in package.json".to_owned()));
    }
    found.extend(bin(manifest).map(|bin| plain_file(bin, "`bin` in package.json".to_owned())));
    found
}

/// What node starts by one of these scripts, if its file exists or the build writes it.
pub(super) fn by_one_of(
    subject: &Subject<'_>,
    scripts: &[&str],
) -> Result<Option<Start>, DetectError> {
    let writes = writes(subject)?;
    let found = of_scripts(subject, scripts);
    let located = found.iter().find_map(|candidate| {
        let (file, built) = locate(&candidate.file, subject.files, &writes)?;
        Some(from_candidate(candidate, file, built))
    });
    Ok(located)
}

/// The first command of a package.
fn bin(manifest: &Manifest) -> Option<&str> {
    let bin = manifest.get("bin")?;
    let first = || bin.as_object()?.values().next()?.as_str();
    bin.as_str().or_else(first)
}

/// Whether an app is a command of its package: nothing starts it, and `bin` names its file.
pub(super) fn is_command(manifest: &Manifest, start: &Start) -> bool {
    let file = bin(manifest).map(|file| file.trim_start_matches("./"));
    let starts = |name: &&str| manifest.script(name).is_some();
    file == Some(&start.entry) && !START_SCRIPTS.iter().any(starts)
}

#[cfg(test)]
mod tests;
