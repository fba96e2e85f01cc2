//! Layers of earlier builds in a registry: an image that has nothing but these layers, which
//! slimbuild's own engine reads and writes.

use std::cell::RefCell;

use serde::Deserialize;

use super::client::Events;
use super::pull::Pull;
use super::{Registries, RegistryError, client};
use crate::engine::StepId;
use crate::image::oci::{Descriptor, Document, Elsewhere, limits};
use crate::model::digest::Digest;
use crate::model::image::ImageRef;

/// The layers under a name.
pub struct Layers<'l> {
    registries: &'l Registries<'l>,
    name: &'l ImageRef,
    known: Vec<(Digest, Descriptor)>,
    /// Why a layer could not be brought.
    trouble: RefCell<Option<String>>,
}

/// What a configuration says of the layers.
#[derive(Deserialize)]
struct Configuration {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

impl<'l> Layers<'l> {
    /// None at all, which is what there is before the first build.
    pub fn none(registries: &'l Registries<'l>, name: &'l ImageRef) -> Self {
        Self {
            registries,
            name,
            known: Vec::new(),
            trouble: RefCell::default(),
        }
    }

    /// Reads which layers are under the name.
    pub fn read(registries: &'l Registries<'l>, name: &'l ImageRef) -> Result<Self, RegistryError> {
        let known = client::block_on(registries.interrupt, known(registries, name))?;
        Ok(Self {
            known,
            ..Self::none(registries, name)
        })
    }

    /// Why layers that are there could not be taken.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }
}

impl Elsewhere for Layers<'_> {
    fn bring(&self, diff_id: &Digest) -> Option<Descriptor> {
        let (_, wanted) = self.known.iter().find(|(known, _)| known == diff_id)?;
        let cache = self.registries.cache;
        if cache.blob(&wanted.digest, wanted.size).is_some() {
            return Some(wanted.clone());
        }
        let mut ignore = |_| {};
        let events = Events::new(&mut ignore);
        let pull = Pull::new(self.registries, self.name, &events, StepId(0));
        let brought = client::block_on(self.registries.interrupt, pull.blob(wanted));
        match brought {
            Ok(()) => Some(wanted.clone()),
            Err(error) => {
                self.trouble.replace(Some(error.to_string()));
                None
            }
        }
    }
}

async fn known(
    all: &Registries<'_>,
    name: &ImageRef,
) -> Result<Vec<(Digest, Descriptor)>, RegistryError> {
    let mut ignore = |_| {};
    let events = Events::new(&mut ignore);
    let pull = Pull::new(all, name, &events, StepId(0));
    let tag = name.digest().or(name.tag()).unwrap_or("latest");
    let (_, document) = pull.manifest(tag, None).await?;
    let Document::Image(manifest) = document else {
        return Ok(Vec::new());
    };
    if manifest.config.size > limits::CONFIG {
        return Ok(Vec::new());
    }
    let cached = all
        .cache
        .blob(&manifest.config.digest, manifest.config.size);
    if cached.is_none() {
        pull.blob(&manifest.config).await?;
    }
    let config = fs_err::read(all.cache.path(&manifest.config.digest));
    let config = config.map_err(RegistryError::Cache)?;
    // What is no image of layers has none to offer.
    let config = serde_json::from_slice::<Configuration>(&config);
    let diff_ids = config.map(|config| config.rootfs.diff_ids);
    Ok(diff_ids
        .unwrap_or_default()
        .into_iter()
        .zip(manifest.layers)
        .collect())
}
