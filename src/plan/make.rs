//! How a plan is made: from the workspace to every decision, in the order of the pipeline.

use std::collections::{BTreeMap, BTreeSet};

use super::gather::Gather;
use super::steps::Steps;
use super::{
    App, BuildStep, ClosurePlan, ImagePackage, MemberPlan, Plan, PlanOptions, base, inputs, place,
    trim,
};
use crate::closure::{Because, Closure};
use crate::detect::{self, Delivery, DetectError, Subject};
use crate::error::Error;
use crate::files::File;
use crate::graph::{Cycle, Graph};
use crate::ignore::{Rules, Verdict};
use crate::lockfile::Lockfile;
use crate::path::RepoPath;
use crate::workspace::Workspace;
use crate::{tasks, toolchain};

impl Plan {
    /// Decides everything for the app at `app`. Reads the workspace, and nothing else.
    pub fn new(workspace: &Workspace, app: usize, options: &PlanOptions) -> Result<Self, Error> {
        let member = &workspace.members[app];
        let lockfile = Lockfile::parse(&workspace.lockfile_text)?;
        let graph = Graph::new(workspace, &lockfile);
        let needed = tasks::needed(workspace, &graph, &[app]);
        let (order, circles) = graph
            .build_order(&needed.members)
            .map_err(|cycle| Error::Cycle(cycle.display(workspace)))?;

        let build = Closure::build(workspace, &lockfile, &[app], &needed.named)?;
        let (node, pnpm) = toolchain::decide(workspace, member, options.node.as_deref())?;
        build.check_frozen(workspace, &lockfile, Some(&pnpm.value))?;
        let rules = Rules::load(&workspace.root, &options.include, &options.exclude)?;
        let mut files: BTreeMap<usize, Vec<File>> = BTreeMap::new();
        for &at in build.members.keys().filter(|at| **at != 0) {
            files.insert(at, inputs::walk(workspace, at, &rules)?);
        }
        let own = inputs::relative(&files[&app], &member.dir);
        let subject = Subject {
            workspace,
            lockfile: &lockfile,
            app,
            files: &own,
            entry: options.entry.as_deref(),
        };
        let detection = detect::detect(&subject, options.kind)
            .map_err(|error| named_rule(workspace, &member.dir, &rules, error))?;
        let delivery = detection.delivery;
        let runtime = if delivery.has_modules() {
            Some(Closure::runtime(workspace, &lockfile, &[app])?)
        } else {
            None
        };

        let gather = Gather {
            workspace,
            lockfile: &lockfile,
            app,
            delivery: &delivery,
            build: &build,
            runtime: runtime.as_ref(),
            files: &files,
            rules: &rules,
            options,
            builds: order
                .iter()
                .any(|&at| !tasks::scripts(workspace, at).is_empty()),
        };
        let context = gather.entries()?;
        if let Some(runtime) = &runtime {
            check_kept(workspace, runtime, &files, &rules)?;
        }
        let in_image: BTreeSet<usize> = runtime
            .iter()
            .flat_map(|runtime| runtime.members.keys().copied())
            .collect();
        let writes = delivery.written().map(|(path, directory)| {
            let path = member.dir.join(path).unwrap_or_default();
            format!("{path}{}", if directory { "/" } else { "" })
        });
        let steps = Steps {
            workspace,
            graph: &graph,
            app,
            order: &order,
            in_image: &in_image,
            context: &context,
            writes,
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
            workspace_packages: lockfile.package_total(),
            workspace_members: workspace.members.len() - 1,
            has_root_files: context
                .iter()
                .any(|entry| entry.path.starts_with(&format!("{}/", place::ROOT))),
            image_packages: if delivery.has_modules() {
                image_packages(workspace, app, &in_image, &steps)
            } else {
                Vec::new()
            },
            trim: trim::trim(workspace, runtime.as_ref(), &delivery, options),
            verify: !options.no_verify,
            warnings: warnings(workspace, &delivery, &circles, &build),
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
        let step = steps.iter().find(|step| step.dir == member.dir);
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
    let secret = |key: &String| format!("`{key}` of .npmrc stays behind: it is a credential");
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
    warnings.extend(workspace.npmrc.secrets.iter().map(secret));
    warnings
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
        packages: closure.reach.package_count(),
        peers: closure
            .peers()
            .iter()
            .map(|(importer, peer)| format!("{importer}: {peer}"))
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
