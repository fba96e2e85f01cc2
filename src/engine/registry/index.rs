//! Joins images that are in a registry into one index. Layers stay where they are.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Events, Repository, place};
use super::error::Action;
use super::manifest::{bring, kind};
use super::{Joined, JoinedImage, Registries, RegistryError};
use crate::engine::Event;
use crate::image::oci::{Document, ForeignError, ForeignManifest, INDEX};
use crate::model::digest::Digest;
use crate::model::image::ImageRef;

/// What a builder attests stands beside an image, for a platform of this name.
const UNKNOWN: &str = "unknown/unknown";

/// The platform in a configuration.
#[derive(Deserialize)]
struct Configuration {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

pub(super) async fn join(
    all: &Registries<'_>,
    name: &ImageRef,
    images: &[ImageRef],
    on_event: &mut dyn FnMut(Event),
) -> Result<Joined, RegistryError> {
    let events = Events::new(on_event);
    let strangers = images.iter().filter(|image| !image.is_sibling(name));
    let mut neighbours: Vec<String> = strangers.map(|image| place(image).1).collect();
    neighbours.dedup();
    let target = Repository::new(name, Action::Push, &neighbours, all, &events).await?;
    let mut entries = Vec::new();
    let mut joined: Vec<JoinedImage> = Vec::new();
    for image in images {
        let from = Part {
            image,
            source: Repository::new(image, Action::Pull, &[], all, &events).await?,
        };
        for entry in from.entries().await? {
            let (platform, digest) = from.known(&entry)?;
            if let Some(twin) = joined
                .iter()
                .find(|other| other.platform == platform && platform != UNKNOWN)
            {
                return Err(from.unfit(format!(
                    "`{}` is for {platform} too; an index has one image for each platform",
                    twin.from
                )));
            }
            if !image.is_sibling(name) {
                from.bring(&digest, &target, name).await?;
            }
            entries.push(entry);
            joined.push(JoinedImage {
                platform,
                digest,
                from: image.clone(),
            });
        }
    }
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    let index = Bytes::from(index.to_string());
    let tag = name.tag().unwrap_or("latest");
    target.put_manifest(tag, INDEX, &index).await?;
    joined.retain(|image| image.platform != UNKNOWN);
    Ok(Joined {
        digest: Digest::of(&index),
        images: joined,
    })
}

/// An image, or an index of several, that becomes a part of the new one.
struct Part<'p> {
    image: &'p ImageRef,
    source: Repository<'p>,
}

impl Part<'_> {
    fn unfit(&self, reason: String) -> RegistryError {
        RegistryError::Unfit {
            image: self.image.to_string(),
            reason,
        }
    }

    fn foreign(&self, error: &ForeignError) -> RegistryError {
        self.unfit(error.to_string())
    }

    /// The entries of the new index.
    async fn entries(&self) -> Result<Vec<Value>, RegistryError> {
        let name = self.image.digest().or(self.image.tag());
        let bytes = self.source.manifest(name.unwrap_or("latest")).await?;
        let document = Document::parse(&bytes).map_err(|error| self.foreign(&error))?;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let Document::Image(manifest) = document else {
            return Ok(value["manifests"].as_array().cloned().unwrap_or_default());
        };
        let config = self.configuration(&manifest).await?;
        let mut platform = json!({ "architecture": config.architecture, "os": config.os });
        if let Some(variant) = config.variant.filter(|variant| !variant.is_empty()) {
            platform["variant"] = variant.into();
        }
        Ok(vec![json!({
            "mediaType": kind(&value),
            "digest": Digest::of(&bytes),
            "size": bytes.len(),
            "platform": platform,
        })])
    }

    /// The platform and the digest of an entry.
    fn known(&self, entry: &Value) -> Result<(String, Digest), RegistryError> {
        let digest = entry["digest"].as_str().and_then(|text| text.parse().ok());
        let digest = digest.ok_or_else(|| self.unfit("it names no digest".to_owned()))?;
        if entry["mediaType"]
            .as_str()
            .is_some_and(|kind| kind == INDEX || kind.ends_with(".list.v2+json"))
        {
            return Err(self.unfit("it is a list of lists".to_owned()));
        }
        let platform = &entry["platform"];
        let parts = ["os", "architecture", "variant"].map(|key| platform[key].as_str());
        let parts: Vec<&str> = parts
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .collect();
        if parts.len() < 2 {
            return Err(self.unfit("it names no platform".to_owned()));
        }
        Ok((parts.join("/"), digest))
    }

    async fn configuration(
        &self,
        manifest: &ForeignManifest,
    ) -> Result<Configuration, RegistryError> {
        let bytes = self
            .source
            .configuration(self.image, &manifest.config)
            .await?;
        let parsed = serde_json::from_slice(&bytes);
        parsed.map_err(|error| self.unfit(format!("its configuration names no platform: {error}")))
    }

    /// Makes an image of another repository known to the index's: the registry takes its blobs over
    /// by itself.
    async fn bring(
        &self,
        digest: &Digest,
        target: &Repository<'_>,
        name: &ImageRef,
    ) -> Result<(), RegistryError> {
        if bring(&self.source, self.image, digest, target).await? {
            return Ok(());
        }
        Err(self.unfit(format!(
            "the registry does not take over its layers from another repository; push it to `{}` too",
            name.name()
        )))
    }
}
