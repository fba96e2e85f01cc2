//! An image as its configuration describes it, without its layers.

use super::{
    Config, Descriptor, ForeignError, IndexEntry, RawConfig, RawPlatform, choose, is_for, malformed,
};
use crate::model::digest::Digest;
use crate::model::image::Platform;

/// An image that is looked at, not built upon.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// `linux/amd64`
    pub platform: String,
    /// How it is run.
    pub config: Config,
    /// The lowest first.
    pub layers: Vec<DescribedLayer>,
}

/// A layer of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribedLayer {
    /// The digest of its tar.
    pub diff_id: Digest,
    /// The blob as it is sent, if that is known.
    pub blob: Option<Descriptor>,
    /// The command that made it, if the history tells.
    pub made_by: Option<String>,
}

impl Described {
    /// Reads a configuration. `blobs` are those of the layers, as far as they are known.
    pub fn parse(
        config: &[u8],
        blobs: Vec<Option<Descriptor>>,
        wanted: Option<&Platform>,
    ) -> Result<Self, ForeignError> {
        let raw = RawConfig::parse(config)?;
        let parts = RawPlatform::parts(raw.platform);
        if let Some(wanted) = wanted.filter(|wanted| !is_for(&parts, wanted)) {
            return Err(ForeignError::Platform {
                wanted: wanted.clone(),
                there: vec![parts.join("/")],
            });
        }
        let diff_ids = raw.rootfs.diff_ids.unwrap_or_default();
        if diff_ids.len() != blobs.len() {
            return Err(malformed(format!(
                "it tells of {} layers, and the manifest of {}",
                diff_ids.len(),
                blobs.len()
            )));
        }
        let steps = raw.history.unwrap_or_default().into_iter();
        let steps: Vec<Option<String>> = steps
            .filter(|step| !step.empty_layer)
            .map(|step| step.created_by)
            .collect();
        let tells = steps.len() == diff_ids.len();
        let layers = diff_ids.into_iter().zip(blobs).enumerate();
        let layers = layers.map(|(at, (diff_id, blob))| DescribedLayer {
            diff_id,
            blob,
            made_by: steps.get(at).cloned().flatten().filter(|_| tells),
        });
        Ok(Self {
            platform: parts.join("/"),
            config: raw.config.unwrap_or_default(),
            layers: layers.collect(),
        })
    }
}

/// Chooses an image of an index: the only one, or else that of the platform, which is this machine's if
/// none is wanted.
pub fn choose_any(
    entries: &[IndexEntry],
    wanted: Option<&Platform>,
) -> Result<IndexEntry, ForeignError> {
    let is_image = |entry: &&IndexEntry| {
        let system = entry.platform.as_ref().and_then(|parts| parts.first());
        system.is_none_or(|system| system != "unknown")
    };
    let mut images = entries.iter().filter(is_image);
    if let (None, Some(one), None) = (wanted, images.next(), images.next()) {
        return Ok(one.clone());
    }
    let platform = wanted.cloned().unwrap_or_else(Platform::host);
    choose(entries, &platform).cloned()
}
