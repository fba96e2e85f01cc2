//! Explains a failed step: which task failed, and what to do about it if its log shows the cause.
//!
//! Input: the plan, the step's name as every engine gives it (`[build-apps-a 4/5] pnpm --dir=apps/a
//! run build`), its exit code, and the end of its log. Output: a [`BuildFault`]. It is pure and never
//! prints a line of the log, only names found in it.

mod cased;
mod certificate;
mod log;
mod places;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::plan::{BuildStep, Content, Plan, Reason, TaskPlan};
use cased::cased;
use certificate::{NOT_THAT_AUTHORITY, UNTRUSTED, certificate};
use log::{Log, Module};
pub use places::Place;

/// How many bytes of a log are read. Tools report errors at the end.
pub const LOG: usize = 64 * 1024;

/// An explanation of a failed step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; its log is above")]
pub struct BuildFault {
    what: String,
    hint: Option<String>,
    /// The file that the build did not find, as it named it.
    sought: Option<String>,
    /// Whether a certificate was not trusted, and no authority was given.
    untrusted: bool,
    /// The places in files that the log names.
    places: Vec<Place>,
}

impl BuildFault {
    /// Explains a failed step.
    pub fn judge(plan: &Plan, step: &str, code: i64, log: &str) -> Self {
        let failed = Failed::find(plan, step);
        let mut fault = Self::of(&failed, code, log);
        fault.places = failed.places(plan, &Log::new(log));
        if plan.secrets().authority && fault.untrusted {
            fault.hint = Some(NOT_THAT_AUTHORITY.to_owned());
            fault.untrusted = false;
        }
        let paths = || plan.context().iter().map(|entry| entry.path.as_str());
        match fault.sought.as_deref().and_then(|name| cased(name, paths)) {
            Some(hint) => Self {
                hint: Some(hint),
                ..fault
            },
            None => fault,
        }
    }

    /// The same with a file of certificate authorities that a variable of this machine names.
    #[must_use]
    pub fn offering(mut self, named: Option<(&str, &str)>) -> Self {
        if let (true, Some((variable, file))) = (self.untrusted, named) {
            self.hint = Some(format!(
                "{UNTRUSTED} {variable} names a file with authorities here: `--ca {file}` gives it to the build."
            ));
        }
        self
    }

    fn of(failed: &Failed<'_>, code: i64, log: &str) -> Self {
        let log = Log::new(log);
        if let Some(unwritten) = unwritten(failed, &log) {
            return Self {
                what: format!("{failed} ended well, but did not write `{unwritten}`"),
                hint: Some(UNWRITTEN.to_owned()),
                sought: None,
                untrusted: false,
                places: Vec::new(),
            };
        }
        Self {
            what: format!("{failed} failed with exit code {code}"),
            hint: hint(failed, code, &log),
            sought: log.module().and_then(|module| match module {
                Module::File(name) => Some(name),
                Module::Package(_) => None,
            }),
            untrusted: certificate(&log).is_some(),
            places: Vec::new(),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
    }

    /// The places in the workspace's files that the log names.
    pub fn places(&self) -> &[Place] {
        &self.places
    }
}

/// What failed.
enum Failed<'p> {
    Task(&'p BuildStep, &'p TaskPlan),
    Install,
    Other(String),
}

impl<'p> Failed<'p> {
    fn find(plan: &'p Plan, step: &str) -> Self {
        let command = match step.split_once("] ") {
            Some((_, command)) if step.starts_with('[') => command,
            _ => step,
        };
        for of_plan in plan.steps() {
            for task in &of_plan.tasks {
                if command == command_of(of_plan, task) {
                    return Self::Task(of_plan, task);
                }
            }
        }
        if command.starts_with("pnpm install ") {
            return Self::Install;
        }
        Self::Other(command.to_owned())
    }

    /// What it takes for a variable to arrive, if more than giving it.
    fn declared(&self, name: &str) -> Option<String> {
        match self {
            Self::Task(_, task) => task.declared.how(&task.script, &[name]),
            _ => None,
        }
    }

    /// The places in the workspace's files that the log names.
    fn places(&self, plan: &Plan, log: &Log) -> Vec<Place> {
        let files = plan
            .context()
            .iter()
            .filter_map(|entry| match &entry.content {
                Content::Source { path, .. } => Some(path.as_str()),
                _ => None,
            });
        let dir = match self {
            Self::Task(step, _) => step.dir.as_str(),
            _ => ".",
        };
        places::places(log.text(), dir, &files.collect::<Vec<_>>())
    }

    /// The package that the user should look at.
    fn package(&self) -> &str {
        match self {
            // A root without a name has its directory for one.
            Self::Task(step, _) if step.name != "." => &step.name,
            _ => "the package at the root",
        }
    }
}

impl std::fmt::Display for Failed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Task(_, task) => write!(f, "the task `{}` of {}", task.script, self.package()),
            Self::Install => write!(f, "`pnpm install`"),
            Self::Other(command) => write!(f, "`{command}`"),
        }
    }
}

/// What to do about a build that does not write what the image is made of.
const UNWRITTEN: &str = "See where its configuration has it write, and whether it writes at all (`noEmit` of a tsconfig.json turns that off, also from a file that it `extends`). If the app starts with another file, name it with `--entry FILE`, for good `\"entry\"` in slimbuild.json.";

/// What a task should have written, if it ended well without (`templates/Dockerfile.j2` says so).
fn unwritten<'p>(failed: &Failed<'p>, log: &Log) -> Option<&'p str> {
    let Failed::Task(step, _) = failed else {
        return None;
    };
    let said = log.has(&[", which the build did not write"]) && log.has(&["slimbuild: the image "]);
    step.writes.as_deref().filter(|_| said)
}

/// The command of a task, as in the steps of every engine.
pub fn command_of(step: &BuildStep, task: &TaskPlan) -> String {
    format!("pnpm --dir={} run {}", step.dir, task.script)
}

/// The hint, from the most to the least certain cause.
fn hint(failed: &Failed<'_>, code: i64, log: &Log) -> Option<String> {
    let by_machine = || memory(code, log).or_else(|| disk(log));
    let by_tool = || {
        prisma(failed, log)
            .or_else(|| certificate(log))
            .or_else(|| git(failed, log))
            .or_else(|| network(log))
    };
    let by_tool = || install(failed, log).or_else(by_tool);
    let by_place = || {
        node(log)
            .or_else(|| module(failed, log))
            .or_else(|| program(failed, code, log))
    };
    let found = by_machine().or_else(by_tool).or_else(by_place);
    let found = found
        .or_else(|| variables(failed, log))
        .or_else(|| checks(failed, log));
    let only = only_for_developers(failed);
    match (found, only) {
        (Some(found), Some(only)) => Some(format!("{found} {only}")),
        (found, only) => found.or(only),
    }
}

fn only_for_developers(failed: &Failed<'_>) -> Option<String> {
    let Failed::Task(step, task) = failed else {
        return None;
    };
    (task.because == Reason::Lifecycle).then(|| {
        let package = if step.dir.is_root() { "//" } else { &step.name };
        format!(
            "If only developers need this script, write `\"lifecycle\": {{\"{package}#{}\": false}}` into slimbuild.json.",
            task.script
        )
    })
}

fn memory(code: i64, log: &Log) -> Option<String> {
    let heap = log.has(&["JavaScript heap out of memory", "Reached heap limit"]);
    let killed = code == 137
        || log.has(&[
            "exit code 137",
            "SIGKILL",
            "ENOMEM",
            "Cannot allocate memory",
            "cannot allocate memory",
        ]);
    if heap {
        return Some(
            "node's heap was too small: give it more with `NODE_OPTIONS=--max-old-space-size=4096` in the build script, or as `--build-arg` where the task declares `NODE_OPTIONS`."
                .to_owned(),
        );
    }
    killed.then(|| {
        "The step ran out of memory: give the builder more (in Docker Desktop: Settings, Resources), or let the build run fewer processes at once."
            .to_owned()
    })
}

fn install(failed: &Failed<'_>, log: &Log) -> Option<String> {
    let Failed::Install = failed else {
        return None;
    };
    // pnpm 8.0 to 8.5 says so of a lockfile of format 6.1, and blames a merge.
    let newer = log.has(&["generated by a newer version of pnpm"]);
    if newer && log.has(&["ERR_PNPM_LOCKFILE_MISSING_DEPENDENCY"]) {
        return Some(
            "A newer pnpm wrote `pnpm-lock.yaml` than the one that installs: name that one in `packageManager` of package.json, or write the lockfile anew with `pnpm install`."
                .to_owned(),
        );
    }
    let refused = [
        "ERR_PNPM_FETCH_401",
        "ERR_PNPM_FETCH_403",
        "ERR_PNPM_FETCH_404",
    ];
    log.has(&refused).then(|| {
        "The registry does not hand out this package: is it private? Then give the install your credentials with `--secret id=npmrc,src=FILE`. Otherwise this version is no longer there, and `pnpm install` in a fresh clone shows the same."
            .to_owned()
    })
}

fn disk(log: &Log) -> Option<String> {
    log.has(&["ENOSPC", "no space left on device", "No space left on device"])
        .then(|| {
            "The disk is full: free space where the build runs (`docker builder prune`, or `slimbuild cache prune` for the native engine)."
                .to_owned()
        })
}

fn prisma(failed: &Failed<'_>, log: &Log) -> Option<String> {
    if log.has(&["PrismaConfigEnvError"]) {
        let names = log.after("equired environment variable: ");
        let named = declare(failed, &names).unwrap_or_default();
        return Some(format!(
            "`env(\"…\")` in prisma.config wants the variable though `prisma generate` does not need it. Write `process.env.NAME ?? \"\"` there, or give the build a value. {named}"
        ).trim_end().to_owned());
    }
    if log.has(&["binaries.prisma.sh"]) {
        return Some("Prisma could not fetch its engines from binaries.prisma.sh: let the builder reach that host, name a mirror with `PRISMA_ENGINES_MIRROR`, or use a Prisma without engines (`engineType = \"client\"`).".to_owned());
    }
    let ungenerated = log.has(&[
        "@prisma/client\"' has no exported member",
        "@prisma/client did not initialize yet",
        "Cannot find module '.prisma/client",
        "/.prisma/client/default\".Prisma' has no exported member",
        "/generated/prisma",
    ]);
    ungenerated.then(|| {
        "Nothing in this build has generated the Prisma client: begin the `build` script of the package that has the schema with `prisma generate && `, or name the task that generates it in `dependsOn` of turbo.json."
            .to_owned()
    })
}

fn git(failed: &Failed<'_>, log: &Log) -> Option<String> {
    let how = failed.declared("COMMIT_SHA");
    let how = how.map_or_else(String::new, |how| format!(" {how},"));
    log.has(&[
        "git: not found",
        "git: command not found",
        "spawn git ENOENT",
        "spawnSync git ENOENT",
        "not a git repository",
    ])
    .then(|| {
        format!("The build asks git, and a build has no history (in Docker no git either): hand the answer over, as `--build-arg COMMIT_SHA=$(git rev-parse HEAD)`,{how} and read it before asking git.")
    })
}

fn network(log: &Log) -> Option<String> {
    let host = ["getaddrinfo ENOTFOUND ", "getaddrinfo EAI_AGAIN "]
        .iter()
        .find_map(|before| log.after(before).into_iter().next());
    if let Some(host) = host {
        return Some(format!(
            "The build cannot reach {host}: check the network and the proxy of where it runs, or fetch what it wants beforehand and commit it."
        ));
    }
    log.has(&[
        "ECONNREFUSED",
        "ETIMEDOUT",
        "ECONNRESET",
        "ENETUNREACH",
        "ERR_PNPM_META_FETCH_FAIL",
        "ERR_PNPM_FETCH_5",
        "Failed to fetch `",
        "TypeError: fetch failed",
        "UND_ERR_CONNECT_TIMEOUT",
    ])
    .then(|| {
        "The build did not get an answer from the network: check the network and the proxy of where it runs. A database or service of your own is not there while an image is built."
            .to_owned()
    })
}

fn node(log: &Log) -> Option<String> {
    // As a warning of pnpm's it ends nothing.
    let ends = log
        .text()
        .lines()
        .any(|line| line.contains("Unsupported engine") && !line.contains("WARN"));
    (ends || log.has(&[
        "ERR_PNPM_UNSUPPORTED_ENGINE",
        "Unsupported environment (bad pnpm and/or Node.js version)",
        "The engine \"node\" is incompatible",
        "Node.js version >=",
        "You are using Node.js",
        "Please upgrade your Node.js version",
        "Please upgrade Node.js",
        "requires Node.js",
        "requires at least Node.js",
    ]))
    .then(|| {
        "This node is the wrong one for a tool of the build: name the version in `.nvmrc`, in `engines.node`, or with `--node VERSION`."
            .to_owned()
    })
}

fn module(failed: &Failed<'_>, log: &Log) -> Option<String> {
    match log.module()? {
        Module::Package(name) => Some(format!(
            "`{name}` is not installed for {}: declare it there in `dependencies` or `devDependencies`. On your machine it may be there for another package of the workspace.",
            failed.package()
        )),
        Module::File(name) => Some(format!(
            "`{name}` is not where the build looks for it: is it committed? A file that is left out is taken along with `--include FILE`; one that another task writes needs that task in `dependsOn`."
        )),
    }
}

fn program(failed: &Failed<'_>, code: i64, log: &Log) -> Option<String> {
    let name = log.program().filter(|_| code == 127 || code == 1)?;
    Some(format!(
        "`{name}` is not there: declare the package that brings it in {}; a program of the system is named in `systemPackages` of slimbuild.json.",
        failed.package()
    ))
}

fn variables(failed: &Failed<'_>, log: &Log) -> Option<String> {
    declare(failed, &log.variables())
}

/// How to declare variables for a task.
fn declare(failed: &Failed<'_>, names: &[String]) -> Option<String> {
    let Failed::Task(_, task) = failed else {
        return None;
    };
    let names: BTreeSet<&String> = names.iter().collect();
    let args: Vec<String> = names
        .iter()
        .map(|name| format!("`--build-arg {name}=…`"))
        .collect();
    let missing: Vec<&str> = names
        .iter()
        .filter(|name| !task.args.contains(**name))
        .map(|name| name.as_str())
        .collect();
    if names.is_empty() {
        return None;
    }
    let given = format!(
        "with {}, or `--secret id=NAME` for a secret",
        args.join(" ")
    );
    let how = task.declared.how(&task.script, &missing);
    Some(match how.filter(|_| !missing.is_empty()) {
        None => format!("Give the build the variable {given}."),
        Some(how) => format!(
            "The task `{}` gets no such variable: {how}, and give it {given}.",
            task.script
        ),
    })
}

fn checks(failed: &Failed<'_>, log: &Log) -> Option<String> {
    let Failed::Task(step, task) = failed else {
        return None;
    };
    if log.has_failed_tests() {
        return Some(format!(
            "Tests fail in the script `{}`: mend them, or leave tests to CI and take them out of the build script.",
            task.script
        ));
    }
    let dir = &step.dir;
    log.has(&["error TS", "Type error: "]).then(|| {
        format!(
            "The compiler refuses the code: `pnpm --dir={dir} run {}` shows the same in a fresh clone. Where it does not, a file or type that it needs is not in the build's context.",
            task.script
        )
    })
}
