//! The proof that an image can run: its program and configuration.

use serde_json::json;

use super::string_names::Missing;
use super::{ContextEntry, Place, Plan};
use crate::detect::{Delivery, Start};
use crate::lockfile::{LockfileError, Lockfiles};
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::workspace::Workspace;

/// What node is given to run any proof.
pub const PROOF_FLAGS: [&str; 3] = [
    "--no-warnings",
    "--experimental-vm-modules",
    "--experimental-import-meta-resolve",
];

/// The programs of the proof, and the module that is loaded into the started app.
pub const PROOF_PROGRAMS: [(&str, &str); 3] = [
    ("verify.mjs", include_str!("../../templates/verify.mjs")),
    ("trial.mjs", include_str!("../../templates/trial.mjs")),
    ("hook.cjs", include_str!("../../templates/hook.cjs")),
];

impl Plan {
    /// What node is given to run the proof: it walks modules as the app's own node would resolve them.
    pub fn proof_flags(&self) -> impl Iterator<Item = &str> {
        let start = self.delivery.start();
        let conditions = start.into_iter().flat_map(Start::conditions);
        PROOF_FLAGS.into_iter().chain(conditions)
    }
}

/// The input of the proof of a node image.
pub(super) struct Proved<'p> {
    pub(super) workspace: &'p Workspace,
    pub(super) lockfiles: &'p Lockfiles<'p>,
    pub(super) app: MemberId,
    pub(super) delivery: &'p Delivery,
    /// The node argument for signals, before the app's own arguments.
    pub(super) signals: Option<&'p str>,
    /// The node options of the image.
    pub(super) node_options: Option<&'p str>,
    /// Files that builds read and that are not in the image unchanged.
    pub(super) sources: Vec<&'p str>,
    /// Packages that sources name by strings and the image does not have.
    pub(super) named: &'p [Missing],
}

/// The proof's files in the context.
pub(super) fn entries(proved: &Proved<'_>) -> Result<Vec<ContextEntry>, LockfileError> {
    let entry = |name: &str, text: String, why: &str| {
        ContextEntry::made(Place::Verify, RepoPath::file(name), text, why)
    };
    let why = "proves that the image can run, and is not in it";
    let program = |(name, text): (&str, &str)| entry(name, text.to_owned(), why);
    let mut entries: Vec<ContextEntry> = PROOF_PROGRAMS.into_iter().map(program).collect();
    if let Some(start) = proved.delivery.start() {
        let holds = if proved.delivery.has_modules() {
            "modules"
        } else {
            "bundle"
        };
        // node's arguments, or the words of a shell.
        let shell = start.line().map(|line| line.text(proved.signals));
        let words: Vec<&str> = if let Some(line) = &shell {
            vec!["sh", "-c", line]
        } else {
            let words = start.node_args.iter().chain([&start.entry]);
            let words = words.chain(&start.args).map(String::as_str);
            proved.signals.into_iter().chain(words).collect()
        };
        let image = json!({
            "holds": holds,
            "app": proved.workspace.members[proved.app].dir,
            "entry": start.entry,
            "nodeArgs": start.node_args,
            "nodeOptions": proved.node_options,
            "start": words,
            "shell": shell.is_some(),
            "removed": removed(proved.lockfiles)?,
            "hooked": is_hooked(proved.workspace),
            "sources": proved.sources,
            "named": proved.named.iter().filter(|one| one.certain).map(|one| json!([one.by, one.package])).collect::<Vec<_>>(),
        });
        let why = "what the image starts, for the proof";
        entries.push(entry("image.json", format!("{image:#}\n"), why));
    }
    Ok(entries)
}

/// Dependencies that overrides remove: `foo>bar: '-'`.
fn removed(lockfiles: &Lockfiles<'_>) -> Result<Vec<String>, LockfileError> {
    let mut names = Vec::new();
    for lockfile in lockfiles.all() {
        let overrides = lockfile.map("overrides")?;
        let away = overrides.iter().filter(|(_, to)| *to == "-");
        names.extend(away.map(|(selector, _)| overridden_package(selector)));
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// The package that an override changes: `bar` of `foo@1>bar@^2`.
fn overridden_package(selector: &str) -> String {
    let name = selector.rsplit('>').next().unwrap_or(selector);
    let version = name
        .char_indices()
        .skip(1)
        .find(|(_, letter)| *letter == '@');
    version.map_or(name, |(at, _)| &name[..at]).to_owned()
}

/// Whether a pnpmfile may have changed dependencies.
fn is_hooked(workspace: &Workspace) -> bool {
    let named =
        !workspace.settings.pnpmfile.is_empty() || workspace.npmrc.get("pnpmfile").is_some();
    named
        || [".pnpmfile.cjs", ".pnpmfile.mjs"].iter().any(|name| {
            // A special file of this name is refused elsewhere.
            let path = RepoPath::child(&RepoPath::ROOT, name);
            workspace.tree.is_file(&path).unwrap_or(true)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_of_overrides() {
        for (selector, name) in [
            ("bar", "bar"),
            ("bar@1", "bar"),
            ("@a/b@^2", "@a/b"),
            ("foo@1>@a/b@2", "@a/b"),
        ] {
            assert_eq!(overridden_package(selector), name, "{selector}");
        }
    }
}
