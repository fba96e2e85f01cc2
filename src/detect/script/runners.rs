//! Programs that run scripts of the manifest, programs of dependencies, or files: package managers,
//! `run-s`, `concurrently`, `turbo`, shells.

use super::End;
use super::list::Simple;
use super::words::Word;
use super::wrappers::{SHELLS, led, program_name};
use crate::model::module;
use crate::workspace::manifest::package::Manifest;

/// What a command runs instead of itself.
pub(super) enum Runs {
    /// Another command: the program after `pnpm exec`.
    Simple(Simple),
    /// A line for a shell.
    Line(String),
    /// Scripts of the manifest, each with appended text.
    Scripts(Vec<(String, String)>, End),
    /// Lines for a shell, all at once.
    Lines(Vec<String>, End),
    /// A script file, relative to the package, for a shell or by itself.
    File { file: String, by_shell: bool },
}

/// A package manager.
struct Manager {
    program: &'static str,
    /// Subcommands before a script's name.
    run: &'static [&'static str],
    /// Subcommands before a program.
    exec: &'static [&'static str],
    /// Whether a word that is not a script may be a program.
    programs: bool,
}

const MANAGERS: [Manager; 4] = [
    Manager {
        program: "pnpm",
        run: &["run", "run-script"],
        exec: &["exec", "dlx"],
        programs: true,
    },
    Manager {
        program: "npm",
        run: &["run", "run-script", "rum", "urn"],
        exec: &["exec", "x"],
        programs: false,
    },
    Manager {
        program: "yarn",
        run: &["run"],
        exec: &["exec", "dlx"],
        programs: true,
    },
    Manager {
        program: "bun",
        run: &["run"],
        exec: &["x"],
        programs: true,
    },
];

/// Programs that only run other packages' programs.
const EXECUTORS: [&str; 5] = ["npx", "bunx", "pnpx", "pnx", "yarnx"];

/// Subcommands of package managers.
const SUBCOMMANDS: [&str; 37] = [
    "add",
    "audit",
    "bin",
    "build",
    "cache",
    "catalog",
    "ci",
    "config",
    "create",
    "deploy",
    "env",
    "fetch",
    "i",
    "import",
    "info",
    "init",
    "install",
    "licenses",
    "link",
    "list",
    "ls",
    "outdated",
    "pack",
    "patch",
    "prune",
    "publish",
    "rebuild",
    "remove",
    "root",
    "setup",
    "store",
    "test",
    "up",
    "update",
    "why",
    "workspace",
    "workspaces",
];

/// Package managers' options with a value in the next word.
const VALUES: [&str; 10] = [
    "--reporter",
    "--loglevel",
    "--workspace-concurrency",
    "--resume-from",
    "--package",
    "-p",
    "--registry",
    "--userconfig",
    "--cache",
    "--script-shell",
];

/// Options that run something in other packages, and whether they take a value.
pub(super) const OTHER_PACKAGES: [(&str, bool); 15] = [
    ("-r", false),
    ("--recursive", false),
    ("-F", true),
    ("--filter", true),
    ("--filter-prod", true),
    ("-C", true),
    ("--dir", true),
    ("--prefix", true),
    ("--cwd", true),
    ("-w", false),
    ("--workspace-root", false),
    ("--workspace", true),
    ("--workspaces", false),
    ("-ws", false),
    ("--scope", true),
];

/// What a command runs; `None` if it runs directly. Scripts are only followed with a manifest.
pub(super) fn runs(simple: &Simple, manifest: Option<&Manifest>, left: &mut usize) -> Option<Runs> {
    let texts: Vec<String> = simple.words.iter().map(Word::text).collect();
    let program = texts.first()?;
    let name = program_name(program);
    let mut call = Call {
        simple,
        texts: &texts,
        manifest,
        left,
    };
    if let Some(manager) = MANAGERS.iter().find(|one| one.program == name) {
        return call.manager(manager);
    }
    match name {
        _ if EXECUTORS.contains(&name) => call.program_at(1),
        "run-s" | "run-p" | "npm-run-all" | "npm-run-all2" => call.run_all(name),
        "concurrently" | "conc" => call.concurrently(),
        "turbo" | "nx" => call.task_runner(),
        "node" | "nodejs" => call.node(),
        _ if SHELLS.contains(&name) => call.shell_file(),
        "." | "source" => call.file(1, true),
        _ if in_modules(program) => {
            let mut inner = simple.clone();
            inner.words[0] = Word::of(name);
            Some(Runs::Simple(inner))
        }
        _ if program.contains('/') => call.file(0, false),
        _ => None,
    }
}

/// Whether a path leads to a program in `.bin`.
fn in_modules(path: &str) -> bool {
    path.contains("node_modules/.bin/")
}

pub(super) struct Call<'c> {
    simple: &'c Simple,
    pub(super) texts: &'c [String],
    pub(super) manifest: Option<&'c Manifest>,
    /// How many bytes may still be followed.
    pub(super) left: &'c mut usize,
}

impl Call<'_> {
    pub(super) fn has_script(&self, name: &str) -> bool {
        self.manifest
            .is_some_and(|manifest| manifest.script(name).is_some())
    }

    /// The words from a position on, as written.
    fn written(&self, from: usize) -> String {
        let words = self.simple.words.iter().skip(from);
        words
            .map(|word| word.source.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The rest of the command, with its variables.
    fn rest(&self, from: usize) -> Option<Runs> {
        let words = self
            .simple
            .words
            .get(from..)
            .filter(|words| !words.is_empty())?;
        Some(Runs::Simple(Simple {
            assignments: self.simple.assignments.clone(),
            words: words.to_vec(),
            redirections: self.simple.redirections.clone(),
            node_args: self.simple.node_args.clone(),
            through: led(self.simple, program_name(&self.texts[0])),
        }))
    }

    /// The first word from a position on that is not an option or an option's value; `None` if an
    /// option leads to another package.
    pub(super) fn word_after(&self, from: usize) -> Option<usize> {
        let mut at = from;
        while let Some(text) = self.texts.get(at).filter(|text| text.starts_with('-')) {
            at += 1;
            if text == "--" {
                return (at < self.texts.len()).then_some(at);
            }
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            if let Some((_, takes)) = OTHER_PACKAGES.iter().find(|(flag, _)| *flag == name) {
                let follows = *takes && value.is_empty();
                let value = if follows { self.texts.get(at)? } else { value };
                if !self.is_here(name, value) {
                    return None;
                }
                at += usize::from(follows);
            } else if VALUES.contains(&&**text) {
                at += 1;
            }
        }
        (at < self.texts.len()).then_some(at)
    }

    /// Whether an option that may lead to another package means this one.
    pub(super) fn is_here(&self, flag: &str, value: &str) -> bool {
        let own = self.manifest.and_then(Manifest::name);
        match flag {
            "-F" | "--filter" | "--filter-prod" | "--workspace" | "--scope" => {
                matches!(value, "." | "./" | "{.}") || own == Some(value)
            }
            "-C" | "--dir" | "--prefix" | "--cwd" => matches!(value, "." | "./"),
            _ => false,
        }
    }

    fn manager(&mut self, manager: &Manager) -> Option<Runs> {
        let at = self.word_after(1)?;
        let word = self.texts[at].as_str();
        if manager.exec.contains(&word) {
            return self.program_at(at + 1);
        }
        if manager.run.contains(&word) {
            let at = self.word_after(at + 1)?;
            return self.script(at);
        }
        if self.has_script(word) {
            return self.script(at);
        }
        if self.manifest.is_some()
            && manager.programs
            && !SUBCOMMANDS.contains(&word)
            && !word.contains(['/', '.'])
        {
            return self.rest(at);
        }
        None
    }

    /// The script named at a position, or those that `/…/` matches.
    fn script(&mut self, at: usize) -> Option<Runs> {
        let name = self.texts[at].as_str();
        let mut more = at + 1;
        if self.texts.get(more).is_some_and(|word| word == "--") {
            more += 1;
        }
        let more = self.written(more);
        if self.has_script(name) {
            return Some(Runs::Scripts(vec![(name.to_owned(), more)], End::InOrder));
        }
        // Like pnpm's `tryBuildRegExpFromCommand`: between slashes, without flags.
        let pattern = name.strip_prefix('/')?.strip_suffix('/')?;
        let found = self.scripts_that(pattern);
        let found: Vec<_> = found.into_iter().map(|name| (name, more.clone())).collect();
        let end = if self.texts.iter().any(|word| word == "--sequential") {
            End::InOrder
        } else {
            End::Together
        };
        (!found.is_empty()).then_some(Runs::Scripts(found, end))
    }

    /// The program after `npx`, `pnpm exec` and the like, without its version.
    fn program_at(&self, from: usize) -> Option<Runs> {
        let flags = self.texts.iter().enumerate().skip(from);
        let mut flags = flags.take_while(|(_, text)| text.starts_with('-') && *text != "--");
        let line = flags.find(|(_, text)| matches!(text.as_str(), "-c" | "--call"));
        if let Some((at, _)) = line {
            return Some(Runs::Line(self.texts.get(at + 1)?.clone()));
        }
        let at = self.word_after(from)?;
        let Some(Runs::Simple(mut inner)) = self.rest(at) else {
            return None;
        };
        let program = &self.texts[at];
        if program.contains('@') && !program.starts_with(['.', '/']) {
            inner.words[0] = Word::of(program_name(program));
        }
        Some(Runs::Simple(inner))
    }

    /// node can run a script of the manifest (`--run`), or a package's program by its file.
    fn node(&mut self) -> Option<Runs> {
        if let Some(at) = self.texts.iter().position(|word| word == "--run") {
            return self.script(at + 1).filter(|_| at + 1 < self.texts.len());
        }
        if let Some(name) = self
            .texts
            .iter()
            .find_map(|word| word.strip_prefix("--run="))
        {
            let named = vec![(name.to_owned(), String::new())];
            return self
                .has_script(name)
                .then_some(Runs::Scripts(named, End::InOrder));
        }
        let (flags, file, _) = super::node::command(&self.texts[1..])?;
        let program = program_of_file(&file)?;
        let at = self.texts.iter().position(|word| *word == file)?;
        let Some(Runs::Simple(mut inner)) = self.rest(at) else {
            return None;
        };
        inner.words[0] = Word::of(program);
        inner.node_args = flags;
        Some(Runs::Simple(inner))
    }

    /// `bash scripts/build.sh`
    fn shell_file(&self) -> Option<Runs> {
        let mut at = 1;
        while let Some(text) = self
            .texts
            .get(at)
            .filter(|text| text.starts_with(['-', '+']))
        {
            at += if text == "-o" { 2 } else { 1 };
        }
        self.file(at, true)
    }

    fn file(&self, at: usize, by_shell: bool) -> Option<Runs> {
        let word = self.simple.words.get(at)?;
        word.is_literal().then(|| Runs::File {
            file: word.text(),
            by_shell,
        })
    }
}

/// The program of a file in `node_modules`: `node_modules/vite/bin/vite.js`.
fn program_of_file(file: &str) -> Option<&str> {
    let (_, inside) = file.rsplit_once("node_modules/")?;
    if let Some(program) = inside.strip_prefix(".bin/") {
        return Some(program);
    }
    let (package, path) = module::split(inside);
    if path.is_empty() {
        return None;
    }
    let package = bare_package(package);
    let stem = path.rsplit('/').next()?.split('.').next()?;
    let in_bin = path.split('/').rev().skip(1).any(|part| part == "bin");
    match stem {
        "cli" | "index" | "bin" | "main" | "run" => in_bin.then_some(package),
        _ => (in_bin || stem == package).then_some(stem),
    }
}

fn bare_package(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
