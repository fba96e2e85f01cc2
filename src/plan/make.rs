//! How a plan is made: from the workspace to every decision, in the order of the pipeline.

use std::collections::{BTreeMap, BTreeSet};

use super::gather::Gather;
use super::steps::{Steps, needed_for_build};
use super::{
    App, BuildStep, ClosurePlan, ImagePackage, MemberPlan, Plan, PlanOptions, base, inputs, place,
};
use crate::closure::{Because, Closure};
use crate::detect::{self, AppKind, DetectError, start};
use crate::error::Error;
use crate::files::File;
use crate::graph::{Cycle, Graph};
use crate::ignore::Rules;
use crate::lockfile::reach::Reach;
use crate::lockfile::{Lockfile, frozen};
use crate::path::RepoPath;
use crate::workspace::Workspace;
use crate::{tasks, toolchain};

impl Plan {
    /// Decides everything for the app at `app`. Reads the workspace, and nothing else.
    pub fn new(workspace: &Workspace, app: usize, options: &PlanOptions) -> Result<Self, Error> {
        let member = &workspace.members[app];
        let lockfile = Lockfile::parse(&workspace.lockfile_text)?;
        let graph = Graph::new(workspace, &lockfile);
        let named = tasks::named_packages(
            workspace,
            &needed_for_build(&graph, app, std::iter::empty()),
        );
        let needed = needed_for_build(&graph, app, named.keys().copied());
        let (order, circles) = graph
            .build_order(&needed)
            .map_err(|cycle| Error::Cycle(cycle.display(workspace)))?;

        let build = Closure::build(workspace, &lockfile, app, &named)?;
        let (node, pnpm) = toolchain::decide(workspace, member, options.node.as_deref())?;
        let members = build.members.keys().copied();
        frozen::check(workspace, &lockfile, members, Some(&pnpm.value))?;
        let runtime = Closure::runtime(workspace, &lockfile, app)?;

        let rules = Rules::load(&workspace.root, &options.include, &options.exclude)?;
        let mut files: BTreeMap<usize, Vec<File>> = BTreeMap::new();
        for &at in build.members.keys().filter(|at| **at != 0) {
            files.insert(at, inputs::walk(workspace, at, &rules)?);
        }
        let own = inputs::relative(&files[&app], &member.dir);
        let detected = detect::detect(workspace, app, &own);
        if detected.kind != AppKind::Node {
            let evidence = detected.evidence.join("; ");
            return Err(DetectError::NotYet {
                app: member.dir.clone(),
                kind: detected.kind,
                evidence,
            }
            .into());
        }
        let start = start::start(workspace, app, options.entry.as_deref(), &own)?;

        let gather = Gather {
            workspace,
            lockfile: &lockfile,
            app,
            start: &start,
            build: &build,
            runtime: &runtime,
            files: &files,
            rules: &rules,
            options,
        };
        let context = gather.entries()?;
        let in_image: BTreeSet<usize> = runtime.members.keys().copied().collect();
        let writes = start
            .built
            .then(|| member.dir.join(&start.entry).unwrap_or_default());
        let steps = Steps {
            workspace,
            graph: &graph,
            app,
            order: &order,
            in_image: &in_image,
            context: &context,
            writes,
        };
        let steps = steps.plan();
        Ok(Self {
            app: App {
                name: member.label(),
                dir: member.dir.clone(),
                detected,
            },
            image: image_name(&member.label()),
            build_base: base::build(options, &node),
            runtime_base: base::runtime(options, &node),
            warnings: warnings(workspace, &start, &circles, &build),
            node,
            pnpm,
            start,
            build: closure_plan(workspace, &build),
            runtime: closure_plan(workspace, &runtime),
            workspace_packages: whole(workspace, &lockfile)?,
            workspace_members: workspace.members.len() - 1,
            has_root_files: context
                .iter()
                .any(|entry| entry.path.starts_with(&format!("{}/", place::ROOT))),
            image_packages: image_packages(workspace, app, &in_image, &steps),
            steps,
            context,
        })
    }

    /// The bytes of all files of the context together.
    pub fn context_size(&self) -> u64 {
        self.context.iter().map(|entry| entry.content.size()).sum()
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
    start: &start::Start,
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
    let mut warnings = start.warnings.clone();
    warnings.extend(lifecycle);
    warnings.extend(circles.iter().map(circle));
    warnings.extend(workspace.npmrc.secrets.iter().map(secret));
    warnings
}

/// Everything in the lockfile, counted.
fn whole(workspace: &Workspace, lockfile: &Lockfile<'_>) -> Result<usize, Error> {
    let mut reach = Reach::new(lockfile);
    for importer in lockfile.importers() {
        if RepoPath::new(&importer.key)
            .ok()
            .and_then(|dir| workspace.position(&dir))
            .is_some()
        {
            for dependency in &importer.dependencies {
                reach.follow(importer, dependency)?;
            }
        }
    }
    Ok(reach.package_count())
}

fn closure_plan(workspace: &Workspace, closure: &Closure<'_, '_>) -> ClosurePlan {
    let member = |(&at, because): (&usize, &Because)| {
        let member = &workspace.members[at];
        MemberPlan {
            name: member.label(),
            dir: member.dir.clone(),
            because: because.clone(),
        }
    };
    ClosurePlan {
        members: closure.members.iter().map(member).collect(),
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
