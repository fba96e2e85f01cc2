//! Gives an image that a builder has pushed by its digest alone its names.

use super::job::Job;
use super::unchanged::repositories;
use crate::commands::error::Error;
use crate::commands::registries::RegistryAccess;
use crate::engine::registry::{Named, Pushed, Retag};
use crate::model::digest::Digest;

/// Tags the image in each repository of its names. Nothing is sent but its manifest.
pub(super) fn name(job: &Job<'_>, digest: &Digest) -> Result<Vec<Pushed>, Error> {
    let access = RegistryAccess::new(job.env)?;
    let registries = access.registries(&job.logins, &job.trust, &job.interrupt);
    let mut sources = Vec::new();
    for name in repositories(&job.tags) {
        sources.push(Named {
            name: format!("{}@{digest}", name.name()).parse()?,
            trust: job.trust.clone(),
        });
    }
    let mut tags = Vec::new();
    for found in registries.find(&sources, &mut |_| {})? {
        let found = found?;
        let names = job.tags.iter();
        let names = names.filter(|name| name.is_sibling(&found.name));
        tags.push(Retag {
            names: names.cloned().collect(),
            trust: job.trust.clone(),
            found,
        });
    }
    let tagged = registries.retag(&tags, &mut |_| {})?;
    Ok(tagged.into_iter().collect::<Result<_, _>>()?)
}
