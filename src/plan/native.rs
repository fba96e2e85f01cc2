//! What packages with machine code need in the stages: a compiler, OpenSSL, one C library. Also
//! reports what cannot work before anything is built.

use std::collections::BTreeSet;

use serde::Serialize;

use super::context_list::ContextList;
use super::libc::{Outfit, Workplace, libc};
use super::{Configured, SystemPackages};
use crate::detect::native::{NativePackage, Natives, Target};
use crate::detect::prisma;
use crate::files::tree::Limit;
use crate::lockfile::LockfileError;
use crate::needs::closure::Closure;
use crate::needs::frozen::installs::{Installs, Verdict};
use crate::plan::PlanError;
use crate::plan::config::ConfigError;

/// The tools of node-gyp.
const COMPILER: [&str; 3] = ["g++", "make", "python3"];

/// The command-line tool and the library in Debian and Alpine.
const OPENSSL: &str = "openssl";

/// What the stages get for registry packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Native {
    /// Packages of the system that installs and builds need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<SystemPackages>,
    /// Packages of the system that the image needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<SystemPackages>,
    /// Whether node's headers are taken from the base instead of downloaded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub headers: bool,
    /// Whether the build stages use musl.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub musl: bool,
}

impl Native {
    /// Whether there is nothing to tell.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// The input of the decision.
pub(super) struct Asked<'q, 'l, 'a> {
    /// The closures, and the files of their members.
    pub(super) list: &'q ContextList<'q, 'l, 'a>,
    pub(super) pnpm: &'q str,
    /// Where pnpm installs.
    pub(super) workplace: Workplace<'q>,
    /// The image that the result starts from.
    pub(super) runtime_base: &'q str,
    pub(super) configured: &'q Configured,
}

/// The findings.
struct Found<'w> {
    /// Packages among those installed.
    installed: Natives,
    /// Packages that the app needs at run time, installed or included by its build.
    running: Natives,
    /// Installed packages whose scripts run, and those about which no setting decides.
    compiled: Vec<NativePackage>,
    undecided: Vec<NativePackage>,
    installs: Option<Installs<'w>>,
}

impl Asked<'_, '_, '_> {
    /// Decides, and returns which packages of the image have machine code, and warnings for the user.
    pub(super) fn decide(&self) -> Result<(Native, Option<String>, Vec<String>), PlanError> {
        let found = self.look()?;
        let schemas = self.schemas()?;
        let clients = |packages: &BTreeSet<NativePackage>| {
            let told = schemas.iter().any(|schema| schema.generator.engine);
            packages.iter().any(prisma::may_need_engine) && (told || schemas.is_empty())
        };
        let mut warnings = self.machines(&found);
        warnings.extend(unbuilt(&found));
        warnings.extend(self.mismatch(&found)?);
        let (built, run) = (
            clients(&found.installed.prisma),
            clients(&found.running.prisma),
        );
        if built {
            warnings.extend(self.targets(&schemas));
        }
        let mut native = Native {
            build: None,
            runtime: None,
            headers: !found.compiled.is_empty() && self.workplace.has_headers(),
            musl: self.workplace.libc() == Some("musl"),
        };
        let mut wanted: Vec<(&[&str], String)> = Vec::new();
        if !found.compiled.is_empty() {
            let why = format!(
                "{} when pnpm installs, where no finished binary can be had",
                plural(&found.compiled, "compiles", "compile")
            );
            wanted.push((&COMPILER, why));
        }
        if found.installed.cmake && !found.compiled.is_empty() {
            wanted.push((&["cmake"], "they compile with it".to_owned()));
        }
        let unknown = self.workplace.outfit() == Outfit::Unknown;
        let has = |name: &str| {
            let given = self.configured.build_packages.as_ref();
            given.is_some_and(|given| given.names.iter().any(|one| one == name))
        };
        if unknown && !found.compiled.is_empty() && !has("g++") {
            let compile = plural(&found.compiled, "compiles", "compile");
            warnings.push(match self.workplace {
                Workplace::Image(image) => format!(
                    "{compile} when pnpm installs, and nobody knows whether `{image}` has a compiler: if it has none, name what brings it in `buildPackages`"
                ),
                Workplace::Machine => format!(
                    "{compile} when pnpm installs, where no finished binary can be had: this machine needs {} for that",
                    COMPILER.join(", ")
                ),
            });
        }
        if built {
            let why = "Prisma chooses its engine by the OpenSSL that it finds".to_owned();
            wanted.push((&[OPENSSL], why));
        }
        native.build = packages(
            self.workplace.outfit(),
            &wanted,
            self.configured.build_packages.as_ref(),
        );
        if run && self.list.delivery.start().is_some() {
            let why = "Prisma's engine is linked with it".to_owned();
            let wanted: [(&[&str], String); 1] = [(&[OPENSSL], why)];
            let given = self.configured.runtime_packages.as_ref();
            let outfit = Workplace::Image(self.runtime_base).outfit();
            native.runtime = packages(outfit, &wanted, given);
        }
        Ok((native, found.running.with_machine_code(), warnings))
    }

    /// The processors in node's terms; none if the engine decides.
    fn cpus(&self) -> Vec<&str> {
        let platforms = self.list.options.platforms.iter();
        platforms.map(crate::model::image::Platform::cpu).collect()
    }

    fn look(&self) -> Result<Found<'_>, LockfileError> {
        let cpus = self.cpus();
        let target = Target {
            cpus: &cpus,
            libc: self.workplace.libc(),
        };
        let mut installed = Natives::default();
        let build = self.list.builds.then_some(self.list.build);
        for closure in build.into_iter().chain(self.list.runtime) {
            installed.add(Natives::of(closure, target)?);
        }
        let running = match self.list.runtime {
            Some(closure) => Natives::of(closure, target)?,
            None if self.list.delivery.start().is_none() => Natives::default(),
            None => {
                let (workspace, lockfiles) = (self.list.workspace, self.list.lockfiles);
                let none = BTreeSet::new();
                let apps = [self.list.app];
                let tools = self.list.options.tools();
                let closure = Closure::runtime(workspace, lockfiles, &apps, &none, tools)?;
                Natives::of(&closure, target)?
            }
        };
        let installs = Installs::new(self.list.workspace, self.pnpm)?;
        let verdict = |package: &&NativePackage| match &installs {
            Some(installs) => installs.verdict(&package.name, &package.version),
            None => Verdict::Runs,
        };
        let compiled = installed.compiled.iter();
        let scripts = compiled.clone().chain(&installed.fetched);
        Ok(Found {
            compiled: compiled
                .filter(|package| verdict(package) == Verdict::Runs)
                .cloned()
                .collect(),
            undecided: scripts
                .filter(|package| verdict(package) == Verdict::Undecided)
                .cloned()
                .collect(),
            installed,
            running,
            installs,
        })
    }

    /// Warnings about packages that the install lacks for the target platform.
    fn machines(&self, found: &Found<'_>) -> Vec<String> {
        let (mut cpus, libc) = (self.cpus(), self.workplace.libc());
        let several = cpus.len() > 1;
        if cpus.is_empty() {
            cpus = vec!["x64", "arm64"];
        }
        let mut warnings = Vec::new();
        let unsupported = found
            .installs
            .as_ref()
            .filter(|_| !found.installed.families.is_empty())
            .and_then(|installs| {
                // Each of several platforms needs its own; the engine's may be any.
                let asked = if several {
                    cpus.chunks(1)
                } else {
                    cpus.chunks(cpus.len())
                };
                asked
                    .into_iter()
                    .find_map(|cpus| installs.unsupported(cpus, libc))
            });
        if let Some((setting, file)) = unsupported {
            let families: Vec<NativePackage> = found.installed.families.iter().cloned().collect();
            warnings.push(format!(
                "`{setting}` in {file} keeps pnpm from installing what {} for the image: add `current` to the list",
                plural(&families, "needs", "need")
            ));
        }
        let missing: Vec<NativePackage> = found.installed.missing.iter().cloned().collect();
        if !missing.is_empty() {
            let libc = libc.map_or(String::new(), |libc| format!(" with {libc}"));
            warnings.push(format!(
                "{} as a package for each machine, and the lockfile has none for linux on {}{libc}: write it anew with `pnpm install --lockfile-only`, and look whether `overrides` or `ignoredOptionalDependencies` leave it out",
                plural(&missing, "comes", "come"),
                cpus.join(if several { " and " } else { " or " }),
            ));
        }
        warnings
    }

    /// The error or warning if packages installed for one C library would run on another.
    fn mismatch(&self, found: &Found<'_>) -> Result<Option<String>, ConfigError> {
        let libcs = (self.workplace.libc(), libc(self.runtime_base));
        let (Some(build), Some(run)) = libcs else {
            return Ok(None);
        };
        let compiled = found.compiled.iter().filter(|package| {
            let running = &found.running.compiled;
            running.contains(package)
        });
        let bound: BTreeSet<&NativePackage> = found.running.bound.iter().chain(compiled).collect();
        if build == run || bound.is_empty() {
            return Ok(None);
        }
        let bound: Vec<NativePackage> = bound.into_iter().cloned().collect();
        let problem = format!(
            "{} machine code for one C library: {}, where pnpm installs, has {build}, and `{}`, where the app runs, has {run}",
            plural(&bound, "has", "have"),
            self.workplace,
            self.runtime_base
        );
        let given = [
            self.list
                .options
                .build_base
                .as_ref()
                .map(|base| &base.source),
            self.list.options.base.as_ref().map(|base| &base.source),
        ];
        match given.into_iter().flatten().next() {
            Some(source) if self.list.delivery.has_modules() => {
                let hint = match self.workplace {
                    Workplace::Machine => {
                        "name a base with this machine's C library, as `--base node:22-slim`, or make the image with Docker"
                    }
                    Workplace::Image(_) => {
                        "take both images from one distribution: `--build-base node:22-alpine` goes with `--base node:22-alpine`, `node:22-slim` with distroless and Debian"
                    }
                };
                Err(ConfigError::unfit(source, problem, hint))
            }
            _ => Ok(Some(problem)),
        }
    }

    /// Prisma's schemas in the members of the build closure.
    fn schemas(&self) -> Result<Vec<Schema>, PlanError> {
        let mut schemas = Vec::new();
        let files = self.list.files.values().flatten();
        for file in files.filter(|file| file.path.as_str().ends_with(".prisma")) {
            let tree = &self.list.workspace.tree;
            let bytes = tree.read(&file.path, Limit::Source)?;
            let generators = prisma::generators(&String::from_utf8_lossy(&bytes));
            schemas.extend(generators.into_iter().map(|generator| Schema {
                file: file.path.to_string(),
                generator,
            }));
        }
        Ok(schemas)
    }

    /// Warnings about schemas whose targets do not include the image's.
    fn targets(&self, schemas: &[Schema]) -> Vec<String> {
        let (build, run) = (self.workplace.libc(), libc(self.runtime_base));
        let cpus = self.cpus();
        // For each processor, those of which it needs one.
        let fitting: Vec<Vec<&str>> = if cpus.is_empty() {
            vec![prisma::targets(run, None)]
        } else {
            let cpus = cpus.iter();
            cpus.map(|cpu| prisma::targets(run, Some(cpu))).collect()
        };
        let warning = |schema: &Schema| {
            let (line, targets) = schema.generator.targets.as_ref()?;
            let has = |target: &str| targets.iter().any(|one| one == target);
            let native = has("native") && (build == run || build.is_none() || run.is_none());
            let fits = |of_one: &Vec<&str>| of_one.iter().any(|target| has(target));
            if !schema.generator.engine || native || fitting.iter().all(fits) {
                return None;
            }
            let all = targets.iter().map(String::as_str);
            let all: Vec<String> = ["native"]
                .into_iter()
                .chain(all.filter(|one| *one != "native"))
                .chain(fitting.iter().flatten().copied().filter(|_| has("native")))
                .map(|target| format!("\"{target}\""))
                .collect();
            Some(format!(
                "{}, line {line}: `binaryTargets` has no engine for the image: write `binaryTargets = [{}]`",
                schema.file,
                all.join(", ")
            ))
        };
        schemas.iter().filter_map(warning).collect()
    }
}

/// A client generator, and its position.
struct Schema {
    file: String,
    generator: prisma::Generator,
}

/// The warning about packages whose scripts pnpm will not run.
fn unbuilt(found: &Found<'_>) -> Option<String> {
    let installs = found.installs.as_ref()?;
    let names: BTreeSet<&str> = found.undecided.iter().map(|one| &*one.name).collect();
    if names.is_empty() {
        return None;
    }
    let names: Vec<&str> = names.into_iter().collect();
    let (setting, file) = installs.approval(&names);
    let (major, list) = (installs.major(), list(&found.undecided));
    let approve = format!("to approve, write `{setting}` into {file}");
    Some(if installs.is_strict() {
        format!(
            "pnpm {major} stops the install at {list}: nobody decided whether what they run when they are installed may run (`strictDepBuilds`); {approve}"
        )
    } else {
        format!(
            "pnpm {major} will not build {list}: nobody approved what they run when they are installed, and without it their machine code may be missing when the app runs; {approve}"
        )
    })
}

/// The wanted packages that must be installed, each with its reason; `None` if the image has them
/// or is unknown.
fn packages(
    outfit: Outfit,
    wanted: &[(&[&str], String)],
    given: Option<&SystemPackages>,
) -> Option<SystemPackages> {
    let Outfit::Bare(manager) = outfit else {
        return None;
    };
    let is_given = |name: &str| given.is_some_and(|it| it.names.iter().any(|one| one == name));
    let (mut names, mut reasons) = (Vec::new(), Vec::new());
    for (packages, reason) in wanted {
        let missing: Vec<&str> = packages
            .iter()
            .copied()
            .filter(|one| !is_given(one))
            .collect();
        if !missing.is_empty() {
            reasons.push(reason.clone());
            names.extend(missing.into_iter().map(str::to_owned));
        }
    }
    (!names.is_empty()).then(|| SystemPackages {
        manager,
        names,
        reason: reasons.join("; "),
    })
}

/// `a, b and c`
fn list(packages: &[NativePackage]) -> String {
    let names: Vec<String> = packages.iter().map(ToString::to_string).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    }
}

/// `a compiles`, `a and b compile`
fn plural(packages: &[NativePackage], one: &str, more: &str) -> String {
    let verb = if packages.len() == 1 { one } else { more };
    format!("{} {verb}", list(packages))
}

#[cfg(test)]
mod tests;
