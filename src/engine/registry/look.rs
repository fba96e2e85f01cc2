//! Looks at an image of a registry: its manifest and its configuration, and then only the layers that
//! are asked for.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::client::Events;
use super::pull::Pull;
use super::{MAX_CONCURRENT, Registries, RegistryError};
use crate::engine::{Event, StepId};
use crate::image::oci::{
    Described, Descriptor, Document, ForeignError, ForeignManifest, choose_any, limits,
};
use crate::model::digest::Digest;
use crate::model::image::{ImageRef, Platform};

/// An image of a registry.
#[derive(Debug, Clone)]
pub struct Looked {
    /// What its configuration tells.
    pub described: Described,
    /// The digest of the configuration, by which Docker knows the image.
    pub id: Digest,
    /// The bytes that were received.
    pub received: u64,
}

pub(super) async fn describe(
    all: &Registries<'_>,
    image: &ImageRef,
    platform: Option<&Platform>,
    on_event: &mut dyn FnMut(Event),
) -> Result<Looked, RegistryError> {
    let events = Events::new(on_event);
    let pull = Pull::new(all, image, &events, StepId(0));
    let unread = |source: ForeignError| RegistryError::Unread {
        image: image.to_string(),
        source,
    };
    let (manifest, mut received) = manifest(&pull, all, image, platform).await?;
    let config = &manifest.config;
    if all.cache.blob(&config.digest, config.size).is_none() {
        pull.blob(config).await?;
        received += config.size;
    }
    let bytes = fs_err::read(all.cache.path(&config.digest)).map_err(RegistryError::Cache)?;
    let blobs = manifest.layers.into_iter().map(Some).collect();
    let described = Described::parse(&bytes, blobs, platform).map_err(unread)?;
    Ok(Looked {
        described,
        id: config.digest.clone(),
        received,
    })
}

/// The manifest of the image for the platform, and the bytes that were received.
async fn manifest(
    pull: &Pull<'_>,
    all: &Registries<'_>,
    image: &ImageRef,
    platform: Option<&Platform>,
) -> Result<(ForeignManifest, u64), RegistryError> {
    let unread = |source: ForeignError| RegistryError::Unread {
        image: image.to_string(),
        source,
    };
    let mut name = image
        .digest()
        .or(image.tag())
        .unwrap_or("latest")
        .to_owned();
    let (mut size, mut received) = (None, 0);
    for _ in 0..=limits::MAX_DEPTH {
        let (digest, document) = pull.manifest(&name, size).await?;
        let kept = fs_err::metadata(all.cache.path(&digest));
        received += kept.map_err(RegistryError::Cache)?.len();
        match document {
            Document::Image(manifest) => return Ok((manifest, received)),
            Document::Index(entries) => {
                let entry = choose_any(&entries, platform).map_err(unread)?;
                name = entry.descriptor.digest.to_string();
                size = Some(entry.descriptor.size);
            }
        }
    }
    Err(unread(ForeignError::Malformed {
        what: "manifest",
        reason: "it is a list of lists without an end".to_owned(),
    }))
}

pub(super) async fn bring(
    all: &Registries<'_>,
    image: &ImageRef,
    blobs: &[&Descriptor],
    on_event: &mut dyn FnMut(Event),
) -> Result<u64, RegistryError> {
    let events = Events::new(on_event);
    let pull = Pull::new(all, image, &events, StepId(0));
    let mut missing: Vec<&Descriptor> = Vec::new();
    for blob in blobs {
        let known = missing.iter().any(|other| other.digest == blob.digest);
        if !known && all.cache.blob(&blob.digest, blob.size).is_none() {
            missing.push(blob);
        }
    }
    let received = missing.iter().map(|blob| blob.size).sum();
    // The sizes are the manifest's, which has a limit for all of them together.
    let needed = limits::room(all.cache.root(), received);
    needed.map_err(RegistryError::Cache)?;
    stream::iter(missing)
        .map(|blob| pull.blob(blob))
        .buffer_unordered(MAX_CONCURRENT)
        .try_collect::<()>()
        .await?;
    Ok(received)
}
