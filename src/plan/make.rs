//! Makes a plan: takes every decision, in the order of the pipeline.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::base::{self, Bases};
use super::closures::closure_plan;
use super::context_list::{ContextList, Gathered};
use super::cycles::Circles;
use super::image_name::image_name;
use super::install;
use super::libc::Workplace;
use super::native::Asked;
use super::runnable::Loaded;
use super::steps::{self, Steps};
use super::{
    App, BuildStep, Configured, Contents, Engine, ImagePackage, InstalledAlone, Locked, Machines,
    NPMRC, Outputs, Place, Plan, PlanOptions, Proof, Recipe, Secrets, configured, context_entry,
    credentials, engine, env_files, inputs, kept_out, missing_programs, outputs, portable,
    study::Study, trim,
};
use crate::detect::{Delivery, DetectError, Detected};
use crate::files::ignore::{Rules, Verdict};
use crate::files::{Dropped, File};
use crate::lockfile::keys::name_and_version;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::needs::closure::Closure;
use crate::needs::survey::Survey;
use crate::needs::tasks::Tasks;
use crate::plan::PlanError;
use crate::workspace::toolchain;
use crate::workspace::{Member, Workspace};

impl Plan {
    /// Decides everything for the app at `app`. Only reads the workspace.
    pub fn new(
        workspace: &Workspace,
        app: MemberId,
        options: &PlanOptions,
    ) -> Result<Self, PlanError> {
        Self::of(&Survey::new(workspace)?, app, options)
    }

    /// The default name of an app's image, which is known before its plan.
    pub fn default_image(workspace: &Workspace, app: MemberId) -> String {
        image_name(&workspace.members[app].label())
    }

    /// The same, where the lockfiles are parsed already.
    #[expect(
        clippy::too_many_lines,
        reason = "every decision has one line, in the order in which they build on each other"
    )]
    pub fn of(
        survey: &Survey<'_>,
        app: MemberId,
        options: &PlanOptions,
    ) -> Result<Self, PlanError> {
        let workspace = survey.workspace;
        let member = &workspace.members[app];
        let study = Study::new(survey, app, options)?;
        let (order, circles) = survey.graph.build_order(&study.needed.members);
        let circles = Circles::new(workspace, &study.tasks, circles);
        let runs = circles.check(study.tasks.runs(workspace))?;

        let build = study.build()?;
        let (node, pnpm) = toolchain::decide(workspace, member, options.node())?;
        build.check_frozen(workspace, Some(&pnpm.value))?;
        let rules = options.rules(&workspace.root)?;
        let mut dropped = Vec::new();
        let files = files_of(workspace, &build, &rules, &mut dropped)?;
        let built = build
            .packages()
            .filter(|&at| at == app || study.tasks.run_in(at));
        check_kept(workspace, built, &files, &rules)?;
        let own = inputs::relative(&files[&app], &member.dir);
        let detection = study
            .detection(&own, &node.value)
            .map_err(|error| named_rule(workspace, &member.dir, &rules, error))?;
        let delivery = detection.delivery;
        let runtime = study.runtime(&delivery)?;
        let Study {
            tasks, left_out, ..
        } = study;
        Loaded {
            workspace,
            lockfiles: &survey.lockfiles,
            app,
            delivery: &delivery,
            tasks: &tasks,
            options,
            node: &node.value,
        }
        .check()?;

        let list = ContextList {
            workspace,
            lockfiles: &survey.lockfiles,
            app,
            delivery: &delivery,
            build: &build,
            runtime: runtime.as_ref(),
            files: &files,
            rules: &rules,
            options,
            signals: base::signals(&node, &delivery),
            tasks: &tasks,
            builds: !runs.all.is_empty(),
        };
        let Gathered {
            context,
            install_only,
            brought,
            warnings: beside_warnings,
        } = list.entries()?;
        let mut in_image = BTreeSet::new();
        if let Some(runtime) = &runtime {
            check_kept(workspace, runtime.packages(), &files, &rules)?;
            in_image.extend(runtime.members.keys().copied());
        }
        let given = options.build_args.keys().cloned().collect();
        let steps = Steps {
            workspace,
            graph: &survey.graph,
            app,
            order: &order,
            tasks: &tasks,
            given: &given,
            secrets: &variables(options),
            in_image: &in_image,
            copied: &copied(&build, runtime.as_ref()),
            context: &context,
            writes: writes(&delivery, &member.dir),
            build_env: &detection.build_env,
        };
        let steps = steps.plan(runs);
        let port = configured::port(options, detection.port);
        let callers = missing_programs::callers(workspace, image_members(app, &in_image), options);
        let bases = Bases::new(options, &node, &delivery, &callers)?;
        let configured = Configured::new(workspace, options, &bases, &delivery, port)?;
        let workplace = match options.engine {
            Engine::Docker => Workplace::Image(&bases.build.value),
            Engine::Native => Workplace::Machine,
        };
        let libc = workplace.libc();
        let (native, machine, native_warnings) = Asked {
            list: &list,
            pnpm: &pnpm.value,
            workplace,
            runtime_base: &bases.runtime.value.image,
            configured: &configured,
        }
        .decide()?;
        let bases = bases.of_engine(options, &delivery, &configured, &native)?;
        let engine_warnings = engine::warnings(options, &bases);
        let named = !options.platforms.is_empty();
        let has_machine_code = machine.is_some();
        let on_platform = portable::bound(options, &bases, &configured, &native, machine);
        let portable = named && on_platform.is_none();
        let trim = trim::trim(workspace, runtime.as_ref(), &delivery, options)
            .map(|trim| trim.of_machines(options, has_machine_code, libc))
            .map(|trim| trim.of_databases(workspace, files.values().flatten()))
            .transpose()?;
        Ok(Self {
            engine: options.engine,
            app: App::new(member, detection.detected),
            image: Self::default_image(workspace, app),
            build_base: bases.build,
            runtime_base: bases.runtime,
            signals: base::signals(&node, &delivery),
            node,
            pnpm,
            native,
            portable,
            bound: on_platform.filter(|_| named),
            build: closure_plan(workspace, &build),
            runtime: runtime
                .as_ref()
                .map(|runtime| closure_plan(workspace, runtime)),
            workspace_packages: survey.lockfiles.package_total(),
            workspace_members: workspace.packages(app.is_root()),
            installed_alone: installed_alone(workspace, &build, runtime.as_ref()),
            verify: options.proof != Proof::None,
            trial: options.proof == Proof::Started && delivery.start().is_some(),
            include: options.include.clone(),
            public_env_files: options.public_env_files.clone(),
            brought,
            image_packages: image_packages(workspace, app, &in_image, &steps, &tasks, &delivery),
            warnings: [
                warnings(&delivery, circles.warnings()),
                install::pnpmfile_warnings(workspace),
                inputs::undeclared(workspace, &build, app),
                kept_out::warnings(&dropped, &rules),
                env_files::warnings(workspace, app, &dropped, &rules, options)?,
                beside_warnings,
                configured::warnings(options, &delivery),
                engine_warnings,
                tasks.warnings,
                steps::argument_warnings(&steps, &given),
                native_warnings,
                credentials::warnings(&context),
                missing_programs::warnings(&callers, &delivery),
            ]
            .concat(),
            contents: Contents::Built(Box::new(Recipe {
                has_root_files: context_entry::holds(&context, Place::Root, &RepoPath::ROOT),
                trim,
                locked: runtime.as_ref().map_or_else(BTreeMap::new, locked),
                bound: runtime.as_ref().map_or_else(BTreeMap::new, bound),
                secrets: Secrets::new(workspace, &build, options, &steps),
                left_out,
                install_only,
                steps,
                context,
            })),
            delivery,
            port,
            configured,
        })
    }
}

impl App {
    fn new(member: &Member, detected: Detected) -> Self {
        Self {
            name: member.label(),
            dir: member.dir.clone(),
            detected,
        }
    }
}

/// The names of secrets that are variables.
fn variables(options: &PlanOptions) -> BTreeSet<String> {
    let names = options.secrets.iter().map(|secret| secret.value.clone());
    names.filter(|name| name != NPMRC).collect()
}

/// The directories that pnpm copies when it installs.
fn copied(build: &Closure<'_, '_>, runtime: Option<&Closure<'_, '_>>) -> BTreeSet<RepoPath> {
    let closures = [Some(build), runtime].into_iter().flatten();
    let copied = closures.flat_map(Closure::copied_directories);
    copied.cloned().collect()
}

/// The files of every member of the build closure, except the root's. Dropped ones are recorded.
fn files_of(
    workspace: &Workspace,
    build: &Closure<'_, '_>,
    rules: &Rules,
    dropped: &mut Vec<Dropped>,
) -> Result<BTreeMap<MemberId, Vec<File>>, PlanError> {
    let mut files = BTreeMap::new();
    for at in build.packages() {
        let walk = inputs::walk(workspace, at, rules)?;
        files.insert(at, walk.files);
        dropped.extend(walk.dropped);
    }
    Ok(files)
}

/// The members that are installed by themselves.
fn installed_alone(
    workspace: &Workspace,
    build: &Closure<'_, '_>,
    runtime: Option<&Closure<'_, '_>>,
) -> InstalledAlone {
    InstalledAlone {
        build: build.installed_alone(workspace),
        runtime: runtime.map_or_else(Vec::new, |runtime| runtime.installed_alone(workspace)),
    }
}

/// Fails if rules drop one of these packages: a `.dockerignore` made for one app easily drops a
/// library (`*`) or another app.
fn check_kept(
    workspace: &Workspace,
    packages: impl Iterator<Item = MemberId>,
    files: &BTreeMap<MemberId, Vec<File>>,
    rules: &Rules,
) -> Result<(), PlanError> {
    for at in packages {
        let file = workspace.members[at].manifest.file();
        let path = RepoPath::new(file).unwrap_or_default();
        if files[&at].iter().any(|file| file.path == path) {
            continue;
        }
        // A rule for the whole directory is told by the directory: its manifest alone is no use.
        let dir = &workspace.members[at].dir;
        let (path, verdict) = match rules.scope(dir)?.0 {
            Verdict::Drop(reason) => (dir.clone(), Verdict::Drop(reason)),
            Verdict::Keep => {
                let verdict = rules.file(&path)?;
                (path, verdict)
            }
        };
        if let Verdict::Drop(reason) = verdict {
            return Err(PlanError::Dropped {
                path,
                reason: reason.to_string(),
            });
        }
    }
    Ok(())
}

/// An existing start file that a rule drops is not reported as missing.
fn named_rule(
    workspace: &Workspace,
    app: &RepoPath,
    rules: &Rules,
    error: DetectError,
) -> PlanError {
    let (DetectError::NoBuild { entry, .. }
    | DetectError::NoStart {
        entry: Some(entry), ..
    }) = &error
    else {
        return error.into();
    };
    let path = app.join(entry).unwrap_or_default();
    match rules.file(&path) {
        Ok(Verdict::Drop(reason)) if workspace.tree.is_file(&path).unwrap_or_default() => {
            PlanError::Dropped {
                path,
                reason: reason.to_string(),
            }
        }
        _ => error.into(),
    }
}

/// What the app's build must write, from the workspace's root. A directory ends in a slash.
fn writes(delivery: &Delivery, app: &RepoPath) -> Option<String> {
    let (path, directory) = delivery.written()?;
    let path = app.join(path).unwrap_or_default();
    Some(format!("{path}{}", if directory { "/" } else { "" }))
}

/// The members whose code is in the image.
fn image_members(app: MemberId, in_image: &BTreeSet<MemberId>) -> impl Iterator<Item = MemberId> {
    let others = in_image.iter().copied();
    [app]
        .into_iter()
        .chain(others.filter(move |&at| at != app && !at.is_root()))
}

/// The members that the image gets, the app last: it changes most often.
fn image_packages(
    workspace: &Workspace,
    app: MemberId,
    in_image: &BTreeSet<MemberId>,
    steps: &[BuildStep],
    tasks: &Tasks,
    delivery: &Delivery,
) -> Vec<ImagePackage> {
    if in_image.is_empty() {
        // The build's output includes what it needs.
        return Vec::new();
    }
    let others = image_members(app, in_image).skip(1);
    // The last stage of a package contains the output of the earlier ones.
    let last: BTreeMap<&RepoPath, &BuildStep> =
        steps.iter().map(|step| (&step.dir, step)).collect();
    let package = |at: MemberId| {
        let member = &workspace.members[at];
        let step = last.get(&member.dir);
        ImagePackage {
            dir: member.dir.clone(),
            nested: workspace
                .nested(&member.dir)
                .map(|one| one.dir.clone())
                .collect(),
            name: member.label(),
            stage: step.map(|step| step.stage.clone()),
            outputs: step.map_or_else(Outputs::default, |_| {
                let written = delivery.written().filter(|_| at == app);
                outputs::outputs(workspace, tasks, at, written.map(|(path, _)| path))
            }),
        }
    };
    others.chain([app]).map(package).collect()
}

fn warnings(delivery: &Delivery, circles: impl Iterator<Item = String>) -> Vec<String> {
    let start = delivery.start();
    let mut warnings = start.map_or_else(Vec::new, |start| start.warnings.clone());
    warnings.extend(circles);
    warnings
}

/// The packages of registries that a closure has.
fn locked(closure: &Closure<'_, '_>) -> BTreeMap<Locked, bool> {
    let mut all = BTreeMap::new();
    for (lockfile, key, optional) in closure.entries() {
        let (name, version) = name_and_version(lockfile.format(), key);
        let (name, version) = (name.to_owned(), version.to_owned());
        let known = all.entry(Locked { name, version }).or_insert(optional);
        // A version may occur with several sets of peers.
        *known &= optional;
    }
    all
}

/// The packages that may be left out and are for some machines only.
fn bound(closure: &Closure<'_, '_>) -> BTreeMap<Locked, Machines> {
    let optional = closure.entries().filter(|(.., optional)| *optional);
    let bound = optional.filter_map(|(lockfile, key, _)| {
        let traits = lockfile.traits(key);
        let (name, version) = name_and_version(lockfile.format(), key);
        let (name, version) = (name.to_owned(), version.to_owned());
        let words = |list: Vec<Cow<'_, str>>| list.into_iter().map(Cow::into_owned).collect();
        traits.is_bound().then(|| {
            let machines = Machines {
                os: words(traits.os),
                cpu: words(traits.cpu),
                libc: words(traits.libc),
            };
            (Locked { name, version }, machines)
        })
    });
    bound.collect()
}
