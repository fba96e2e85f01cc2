//! How a plan is made: from the workspace to every decision, in the order of the pipeline.

use std::collections::{BTreeMap, BTreeSet};

use super::inputs;
use super::steps::{Steps, needed_for_build};
use super::{
    App, ClosurePlan, Content, ContextEntry, ImagePackage, MemberPlan, Plan, PlanOptions, base,
    place,
};
use crate::closure::Closure;
use crate::detect::{self, AppKind, DetectError, start};
use crate::error::Error;
use crate::files::File;
use crate::graph::Graph;
use crate::ignore::Rules;
use crate::lockfile::Lockfile;
use crate::lockfile::frozen::Frozen;
use crate::lockfile::reach::Reach;
use crate::manifest::workspace as workspace_file;
use crate::path::RepoPath;
use crate::sources::Usage;
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
        let members = needed_for_build(&graph, app, named.keys().copied());
        let (order, circles) = graph
            .build_order(&members)
            .map_err(|cycle| Error::Cycle(cycle.display(workspace)))?;

        let frozen = Frozen::of(&lockfile)?;
        let build = Closure::build(workspace, &lockfile, app, &named)?;
        for &at in build.members.keys() {
            let member = &workspace.members[at];
            frozen.check(&lockfile, &member.importer_key(), &member.manifest)?;
        }
        let runtime = Closure::runtime(workspace, &lockfile, app)?;

        let node = toolchain::node(workspace, member, options.node.as_deref())?;
        let pnpm = toolchain::pnpm(workspace)?;
        toolchain::check(&node, &pnpm)?;

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

        let mut context = Vec::new();
        let forced = inputs::globs(&options.include);
        for (&at, files) in &files {
            let dir = &workspace.members[at].dir;
            let in_image = runtime.members.contains_key(&at);
            let usage = usage(
                workspace,
                at,
                app,
                start.built,
                in_image,
                &inputs::relative(files, dir),
            );
            inputs::sources(files, dir, usage, &forced, &mut context);
        }
        for dir in &build.linked {
            let linked = crate::files::walk(&workspace.root, dir, &BTreeSet::new(), &rules)?.files;
            context.extend(linked.iter().map(|file| {
                inputs::source(place::SRC, file, "a `link:` in the lockfile leads here")
            }));
        }
        let root_files = inputs::root_files(workspace, &files, &rules, &options.include)?;
        context.extend(
            root_files
                .values()
                .map(|(file, why)| inputs::source(place::ROOT, file, why)),
        );
        let install_files = inputs::install_files(workspace)?;
        for (closure, place) in [(&build, place::BUILD), (&runtime, place::PROD)] {
            manifests(workspace, &lockfile, closure, place, &mut context);
            context.extend(
                install_files
                    .iter()
                    .map(|file| inputs::source(place, file, "pnpm reads it when it installs")),
            );
            local_files(workspace, closure, place, &files, &rules, &mut context)?;
        }
        bin_stubs(workspace, &build, &mut context);
        context.sort_by(|left, right| left.path.cmp(&right.path));
        context.dedup_by(|later, first| later.path == first.path);

        let runtime_set: BTreeSet<usize> = runtime.members.keys().copied().collect();
        let writes = start
            .built
            .then(|| member.dir.join(&start.entry).unwrap_or_default());
        let steps = Steps {
            workspace,
            graph: &graph,
            app,
            order: &order,
            runtime: &runtime_set,
            context: &context,
            writes,
        }
        .plan();
        let stage_of = |at: usize| {
            steps
                .iter()
                .find(|step| step.dir == workspace.members[at].dir)
                .map(|step| step.stage.clone())
        };
        let mut image_members: Vec<usize> = runtime_set
            .iter()
            .copied()
            .filter(|&at| at != app && at != 0)
            .collect();
        image_members.push(app);
        let image_packages = image_members
            .into_iter()
            .map(|at| ImagePackage {
                dir: workspace.members[at].dir.clone(),
                name: workspace.members[at].label(),
                stage: stage_of(at),
            })
            .collect();

        let mut warnings = start.warnings.clone();
        warnings.extend(circles.iter().map(|circle| {
            format!(
                "dev dependencies make a circle, which is passed over: {}",
                circle.display(workspace)
            )
        }));
        warnings.extend(
            workspace
                .npmrc
                .secrets
                .iter()
                .map(|key| format!("`{key}` of .npmrc stays behind: it is a credential")),
        );
        let all = whole(workspace, &lockfile)?;
        Ok(Self {
            app: App {
                name: member.label(),
                dir: member.dir.clone(),
                detected,
            },
            image: image_name(&member.label()),
            build_base: base::build(options, &node),
            runtime_base: base::runtime(options, &node),
            node,
            pnpm,
            start,
            build: closure_plan(workspace, &build),
            runtime: closure_plan(workspace, &runtime),
            workspace_packages: all,
            workspace_members: workspace.members.len() - 1,
            root_files: root_files.into_keys().collect(),
            steps,
            image_packages,
            warnings,
            context,
        })
    }
}

/// How a member's files are used.
fn usage(
    workspace: &Workspace,
    at: usize,
    app: usize,
    app_is_built: bool,
    in_image: bool,
    files: &BTreeSet<String>,
) -> Usage {
    if !in_image {
        return Usage::BuildOnly;
    }
    let from_sources = if at == app {
        !app_is_built
    } else {
        tasks::scripts(workspace, at).is_empty() || start::uses_sources(workspace, at, files)
    };
    if from_sources {
        Usage::Sources
    } else {
        Usage::Outputs
    }
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
    let member = |(&at, because): (&usize, &crate::closure::Because)| {
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

/// What an install reads: the lockfile, the workspace file, `.npmrc`, and the skeletons.
fn manifests(
    workspace: &Workspace,
    lockfile: &Lockfile<'_>,
    closure: &Closure<'_, '_>,
    place: &str,
    context: &mut Vec<ContextEntry>,
) {
    let mut made = |path: &str, text: String, why: &str| {
        let content = Content::Made {
            text,
            executable: false,
        };
        context.push(ContextEntry {
            path: format!("{place}/{path}"),
            content,
            why: why.to_owned(),
        });
    };
    let dirs: Vec<String> = closure
        .members
        .keys()
        .filter(|at| **at != 0)
        .map(|&at| workspace.members[at].dir.to_string())
        .collect();
    made(
        "pnpm-lock.yaml",
        closure.lockfile(workspace, lockfile),
        "the lockfile without what this closure does not reach",
    );
    made(
        workspace_file::FILE,
        workspace_file::with_members(&workspace.settings_text, dirs.iter().map(String::as_str)),
        "the settings, and the members of this closure",
    );
    if !workspace.npmrc.text.is_empty() {
        made(
            ".npmrc",
            workspace.npmrc.text.clone(),
            "the settings without credentials",
        );
    }
    let why = "what an install reads of the manifest";
    made("package.json", closure.skeleton(workspace, 0), why);
    for &at in closure.members.keys().filter(|at| **at != 0) {
        let dir = &workspace.members[at].dir;
        let text = if closure.reach.copied_directories().contains(dir) {
            closure.manifest(workspace, at)
        } else {
            closure.skeleton(workspace, at)
        };
        made(&format!("{dir}/package.json"), text, why);
    }
}

/// Files that an install copies out of the workspace: tarballs, and the sources of packages that are not linked but copied.
fn local_files(
    workspace: &Workspace,
    closure: &Closure<'_, '_>,
    place: &str,
    files: &BTreeMap<usize, Vec<File>>,
    rules: &Rules,
    context: &mut Vec<ContextEntry>,
) -> Result<(), Error> {
    for tarball in closure.reach.tarballs() {
        let file = File::load(&workspace.root, tarball).map_err(|_| Error::MissingFile {
            by: "pnpm-lock.yaml".to_owned(),
            path: tarball.to_string(),
        })?;
        context.push(inputs::source(
            place,
            &file,
            "a `file:` in the lockfile names it",
        ));
    }
    let why = "pnpm copies this package when it installs";
    for dir in closure.reach.copied_directories() {
        let member = workspace.position(dir).and_then(|at| files.get(&at));
        let walked;
        let files = match member {
            Some(files) => files,
            None => {
                walked = crate::files::walk(&workspace.root, dir, &BTreeSet::new(), rules)?.files;
                &walked
            }
        };
        let manifest = dir.join("package.json").unwrap_or_default();
        let has_skeleton = workspace.position(dir).is_some();
        context.extend(
            files
                .iter()
                .filter(|file| !has_skeleton || file.path != manifest)
                .map(|file| inputs::source(place, file, why)),
        );
    }
    Ok(())
}

/// pnpm links only those binaries of a member whose files are there when it installs; sources and outputs come later. The stub's first line
/// tells pnpm to call node.
fn bin_stubs(workspace: &Workspace, closure: &Closure<'_, '_>, context: &mut Vec<ContextEntry>) {
    for &at in closure.members.keys().filter(|at| **at != 0) {
        let member = &workspace.members[at];
        let Some(bin) = member.manifest.get("bin") else {
            continue;
        };
        let files: Vec<&str> = match bin {
            serde_json::Value::String(file) => vec![file],
            serde_json::Value::Object(map) => {
                map.values().filter_map(serde_json::Value::as_str).collect()
            }
            _ => Vec::new(),
        };
        for file in files {
            let Ok(path) = member.dir.join(file) else {
                continue;
            };
            if path.is_within(&member.dir) {
                let content = Content::Made {
                    text: "#!/usr/bin/env node\n".to_owned(),
                    executable: true,
                };
                let why = "stands in for a binary that comes later: pnpm links only what is there"
                    .to_owned();
                context.push(ContextEntry {
                    path: format!("{}/{path}", place::BUILD),
                    content,
                    why,
                });
            }
        }
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

impl Plan {
    /// The bytes of all files of the context together.
    pub fn context_size(&self) -> u64 {
        self.context.iter().map(|entry| entry.content.size()).sum()
    }
}
