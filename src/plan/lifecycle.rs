//! Lifecycle scripts: what `pnpm install` runs in a fresh clone, and how a build treats it.
//!
//! A build's install sees only manifests, so scripts cannot run there. Scripts that a build may
//! need (`prepare: tsc`, `postinstall: prisma generate`) run where the package's sources are,
//! before its tasks. Scripts for developers do not run at all. Their commands decide: a script is
//! left out if each of its commands is known to matter only to developers. The user can override
//! this.

use std::collections::BTreeMap;

use super::{LeftOut, PlanOptions, generate, install};
use crate::detect::script::{self, Command};
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::needs::tasks::{BUILD, Tasks};
use crate::plan::config::{ALL_SCRIPTS, ConfigError, Given};
use crate::workspace::Workspace;
use crate::workspace::manifest::package::{LIFECYCLE, Manifest};

/// Why a script that has packages built does not run.
pub(super) const OF_PACKAGES: &str = "it builds packages, which have steps of their own";

/// What was decided about the lifecycle scripts of a build.
#[derive(Debug, Default)]
pub(super) struct Lifecycle {
    /// Those that run, by member, in pnpm's order.
    pub(super) run: BTreeMap<MemberId, Vec<&'static str>>,
    /// Those that do not.
    pub(super) left_out: Vec<LeftOut>,
}

/// Programs that only developers need, and their purpose.
const FOR_DEVELOPERS: [(&str, &[&str]); 5] = [
    (
        "sets up git hooks",
        &[
            "husky",
            "simple-git-hooks",
            "lefthook",
            "yorkie",
            "pre-commit",
            "ghooks",
            "git",
        ],
    ),
    (
        "checks the tools of developers",
        &[
            "only-allow",
            "check-node-version",
            "please-upgrade-node",
            "check-engine",
        ],
    ),
    (
        "fetches browsers for tests",
        &["playwright", "cypress", "puppeteer"],
    ),
    (
        "checks sources",
        &[
            "sherif",
            "manypkg",
            "syncpack",
            "eslint",
            "prettier",
            "biome",
            "oxlint",
            "knip",
            "cspell",
            "lint-staged",
        ],
    ),
    (
        "asks for donations",
        &["opencollective", "opencollective-postinstall"],
    ),
];

/// Shell words and programs that have no effect of their own.
const NO_EFFECT: [&str; 14] = [
    "is-ci", "echo", "printf", "true", "false", ":", "exit", "test", "[", "[[", "if", "fi",
    "sleep", "cd",
];

/// Decides about the scripts of all members with tasks, and of the root. `needed` are the members
/// in the build.
pub(super) fn decide(
    workspace: &Workspace,
    needed: &[MemberId],
    tasks: &Tasks,
    options: &PlanOptions,
) -> Result<Lifecycle, ConfigError> {
    let mut members = tasks.members();
    members.insert(MemberId::ROOT);
    let wanted = &options.lifecycle;
    let ignored = ignored(workspace);
    let mut known: Vec<String> = Vec::new();
    let mut lifecycle = Lifecycle::default();
    for at in members {
        let member = &workspace.members[at];
        let names = LIFECYCLE.into_iter().filter(|name| {
            let text = member.manifest.script(name);
            text.is_some_and(|text| !text.trim().is_empty())
        });
        for name in names {
            let label = if at.is_root() {
                "//".to_owned()
            } else {
                member.label()
            };
            let id = format!("{label}#{name}");
            let by_dir = format!("{}#{name}", member.dir);
            let said = wanted.get(&id).or_else(|| wanted.get(&by_dir));
            known.push(id);
            let reason = match said.or_else(|| wanted.get(ALL_SCRIPTS)) {
                Some(Given {
                    value: false,
                    source,
                }) => Some(source.to_string()),
                Some(_) => None,
                None => ignored
                    .map(str::to_owned)
                    .or_else(|| spare(workspace, needed, tasks, at, name)),
            };
            match reason {
                None => lifecycle.run.entry(at).or_default().push(name),
                Some(reason) => lifecycle.left_out.push(LeftOut {
                    dir: member.dir.clone(),
                    script: name.to_owned(),
                    reason,
                }),
            }
        }
    }
    check_names(workspace, wanted, &known)?;
    Ok(lifecycle)
}

/// A configured name that no package of the workspace has is a mistake; a package that this app
/// does not need is not.
fn check_names(
    workspace: &Workspace,
    wanted: &BTreeMap<String, Given<bool>>,
    known: &[String],
) -> Result<(), ConfigError> {
    let exists = |id: &str| {
        let (package, script) = id.split_once('#')?;
        let dir = RepoPath::new(package).ok();
        let at = match package {
            "//" => Some(MemberId::ROOT),
            _ => workspace
                .named(package)
                .or_else(|| workspace.member_in(&dir?)),
        };
        let manifest = &workspace.members[at?].manifest;
        let installs = LIFECYCLE.contains(&script) && manifest.script(script).is_some();
        (installs || generate::is_script(workspace, at?, script)).then_some(())
    };
    let wrong = wanted
        .iter()
        .find(|(id, _)| *id != ALL_SCRIPTS && exists(id).is_none());
    let Some((id, given)) = wrong else {
        return Ok(());
    };
    let problem = format!("there is no lifecycle script `{id}`");
    let hint = if known.is_empty() {
        "no package that the app needs has any".to_owned()
    } else {
        format!("there are: {}", known.join(", "))
    };
    Err(ConfigError::unfit(&given.source, problem, hint))
}

/// The setting that tells pnpm to run no scripts, if any.
fn ignored(workspace: &Workspace) -> Option<&'static str> {
    let major = install::pnpm_major(workspace);
    let settings = workspace
        .settings
        .ignore_scripts
        .filter(|_| major.is_none_or(|major| major >= 10));
    let npmrc = workspace.npmrc.get("ignore-scripts") == Some("true");
    let npmrc = npmrc && major.is_none_or(|major| major <= 10);
    match settings {
        Some(ignore) => ignore.then_some("`ignoreScripts` in pnpm-workspace.yaml"),
        None => npmrc.then_some("`ignore-scripts` in .npmrc"),
    }
}

/// Why no build needs a script, if that is known.
fn spare(
    workspace: &Workspace,
    needed: &[MemberId],
    tasks: &Tasks,
    at: MemberId,
    name: &str,
) -> Option<String> {
    if name == LIFECYCLE[0] {
        return Some("it prepares an install, and that of the build has all it needs".to_owned());
    }
    let manifest = &workspace.members[at].manifest;
    let runs = |command: &Command| {
        let mut called = script::called_scripts(manifest, command).into_iter();
        let called = called.find(|name| tasks.runs_script(at, name))?;
        Some(format!("`{called}` runs as a task"))
    };
    let elsewhere = |command: &Command| {
        (at.is_root())
            .then(|| of_others(workspace, needed, command))
            .flatten()
    };
    let text = manifest.script(name).unwrap_or_default();
    let mut reasons: Vec<(bool, String)> = Vec::new();
    for outer in script::parse(text) {
        if let Some(reason) = runs(&outer) {
            reasons.push((true, reason));
            continue;
        }
        for command in followed(manifest, outer) {
            if let Some(reason) = elsewhere(&command).filter(|_| command.program() == "cd") {
                return Some(reason);
            }
            let reason = elsewhere(&command)
                .map(|reason| (true, reason))
                .or_else(|| for_developers(&command))?;
            reasons.push(reason);
        }
    }
    // A meaningful reason is better than one about a shell word.
    let reason = reasons
        .iter()
        .find(|(telling, _)| *telling)
        .or_else(|| reasons.first());
    reason.map(|(_, reason)| reason.clone())
}

/// The commands behind a command that runs another script of the manifest.
fn followed(manifest: &Manifest, command: Command) -> Vec<Command> {
    let called = script::called_scripts(manifest, &command);
    if called.is_empty() {
        return vec![command];
    }
    let called = called.iter();
    called
        .flat_map(|name| script::commands(manifest, name))
        .collect()
}

/// Why a root command does not concern this build: packages are built in their own steps, and
/// others are not there.
fn of_others(workspace: &Workspace, needed: &[MemberId], command: &Command) -> Option<String> {
    let program = command_words(command).next();
    let runs_in_packages =
        matches!(program, Some("turbo" | "nx" | "lerna")) || command.is_elsewhere();
    let builds = |word: &String| word == BUILD || word.starts_with("build:");
    if runs_in_packages && command.words.iter().any(builds) {
        return Some(OF_PACKAGES.to_owned());
    }
    let absent = |at: MemberId| !at.is_root() && needed.binary_search(&at).is_err();
    let filtered = command
        .flag(&["--filter", "-F"])
        .and_then(|name| workspace.named(name));
    let paths = command.words.iter().flat_map(|word| word.split('='));
    let paths = paths.filter(|word| word.contains('/') && !word.contains(['*', '{', ':']));
    let owners = paths.filter_map(|word| Some(workspace.enclosing(&RepoPath::new(word).ok()?)));
    let owner = owners.chain(filtered).find(|&at| absent(at))?;
    Some(format!(
        "it is about {}, which the app does not need",
        workspace.members[owner].dir
    ))
}

/// The words of a command from its program on, without prefixes: `then`, `pnpm exec`, the flags of
/// npx.
fn command_words(command: &Command) -> impl Iterator<Item = &str> {
    let lead = ["then", "else", "!", "npm", "pnpm", "exec", "dlx", "x", "--"];
    let words = command.words.iter().map(String::as_str);
    let last = command.words.len().saturating_sub(1);
    let before = words.clone().enumerate();
    let before = before
        .take_while(|(at, word)| word.starts_with('-') || (lead.contains(word) && *at < last));
    let count = before.count();
    words.skip(count)
}

/// Why a command matters only to developers, and whether that is more than having no effect; `None`
/// if it may matter.
fn for_developers(command: &Command) -> Option<(bool, String)> {
    let mut words = command_words(command);
    let program = words.next()?;
    let file = program.rsplit('/').next().unwrap_or(program);
    let program = file.split('@').next().unwrap_or(file);
    let rest: Vec<&str> = words.collect();
    let developers = FOR_DEVELOPERS
        .iter()
        .find(|(_, programs)| programs.contains(&program));
    if let Some((what, _)) = developers {
        return Some((true, format!("for developers: `{program}` {what}")));
    }
    if NO_EFFECT.contains(&program) {
        return Some((false, format!("`{program}` makes nothing")));
    }
    let named = |part: &str| rest.iter().any(|word| word.contains(part));
    match program {
        "node" | "sh" | "bash" | "tsx" | "bun" | "zx"
            if named("husky") || named("only-allow") || rest.iter().any(|word| is_hooks(word)) =>
        {
            Some((
                true,
                "for developers: it sets up git hooks or checks their tools".to_owned(),
            ))
        }
        "cp" | "shx" | "copyfiles" | "ncp" if rest.iter().any(|word| is_env_file(word)) => Some((
            true,
            "for developers: it copies a file of variables, and no build gets one".to_owned(),
        )),
        _ => None,
    }
}

/// Whether a file is named after what it does, such as `scripts/install-git-hooks.mjs`.
fn is_hooks(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word).to_ascii_lowercase();
    let does = ["git", "install", "setup", "set-up", "prepare", "init"];
    name.contains("lefthook")
        || (name.contains("hook") && does.iter().any(|word| name.contains(word)))
}

fn is_env_file(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    name == ".env" || name.starts_with(".env.")
}

#[cfg(test)]
mod tests;
