//! Builds the images of several platforms with the nodes of one builder, each of which makes those for
//! itself, and joins them into an index in the registry.

use super::budget;
use super::driver::Driver;
use super::job::Job;
use super::outcome::{Done, Heard, Made, Sent};
use super::request::request;
use super::watch::watch;
use crate::commands::error::Error;
use crate::commands::registries::{RegistryAccess, collect};
use crate::commands::warning::warn;
use crate::engine::buildkit::{BuildRequest, CacheTo, Export, Share};
use crate::engine::registry::Pushed;
use crate::model::digest::Digest;
use crate::model::image::{ImageRef, ImageSize, Platform};
use crate::render::dockerfile;
use crate::show::progress::{ProgressMode, Summary};
use crate::show::ui::Ui;

/// The driver for a builder whose nodes answer.
pub(super) struct NodesDriver {
    /// At least two.
    pub(super) shares: Vec<Share>,
}

impl Driver for NodesDriver {
    fn check(&self, job: &Job<'_>) -> Result<(), Error> {
        dockerfile::render(&job.plan)?;
        let engine = &job.engine;
        let refused = |message: &str, hint: &str| {
            Err(Error::Usage {
                message: message.to_owned(),
                hint: Some(hint.to_owned()),
            })
        };
        if !engine.push || !engine.outputs.is_empty() || engine.load {
            return refused(
                "several nodes of the builder make this image, and their images can only be joined in a registry",
                "push the image with `--push`, without `--output` and `--load`; or name one platform",
            );
        }
        if job.trial.is_some() {
            return refused(
                "`--smoke` starts the image in a Docker daemon, and only the builder has it",
                "leave it out: the trial start is a step at the builder",
            );
        }
        if job
            .caches
            .to
            .iter()
            .any(|cache| cache.of_node("").is_none())
        {
            return refused(
                "several nodes of the builder make this image, and would write their caches to the same place",
                "keep the cache in a registry: `--cache REF` gives each node a tag of its own",
            );
        }
        for share in &self.shares {
            let buildkit = &share.buildkit;
            buildkit.check(1)?;
            buildkit.check_platforms(&share.platforms, job.plan.bound.as_deref())?;
            buildkit.check_attestations(&engine.builder.attestations())?;
            buildkit.check_caches(&job.caches.to)?;
        }
        Ok(())
    }

    fn base_digest(&self, job: &Job<'_>, base: &ImageRef) -> Option<String> {
        job.digest_in_registry(base)
    }

    fn build(&self, job: &Job<'_>, ui: &mut Ui) -> Result<Done, Error> {
        let mut all = All::default();
        for share in &self.shares {
            part(share, job, &mut all, ui)?;
        }
        for (name, digest) in job.tags.first().into_iter().zip(&all.digests) {
            budget::in_registry(job, name, digest, ui)?;
        }
        let access = RegistryAccess::new(job.env)?;
        let registries = access.registries(&job.logins, &job.trust, &job.interrupt);
        let mut pushed: Vec<Pushed> = Vec::new();
        for name in &job.tags {
            let parts = all.digests.iter();
            let parts = parts.map(|digest| format!("{}@{digest}", name.name()).parse());
            let parts: Vec<ImageRef> = parts.collect::<Result<_, _>>()?;
            let mut warnings = Vec::new();
            let joined = registries.join(name, &parts, &mut collect(&mut warnings));
            for message in &warnings {
                warn(message, job.mode, ui)?;
            }
            pushed.push(Pushed {
                names: vec![name.clone()],
                digest: joined?.digest,
                layers: None,
                bytes: None,
            });
        }
        Ok(Done {
            engine: Some("buildkit"),
            before: None,
            image: Made {
                manifest: pushed.first().map(|pushed| pushed.digest.to_string()),
                configuration: None,
                sizes: all.sizes,
                id: None,
            },
            trial: all.heard.trial,
            answered: None,
            pushed,
            summary: all.summary.unwrap_or_default(),
            sent: all.sent,
            outputs: Vec::new(),
            loaded: None,
            unchanged: None,
        })
    }
}

/// What the nodes made.
#[derive(Default)]
struct All {
    digests: Vec<Digest>,
    sizes: Vec<ImageSize>,
    heard: Heard,
    summary: Option<Summary>,
    sent: Option<Sent>,
}

/// Builds the images of one node, and pushes them without a name.
fn part(share: &Share, job: &Job<'_>, all: &mut All, ui: &mut Ui) -> Result<(), Error> {
    let platforms: Vec<String> = share.platforms.iter().map(ToString::to_string).collect();
    if !matches!(job.mode, ProgressMode::Quiet | ProgressMode::Json) {
        let at = share.buildkit.builder();
        ui.note(&format!("for {}, at {at}", platforms.join(" and ")))
            .map_err(Error::io("cannot write to stderr"))?;
    }
    let word = platforms.join("-").replace('/', "-");
    let whole = request(job, &share.buildkit);
    let to = whole.cache_to.iter();
    let request = BuildRequest {
        platforms: share.platforms.clone(),
        cache_from: (job.caches.from.iter())
            .map(|cache| cache.of_node(&word, &job.caches.to))
            .collect(),
        cache_to: to
            .filter_map(|cache: &CacheTo| cache.of_node(&word))
            .collect(),
        // By digest alone, whatever is checked afterwards.
        tags: job.tags.clone(),
        ..whole
    };
    let (made, seen) = job.patience().retry(ui, |ui| {
        watch(job, ui, |context, on_event| {
            let exports = vec![Export::PushByDigest];
            let buildkit = &share.buildkit;
            buildkit.build(&request, context, exports, &job.interrupt, on_event)
        })
    })?;
    all.digests.push(made.digest);
    all.sizes.extend(sizes(made.sizes, &share.platforms));
    all.heard = seen.heard;
    all.sent = Some(seen.sent);
    all.summary = Some(match all.summary.take() {
        None => seen.summary,
        Some(before) => before.and(seen.summary),
    });
    Ok(())
}

/// The sizes of a node's images. Where it made one, the platform is known from outside.
fn sizes(mut sizes: Vec<ImageSize>, platforms: &[Platform]) -> Vec<ImageSize> {
    if let ([size], [platform]) = (&mut sizes[..], platforms) {
        size.platform = Some(platform.to_string());
    }
    sizes
}
