//! Builds the image with a Docker daemon and a Dockerfile.

use super::driver::Driver;
use super::job::Job;
use super::outcome::{Done, Heard, Made};
use super::proof_hint;
use super::show_log;
use super::watch::watch;
use crate::commands::error::Error;
use crate::engine::buildkit::{Buildkit, BuildkitError, Export, Order};
use crate::engine::docker::{BuildRequest, Built, CachePolicy, Docker, EngineError, PullPolicy};
use crate::engine::fault::BuildFault;
use crate::engine::{Answered, SmokeRequest, host};
use crate::model::image::ImageRef;
use crate::plan::Plan;
use crate::render::dockerfile;
use crate::show::progress::{Progress, ProgressMode};
use crate::show::ui::Ui;

/// The driver for a daemon that answers.
pub(super) struct DockerDriver {
    pub(super) docker: Docker,
    /// Its BuildKit, if the build needs more than the daemon's own interface has.
    pub(super) buildkit: Option<Buildkit>,
}

impl Driver for DockerDriver {
    fn check(&self, job: &Job<'_>) -> Result<(), Error> {
        // Text that a Dockerfile cannot express should be reported before anything is sent.
        dockerfile::render(&job.plan)?;
        if let Some(buildkit) = &self.buildkit {
            buildkit.check_caches(&job.engine.builder.caches().1)?;
        }
        Ok(())
    }

    fn build(&self, job: &Job<'_>, ui: &mut Ui) -> Result<Done, Error> {
        let docker = &self.docker;
        let request = request(job)?;
        let (built, seen) = watch(job, ui, |context, on_event| {
            let Some(buildkit) = &self.buildkit else {
                let built = docker.build(&request, context, &job.interrupt, on_event);
                return Ok(built?);
            };
            let keep = vec![Export::Keep];
            let made = buildkit.build(
                &order(job, &request),
                context,
                keep,
                &job.interrupt,
                on_event,
            )?;
            Ok(docker.inspect(&made.digest.to_string())?)
        });
        let built: Built = built.map_err(|error| match error {
            BuildkitError::Build(error) => failed(&job.plan, error, &seen.heard),
            error => error.into(),
        })?;
        let mut answered = None;
        if let Some(trial) = &job.trial {
            answered = Some(self.try_out(job, &built, trial, ui)?);
            docker.tag(&built.id, &job.tags)?;
        }
        let mut pushed = Vec::new();
        if job.engine.push {
            let mut shown = Progress::new(job.mode, ui);
            let done = docker.push(&job.tags, seen.last + 1, &job.interrupt, &mut |event| {
                shown.event(&event);
            });
            shown.finish();
            pushed = done?;
        }
        Ok(Done {
            image: Made {
                digest: built.id,
                configuration: None,
                unpacked: Some(built.size),
                packed: None,
            },
            trial: seen.heard.trial,
            answered,
            pushed,
            summary: seen.summary,
            sent: Some(seen.sent),
            outputs: Vec::new(),
            loaded: None,
        })
    }
}

impl DockerDriver {
    /// Starts the image. If it does not come up, its log is shown.
    fn try_out(
        &self,
        job: &Job<'_>,
        built: &Built,
        trial: &SmokeRequest,
        ui: &mut Ui,
    ) -> Result<Answered, Error> {
        let words = matches!(
            job.mode,
            ProgressMode::Auto | ProgressMode::Tty | ProgressMode::Plain
        );
        if words {
            writeln!(ui.err(), "starting the image")
                .map_err(Error::io("cannot write to stderr"))?;
        }
        let answered = self.docker.smoke(&built.id, trial, &job.interrupt);
        answered.map_err(|error| {
            if let EngineError::NotUp { log, .. } = &error {
                show_log(log, ui);
            }
            error.into()
        })
    }
}

/// The request to the daemon.
pub(super) fn request(job: &Job<'_>) -> Result<BuildRequest, Error> {
    let plan = &job.plan;
    let bases = [&plan.build_base.value, &plan.runtime_base.value.image];
    Ok(BuildRequest {
        dockerfile: dockerfile::PATH.to_owned(),
        // An image that is to be tried gets its names afterwards.
        tags: if job.trial.is_some() {
            Vec::new()
        } else {
            job.tags.clone()
        },
        build_args: job.arguments.clone(),
        secrets: job.secrets.clone(),
        labels: job.labels(),
        platform: job.platform.clone(),
        bases: bases
            .into_iter()
            .map(|base| base.parse::<ImageRef>())
            .collect::<Result<_, _>>()?,
        cache: if job.engine.no_cache {
            CachePolicy::Ignore
        } else {
            CachePolicy::Use
        },
        pull: if job.engine.pull {
            PullPolicy::Always
        } else {
            PullPolicy::Missing
        },
        target: None,
    })
}

/// The same for BuildKit itself.
pub(super) fn order<'o>(job: &Job<'_>, request: &'o BuildRequest) -> Order<'o> {
    let (cache_from, cache_to) = job.engine.builder.caches();
    Order {
        request,
        cache_from,
        cache_to,
        compression: job.engine.compression.into(),
        logins: host::configuration_file(job.env),
    }
}

/// Distinguishes a failed proof, for which the app is at fault, from a failed build, whose log may
/// show the reason.
pub(super) fn failed(plan: &Plan, error: EngineError, heard: &Heard) -> Error {
    let EngineError::BuildFailed {
        step: Some(step),
        exit_code: Some(code),
        ..
    } = &error
    else {
        return error.into();
    };
    let proof = step.starts_with("[verify ") || step.contains("] the proof that ");
    if proof && *code == 1 {
        return Error::Verify {
            app: plan.app.dir.clone(),
            hint: proof_hint::hint(&plan.app.dir, &heard.failed()),
        };
    }
    BuildFault::judge(plan, step, *code, &heard.failed()).into()
}
