//! Documents about images, attached in their registry: OCI's referrers
//! (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers>).
//!
//! Each is an artifact of one blob whose subject is the image. A registry that lists referrers says so when
//! it gets one. For any other, the tag `sha256-…` of the image has a list, which clients look for.

use bytes::Bytes;
use serde_json::{Value, json};

use super::client::{Events, Repository};
use super::error::Action;
use super::push::{Push, Source};
use super::{Registries, RegistryError};
use crate::engine::{Event, StepId};
use crate::image::oci::{Descriptor, INDEX, MANIFEST};
use crate::model::digest::Digest;
use crate::model::image::ImageRef;

/// The type of a configuration that there is none of.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// A document about an image.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// The image's manifest.
    pub subject: Descriptor,
    /// The type of the document.
    pub kind: &'static str,
    pub bytes: Vec<u8>,
}

/// A document that was attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// The digest of its manifest.
    pub digest: Digest,
    /// The tag with the list, if the registry has no list itself.
    pub tag: Option<String>,
}

pub(super) async fn attach(
    all: &Registries<'_>,
    image: &ImageRef,
    attachments: &[Attachment],
    on_event: &mut dyn FnMut(Event),
) -> Result<Vec<Attached>, RegistryError> {
    let events = Events::new(on_event);
    let push = Push {
        repository: Repository::new(image, Action::Push, &[], all, &events).await?,
        neighbours: Vec::new(),
        cache: all.cache,
        events: &events,
        step: StepId(0),
    };
    let mut attached = Vec::new();
    for attachment in attachments {
        attached.push(attach_one(&push, attachment).await?);
    }
    Ok(attached)
}

async fn attach_one(push: &Push<'_>, attachment: &Attachment) -> Result<Attached, RegistryError> {
    let empty = Bytes::from_static(b"{}");
    let config = Descriptor::new(EMPTY, Digest::of(&empty), empty.len() as u64);
    let document = Bytes::from(attachment.bytes.clone());
    let layer = Descriptor::new(
        attachment.kind,
        Digest::of(&document),
        document.len() as u64,
    );
    push.blob(&config, &Source::Bytes(empty)).await?;
    push.blob(&layer, &Source::Bytes(document)).await?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": attachment.kind,
        "config": config,
        "layers": [layer],
        "subject": attachment.subject,
    });
    let manifest = Bytes::from(manifest.to_string());
    let digest = Digest::of(&manifest);
    let name = digest.to_string();
    let is_listed = push
        .repository
        .put_manifest(&name, MANIFEST, &manifest)
        .await?;
    let mut tag = None;
    if !is_listed {
        let entry = json!({
            "mediaType": MANIFEST,
            "digest": digest,
            "size": manifest.len(),
            "artifactType": attachment.kind,
        });
        tag = Some(list(&push.repository, &attachment.subject.digest, &entry).await?);
    }
    Ok(Attached { digest, tag })
}

/// Adds an entry to the list of an image under its tag. Returns the tag.
async fn list(
    repository: &Repository<'_>,
    image: &Digest,
    entry: &Value,
) -> Result<String, RegistryError> {
    let tag = image.to_string().replace(':', "-");
    let known = match repository.manifest(&tag).await {
        Ok(bytes) => serde_json::from_slice::<Value>(&bytes).unwrap_or_default(),
        Err(RegistryError::Missing { .. } | RegistryError::Status { status: 404, .. }) => {
            Value::Null
        }
        Err(error) => return Err(error),
    };
    if !known.is_null() && !known["manifests"].is_array() {
        return Err(RegistryError::NoImage {
            image: format!("the tag {tag}"),
            reason: "it is no list of what refers to an image".to_owned(),
        });
    }
    let known = known["manifests"].as_array().cloned().unwrap_or_default();
    let mut entries: Vec<Value> = known
        .into_iter()
        .filter(|other| other["digest"] != entry["digest"])
        .collect();
    entries.push(entry.clone());
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    let index = Bytes::from(index.to_string());
    repository.put_manifest(&tag, INDEX, &index).await?;
    Ok(tag)
}
