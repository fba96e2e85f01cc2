//! How large an image is, as its builder tells by the image's manifest.

use super::channel::Channel;
use super::content;
use crate::image::oci::{Descriptor, Document, ForeignManifest, SIZE_MEMBER, told_size};
use crate::model::digest::Digest;
use crate::model::image::ImageSize;

/// The size in bytes of the largest layer whose unpacked size its last bytes can tell: they tell it
/// modulo 4 GiB.
const MAX_TOLD_BYTES: u64 = 400_000_000;
/// The size in bytes of the number at the end of a gzip file.
const TRAILER_BYTES: usize = 4;

/// The sizes of the images under a digest: one, or one for each platform. There are none if the
/// builder does not tell.
pub(super) async fn sizes(channel: &Channel, digest: &Digest) -> Vec<ImageSize> {
    let Some((bytes, found)) = document(channel, digest).await else {
        return Vec::new();
    };
    let entries = match found {
        Document::Image(image) => return vec![size(channel, bytes, &image, None).await],
        Document::Index(entries) => entries,
    };
    let mut sizes = Vec::new();
    for entry in entries {
        // Attestations are for no platform.
        let platform = entry.platform.map(|parts| parts.join("/"));
        if platform.as_ref().is_none_or(|it| it.starts_with("unknown")) {
            continue;
        }
        let found = document(channel, &entry.descriptor.digest).await;
        if let Some((bytes, Document::Image(image))) = found {
            sizes.push(size(channel, bytes, &image, platform).await);
        }
    }
    if let [only] = &mut sizes[..] {
        // The others in the index are attestations.
        only.platform = None;
    }
    sizes
}

/// A manifest or an index, and its length.
async fn document(channel: &Channel, digest: &Digest) -> Option<(u64, Document)> {
    let bytes = content::read(channel, digest, 0, 0).await.ok()?;
    let document = Document::parse(&bytes).ok()?;
    Some((bytes.len() as u64, document))
}

async fn size(
    channel: &Channel,
    manifest: u64,
    image: &ForeignManifest,
    platform: Option<String>,
) -> ImageSize {
    let layers = image.layers.iter().map(|layer| layer.size);
    let mut unpacked = Some(0);
    for layer in &image.layers {
        let Some(sum) = unpacked else { break };
        unpacked = unpacked_size(channel, layer).await.map(|size| sum + size);
    }
    ImageSize {
        platform,
        packed: Some(manifest + image.config.size + layers.sum::<u64>()),
        unpacked,
    }
}

/// A gzip file ends with the size of its content. A builder may lack a layer of the base that it
/// only passed on.
async fn unpacked_size(channel: &Channel, layer: &Descriptor) -> Option<u64> {
    if !layer.media_type.contains("gzip") || layer.size > MAX_TOLD_BYTES {
        return None;
    }
    let length = layer.size.min(SIZE_MEMBER as u64);
    let last = content::read(channel, &layer.digest, layer.size - length, length).await;
    let last = last.ok()?;
    // A layer of slimbuild's consists of several files, and tells the size of all.
    if let Some(told) = told_size(&last) {
        return Some(told);
    }
    let told = last.last_chunk::<TRAILER_BYTES>()?;
    let told = u64::from(u32::from_le_bytes(*told));
    // It is smaller only where a file consists of several, of which the last one tells its own size.
    Some(told).filter(|told| *told >= layer.size)
}
