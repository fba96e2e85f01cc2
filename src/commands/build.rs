//! `slimbuild APP`: from the workspace to a tagged image.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use super::reach::{loader, reach};
use super::{Pins, Place, native, planned, push, warn};
use crate::cli::{BuildArg, BuildArgs, EngineArgs, SmokeArgs};
use crate::engine::docker::{BuildRequest, Built, CachePolicy, Docker, EngineError, PullPolicy};
use crate::engine::registry::Pushed;
use crate::engine::{Answered, Event, Interrupt, Secret, SmokeRequest};
use crate::error::Error;
use crate::files::ignore::Rules;
use crate::files::tree::Tree;
use crate::files::{self, Measure};
use crate::model::image::ImageRef;
use crate::needs::tasks::is_proxy;
use crate::plan::smoke::{self, Unset};
use crate::plan::{Plan, PlanOptions};
use crate::render::context::write_tar;
use crate::render::dockerfile;
use crate::show::progress::{Progress, ProgressMode, Summary};
use crate::show::report::{self, Outcome};
use crate::show::ui::Ui;
use crate::system::env::Env;
use crate::system::terminal::escape_json;
use crate::system::whole::Whole;
use crate::system::workdir;

/// Builds the image, or shows what would be built. Relative paths in `args` begin in `cwd`, those that are printed are seen from `here`.
pub fn run(args: BuildArgs, cwd: &Path, here: &Path, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    let began = Instant::now();
    let BuildArgs {
        app,
        tags,
        dry_run,
        quiet,
        progress,
        metadata_file,
        plan,
        smoke,
        engine,
    } = args;
    let given = plan.build_args.clone();
    let secrets = plan.secrets.clone();
    let daemon = plan.host.clone();
    let pins = Pins::new(&plan, engine.pull, env)?;
    let options = PlanOptions {
        platform: engine.platform.clone(),
        ..PlanOptions::from(plan)
    };
    let app = app.app;
    let (root, plan) = planned(&Place { cwd, app, pins }, &options)?;
    let mode = if quiet { ProgressMode::Quiet } else { progress };
    if mode != ProgressMode::Quiet {
        warn(&plan, ui)?;
    }
    if dry_run {
        native::refuse_disk(&plan)?;
        return show(&plan, ui);
    }
    let tags = names(&plan, tags)?;
    if engine.push {
        push::check(&tags)?;
    }
    let (secrets, warnings) = super::secrets::values(&plan, &secrets, &root, cwd, env)?;
    let arguments = values(given, &plan, env);
    ui.hide(super::secrets::mask(&plan, &secrets, &arguments, env));
    let warnings = [warnings, super::secrets::too_short(&secrets)].concat();
    for warning in warnings.iter().filter(|_| mode != ProgressMode::Quiet) {
        ui.warn(warning)
            .map_err(Error::io("cannot write to stderr"))?;
    }
    workdir::sweep();
    let Some(docker) = reach(&engine, daemon.as_deref(), &plan, env, mode, ui)? else {
        let load = loader(&engine, daemon.as_deref(), env)?;
        let job = native::Job {
            arguments,
            trial: trial(&plan, smoke, cwd, env)?,
            secrets,
            root,
            plan,
            tags,
            engine,
            load,
            mode,
            metadata: metadata_file,
            cwd,
            here,
            env,
            began,
        };
        return native::run(&job, ui);
    };
    native::refuse_disk(&plan)?;
    // A text that no Dockerfile can express is better known before anything is sent.
    dockerfile::render(&plan)?;
    let job = Job {
        trial: trial(&plan, smoke, cwd, env)?,
        arguments,
        root,
        plan,
        tags,
        secrets,
        engine,
        mode,
        metadata: metadata_file.map(|file| cwd.join(file)),
        began,
    };
    with_docker(&docker, job, ui)
}

/// The image's names: those of the command line, of slimbuild.json, or the package's.
fn names(plan: &Plan, given: Vec<ImageRef>) -> Result<Vec<ImageRef>, Error> {
    Ok(match &plan.configured.tags {
        _ if !given.is_empty() => given,
        Some(tags) => tags
            .value
            .iter()
            .map(|tag| tag.parse())
            .collect::<Result<_, _>>()?,
        None => vec![plan.image.parse()?],
    })
}

/// What a daemon is to do.
struct Job {
    root: PathBuf,
    plan: Plan,
    tags: Vec<ImageRef>,
    arguments: BTreeMap<String, String>,
    secrets: BTreeMap<String, Secret>,
    trial: Option<SmokeRequest>,
    engine: EngineArgs,
    mode: ProgressMode,
    metadata: Option<PathBuf>,
    began: Instant,
}

fn with_docker(docker: &Docker, job: Job, ui: &mut Ui) -> Result<(), Error> {
    let Job {
        root,
        plan,
        tags,
        trial,
        mode,
        ..
    } = job;
    let request = BuildRequest {
        secrets: job.secrets,
        // What is tried out gets its names afterwards.
        tags: if trial.is_some() {
            Vec::new()
        } else {
            tags.clone()
        },
        build_args: job.arguments,
        ..request(&plan, &job.engine)?
    };

    let interrupt = Interrupt::listen().map_err(Error::io("cannot listen for Ctrl-C"))?;
    // What cannot be written is better known before minutes of building than after.
    let metadata = job.metadata.as_deref().map(Whole::begin).transpose()?;
    let mut shown = Progress::new(mode, ui);
    let mut left_out = None;
    let mut last = 0;
    let (built, workspace) = std::thread::scope(|scope| {
        // For the report alone: it must not make anybody wait.
        let measuring = scope.spawn(|| {
            let tree = Tree::open(&root).ok()?;
            let rules = Rules::load(&root, &[], &[]).ok()?;
            Some(files::measure(&tree, &rules))
        });
        let context = Box::new(|out: &mut dyn Write| write_tar(&plan, &root, out));
        let built = docker.build(&request, context, &interrupt, &mut |event| {
            left_out = said_left_out(&event).or(left_out);
            if let Event::StepKnown { step, .. } = &event {
                last = last.max(step.0);
            }
            shown.event(&event);
        });
        (built, measuring.join().ok().flatten().unwrap_or_default())
    });
    let summary = shown.finish();
    let built = built.map_err(|error| disproved(&plan, error))?;
    let answered = match &trial {
        Some(trial) => {
            let answered = try_out(docker, &built, trial, &interrupt, mode, ui)?;
            docker.tag(&built.id, &tags)?;
            Some(answered)
        }
        None => None,
    };
    let mut pushed = Vec::new();
    if job.engine.push {
        let mut shown = Progress::new(mode, ui);
        let done = docker.push(&tags, last + 1, &interrupt, &mut |event| {
            shown.event(&event);
        });
        shown.finish();
        pushed = done?;
    }

    let names: Vec<String> = tags.iter().map(ToString::to_string).collect();
    let done = Done {
        plan: &plan,
        names: &names,
        built: &built,
        answered: answered.as_ref(),
        left_out,
        pushed: &pushed,
        summary: &summary,
        workspace,
        began: job.began,
    };
    if let Some(file) = metadata {
        let text = format!("{:#}\n", done.metadata());
        file.write(|out| out.write_all(text.as_bytes()))?;
    }
    done.report(mode, ui)
        .map_err(Error::io("cannot write the report"))?;
    writeln!(ui.out(), "{}", names[0]).map_err(Error::io("cannot write to stdout"))
}

/// A build that fails in its proof is told apart: the app is at fault, and not the build.
fn disproved(plan: &Plan, error: EngineError) -> Error {
    let EngineError::BuildFailed {
        step: Some(step),
        exit_code: Some(1),
        ..
    } = &error
    else {
        return error.into();
    };
    if step.starts_with("[verify ") || step.contains(" /verify/verify.mjs ") {
        return Error::Verify {
            app: plan.app.dir.clone(),
        };
    }
    error.into()
}

/// What the engine is told, but for names.
fn request(plan: &Plan, engine: &EngineArgs) -> Result<BuildRequest, Error> {
    let label = |label: &String| {
        let (key, value) = label.split_once('=').unwrap_or((label, ""));
        (key.to_owned(), value.to_owned())
    };
    let bases = [&plan.build_base.value, &plan.runtime_base.value.image];
    Ok(BuildRequest {
        dockerfile: dockerfile::PATH.to_owned(),
        labels: engine.labels.iter().map(label).collect(),
        platform: engine.platform.clone(),
        bases: bases
            .into_iter()
            .map(|base| base.parse::<ImageRef>())
            .collect::<Result<_, _>>()?,
        cache: if engine.no_cache {
            CachePolicy::Ignore
        } else {
            CachePolicy::Use
        },
        pull: if engine.pull {
            PullPolicy::Always
        } else {
            PullPolicy::Missing
        },
        ..BuildRequest::default()
    })
}

/// What to try the image with, where that is asked for. Variables of the command line beat those of files.
fn trial(
    plan: &Plan,
    args: SmokeArgs,
    cwd: &Path,
    env: &Env,
) -> Result<Option<SmokeRequest>, Error> {
    let Some(path) = args.smoke else {
        return Ok(None);
    };
    let mut variables = BTreeMap::new();
    for file in &args.env_file {
        let cannot = Error::io(format!("cannot read `{}`", file.display()));
        let text = fs_err::read_to_string(cwd.join(file)).map_err(cannot)?;
        smoke::env_file(&text, |name| env.get(name), &mut variables);
    }
    for word in &args.env {
        smoke::variable(word, |name| env.get(name), &mut variables).map_err(|Unset(name)| {
            Error::Usage {
                message: format!("`--env {name}` asks for a variable that is not set here"),
                hint: Some(format!("set it, or write `--env {name}=VALUE`")),
            }
        })?;
    }
    Ok(Some(SmokeRequest {
        env: variables,
        probe: smoke::probe(plan, args.smoke_port, path.as_deref()),
        timeout: Duration::from_secs(args.smoke_timeout),
    }))
}

/// What the step that leaves files out of modules says of it: `slimbuild: left out 12 files of modules, 3456 bytes`.
fn said_left_out(event: &Event) -> Option<(usize, u64)> {
    let Event::Log { bytes, .. } = event else {
        return None;
    };
    let text = String::from_utf8_lossy(bytes);
    let (_, rest) = text.split_once("slimbuild: left out ")?;
    let (files, rest) = rest.split_once(" files of modules, ")?;
    let (bytes, _) = rest.split_once(" bytes")?;
    let left_out = (files.parse().ok()?, bytes.parse().ok()?);
    Some(left_out).filter(|(files, _)| *files > 0)
}

/// Starts the image; the log of one that does not come up is shown.
fn try_out(
    docker: &Docker,
    built: &Built,
    trial: &SmokeRequest,
    interrupt: &Interrupt,
    mode: ProgressMode,
    ui: &mut Ui,
) -> Result<Answered, Error> {
    let words = matches!(
        mode,
        ProgressMode::Auto | ProgressMode::Tty | ProgressMode::Plain
    );
    if words {
        writeln!(ui.err(), "starting the image").map_err(Error::io("cannot write to stderr"))?;
    }
    docker.smoke(&built.id, trial, interrupt).map_err(|error| {
        if let EngineError::NotUp { log, .. } = &error {
            show_log(log, ui);
        }
        error.into()
    })
}

/// Shows what a program wrote that did not come up.
pub(super) fn show_log(log: &[String], ui: &mut Ui) {
    for line in log {
        let line = ui.mask().text(line);
        // The error itself matters more than a stream that is gone.
        drop(writeln!(ui.err(), "  │ {line}"));
    }
}

/// What the build arguments hold. Only what a task of the plan reads is sent: a value that nobody reads should not leave this machine.
fn values(mut given: Vec<BuildArg>, plan: &Plan, env: &Env) -> BTreeMap<String, String> {
    let of_files = &plan.configured.build_args;
    given.extend(of_files.iter().map(|(name, arg)| BuildArg {
        name: name.clone(),
        value: arg.value.clone(),
    }));
    let read = |name: &str| {
        let mut tasks = plan.steps.iter().flat_map(|step| &step.tasks);
        is_proxy(name) || tasks.any(|task| task.args.iter().any(|arg| arg == name))
    };
    let given = given.into_iter().filter(|arg| read(&arg.name));
    given
        .filter_map(|BuildArg { name, value }| {
            let value = value.or_else(|| env.get(&name).map(str::to_owned))?;
            Some((name, value))
        })
        .collect()
}

/// The dry run: the Dockerfile as data, a summary as talk.
fn show(plan: &Plan, ui: &mut Ui) -> Result<(), Error> {
    ui.data()
        .write_all(dockerfile::render(plan)?.as_bytes())
        .map_err(Error::io("cannot write to stdout"))?;
    ui.err()
        .write_all(report::dry_run(plan).as_bytes())
        .map_err(Error::io("cannot write to stderr"))
}

/// A build that ended well.
struct Done<'d> {
    plan: &'d Plan,
    names: &'d [String],
    built: &'d Built,
    answered: Option<&'d Answered>,
    left_out: Option<(usize, u64)>,
    pushed: &'d [Pushed],
    summary: &'d Summary,
    workspace: Measure,
    began: Instant,
}

impl Done<'_> {
    fn report(&self, mode: ProgressMode, ui: &mut Ui) -> std::io::Result<()> {
        match mode {
            ProgressMode::Quiet => Ok(()),
            ProgressMode::Json => {
                let mut event = self.metadata();
                event["event"] = "image".into();
                writeln!(ui.err(), "{}", escape_json(&event.to_string()))
            }
            ProgressMode::Auto | ProgressMode::Tty | ProgressMode::Plain => {
                let text = report::outcome(&Outcome {
                    plan: self.plan,
                    tags: self.names,
                    size: self.built.size,
                    left_out: self.left_out,
                    pushed: &push::lines(self.pushed),
                    smoke: self
                        .answered
                        .map(|answered| (&*answered.how, answered.took)),
                    workspace: self.workspace,
                    context: self.plan.context_size(),
                    steps: self.summary.steps,
                    cached: self.summary.cached,
                    took: self.began.elapsed(),
                });
                ui.err().write_all(text.as_bytes())
            }
        }
    }

    /// The keys that `docker buildx build --metadata-file` writes too, and our own.
    fn metadata(&self) -> serde_json::Value {
        // What registries call it, once they have it.
        let digest = self.pushed.first().map(|pushed| pushed.digest.to_string());
        json!({
            "image.name": self.names.join(","),
            "containerimage.digest": digest.as_ref().unwrap_or(&self.built.id),
            "slimbuild.pushed": push::as_json(self.pushed),
            "slimbuild.app": self.plan.app.dir,
            "slimbuild.image.size": self.built.size,
            "slimbuild.context.size": self.plan.context_size(),
            "slimbuild.context.files": self.plan.context.len() + 1,
            "slimbuild.workspace.size": self.workspace.bytes,
            "slimbuild.workspace.files": self.workspace.files,
            "slimbuild.modules.left-out": self.left_out.map(|(_, bytes)| bytes),
            "slimbuild.smoke": self.answered.map(|answered| &answered.how),
            "slimbuild.steps": self.summary.steps,
            "slimbuild.steps.cached": self.summary.cached,
            "slimbuild.seconds": self.began.elapsed().as_secs_f64(),
        })
    }
}
