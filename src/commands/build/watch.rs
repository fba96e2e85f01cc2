//! Watches a build by Dockerfile: shows its progress, and remembers what the report needs.

use std::io::Write;

use super::job::Job;
use super::outcome::{Heard, Sent};
use super::request::failed;
use crate::commands::error::Error;
use crate::engine::buildkit::BuildkitError;
use crate::engine::{ContextWriter, Event};
use crate::files;
use crate::files::ignore::Rules;
use crate::files::tree::Tree;
use crate::render::context::write_tar;
use crate::show::progress::{Installs, Progress, Summary};
use crate::show::ui::Ui;

/// What was seen of a build.
pub(super) struct Seen {
    pub(super) heard: Heard,
    pub(super) summary: Summary,
    pub(super) sent: Sent,
    /// The number of the last step.
    pub(super) last: u32,
}

/// Runs a build with the job's context.
pub(super) fn watch<T>(
    job: &Job<'_>,
    ui: &mut Ui,
    build: impl FnOnce(ContextWriter<'_>, &mut dyn FnMut(Event)) -> Result<T, BuildkitError>,
) -> Result<(T, Seen), Error> {
    let installs = Installs {
        build: job.plan.build.packages,
        image: (job.plan.runtime.as_ref()).map_or(0, |runtime| runtime.packages),
    };
    let mut shown = Progress::new(job.mode, ui).counting(installs);
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
        let built = build(context, &mut |event| {
            heard.event(&event);
            if let Event::StepKnown { step, .. } = &event {
                last = last.max(step.0);
            }
            shown.event(&event);
        });
        (built, measuring.join().ok().flatten().unwrap_or_default())
    });
    let seen = Seen {
        summary: shown.finish(),
        sent: Sent {
            workspace,
            left_out: heard.left_out,
        },
        heard,
        last,
    };
    match built {
        Ok(built) => Ok((built, seen)),
        Err(BuildkitError::Build(error)) => Err(failed(job, error, &seen.heard)),
        Err(error) => Err(error.into()),
    }
}
