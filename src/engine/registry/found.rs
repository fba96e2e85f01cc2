//! Images that a registry has already: which are there, and other names for them. Nothing of their
//! layers is read or sent.
//!
//! Many are asked for at once, and no answer is waited for longer than a limit. An image counts as there
//! only if its configuration is, and for an index those of all its images: a registry may have removed
//! blobs. Layers are checked by registries themselves when the manifest gets another name.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};

use super::client::{Events, Repository, place};
use super::error::Action;
use super::home::Homes;
use super::manifest::{bring, kind};
use super::{Pushed, Registries, RegistryError, Trust};
use crate::engine::Event;
use crate::image::oci::{Document, ForeignManifest};
use crate::model::digest::Digest;
use crate::model::image::ImageRef;
use crate::store::fetch::Stall;

/// The most images that are asked for at the same time.
const MAX_ASKED: usize = 64;

/// The name of an image, and how its registry is reached.
#[derive(Debug, Clone)]
pub struct Named {
    /// With a tag or a digest.
    pub name: ImageRef,
    /// Whether the connection need not be verified.
    pub trust: Trust,
}

/// An image that a registry has.
#[derive(Debug, Clone)]
pub struct Found {
    /// The name that it was found by.
    pub name: ImageRef,
    /// The digest of its manifest, or of the index of its platforms.
    pub digest: Digest,
    /// The digest of its configuration, if it is one image.
    pub configuration: Option<Digest>,
    /// The bytes that a pull transfers, if it is one image.
    pub packed: Option<u64>,
    manifest: Bytes,
}

/// Asks whether images are there.
#[derive(Debug, Clone)]
pub struct Asker(mpsc::UnboundedSender<(usize, Named)>);

/// What is asked. It ends when all askers are gone.
#[derive(Debug)]
pub struct Questions(mpsc::UnboundedReceiver<(usize, Named)>);

/// An answer: for which number it is, and what was found by which name.
#[derive(Debug)]
pub struct Answer {
    /// The number of the question.
    pub number: usize,
    /// The name that was asked for.
    pub name: ImageRef,
    /// The image; `None` if the registry has none of that name, or not all of it.
    pub found: Result<Option<Found>, RegistryError>,
}

/// Both ends of a row of questions.
pub fn questions() -> (Asker, Questions) {
    let (to, from) = mpsc::unbounded_channel();
    (Asker(to), Questions(from))
}

impl Asker {
    /// Asks for an image.
    pub fn ask(&self, number: usize, named: Named) {
        // Nobody answers any more only if the run is over.
        drop(self.0.send((number, named)));
    }
}

/// Answers questions as they come. After the last one, answers are waited for until the limit.
pub(super) async fn look(
    all: &Registries<'_>,
    mut questions: Questions,
    limit: Duration,
    on_event: &mut dyn FnMut(Event),
) -> Vec<Answer> {
    let events = &Events::new(on_event);
    let (homes, room) = (&Homes::default(), &Semaphore::new(MAX_ASKED));
    let one = |number: usize, asked: u64, named: Named| async move {
        let _room = room.acquire().await;
        let found = found(all, &named, homes, events).await;
        let name = named.name;
        let answer = Answer {
            number,
            name,
            found,
        };
        (asked, answer)
    };
    let mut asked = 0;
    let mut open: BTreeMap<u64, (usize, ImageRef)> = BTreeMap::new();
    let mut running = FuturesUnordered::new();
    let mut answers = Vec::new();
    // While questions come, there is no limit.
    let mut deadline: Option<Instant> = None;
    loop {
        let until = deadline.unwrap_or_else(|| Instant::now() + limit);
        tokio::select! {
            question = questions.0.recv(), if deadline.is_none() => match question {
                Some((number, named)) => {
                    open.insert(asked, (number, named.name.clone()));
                    running.push(one(number, asked, named));
                    asked += 1;
                }
                None => deadline = Some(Instant::now() + limit),
            },
            Some((asked, answer)) = running.next() => {
                open.remove(&asked);
                answers.push(answer);
            }
            () = sleep_until(until), if deadline.is_some() => break,
        }
        if deadline.is_some() && running.is_empty() {
            break;
        }
    }
    let late = open.into_values().map(|(number, name)| Answer {
        found: Err(RegistryError::Stalled {
            image: name.to_string(),
            action: Action::Look,
            source: Stall::Unanswered(limit),
        }),
        number,
        name,
    });
    answers.extend(late);
    answers
}

/// What a registry has under a name. What fails is not tried again.
async fn found<'e>(
    all: &Registries<'_>,
    named: &Named,
    homes: &Homes,
    events: &'e Events<'e>,
) -> Result<Option<Found>, RegistryError> {
    let (name, action) = (&named.name, Action::Look);
    let all = all.with(&named.trust);
    let home = homes.of(name, action, &all, events).await?;
    let repository = &Repository::at(&home, name, action, &[], all.patience, events);
    let tag = name.digest().or(name.tag()).unwrap_or("latest");
    let read = repository.client.manifest(tag, None);
    let bytes = match repository.soon(read).await {
        Err(RegistryError::Missing { .. }) => return Ok(None),
        read => read?,
    };
    let found = Found::new(name, bytes);
    let is_whole = match found.document(name)? {
        Document::Image(manifest) => has_configuration(repository, &manifest).await?,
        Document::Index(entries) => {
            let images = entries.iter().map(|entry| async move {
                let digest = entry.descriptor.digest.to_string();
                let read = repository.client.manifest(&digest, None);
                let bytes = match repository.soon(read).await {
                    Err(RegistryError::Missing { .. }) => return Ok(false),
                    read => read?,
                };
                match Document::parse(&bytes) {
                    Ok(Document::Image(manifest)) => has_configuration(repository, &manifest).await,
                    _ => Ok(false),
                }
            });
            let images: Vec<bool> = try_join_all(images).await?;
            images.into_iter().all(|is_whole| is_whole)
        }
    };
    Ok(is_whole.then_some(found))
}

async fn has_configuration(
    repository: &Repository<'_>,
    manifest: &ForeignManifest,
) -> Result<bool, RegistryError> {
    let digest = manifest.config.digest.to_string();
    let there = repository.client.blob_exists(&digest);
    repository.soon(there).await
}

impl Found {
    fn new(name: &ImageRef, manifest: Vec<u8>) -> Self {
        let mut found = Self {
            name: name.clone(),
            digest: Digest::of(&manifest),
            configuration: None,
            packed: None,
            manifest: manifest.into(),
        };
        if let Ok(Document::Image(image)) = Document::parse(&found.manifest) {
            let blobs = image.layers.iter().chain([&image.config]);
            let sizes: u64 = blobs.map(|blob| blob.size).sum();
            found.packed = Some(sizes + found.manifest.len() as u64);
            found.configuration = Some(image.config.digest);
        }
        found
    }

    fn document(&self, name: &ImageRef) -> Result<Document, RegistryError> {
        Document::parse(&self.manifest).map_err(|error| RegistryError::NoImage {
            image: name.to_string(),
            reason: error.to_string(),
        })
    }
}

/// The images of these names, which must be there.
pub(super) async fn find(
    all: &Registries<'_>,
    names: &[Named],
    on_event: &mut dyn FnMut(Event),
) -> Vec<Result<Found, RegistryError>> {
    let events = &Events::new(on_event);
    let homes = Homes::default();
    stream::iter(names)
        .map(|named| find_one(all, named, &homes, events))
        .buffered(MAX_ASKED)
        .collect()
        .await
}

async fn find_one<'e>(
    all: &Registries<'_>,
    named: &Named,
    homes: &Homes,
    events: &'e Events<'e>,
) -> Result<Found, RegistryError> {
    let (name, all) = (&named.name, all.with(&named.trust));
    let home = homes.of(name, Action::Look, &all, events).await?;
    let repository = Repository::at(&home, name, Action::Look, &[], all.patience, events);
    let tag = name.digest().or(name.tag()).unwrap_or("latest");
    let found = Found::new(name, repository.manifest(tag).await?);
    found.document(name)?;
    Ok(found)
}

/// More names for an image. They are in one repository.
#[derive(Debug, Clone)]
pub struct Retag {
    pub found: Found,
    pub names: Vec<ImageRef>,
    pub trust: Trust,
}

/// Gives images more names in their registry.
pub(super) async fn retag(
    all: &Registries<'_>,
    wanted: &[Retag],
    on_event: &mut dyn FnMut(Event),
) -> Vec<Result<Pushed, RegistryError>> {
    let events = &Events::new(on_event);
    let homes = Homes::default();
    stream::iter(wanted)
        .map(|wanted| give_names(all, wanted, &homes, events))
        .buffered(MAX_ASKED)
        .collect()
        .await
}

async fn give_names<'e>(
    all: &Registries<'_>,
    wanted: &Retag,
    homes: &Homes,
    events: &'e Events<'e>,
) -> Result<Pushed, RegistryError> {
    let Retag {
        found,
        names,
        trust,
    } = wanted;
    let all = all.with(trust);
    let first = names.first().unwrap_or(&found.name);
    let is_elsewhere = !first.is_sibling(&found.name);
    let from = is_elsewhere.then(|| place(&found.name).1);
    let neighbours: Vec<String> = from.into_iter().collect();
    let home = homes.of(first, Action::Push, &all, events).await?;
    let target = &Repository::at(
        &home,
        first,
        Action::Push,
        &neighbours,
        all.patience,
        events,
    );
    if is_elsewhere {
        take_over(found, first, target, &all, homes, events).await?;
    }
    let value: Value = serde_json::from_slice(&found.manifest).unwrap_or_default();
    let kind = kind(&value);
    let puts = names.iter().map(|name| async move {
        let tag = name.tag().unwrap_or("latest");
        target.put_manifest(tag, kind, &found.manifest).await
    });
    try_join_all(puts).await?;
    Ok(Pushed {
        names: names.clone(),
        digest: found.digest.clone(),
        layers: None,
        bytes: None,
    })
}

/// Makes the images of another repository known to this one.
async fn take_over<'e>(
    found: &Found,
    name: &ImageRef,
    target: &Repository<'_>,
    all: &Registries<'_>,
    homes: &Homes,
    events: &'e Events<'e>,
) -> Result<(), RegistryError> {
    let home = homes.of(&found.name, Action::Look, all, events).await?;
    let source = Repository::at(&home, &found.name, Action::Look, &[], all.patience, events);
    let digests: Vec<Digest> = match found.document(&found.name)? {
        Document::Image(_) => vec![found.digest.clone()],
        Document::Index(entries) => {
            let entries = entries.into_iter();
            entries.map(|entry| entry.descriptor.digest).collect()
        }
    };
    for digest in digests {
        if !bring(&source, &found.name, &digest, target).await? {
            return Err(RegistryError::NotTakenOver {
                image: found.name.to_string(),
                target: name.name().to_owned(),
            });
        }
    }
    Ok(())
}

impl Registries<'_> {
    /// The same with other settings for the connection.
    pub(super) fn with<'r>(&'r self, trust: &'r Trust) -> Registries<'r> {
        Registries { trust, ..*self }
    }
}
