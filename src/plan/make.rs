//! How a plan is made: from the workspace to every decision, in the order of the pipeline.

use std::collections::{BTreeMap, BTreeSet};

use super::gather::Gather;
use super::steps::{self, Steps};
use super::{
    App, BuildStep, ClosurePlan, ImagePackage, InstalledAlone, MemberPlan, Plan, PlanOptions, base,
    inputs, place,
};
use crate::closure::{Because, Closure};
use crate::detect::{self, Delivery, DetectError, Detection, Subject};
use crate::error::Error;
use crate::files::File;
use crate::graph::{Cycle, Graph};
use crate::ignore::{Rules, Verdict};
use crate::lockfile::Lockfiles;
use crate::manifest::npmrc;
use crate::path::RepoPath;
use crate::tasks::{self, Tasks};
use crate::toolchain;
use crate::workspace::Workspace;

impl Plan {
    /// Decides everything for the app at `app`. Reads the workspace, and nothing else.
    pub fn new(workspace: &Workspace, app: usize, options: &PlanOptions) -> Result<Self, Error> {
        let member = &workspace.members[app];
        let lockfiles = Lockfiles::parse(&workspace.lockfiles)?;
        let graph = Graph::new(workspace, &lockfiles);
        let needed = tasks::needed(workspace, &graph, &[app]);
        let (order, circles) = graph
            .build_order(&needed.members)
            .map_err(|cycle| Error::Cycle(cycle.display(workspace)))?;
        let tasks = Tasks::new(workspace, &graph, &[app]);
        let runs = tasks.runs(workspace)?;

        let build = Closure::build(workspace, &lockfiles, &[app], &needed.named)?;
        let (node, pnpm) = toolchain::decide(workspace, member, options.node.as_deref())?;
        build.check_frozen(workspace, Some(&pnpm.value))?;
        let rules = Rules::load(&workspace.root, &options.include, &options.exclude)?;
        let mut files: BTreeMap<usize, Vec<File>> = BTreeMap::new();
        for &at in build.members.keys().filter(|at| **at != 0) {
            files.insert(at, inputs::walk(workspace, at, &rules)?);
        }
        let detection = detection(workspace, &lockfiles, app, &files[&app], &rules, options)?;
        let delivery = detection.delivery;
        let runtime = if delivery.has_modules() {
            Some(Closure::runtime(workspace, &lockfiles, &[app])?)
        } else {
            None
        };

        let gather = Gather {
            workspace,
            app,
            delivery: &delivery,
            build: &build,
            runtime: runtime.as_ref(),
            files: &files,
            rules: &rules,
            options,
            tasks: &tasks,
            builds: !runs.is_empty(),
        };
        let context = gather.entries()?;
        let mut in_image = BTreeSet::new();
        if let Some(runtime) = &runtime {
            check_kept(workspace, runtime, &files, &rules)?;
            in_image.extend(runtime.members.keys().copied());
        }
        let steps = Steps {
            workspace,
            graph: &graph,
            app,
            order: &order,
            tasks: &tasks,
            runs: &runs,
            given: &options.build_args,
            in_image: &in_image,
            context: &context,
            writes: writes(&delivery, &member.dir),
            build_env: &detection.build_env,
        };
        let steps = steps.plan();
        Ok(Self {
            app: App {
                name: member.label(),
                dir: member.dir.clone(),
                detected: detection.detected,
            },
            image: image_name(&member.label()),
            build_base: base::build(options, &node),
            runtime_base: base::runtime(options, &node, &delivery),
            node,
            pnpm,
            build: closure_plan(workspace, &build),
            runtime: runtime
                .as_ref()
                .map(|runtime| closure_plan(workspace, runtime)),
            workspace_packages: lockfiles.package_total(),
            workspace_members: workspace.members.len() - 1,
            has_root_files: context.iter().any(|entry| in_root(&entry.path)),
            installed_alone: InstalledAlone {
                build: build.installed_alone(workspace),
                runtime: runtime
                    .as_ref()
                    .map_or_else(Vec::new, |runtime| runtime.installed_alone(workspace)),
            },
            image_packages: match &runtime {
                Some(_) => image_packages(workspace, app, &in_image, &steps),
                None => Vec::new(),
            },
            warnings: [
                warnings(workspace, &delivery, &circles, &build),
                tasks.warnings,
                steps::argument_warnings(&steps, &options.build_args),
            ]
            .concat(),
            delivery,
            port: detection.port,
            steps,
            context,
        })
    }

    /// The bytes of all files of the context together.
    pub fn context_size(&self) -> u64 {
        self.context.iter().map(|entry| entry.content.size()).sum()
    }
}

/// What the app's own files tell of it.
fn detection(
    workspace: &Workspace,
    lockfiles: &Lockfiles<'_>,
    app: usize,
    files: &[File],
    rules: &Rules,
    options: &PlanOptions,
) -> Result<Detection, Error> {
    let dir = &workspace.members[app].dir;
    let subject = Subject {
        workspace,
        lockfiles,
        app,
        files: &inputs::relative(files, dir),
        entry: options.entry.as_deref(),
    };
    detect::detect(&subject, options.kind).map_err(|error| named_rule(workspace, dir, rules, error))
}

/// Refuses rules that leave out what the image cannot do without: `*` in a `.dockerignore` made for one app is an easy way to lose a library.
fn check_kept(
    workspace: &Workspace,
    runtime: &Closure<'_, '_>,
    files: &BTreeMap<usize, Vec<File>>,
    rules: &Rules,
) -> Result<(), Error> {
    for at in runtime.members.keys().filter(|at| **at != 0) {
        let path = workspace.members[*at]
            .dir
            .join("package.json")
            .unwrap_or_default();
        if files[at].iter().any(|file| file.path == path) {
            continue;
        }
        if let Verdict::Drop(reason) = rules.file(&path)? {
            return Err(Error::Dropped {
                path,
                reason: reason.to_string(),
            });
        }
    }
    Ok(())
}

/// A start file that is there, but that a rule drops, is not simply missing.
fn named_rule(workspace: &Workspace, app: &RepoPath, rules: &Rules, error: DetectError) -> Error {
    let (DetectError::NoBuild { entry, .. }
    | DetectError::NoStart {
        entry: Some(entry), ..
    }) = &error
    else {
        return error.into();
    };
    let path = app.join(entry).unwrap_or_default();
    match rules.file(&path) {
        Ok(Verdict::Drop(reason)) if path.on_disk(&workspace.root).is_file() => Error::Dropped {
            path,
            reason: reason.to_string(),
        },
        _ => error.into(),
    }
}

/// Whether a file of the context lies among those of the workspace's root that builds read.
fn in_root(path: &str) -> bool {
    path.strip_prefix(place::ROOT)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// What the app's build must write, from the workspace's root; a directory ends in a slash.
fn writes(delivery: &Delivery, app: &RepoPath) -> Option<String> {
    let (path, directory) = delivery.written()?;
    let path = app.join(path).unwrap_or_default();
    Some(format!("{path}{}", if directory { "/" } else { "" }))
}

/// The members that the image gets, the app last: it changes most often.
fn image_packages(
    workspace: &Workspace,
    app: usize,
    in_image: &BTreeSet<usize>,
    steps: &[BuildStep],
) -> Vec<ImagePackage> {
    let others = in_image.iter().copied().filter(|&at| at != app && at != 0);
    let package = |at: usize| {
        let member = &workspace.members[at];
        // The last of its stages has what the ones before it wrote too.
        let step = steps.iter().rfind(|step| step.dir == member.dir);
        ImagePackage {
            dir: member.dir.clone(),
            name: member.label(),
            stage: step.map(|step| step.stage.clone()),
        }
    };
    others.chain([app]).map(package).collect()
}

fn warnings(
    workspace: &Workspace,
    delivery: &Delivery,
    circles: &[Cycle],
    build: &Closure<'_, '_>,
) -> Vec<String> {
    let circle = |circle: &Cycle| {
        format!(
            "dev dependencies make a circle, which is passed over: {}",
            circle.display(workspace)
        )
    };
    // The root's are for developers: husky and the like.
    let members = build
        .members
        .keys()
        .filter(|at| **at != 0)
        .map(|&at| &workspace.members[at].manifest);
    let lifecycle = members.flat_map(|manifest| {
        let skipped = |name| {
            format!(
                "the `{name}` script in {} is not run: only manifests are there when pnpm installs",
                manifest.file()
            )
        };
        manifest.lifecycle_scripts().map(skipped)
    });
    let start = delivery.start();
    let mut warnings = start.map_or_else(Vec::new, |start| start.warnings.clone());
    warnings.extend(lifecycle);
    warnings.extend(circles.iter().map(circle));
    warnings.extend(secrets(workspace, build));
    warnings
}

/// What stays behind of each `.npmrc` that an install of the closure gets.
pub(crate) fn secrets(workspace: &Workspace, closure: &Closure<'_, '_>) -> Vec<String> {
    let own = closure.members.keys().map(|&at| &workspace.members[at]);
    let own = own.map(|member| (member.dir.join(npmrc::FILE), &member.npmrc));
    let all = [(RepoPath::new(npmrc::FILE), &workspace.npmrc)];
    let secret =
        |file: RepoPath, key| format!("`{key}` of {file} stays behind: it is a credential");
    let secrets = all.into_iter().chain(own).flat_map(|(file, npmrc)| {
        let file = file.unwrap_or_default();
        let keys = npmrc.secrets.iter();
        keys.map(move |key| secret(file.clone(), key))
    });
    secrets.collect()
}

/// The members of a closure as a reader sees them.
pub(crate) fn members(workspace: &Workspace, closure: &Closure<'_, '_>) -> Vec<MemberPlan> {
    let member = |(&at, because): (&usize, &Because)| {
        let member = &workspace.members[at];
        MemberPlan {
            name: member.label(),
            dir: member.dir.clone(),
            because: because.clone(),
        }
    };
    closure.members.iter().map(member).collect()
}

fn closure_plan(workspace: &Workspace, closure: &Closure<'_, '_>) -> ClosurePlan {
    ClosurePlan {
        members: members(workspace, closure),
        packages: closure.package_count(),
        peers: closure
            .peers()
            .iter()
            .map(|(at, peer)| format!("{}: {peer}", workspace.members[*at].dir))
            .collect(),
    }
}

/// The image's name: the package's without its scope, in the letters that registries allow.
fn image_name(package: &str) -> String {
    let name = package.rsplit('/').next().unwrap_or(package).to_lowercase();
    let legal: String = name
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() || "._-".contains(letter) {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let trimmed = legal.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
    if trimmed.is_empty() {
        "app".to_owned()
    } else {
        trimmed.to_owned()
    }
}
