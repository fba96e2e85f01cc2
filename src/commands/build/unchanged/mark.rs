//! Leaves the key of a pushed image beside its names, for later runs.

use super::key::Key;
use super::seek::repositories;
use crate::commands::build::job::Job;
use crate::commands::build::outcome::Done;
use crate::commands::error::Error;
use crate::commands::registries::RegistryAccess;
use crate::commands::warning::warn;
use crate::engine::registry::{Named, RegistryError, Retag};
use crate::model::image::ImageRef;
use crate::show::ui::Ui;

/// Gives a pushed image its key as a tag, in each repository. If that fails, the image is there
/// nevertheless, and the next run builds again.
pub(in crate::commands::build) fn mark(
    job: &Job<'_>,
    key: &Key,
    done: &Done,
    ui: &mut Ui,
) -> Result<(), Error> {
    match marked(job, key, done) {
        Err(Error::Registry(RegistryError::Interrupted)) => Err(RegistryError::Interrupted.into()),
        Err(error) => {
            let message = format!("a later run will not know that the image is unchanged: {error}");
            warn(&message, job.mode, ui)
        }
        Ok(()) => Ok(()),
    }
}

fn marked(job: &Job<'_>, key: &Key, done: &Done) -> Result<(), Error> {
    let access = RegistryAccess::new(job.env)?;
    let registries = access.registries(&job.logins, &job.trust, &job.interrupt);
    let mut pushed: Vec<ImageRef> = Vec::new();
    for pushed_there in &done.pushed {
        for name in repositories(&pushed_there.names) {
            if !pushed.iter().any(|other| other.is_sibling(name)) {
                let by_digest = format!("{}@{}", name.name(), pushed_there.digest);
                pushed.push(by_digest.parse()?);
            }
        }
    }
    let named = pushed.into_iter().map(|name| Named {
        name,
        trust: job.trust.clone(),
    });
    let named: Vec<Named> = named.collect();
    let mut tags = Vec::new();
    for found in registries.find(&named, &mut |_| {})? {
        let found = found?;
        let names = vec![key.name_in(&found.name)?];
        let trust = job.trust.clone();
        tags.push(Retag {
            found,
            names,
            trust,
        });
    }
    for tagged in registries.retag(&tags, &mut |_| {})? {
        tagged?;
    }
    Ok(())
}
