//! Images with all that describes them, read and written without their own layers.
//!
//! Input: names. Output: manifests and configurations of all platforms; and later, the same under
//! a name with other contents. The layers of an image stay where they are.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};

use super::client::{Events, Repository, place};
use super::error::Action;
use super::home::Homes;
use super::push::{Push, Source};
use super::{MAX_CONCURRENT, Registries, RegistryError, Trust};
use crate::engine::credentials::registry;
use crate::engine::{Event, StepId};
use crate::image::oci::{
    Descriptor, Document, ForeignError, INDEX, IndexEntry, MANIFEST, Rewritten, Whole,
};
use crate::model::digest::Digest;
use crate::model::image::ImageRef;

/// The most images that are read or written at the same time.
const MAX_IMAGES: usize = 8;
/// The most tags that are asked for what they stand for at the same time.
const MAX_TAGS: usize = 32;
/// The most answers with tags that are read, of a thousand each.
const MAX_LISTS: usize = 20;

/// The name of an image to read.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub name: ImageRef,
    /// Whether the connection need not be verified.
    pub trust: Trust,
    /// The platforms of an index that are read, as `linux/amd64`. None means all.
    pub platforms: Vec<String>,
}

/// All images under a name.
#[derive(Debug, Clone)]
pub struct Wholes {
    /// What the name stands for: a manifest or an index.
    pub digest: Digest,
    /// The index, if it is one.
    pub index: Option<Map<String, Value>>,
    /// The images, in the order of the index.
    pub images: Vec<Whole>,
    /// How many manifests of the index attest something of its images.
    pub attestations: usize,
    /// The bytes that were received.
    pub received: u64,
}

/// An image to write.
#[derive(Debug)]
pub struct Rewrite {
    /// The image that it is made of.
    pub from: ImageRef,
    /// What that name stood for.
    pub old: Digest,
    /// The name that it gets.
    pub to: ImageRef,
    pub trust: Trust,
    pub images: Vec<Rewritten>,
    /// The index of the images, if there is one.
    pub index: Option<Vec<u8>>,
    /// The base, and the layers of it that the images have. They are in the cache.
    pub base: ImageRef,
    pub base_layers: Vec<Descriptor>,
    /// The layers of the app, which are in the repository of `from`.
    pub own_layers: Vec<Descriptor>,
    /// Tags of the repository that follow if they stand for the old image.
    pub following: Option<fn(&str) -> bool>,
}

/// An image that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub digest: Digest,
    /// The bytes that were sent.
    pub sent: u64,
    /// How many other tags stand for it too now.
    pub followed: usize,
}

pub(super) async fn read(
    all: &Registries<'_>,
    wanted: &[Wanted],
    on_event: &mut dyn FnMut(Event),
) -> Vec<Result<Wholes, RegistryError>> {
    let events = Events::new(on_event);
    let (events, homes) = (&events, &Homes::default());
    stream::iter(wanted)
        .map(|wanted| read_one(all, wanted, homes, events))
        .buffered(MAX_IMAGES)
        .collect()
        .await
}

async fn read_one<'e>(
    all: &Registries<'_>,
    wanted: &Wanted,
    homes: &Homes,
    events: &'e Events<'e>,
) -> Result<Wholes, RegistryError> {
    let (name, all) = (&wanted.name, all.with(&wanted.trust));
    let home = homes.of(name, Action::Look, &all, events).await?;
    let repository = &Repository::at(&home, name, Action::Look, &[], all.patience, events);
    let unread = |source: ForeignError| RegistryError::Unread {
        image: name.to_string(),
        source,
    };
    let tag = name.digest().or(name.tag()).unwrap_or("latest");
    let bytes = repository.manifest(tag).await?;
    let mut wholes = Wholes {
        digest: Digest::of(&bytes),
        index: None,
        images: Vec::new(),
        attestations: 0,
        received: bytes.len() as u64,
    };
    let Document::Index(entries) = Document::parse(&bytes).map_err(unread)? else {
        let (image, received) = described(repository, name, bytes).await?;
        wholes.images.push(image);
        wholes.received += received;
        return Ok(wholes);
    };
    wholes.index = serde_json::from_slice(&bytes).ok();
    let is_image = |entry: &&IndexEntry| {
        let system = entry.platform.as_ref().and_then(|parts| parts.first());
        system.is_none_or(|system| system != "unknown")
    };
    wholes.attestations = entries.iter().filter(|entry| !is_image(entry)).count();
    let is_wanted = |entry: &&IndexEntry| {
        let platform = entry.platform.as_ref().map(|parts| parts.join("/"));
        let mut platforms = wanted.platforms.iter();
        wanted.platforms.is_empty()
            || platform.is_none_or(|own| platforms.any(|wanted| is_same_platform(wanted, &own)))
    };
    let images = entries.iter().filter(is_image).filter(is_wanted);
    let images: Vec<(Whole, u64)> = stream::iter(images)
        .map(|entry| async move {
            let digest = entry.descriptor.digest.to_string();
            let bytes = repository.manifest(&digest).await?;
            let received = bytes.len() as u64;
            let (image, more) = described(repository, name, bytes).await?;
            Ok::<_, RegistryError>((image, received + more))
        })
        .buffered(MAX_CONCURRENT)
        .try_collect()
        .await?;
    for (image, received) in images {
        wholes.images.push(image);
        wholes.received += received;
    }
    Ok(wholes)
}

/// An image with its configuration, and the bytes that were received for that.
async fn described(
    repository: &Repository<'_>,
    name: &ImageRef,
    manifest: Vec<u8>,
) -> Result<(Whole, u64), RegistryError> {
    let unread = |source: ForeignError| RegistryError::Unread {
        image: name.to_string(),
        source,
    };
    let Document::Image(parsed) = Document::parse(&manifest).map_err(unread)? else {
        return Err(unread(ForeignError::Malformed {
            what: "manifest",
            reason: "it is a list of lists".to_owned(),
        }));
    };
    let configuration = repository.configuration(name, &parsed.config).await?;
    let image = Whole::parse(&manifest, &configuration).map_err(unread)?;
    Ok((image, configuration.len() as u64))
}

/// Whether two names of platforms mean the same: the default variant of arm64 is v8.
pub fn is_same_platform(one: &str, other: &str) -> bool {
    let plain = |name: &str| {
        name.strip_suffix("arm64/v8")
            .map_or_else(|| name.to_owned(), |system| format!("{system}arm64"))
    };
    plain(one) == plain(other)
}

/// What a name stands for; `None` if it is not told in time.
pub(super) async fn digest(
    all: &Registries<'_>,
    image: &ImageRef,
    limit: Duration,
) -> Option<Digest> {
    // Nothing depends on the answer, so nothing is said about a registry without one.
    let mut silent = |_| {};
    let events = Events::new(&mut silent);
    let asked = async {
        let repository = Repository::new(image, Action::Look, &[], all, &events)
            .await
            .ok()?;
        let tag = image.tag().unwrap_or("latest");
        repository.client.digest(tag).await.ok()?
    };
    tokio::time::timeout(limit, asked).await.ok()?
}

pub(super) async fn write(
    all: &Registries<'_>,
    wanted: &[Rewrite],
    on_event: &mut dyn FnMut(Event),
) -> Vec<Result<Written, RegistryError>> {
    let events = Events::new(on_event);
    let (events, homes) = (&events, &Homes::default());
    stream::iter(wanted)
        .map(|wanted| write_one(all, wanted, homes, events))
        .buffered(MAX_IMAGES)
        .collect()
        .await
}

async fn write_one<'e>(
    all: &'e Registries<'e>,
    wanted: &'e Rewrite,
    homes: &Homes,
    events: &'e Events<'e>,
) -> Result<Written, RegistryError> {
    let (to, all) = (&wanted.to, all.with(&wanted.trust));
    let is_elsewhere = !to.is_sibling(&wanted.from);
    let others = [(&wanted.from, is_elsewhere), (&wanted.base, true)];
    let neighbours = others.into_iter().filter(|(other, is_one)| {
        *is_one && registry(other) == registry(to) && !other.is_sibling(to)
    });
    let neighbours: Vec<String> = neighbours.map(|(other, _)| place(other).1).collect();
    let home = homes.of(to, Action::Push, &all, events).await?;
    let push = &Push {
        repository: Repository::at(&home, to, Action::Push, &neighbours, all.patience, events),
        neighbours,
        cache: all.cache,
        events,
        step: StepId(0),
    };
    let repository = &push.repository;
    if is_elsewhere {
        for layer in &wanted.own_layers {
            taken_over(push, layer, wanted).await?;
        }
    }
    let mut sent = 0;
    for layer in &wanted.base_layers {
        if push.blob(layer, &Source::Cached).await? {
            sent += layer.size;
        }
    }
    for image in &wanted.images {
        let named = Descriptor::config(&image.configuration);
        let bytes = Source::Bytes(image.configuration.clone().into());
        if push.blob(&named, &bytes).await? {
            sent += named.size;
        }
    }
    let (top, kind) = match (&wanted.index, &wanted.images[..]) {
        (Some(index), images) => {
            for image in images {
                let bytes = Bytes::from(image.manifest.clone());
                let name = image.digest().to_string();
                repository.put_manifest(&name, MANIFEST, &bytes).await?;
                sent += bytes.len() as u64;
            }
            (index, INDEX)
        }
        (None, [image]) => (&image.manifest, MANIFEST),
        (None, _) => {
            return Err(RegistryError::NoImage {
                image: wanted.from.to_string(),
                reason: "it has several images and no index".to_owned(),
            });
        }
    };
    let top = Bytes::from(top.clone());
    // Somebody may have pushed meanwhile. That image must not get lost.
    if !is_elsewhere && to.tag() == wanted.from.tag() {
        let tag = to.tag().unwrap_or("latest");
        let head = async || repository.soon(repository.client.digest(tag)).await;
        let now = repository.with_retries(head).await?;
        if now.is_some_and(|now| now != wanted.old) {
            return Err(RegistryError::Moved {
                image: to.to_string(),
            });
        }
    }
    let mut tags = vec![to.tag().unwrap_or("latest").to_owned()];
    if let Some(is_one) = wanted.following
        && !is_elsewhere
    {
        match followers(repository, is_one, &wanted.old).await {
            Ok(found) => tags.extend(found),
            Err(error) => events.say(Event::Warning {
                message: format!(
                    "`--skip-unchanged` may still find the old image: the tags beside {to} cannot be read: {error}"
                ),
            }),
        }
    }
    let puts = tags
        .iter()
        .map(|tag| repository.put_manifest(tag, kind, &top));
    try_join_all(puts).await?;
    Ok(Written {
        digest: Digest::of(&top),
        sent: sent + top.len() as u64,
        followed: tags.len() - 1,
    })
}

/// Makes a layer of the app known to another repository, which takes it over by itself.
async fn taken_over(
    push: &Push<'_>,
    layer: &Descriptor,
    wanted: &Rewrite,
) -> Result<(), RegistryError> {
    let (repository, digest) = (&push.repository, layer.digest.to_string());
    let there = async || {
        repository
            .soon(repository.client.blob_exists(&digest))
            .await
    };
    if repository.with_retries(there).await? {
        return Ok(());
    }
    let from = place(&wanted.from).1;
    let mount = async || {
        repository
            .soon(repository.client.mount_blob(&from, &digest))
            .await
    };
    if repository.with_retries(mount).await? {
        return Ok(());
    }
    Err(RegistryError::NotTakenOver {
        image: wanted.from.to_string(),
        target: wanted.to.name().to_owned(),
    })
}

/// The tags of a kind that stand for an image. A registry that lists no tags has none.
async fn followers(
    repository: &Repository<'_>,
    is_one: fn(&str) -> bool,
    image: &Digest,
) -> Result<Vec<String>, RegistryError> {
    let mut tags: Vec<String> = Vec::new();
    let mut last: Option<String> = None;
    for _ in 0..MAX_LISTS {
        let list = async || {
            repository
                .soon(repository.client.tags(last.as_deref()))
                .await
        };
        let list = repository.with_retries(list).await?;
        let end = list.iter().max().cloned();
        // Some registries send all tags whatever they are asked for.
        let is_news = end > last;
        tags.extend(list.into_iter().filter(|tag| is_one(tag)));
        if !is_news {
            break;
        }
        last = end;
    }
    tags.sort();
    tags.dedup();
    let found: Vec<Option<String>> = stream::iter(tags)
        .map(|tag| async move {
            let head = async || repository.soon(repository.client.digest(&tag)).await;
            let digest = repository.with_retries(head).await?;
            Ok::<_, RegistryError>((digest.as_ref() == Some(image)).then_some(tag))
        })
        .buffered(MAX_TAGS)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_of_platforms() {
        assert!(is_same_platform("linux/arm64", "linux/arm64/v8"));
        assert!(!is_same_platform("linux/arm/v7", "linux/arm/v8"));
        assert!(!is_same_platform("linux/arm64", "linux/amd64"));
    }
}
