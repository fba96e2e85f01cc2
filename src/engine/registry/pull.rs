//! Pulls images from a registry into the cache.

use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::client::{Events, Meter, Repository};
use super::error::Action;
use super::{MAX_CONCURRENT, Registries, RegistryError, WantedImage};
use crate::engine::{Event, StepId, StepKind};
use crate::image::oci::{
    Descriptor, Document, ForeignError, ForeignManifest, Image, choose, limits,
};
use crate::model::digest::{Digest, Hasher};
use crate::model::image::ImageRef;
use crate::store::cache::{Cache, Incoming};
use crate::store::fetch::{Cause, Pace, Stall};

/// The kind of the cache's notes about tags.
const NOTE_KIND: &str = "tags";
/// How long the digest of a tag is reused, as with Debian's mirrors.
const REUSED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// The image that a tag stood for.
#[derive(Serialize, Deserialize)]
struct Tag {
    at: u64,
    digest: Digest,
}

/// The state of one pull.
pub(super) struct Pull<'p> {
    all: &'p Registries<'p>,
    image: &'p ImageRef,
    /// Set up once the registry is needed: cached content needs neither a network nor credentials.
    repository: OnceCell<Repository<'p>>,
    cache: &'p Cache,
    events: &'p Events<'p>,
    step: StepId,
}

pub(super) async fn pull(
    all: &Registries<'_>,
    wanted: &WantedImage<'_>,
    step: StepId,
    on_event: &mut dyn FnMut(Event),
) -> Result<(Image, Digest), RegistryError> {
    let events = Events::new(on_event);
    events.say(Event::StepKnown {
        step,
        name: format!("[base] {}", wanted.image),
        kind: StepKind::Housekeeping,
    });
    events.say(Event::StepStarted { step });
    let began = Instant::now();
    let pull = Pull::new(all, wanted.image, &events, step);
    let done = pull.image(wanted).await;
    events.say(match &done {
        Ok(_) if !pull.repository.initialized() => Event::StepCached { step },
        done => Event::ended(step, began, done),
    });
    done
}

impl<'p> Pull<'p> {
    pub(super) fn new(
        all: &'p Registries<'p>,
        image: &'p ImageRef,
        events: &'p Events<'p>,
        step: StepId,
    ) -> Self {
        Self {
            all,
            image,
            repository: OnceCell::new(),
            cache: all.cache,
            events,
            step,
        }
    }

    async fn repository(&self) -> Result<&Repository<'p>, RegistryError> {
        let made = || Repository::new(self.image, Action::Pull, &[], self.all, self.events);
        self.repository.get_or_try_init(made).await
    }

    fn foreign(&self, source: ForeignError) -> RegistryError {
        let image = self.image.to_string();
        RegistryError::Foreign { image, source }
    }

    /// The image, and the digest that its name stands for.
    async fn image(&self, wanted: &WantedImage<'_>) -> Result<(Image, Digest), RegistryError> {
        let foreign = |error| self.foreign(error);
        let (top, mut document) = self.first(wanted).await?;
        let mut depth = 0;
        let manifest = loop {
            match document {
                Document::Image(manifest) => break manifest,
                Document::Index(_) if depth == limits::MAX_DEPTH => {
                    return Err(foreign(ForeignError::Malformed {
                        what: "manifest",
                        reason: "it is a list of lists without an end".to_owned(),
                    }));
                }
                Document::Index(entries) => {
                    let entry = choose(&entries, wanted.platform).map_err(foreign)?;
                    let digest = &entry.descriptor.digest;
                    let name = digest.to_string();
                    document = match self.kept(digest)? {
                        Some(document) => document,
                        None => self.manifest(&name, Some(entry.descriptor.size)).await?.1,
                    };
                }
            }
            depth += 1;
        };
        let cannot = |error: std::io::Error| RegistryError::Cache(error);
        manifest.room(self.cache).map_err(|error| match error {
            ForeignError::Cache(error) => cannot(error),
            other => foreign(other),
        })?;
        self.layers(&manifest).await?;
        let config = self.cache.path(&manifest.config.digest);
        let config = fs_err::read(config).map_err(cannot)?;
        let image = manifest.image(&config, wanted.platform, wanted.created, self.cache);
        let image = image.map_err(|error| match error {
            ForeignError::Cache(error) => RegistryError::Cache(error),
            other => foreign(other),
        })?;
        Ok((image, top))
    }

    /// The manifest or index of the name. For a tag, an answer from the last day is reused.
    async fn first(&self, wanted: &WantedImage<'_>) -> Result<(Digest, Document), RegistryError> {
        if let Some(text) = wanted.image.digest() {
            if let Ok(digest) = text.parse::<Digest>()
                && let Some(document) = self.kept(&digest)?
            {
                return Ok((digest, document));
            }
            return self.manifest(text, None).await;
        }
        let key = key(wanted.image);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let at = now.unwrap_or_default().as_secs();
        if !wanted.fresh
            && let Some(tag) = self.cache.note::<Tag>(NOTE_KIND, &key)
            && at.saturating_sub(tag.at) < REUSED_FOR.as_secs()
            && let Some(document) = self.kept(&tag.digest)?
        {
            return Ok((tag.digest, document));
        }
        let tag = wanted.image.tag().unwrap_or("latest");
        let (digest, document) = self.manifest(tag, None).await?;
        let note = Tag {
            at,
            digest: digest.clone(),
        };
        self.cache.write_note(NOTE_KIND, &key, &note);
        Ok((digest, document))
    }

    /// A manifest from the cache.
    fn kept(&self, digest: &Digest) -> Result<Option<Document>, RegistryError> {
        // The digest may be that of another blob, which may be large.
        let size = fs_err::metadata(self.cache.path(digest)).map(|of| of.len());
        if size.is_ok_and(|size| size > limits::MANIFEST) {
            return Ok(None);
        }
        let Some(path) = self.cache.verified(digest) else {
            return Ok(None);
        };
        let bytes = fs_err::read(path).map_err(RegistryError::Cache)?;
        let document = Document::parse(&bytes);
        let document = document.map_err(|error| self.foreign(error))?;
        Ok(Some(document))
    }

    /// A manifest from the registry by tag or digest. `size` is its size in bytes, if known.
    pub(super) async fn manifest(
        &self,
        name: &str,
        size: Option<u64>,
    ) -> Result<(Digest, Document), RegistryError> {
        let repository = self.repository().await?;
        let bytes = repository
            .with_retries(async || {
                repository
                    .soon(repository.client.manifest(name, size))
                    .await
            })
            .await?;
        let document = Document::parse(&bytes).map_err(|error| self.foreign(error))?;
        let digest = Digest::of(&bytes);
        let mut blob = self.cache.begin().map_err(RegistryError::Cache)?;
        blob.write_all(&bytes).map_err(RegistryError::Cache)?;
        blob.keep(&digest).map_err(RegistryError::Cache)?;
        Ok((digest, document))
    }

    /// Fetches the configuration and the layers.
    async fn layers(&self, manifest: &ForeignManifest) -> Result<(), RegistryError> {
        let mut blobs: Vec<&Descriptor> = Vec::new();
        for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
            let known = blobs.iter().any(|other| other.digest == blob.digest);
            if !known && self.cache.blob(&blob.digest, blob.size).is_none() {
                blobs.push(blob);
            }
        }
        stream::iter(blobs)
            .map(|blob| self.blob(blob))
            .buffer_unordered(MAX_CONCURRENT)
            .try_collect()
            .await
    }

    pub(super) async fn blob(&self, wanted: &Descriptor) -> Result<(), RegistryError> {
        let repository = self.repository().await?;
        let mut download = Download {
            pull: self,
            repository,
            wanted,
            incoming: self.cache.begin().map_err(RegistryError::Cache)?,
            hasher: Hasher::new(wanted.digest.algorithm()),
            got: 0,
            meter: Meter::new(self.events, self.step, &wanted.digest, wanted.size),
        };
        repository
            .with_retries(async || download.go_on().await)
            .await?;
        let found = download.hasher.finish();
        if found != wanted.digest {
            return Err(RegistryError::Digest {
                image: self.image.to_string(),
                expected: wanted.digest.to_string(),
                found: found.to_string(),
            });
        }
        let kept = download.incoming.keep(&wanted.digest);
        kept.map_err(RegistryError::Cache)?;
        Ok(())
    }
}

/// A blob of which a part may have been received.
struct Download<'d, 'p> {
    pull: &'d Pull<'p>,
    repository: &'d Repository<'p>,
    wanted: &'d Descriptor,
    incoming: Incoming,
    hasher: Hasher,
    got: u64,
    meter: Meter<'p>,
}

impl Download<'_, '_> {
    /// Requests and receives the missing rest.
    async fn go_on(&mut self) -> Result<(), RegistryError> {
        let repository = self.repository;
        let Repository {
            client,
            asked,
            patience,
            ..
        } = repository;
        let digest = self.wanted.digest.to_string();
        let mut answer = repository.soon(client.blob(&digest, self.got)).await?;
        if self.got > 0 && !answer.is_rest {
            // It starts from the beginning.
            self.incoming = self.pull.cache.begin().map_err(RegistryError::Cache)?;
            self.hasher = Hasher::new(self.wanted.digest.algorithm());
            self.got = 0;
        }
        let mut pace = Pace::new(*patience, Instant::now());
        loop {
            let next = tokio::time::timeout(patience.silence, answer.next());
            let Ok(next) = next.await else {
                return Err(asked.stalled(Stall::Silent(patience.silence)));
            };
            let Some(bytes) = next.map_err(|fault| asked.error(fault))? else {
                break;
            };
            if bytes.len() as u64 > self.wanted.size - self.got {
                let size = self.wanted.size;
                let reason = format!("{digest} is longer than the {size} bytes that it has");
                return Err(asked.answer(reason));
            }
            self.hasher.update(&bytes);
            self.incoming
                .write_all(&bytes)
                .map_err(RegistryError::Cache)?;
            self.got += bytes.len() as u64;
            self.meter.at(self.got);
            let now = Instant::now();
            pace.moved(bytes.len() as u64, now);
            pace.check(now).map_err(|stall| asked.stalled(stall))?;
        }
        if self.got < self.wanted.size {
            let error = std::io::Error::other(format!(
                "it stopped after {} of {} bytes",
                self.got, self.wanted.size
            ));
            return Err(asked.unreached(Cause::of(&error)));
        }
        Ok(())
    }
}

/// The key for a tag's note.
fn key(image: &ImageRef) -> Digest {
    Digest::of(image.qualified().as_bytes())
}
