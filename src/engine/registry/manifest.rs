//! Manifests of a repository, and images that go from one repository to another without their layers.

use bytes::Bytes;
use serde_json::Value;

use super::RegistryError;
use super::client::{Repository, place};
use crate::image::oci::{Descriptor, Document, MANIFEST, limits};
use crate::model::digest::Digest;
use crate::model::image::ImageRef;

impl Repository<'_> {
    /// A manifest by tag or digest.
    pub(super) async fn manifest(&self, name: &str) -> Result<Vec<u8>, RegistryError> {
        let get = async || self.soon(self.client.manifest(name, None)).await;
        self.with_retries(get).await
    }

    /// A configuration.
    pub(super) async fn configuration(
        &self,
        image: &ImageRef,
        wanted: &Descriptor,
    ) -> Result<Vec<u8>, RegistryError> {
        let digest = wanted.digest.to_string();
        let read = async || {
            let mut bytes = Vec::new();
            let mut answer = self.soon(self.client.blob(&digest, 0)).await?;
            while let Some(piece) = self.soon(answer.next()).await? {
                bytes.extend_from_slice(&piece);
                if bytes.len() as u64 > wanted.size.min(limits::CONFIG) {
                    return Err(self
                        .asked
                        .answer(format!("{digest} is longer than it says")));
                }
            }
            Ok(bytes)
        };
        let bytes = self.with_retries(read).await?;
        if Digest::of(&bytes) != wanted.digest {
            return Err(RegistryError::Digest {
                image: image.to_string(),
                expected: digest,
                found: Digest::of(&bytes).to_string(),
            });
        }
        Ok(bytes)
    }

    /// Writes a manifest under a tag or its digest. Returns whether the registry lists it with its
    /// subject.
    pub(super) async fn put_manifest(
        &self,
        name: &str,
        kind: &str,
        manifest: &Bytes,
    ) -> Result<bool, RegistryError> {
        let send = async || {
            let sent = self.client.push_manifest(name, kind, manifest);
            self.soon(sent).await
        };
        self.with_retries(send).await
    }
}

/// Makes an image of another repository known to a repository of the same registry, which takes its
/// blobs over by itself. Returns whether it did. An index is refused.
pub(super) async fn bring(
    source: &Repository<'_>,
    image: &ImageRef,
    digest: &Digest,
    target: &Repository<'_>,
) -> Result<bool, RegistryError> {
    let bytes = source.manifest(&digest.to_string()).await?;
    let document = Document::parse(&bytes).map_err(|error| unfit(image, error.to_string()))?;
    let Document::Image(manifest) = document else {
        return Err(unfit(image, "it is a list of lists".to_owned()));
    };
    let from = place(image).1;
    for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
        let blob = blob.digest.to_string();
        let there = async || target.soon(target.client.blob_exists(&blob)).await;
        if target.with_retries(there).await? {
            continue;
        }
        let mount = async || target.soon(target.client.mount_blob(&from, &blob)).await;
        if !target.with_retries(mount).await? {
            return Ok(false);
        }
    }
    let kind = kind(&serde_json::from_slice(&bytes).unwrap_or_default()).to_owned();
    let name = digest.to_string();
    target
        .put_manifest(&name, &kind, &Bytes::from(bytes))
        .await?;
    Ok(true)
}

fn unfit(image: &ImageRef, reason: String) -> RegistryError {
    RegistryError::Unfit {
        image: image.to_string(),
        reason,
    }
}

/// The media type of a manifest; that of an image if it tells none.
pub(super) fn kind(manifest: &Value) -> &str {
    manifest["mediaType"].as_str().unwrap_or(MANIFEST)
}
