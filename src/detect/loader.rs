//! Starts that run TypeScript: `tsx src/main.ts`, `ts-node src/main.ts`, or node with a loader
//! before the file.
//!
//! The image has only node, so a program becomes node with its loader. The loader's packages and
//! configuration are usually dev dependencies; this module names them for the closure and the
//! context.

mod configuration;

use std::collections::BTreeSet;

use super::program::{self, BIN};
use super::script::Command;
use super::script::node::command as node_command;
use super::start::{START_SCRIPTS, Start, shell};
use super::subject::Subject;
use super::typescript::{self, is_typescript};
use crate::lockfile::Field;
use crate::model::member::MemberId;
use crate::model::module;
use crate::workspace::Workspace;
use crate::workspace::manifest::package::Manifest;
pub use configuration::{configuration, readers};

/// Packages that make node run TypeScript, with the compilers that the app must provide.
const LOADERS: [(&str, &[&str]); 9] = [
    ("tsx", &[]),
    ("ts-node", &["typescript", "@swc/core"]),
    ("esbuild-register", &["esbuild"]),
    ("esbuild-runner", &["esbuild"]),
    ("@esbuild-kit/cjs-loader", &[]),
    ("@esbuild-kit/esm-loader", &[]),
    ("@swc-node/register", &["@swc/core", "typescript"]),
    ("@swc/register", &["@swc/core"]),
    ("jiti", &[]),
];

/// node's flags that load a module before the file.
const PRELOADS: [&str; 5] = [
    "-r",
    "--require",
    "--import",
    "--loader",
    "--experimental-loader",
];

/// A command that runs TypeScript, converted for node.
pub(super) struct Run {
    pub(super) node_args: Vec<String>,
    pub(super) file: String,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
}

/// Converts `tsx FILE` and `ts-node FILE`, if the package is available and node can do the same.
pub(super) fn run(subject: &Subject<'_>, command: &Command) -> Option<Run> {
    let words = &command.words[1..];
    let run = match command.program() {
        "tsx" if !needs_program(subject) => tsx(words)?,
        "ts-node" | "ts-node-script" | "ts-node-transpile-only" => ts_node(words, false)?,
        "ts-node-esm" => ts_node(words, true)?,
        _ => return None,
    };
    let package = preloaded(&run.node_args).find_map(|name| known(&name))?;
    holder(subject.workspace, subject.app, package.0)?;
    let file = complete(subject, &run.node_args, run.file.trim_start_matches("./"));
    Some(Run { file, ..run })
}

/// Whether such a command starts the app, as the first start script with a program.
pub(super) fn starts(subject: &Subject<'_>) -> bool {
    let first = START_SCRIPTS
        .iter()
        .find(|name| !subject.commands(name).is_empty());
    let first = first.and_then(|name| shell::plain(subject, name));
    first.is_some_and(|command| run(subject, &command).is_some())
}

/// Whether TypeScript only runs with tsx's own program: tsx before 4 and node before 20.6 (18.19)
/// do not support `--import`.
pub(super) fn needs_program(subject: &Subject<'_>) -> bool {
    let old = match typescript::numbers(subject.node) {
        Some((20, minor)) => minor < 6,
        Some((18, minor)) => minor < 19,
        Some((major, _)) => major < 18,
        None => false,
    };
    old || subject.major("tsx").is_some_and(|major| major < 4)
}

fn tsx(words: &[String]) -> Option<Run> {
    if words.first().is_some_and(|word| word == "watch") {
        return None;
    }
    let (mut env, mut left) = (Vec::new(), Vec::new());
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.split_once('=').unwrap_or((word, "")) {
            ("--tsconfig", "") => env.push(("TSX_TSCONFIG_PATH".to_owned(), rest.next()?.clone())),
            ("--tsconfig", file) => env.push(("TSX_TSCONFIG_PATH".to_owned(), file.to_owned())),
            // The image has no cache anyway.
            ("--no-cache", _) => {}
            _ => {
                left.push(word.clone());
                if !word.starts_with('-') {
                    break;
                }
            }
        }
    }
    left.extend(rest.cloned());
    let (mut node_args, file, args) = node_command(&left)?;
    node_args.extend(["--import", "tsx"].map(str::to_owned));
    Some(Run {
        node_args,
        file,
        args,
        env,
    })
}

fn ts_node(words: &[String], esm: bool) -> Option<Run> {
    let (mut env, mut more, mut esm) = (Vec::new(), Vec::new(), esm);
    let mut rest = words.iter();
    let mut set = |name: &str, value: &str| env.push((name.to_owned(), value.to_owned()));
    let file = loop {
        let word = rest.next()?;
        match word.as_str() {
            "-P" | "--project" => set("TS_NODE_PROJECT", rest.next()?),
            "-r" | "--require" => more.extend(["-r".to_owned(), rest.next()?.clone()]),
            "--swc" => set("TS_NODE_SWC", "true"),
            "--esm" => esm = true,
            // The image does no type checking, and finds the configuration in the app's directory.
            "-T" | "--transpile-only" | "--transpileOnly" | "--files" | "-s" | "--script-mode"
            | "--cwd-mode" | "--pretty" => {}
            flag if flag.starts_with('-') => return None,
            _ => break word.clone(),
        }
    };
    let loader = if esm {
        ["--loader", "ts-node/esm"]
    } else {
        ["-r", "ts-node/register"]
    };
    let mut node_args = loader.map(str::to_owned).to_vec();
    node_args.append(&mut more);
    Some(Run {
        node_args,
        file,
        args: rest.cloned().collect(),
        env,
    })
}

/// The file that a loader finds for a name without an extension; node's own lookup comes first.
pub(super) fn complete(subject: &Subject<'_>, node_args: &[String], file: &str) -> String {
    let loaded = preloaded(node_args).any(|name| known(&name).is_some());
    let exists = |name: &String| subject.files.contains(name);
    if !loaded || exists(&file.to_owned()) || exists(&format!("{file}.js")) {
        return file.to_owned();
    }
    let dir = file.trim_end_matches('/');
    let names = typescript::EXTENSIONS
        .iter()
        .map(|end| format!("{file}{end}"));
    let mut names = names.chain(
        typescript::EXTENSIONS
            .iter()
            .map(|end| format!("{dir}/index{end}")),
    );
    names.find(exists).unwrap_or_else(|| file.to_owned())
}

/// The modules of packages that node preloads.
fn preloaded(node_args: &[String]) -> impl Iterator<Item = String> {
    preloads(node_args).into_iter().map(|(_, name)| name)
}

/// Whether node loads anything before the file. That may change which files node can run.
pub fn loads_first<'o>(options: impl Iterator<Item = &'o str>) -> bool {
    let mut options = options.map(|word| word.split_once('=').map_or(word, |(flag, _)| flag));
    options.any(|flag| PRELOADS.contains(&flag))
}

/// Whether a module of this name is a loader of TypeScript, or lets a program add one.
pub fn may_load(name: &str) -> bool {
    known(name).is_some() || matches!(name, "module" | "node:module")
}

/// Whether a loader hooks into `require`, which node does not use for an imported file.
pub fn hooks_require(start: &Start) -> bool {
    let mut preloads = preloads(&start.node_args).into_iter();
    preloads.any(|(flag, name)| matches!(flag, "-r" | "--require") && known(&name).is_some())
}

/// Preloaded modules, each with its flag.
fn preloads(node_args: &[String]) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut rest = node_args.iter();
    while let Some(word) = rest.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (word.as_str(), None),
        };
        if PRELOADS.contains(&flag) {
            let value = value.map(str::to_owned).or_else(|| rest.next().cloned());
            found.extend(value.map(|value| (flag, value)));
        }
    }
    found.retain(|(_, name)| !name.starts_with(['.', '/', '#']) && !name.contains(':'));
    found
}

fn known(module: &str) -> Option<(&'static str, &'static [&'static str])> {
    let (package, _) = module::split(module);
    LOADERS.into_iter().find(|(name, _)| *name == package)
}

/// The member that provides the dependency: the app, or else the root project.
fn holder(workspace: &Workspace, app: MemberId, package: &str) -> Option<MemberId> {
    let has = |at: &MemberId| workspace.members[*at].manifest.depends_on(package);
    [app, MemberId::ROOT].into_iter().find(has)
}

/// Whether the app or the root project depends on a package.
pub(super) fn is_at_hand(subject: &Subject<'_>, package: &str) -> bool {
    holder(subject.workspace, subject.app, package).is_some()
}

/// Whether a production install of the member has the package.
fn ships(manifest: &Manifest, package: &str) -> bool {
    let fields = [Field::Prod, Field::Optional];
    fields
        .into_iter()
        .any(|field| manifest.dependencies(field).contains_key(package))
}

/// The TypeScript loader among node's arguments, if a production install lacks it.
pub(super) fn for_developers(subject: &Subject<'_>, node_args: &[String]) -> Option<&'static str> {
    let (name, _) = preloaded(node_args).find_map(|module| known(&module))?;
    (!subject.ships(name)).then_some(name)
}

/// The packages that node preloads, with the compilers that the app must provide for them.
fn packages(start: &Start) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let programs = start
        .programs()
        .map(|name| program::package(name).to_owned());
    for module in preloaded(&start.node_args).chain(programs) {
        let compilers = known(&module).map_or(&[][..], |(_, compilers)| compilers);
        found.extend(compilers.iter().map(|&name| name.to_owned()));
        found.insert(module::split(&module).0.to_owned());
    }
    found
}

/// The dev dependencies that a start needs, by member.
pub fn needs(
    workspace: &Workspace,
    app: MemberId,
    start: &Start,
    loaded: &BTreeSet<String>,
) -> BTreeSet<(MemberId, String)> {
    let mut found = configuration(workspace, app, start, loaded).packages;
    for package in packages(start) {
        if let Some(at) = holder(workspace, app, &package) {
            insert(workspace, app, (at, &package), &mut found);
        }
    }
    found
}

/// Adds a dependency unless a production install has it. The root project has no production
/// install.
fn insert(
    workspace: &Workspace,
    app: MemberId,
    (at, package): (MemberId, &str),
    found: &mut BTreeSet<(MemberId, String)>,
) {
    if (at.is_root() && !app.is_root()) || !ships(&workspace.members[at].manifest, package) {
        found.insert((at, package.to_owned()));
    }
}

/// Warns about the cost of a loader at start, and sets its variables in the image.
pub(super) fn note(subject: &Subject<'_>, start: &mut Start) {
    let program = start.entry.strip_prefix(BIN).map(str::to_owned);
    let programs = start
        .programs()
        .map(|name| program::package(name).to_owned());
    let modules: Vec<String> = preloaded(&start.node_args).chain(programs).collect();
    let file = match program {
        Some(_) => start.args.iter().find(|word| is_typescript(word)),
        None => Some(&start.entry).filter(|file| is_typescript(file)),
    };
    let mut typescript = file.is_some();
    let mut warnings = Vec::new();
    for module in &modules {
        let (name, _) = module::split(module);
        let kept = !subject.ships(name) && holder(subject.workspace, subject.app, name).is_some();
        let loads = known(module).is_some() && std::mem::take(&mut typescript);
        let reason = &start.reason;
        if loads {
            let keeps = if kept {
                format!(" (until then the image keeps `{name}`, a dev dependency)")
            } else {
                String::new()
            };
            warnings.push(format!(
                "{reason} starts TypeScript through {name} at run time: compile it in a `build` script and start the output{keeps}"
            ));
        } else if kept {
            let does = if start
                .programs()
                .any(|program| program::package(program) == module)
            {
                "runs"
            } else {
                "loads"
            };
            warnings.push(format!(
                "{reason} {does} `{module}`, a dev dependency, which the image keeps for it: move `{name}` to `dependencies`"
            ));
        }
        let (variable, value) = match name {
            // Type checking would need the declarations of every package, which only development
            // installs.
            "ts-node" => ("TS_NODE_TRANSPILE_ONLY", "true"),
            // The cache would live only as long as the container, and needs a writable file system.
            "tsx" => ("TSX_DISABLE_CACHE", "1"),
            // pm2 writes where it lives. Every container can write there, with any user and a
            // read-only file system.
            "pm2" => ("PM2_HOME", "/dev/shm/.pm2"),
            _ => continue,
        };
        let value = value.to_owned();
        start.env.entry(variable.to_owned()).or_insert(value);
    }
    start.warnings.extend(warnings);
}

#[cfg(test)]
mod tests;
