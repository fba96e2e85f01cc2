//! `slimbuild APP`: from the workspace to a tagged image.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use serde_json::json;

use super::{Place, Whole, planned, warn};
use crate::cli::{BuildArg, BuildArgs};
use crate::context::write_tar;
use crate::dockerfile;
use crate::engine::Interrupt;
use crate::engine::docker::{BuildRequest, Built, CachePolicy, Docker, PullPolicy};
use crate::engine::host;
use crate::env::Env;
use crate::error::Error;
use crate::files::{self, Measure};
use crate::ignore::Rules;
use crate::image::ImageRef;
use crate::plan::{Plan, PlanOptions};
use crate::progress::{Progress, ProgressMode, Summary};
use crate::report::{self, Outcome};
use crate::tasks::is_proxy;
use crate::ui::Ui;

/// Builds the image, or shows what would be built.
pub fn run(args: BuildArgs, cwd: &Path, env: &Env, ui: &mut Ui) -> Result<(), Error> {
    let began = Instant::now();
    let BuildArgs {
        app,
        tags,
        dry_run,
        quiet,
        progress,
        metadata_file,
        plan,
        engine,
    } = args;
    let given = plan.build_args.clone();
    let (root, plan) = planned(&Place { cwd, app: app.app }, &PlanOptions::from(plan))?;
    let mode = if quiet { ProgressMode::Quiet } else { progress };
    if mode != ProgressMode::Quiet {
        warn(&plan, ui)?;
    }
    if dry_run {
        return show(&plan, ui);
    }
    let mut labels = BTreeMap::new();
    for label in engine.labels {
        let (key, value) = label.split_once('=').unwrap_or((&label, ""));
        labels.insert(key.to_owned(), value.to_owned());
    }
    let tags = if tags.is_empty() {
        vec![plan.image.parse()?]
    } else {
        tags
    };
    let bases = [&plan.build_base.value, &plan.runtime_base.value.image];
    let request = BuildRequest {
        tags: tags.clone(),
        dockerfile: dockerfile::PATH.to_owned(),
        build_args: values(given, &plan, env),
        labels,
        platform: engine.platform,
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
    };

    // What cannot be written is better known before minutes of building than after.
    let metadata = metadata_file
        .map(|file| Whole::begin(&cwd.join(file)))
        .transpose()?;
    let docker = Docker::connect(&host::resolve(env, engine.host.as_deref())?)?;
    let interrupt = Interrupt::listen().map_err(Error::io("cannot listen for Ctrl-C"))?;
    let mut shown = Progress::new(mode, ui);
    let (built, workspace) = std::thread::scope(|scope| {
        // For the report alone: it must not make anybody wait.
        let measuring =
            scope.spawn(|| Rules::load(&root, &[], &[]).map(|rules| files::measure(&root, &rules)));
        let context = Box::new(|out: &mut dyn Write| write_tar(&plan, &root, out));
        let built = docker.build(&request, context, &interrupt, &mut |event| {
            shown.event(&event);
        });
        (
            built,
            measuring
                .join()
                .ok()
                .and_then(Result::ok)
                .unwrap_or_default(),
        )
    });
    let summary = shown.finish();
    let built = built?;

    let names: Vec<String> = tags.iter().map(ToString::to_string).collect();
    let done = Done {
        plan: &plan,
        names: &names,
        built: &built,
        summary: &summary,
        workspace,
        began,
    };
    if let Some(file) = metadata {
        let text = format!("{:#}\n", done.metadata());
        file.finish(|out| out.write_all(text.as_bytes()))?;
    }
    done.report(mode, ui)
        .map_err(Error::io("cannot write the report"))?;
    writeln!(ui.out(), "{}", names[0]).map_err(Error::io("cannot write to stdout"))
}

/// What the build arguments hold. Only what a task of the plan reads is sent: a value that nobody reads should not leave this machine.
fn values(given: Vec<BuildArg>, plan: &Plan, env: &Env) -> BTreeMap<String, String> {
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
    ui.out()
        .write_all(dockerfile::render(plan).as_bytes())
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
                writeln!(ui.err(), "{event}")
            }
            ProgressMode::Auto | ProgressMode::Tty | ProgressMode::Plain => {
                let text = report::outcome(&Outcome {
                    plan: self.plan,
                    tags: self.names,
                    size: self.built.size,
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
        json!({
            "image.name": self.names.join(","),
            "containerimage.digest": self.built.id,
            "slimbuild.app": self.plan.app.dir,
            "slimbuild.image.size": self.built.size,
            "slimbuild.context.size": self.plan.context_size(),
            "slimbuild.context.files": self.plan.context.len() + 1,
            "slimbuild.workspace.size": self.workspace.bytes,
            "slimbuild.workspace.files": self.workspace.files,
            "slimbuild.steps": self.summary.steps,
            "slimbuild.steps.cached": self.summary.cached,
            "slimbuild.seconds": self.began.elapsed().as_secs_f64(),
        })
    }
}
