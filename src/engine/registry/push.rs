//! Pushes images from the cache to a registry.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fs_err::File;
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::{Body, Url};

use super::client::{Events, Meter, Repository, place};
use super::error::Action;
use super::http::Fault;
use super::upload::Outgoing;
use super::{MAX_CONCURRENT, Pushed, PushedLayers, Registries, RegistryError, pushed_before};
use crate::engine::credentials::registry;
use crate::engine::{Event, StepId, StepKind};
use crate::image::oci::{Descriptor, Image, MANIFEST};
use crate::model::digest::Digest;
use crate::model::image::ImageRef;
use crate::store::cache::Cache;
use crate::store::fetch::{Pace, Stall};

/// How many bytes of a file are read at a time.
const PIECE: usize = 1 << 17;
/// How often to report the progress of a blob.
const TICK: Duration = Duration::from_millis(100);

/// Where a blob's bytes come from.
pub(super) enum Source {
    Bytes(Bytes),
    /// A blob in the cache.
    Cached,
}

/// The state of one push.
pub(super) struct Push<'p> {
    pub(super) repository: Repository<'p>,
    /// Repositories of the same registry that have some of the blobs.
    pub(super) neighbours: Vec<String>,
    pub(super) cache: &'p Cache,
    pub(super) events: &'p Events<'p>,
    pub(super) step: StepId,
}

pub(super) async fn push(
    all: &Registries<'_>,
    image: &Image,
    names: &[ImageRef],
    below: Option<&ImageRef>,
    first: u32,
    on_event: &mut dyn FnMut(Event),
) -> Result<Vec<Pushed>, RegistryError> {
    let events = Events::new(on_event);
    let mut repositories: BTreeMap<&str, Vec<ImageRef>> = BTreeMap::new();
    for name in names {
        let there = repositories.entry(name.name()).or_default();
        there.push(name.clone());
    }
    // In the order in which the user gave them.
    let mut all_names: Vec<Vec<ImageRef>> = repositories.into_values().collect();
    all_names.sort_by_key(|there| names.iter().position(|name| *name == there[0]));
    let mut pushed: Vec<Pushed> = Vec::new();
    for (names, number) in all_names.into_iter().zip(first..) {
        let step = StepId(number);
        let said: Vec<String> = names.iter().map(ToString::to_string).collect();
        events.say(Event::StepKnown {
            step,
            name: format!("[push] {}", said.join(", ")),
            kind: StepKind::Housekeeping,
        });
        events.say(Event::StepStarted { step });
        let began = Instant::now();
        let earlier = pushed.iter().map(|pushed| &pushed.names[0]);
        let neighbours = below.into_iter().chain(earlier).filter(|neighbour| {
            registry(neighbour) == registry(&names[0]) && !neighbour.is_sibling(&names[0])
        });
        let neighbours: Vec<String> = neighbours.map(|name| place(name).1).collect();
        let done = async {
            let push = Push {
                repository: Repository::new(&names[0], Action::Push, &neighbours, all, &events)
                    .await?,
                neighbours,
                cache: all.cache,
                events: &events,
                step,
            };
            push.image(image, names).await
        };
        let done = done.await;
        events.say(Event::ended(step, began, &done));
        if done.is_err()
            && let Some(before) = pushed_before(&pushed)
        {
            events.say(before);
        }
        pushed.push(done?);
    }
    Ok(pushed)
}

impl Push<'_> {
    async fn image(&self, image: &Image, names: Vec<ImageRef>) -> Result<Pushed, RegistryError> {
        let (manifest, config) = (image.manifest_json(), image.config_json());
        let named = Descriptor::config(&config);
        let mut blobs: Vec<(&Descriptor, Source)> = Vec::new();
        for layer in &image.layers {
            let descriptor = &layer.descriptor;
            if blobs
                .iter()
                .all(|(other, _)| other.digest != descriptor.digest)
            {
                blobs.push((descriptor, Source::Cached));
            }
        }
        let sent: Vec<bool> = stream::iter(&blobs)
            .map(|(descriptor, source)| self.blob(descriptor, source))
            .buffered(MAX_CONCURRENT)
            .try_collect()
            .await?;
        let sizes = blobs.iter().map(|(descriptor, _)| descriptor.size);
        let mut bytes: u64 = sizes
            .zip(&sent)
            .filter(|(_, sent)| **sent)
            .map(|(size, _)| size)
            .sum();
        let sent = sent.into_iter().filter(|sent| *sent).count();
        let config = Source::Bytes(config.into());
        if self.blob(&named, &config).await? {
            bytes += named.size;
        }
        let digest = Digest::of(&manifest);
        let manifest = Bytes::from(manifest);
        for name in &names {
            self.manifest(name, &manifest).await?;
        }
        Ok(Pushed {
            names,
            digest,
            layers: Some(PushedLayers {
                all: blobs.len(),
                sent,
            }),
            bytes: Some(bytes),
        })
    }

    async fn manifest(&self, name: &ImageRef, manifest: &Bytes) -> Result<(), RegistryError> {
        let repository = &self.repository;
        let tag = name.tag().unwrap_or("latest");
        let send = async || {
            let sent = repository.client.push_manifest(tag, MANIFEST, manifest);
            repository.soon(sent).await
        };
        repository.with_retries(send).await.map(|_| ())
    }

    /// Uploads a blob if needed. Returns whether it was.
    pub(super) async fn blob(
        &self,
        blob: &Descriptor,
        source: &Source,
    ) -> Result<bool, RegistryError> {
        let repository = &self.repository;
        let client = &repository.client;
        let digest = blob.digest.to_string();
        let there = repository
            .with_retries(async || {
                let there = client.blob_exists(&digest);
                repository.soon(there).await
            })
            .await;
        match there {
            Ok(true) => return Ok(false),
            // A login may allow writing but not reading, and the repository may not exist yet.
            Ok(false) | Err(RegistryError::Denied { .. }) => {}
            Err(error) => return Err(error),
        }
        for neighbour in &self.neighbours {
            // If mounting fails for any reason, the blob is uploaded.
            let mounted = client.mount_blob(neighbour, &digest);
            match repository.soon(mounted).await {
                Ok(true) => return Ok(false),
                Err(error) if error.is_stall() => return Err(error),
                Ok(false) | Err(_) => {}
            }
        }
        let begun = RefCell::new(None);
        let uploaded = self
            .repository
            .with_retries(async || self.upload(blob, &digest, source, &begun).await)
            .await;
        if uploaded.is_err()
            && matches!(source, Source::Cached)
            && self.cache.verified(&blob.digest).is_none()
        {
            return Err(RegistryError::Damaged(blob.digest.clone()));
        }
        uploaded.map(|()| true)
    }

    /// One attempt. `begun` is where an earlier one sent a part to.
    async fn upload(
        &self,
        blob: &Descriptor,
        digest: &str,
        source: &Source,
        begun: &RefCell<Option<Url>>,
    ) -> Result<(), RegistryError> {
        let Repository {
            client,
            asked,
            patience,
            ..
        } = &self.repository;
        let damaged = || RegistryError::Damaged(blob.digest.clone());
        let path = match source {
            Source::Bytes(_) => None,
            Source::Cached => Some(
                self.cache
                    .blob(&blob.digest, blob.size)
                    .ok_or_else(damaged)?,
            ),
        };
        let sent = Arc::new(AtomicU64::new(0));
        let body = |from: u64| {
            sent.store(from, Ordering::Relaxed);
            let pieces = match (source, &path) {
                (Source::Bytes(bytes), _) => {
                    let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
                    Pieces::Bytes(Some(bytes.slice(from..)))
                }
                (Source::Cached, path) => {
                    let unreadable = |error: std::io::Error| Fault::Answer(error.to_string());
                    let path = path.as_deref().unwrap_or_else(|| std::path::Path::new(""));
                    let mut file = File::open(path).map_err(unreadable)?;
                    file.seek(SeekFrom::Start(from)).map_err(unreadable)?;
                    Pieces::File(file)
                }
            };
            let counted = Arc::clone(&sent);
            let pieces = pieces.inspect(move |piece| {
                if let Ok(bytes) = piece {
                    counted.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                }
            });
            Ok(Body::wrap_stream(stream::iter(pieces)))
        };
        let outgoing = Outgoing {
            digest,
            size: blob.size,
            body: &body,
            begun,
        };
        let mut meter = Meter::new(self.events, self.step, &blob.digest, blob.size);
        let upload = client.push_blob(&outgoing);
        let mut upload = std::pin::pin!(upload);
        let mut ticks = tokio::time::interval(TICK);
        let mut pace = Pace::new(*patience, Instant::now());
        let (mut known, mut complete) = (0, None);
        loop {
            tokio::select! {
                biased;
                done = &mut upload => {
                    done.map_err(|error| asked.error(error))?;
                    meter.at(blob.size);
                    return Ok(());
                }
                _ = ticks.tick() => {
                    let sent = sent.load(Ordering::Relaxed);
                    let now = Instant::now();
                    pace.moved(sent.saturating_sub(known), now);
                    known = sent;
                    // After the last byte, the answer has its own timeout.
                    let stall = if sent < blob.size {
                        complete = None;
                        pace.check(now).err()
                    } else {
                        let waited = now.duration_since(*complete.get_or_insert(now));
                        let limit = patience.silence;
                        (waited >= limit).then_some(Stall::Unanswered(limit))
                    };
                    if let Some(stall) = stall {
                        return Err(asked.stalled(stall));
                    }
                    // Completion is reported only when the registry confirms it.
                    meter.at(sent.min(blob.size.saturating_sub(1)));
                }
            }
        }
    }
}

/// The pieces of an upload.
enum Pieces {
    Bytes(Option<Bytes>),
    File(File),
}

impl Iterator for Pieces {
    type Item = std::io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Bytes(bytes) => bytes.take().map(Ok),
            Self::File(file) => {
                let mut piece = vec![0; PIECE];
                match file.read(&mut piece) {
                    Ok(0) => None,
                    Ok(read) => {
                        piece.truncate(read);
                        Some(Ok(piece.into()))
                    }
                    Err(error) => Some(Err(error)),
                }
            }
        }
    }
}
