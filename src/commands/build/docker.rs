//! Builds the image with a Docker daemon and a Dockerfile.

use std::io::Write;

use super::driver::Driver;
use super::job::Job;
use super::outcome::{Done, Heard, Made, Sent};
use super::proof_hint;
use super::show_log;
use crate::commands::error::Error;
use crate::engine::docker::{BuildRequest, Built, CachePolicy, Docker, EngineError, PullPolicy};
use crate::engine::fault::BuildFault;
use crate::engine::{Answered, Event, SmokeRequest};
use crate::files;
use crate::files::ignore::Rules;
use crate::files::tree::Tree;
use crate::model::image::ImageRef;
use crate::plan::Plan;
use crate::render::context::write_tar;
use crate::render::dockerfile;
use crate::show::progress::{Progress, ProgressMode};
use crate::show::ui::Ui;

/// The driver for a daemon that answers.
pub(super) struct DockerDriver {
    pub(super) docker: Docker,
}

impl Driver for DockerDriver {
    fn check(&self, job: &Job<'_>) -> Result<(), Error> {
        // Text that a Dockerfile cannot express should be reported before anything is sent.
        dockerfile::render(&job.plan)?;
        Ok(())
    }

    fn build(&self, job: &Job<'_>, ui: &mut Ui) -> Result<Done, Error> {
        let docker = &self.docker;
        let request = request(job)?;
        let mut shown = Progress::new(job.mode, ui);
        let mut heard = Heard::default();
        let mut last = 0;
        let (built, workspace) = std::thread::scope(|scope| {
            // Only for the report, so nothing must wait for it.
            let measuring = scope.spawn(|| {
                let tree = Tree::open(job.root).ok()?;
                let rules = Rules::load(job.root, &[], &[]).ok()?;
                Some(files::measure(&tree, &rules))
            });
            let context = Box::new(|out: &mut dyn Write| write_tar(&job.plan, job.root, out));
            let built = docker.build(&request, context, &job.interrupt, &mut |event| {
                heard.event(&event);
                if let Event::StepKnown { step, .. } = &event {
                    last = last.max(step.0);
                }
                shown.event(&event);
            });
            (built, measuring.join().ok().flatten().unwrap_or_default())
        });
        let summary = shown.finish();
        let built = built.map_err(|error| failed(&job.plan, error, &heard))?;
        let mut answered = None;
        if let Some(trial) = &job.trial {
            answered = Some(self.try_out(job, &built, trial, ui)?);
            docker.tag(&built.id, &job.tags)?;
        }
        let mut pushed = Vec::new();
        if job.engine.push {
            let mut shown = Progress::new(job.mode, ui);
            let done = docker.push(&job.tags, last + 1, &job.interrupt, &mut |event| {
                shown.event(&event);
            });
            shown.finish();
            pushed = done?;
        }
        Ok(Done {
            image: Made {
                digest: built.id,
                configuration: None,
                unpacked: built.size,
                packed: None,
            },
            trial: heard.trial,
            answered,
            pushed,
            summary,
            sent: Some(Sent {
                workspace,
                left_out: heard.left_out,
            }),
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
fn request(job: &Job<'_>) -> Result<BuildRequest, Error> {
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

/// Distinguishes a failed proof, for which the app is at fault, from a failed build, whose log may
/// show the reason.
fn failed(plan: &Plan, error: EngineError, heard: &Heard) -> Error {
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
