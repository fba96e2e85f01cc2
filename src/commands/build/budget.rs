//! The budget of an image that was just made.

use super::job::Job;
use super::outcome::Done;
use crate::cli::LookArgs;
use crate::commands::budget;
use crate::commands::error::Error;
use crate::commands::look::{Found, Looker};
use crate::commands::size::Measured;
use crate::image::oci::Output;
use crate::model::image::{DiskFormat, DiskImage};
use crate::show::ui::Ui;

/// Fails if the image is larger than slimbuild.json allows, or has grown more against the one that had its
/// name before. Without a budget, nothing is read.
pub(super) fn check(job: &Job<'_>, done: &Done, ui: &mut Ui) -> Result<(), Error> {
    let Some(limits) = &job.budget else {
        return Ok(());
    };
    let app = &job.plan.app.dir;
    let now = done.image.sizes.first().and_then(|size| size.unpacked);
    if let Some((before, now)) = done.before.zip(now) {
        budget::check_sizes(limits, app, before, now)?;
    }
    if limits.value.size.is_none() {
        return Ok(());
    }
    let args = LookArgs {
        platform: job.platforms.first().cloned(),
        host: job.host.clone(),
        insecure_registries: job.insecure.clone(),
        cache_dir: job.engine.sources.cache_dir.clone(),
    };
    let mut looker = Looker::new(&args, &[], job.cwd, job.env, Some(&job.interrupt), ui)?;
    let measured = match find(job, done, &mut looker) {
        Ok(Some(image)) => Measured::new(image, None, &mut looker).map(Some),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    looker.end()?;
    match measured? {
        Some(measured) => budget::check_size(limits, app, &measured.size),
        None => Ok(()),
    }
}

/// The image: in a daemon, in a file, or in a registry.
fn find(job: &Job<'_>, done: &Done, looker: &mut Looker<'_>) -> Result<Option<Found>, Error> {
    let Some(name) = job.tags.first() else {
        return Ok(None);
    };
    if done.image.id.is_some() {
        return looker.of_daemon(name);
    }
    if let Some(output) = job.outputs().first() {
        let format = match output {
            Output::Archive(_) => DiskFormat::OciArchive,
            Output::Docker(_) => DiskFormat::DockerArchive,
            Output::Directory(_) => DiskFormat::Oci,
        };
        let image = DiskImage {
            format,
            path: output.path().to_owned(),
            // A layout may have other images too.
            tag: Some(name.to_string()),
        };
        return looker.of_disk(&image).map(Some);
    }
    if done.pushed.is_empty() {
        return looker.of_daemon(name);
    }
    looker.of_registry(name).map(Some)
}
