//! Reads an image from elsewhere: its index, manifest and configuration.
//!
//! Input: JSON from registries and archives, in OCI's or Docker's format. Output: an [`Image`] to
//! add layers to. The blobs of its layers are kept as they are.

mod described;
mod error;

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;
use fs_err::File;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use described::{Described, choose_any};
pub use error::ForeignError;

use super::limits::{Meter, Metered};
use super::{Config, Descriptor, History, Image, ImageLayer, limits};
use crate::model::digest::{Algorithm, Digest, Hasher};
use crate::model::image::Platform;
use crate::store::cache::Cache;

/// The kind of the cache's notes about unpacked layers.
const NOTE_KIND: &str = "unpacked";
/// Other keys of a configuration that are kept because they say how the image is run. The rest is
/// about its build.
const KEPT_KEYS: [&str; 5] = [
    "Volumes",
    "Healthcheck",
    "Shell",
    "StopTimeout",
    "ArgsEscaped",
];

/// A manifest or an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Image(ForeignManifest),
    /// Several images, usually one for each platform.
    Index(Vec<IndexEntry>),
}

/// The parts of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignManifest {
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
}

/// An image in an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// Its manifest, or another index.
    pub descriptor: Descriptor,
    /// Its platform, if the index names one.
    pub platform: Option<Vec<String>>,
    /// Its annotations, which may hold names.
    pub annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    #[serde(default)]
    media_type: String,
    digest: Digest,
    size: u64,
    #[serde(default)]
    urls: Vec<Value>,
    platform: Option<RawPlatform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RawPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

impl RawPlatform {
    fn parts(self) -> Vec<String> {
        let variant = self.variant.filter(|variant| !variant.is_empty());
        [self.os, self.architecture]
            .into_iter()
            .chain(variant)
            .collect()
    }
}

#[derive(Deserialize)]
struct RawDocument {
    manifests: Option<Vec<RawDescriptor>>,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
    #[serde(rename = "schemaVersion")]
    version: Option<u64>,
}

impl Document {
    /// Parses a manifest or an index.
    pub fn parse(bytes: &[u8]) -> Result<Self, ForeignError> {
        let malformed = |reason: String| ForeignError::Malformed {
            what: "manifest",
            reason,
        };
        let raw: RawDocument =
            serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if raw.version == Some(1) {
            return Err(ForeignError::FirstFormat);
        }
        if let Some(manifests) = raw.manifests {
            let entry = |raw: RawDescriptor| IndexEntry {
                descriptor: Descriptor::new(&raw.media_type, raw.digest, raw.size),
                platform: raw.platform.map(RawPlatform::parts),
                annotations: raw.annotations,
            };
            let entries: Vec<IndexEntry> = manifests.into_iter().map(entry).collect();
            few(entries.len(), "images", limits::IMAGES)?;
            for entry in &entries {
                small("manifest", entry.descriptor.size, limits::MANIFEST)?;
            }
            return Ok(Self::Index(entries));
        }
        let (Some(config), Some(layers)) = (raw.config, raw.layers) else {
            return Err(malformed(
                "it names neither images nor a configuration".to_owned(),
            ));
        };
        few(layers.len(), "layers", limits::LAYERS)?;
        small("configuration", config.size, limits::CONFIG)?;
        if limits::sum(layers.iter().map(|layer| layer.size)).is_none() {
            return Err(ForeignError::TooMuch {
                what: "layers are too large together".to_owned(),
                most: limits::size(limits::PACKED),
            });
        }
        Ok(Self::Image(ForeignManifest {
            config: Descriptor::new(&config.media_type, config.digest, config.size),
            layers: layers.into_iter().map(layer).collect::<Result<_, _>>()?,
        }))
    }
}

pub(super) fn few(count: usize, what: &str, most: usize) -> Result<(), ForeignError> {
    if count <= most {
        return Ok(());
    }
    Err(ForeignError::TooMuch {
        what: format!("manifest tells of {count} {what}"),
        most: most.to_string(),
    })
}

fn small(what: &str, size: u64, most: u64) -> Result<(), ForeignError> {
    if size <= most {
        return Ok(());
    }
    Err(ForeignError::TooMuch {
        what: format!("{what} has {}", limits::size(size)),
        most: limits::size(most),
    })
}

/// A layer's descriptor. Docker's media types are replaced by OCI's for the same content.
fn layer(raw: RawDescriptor) -> Result<Descriptor, ForeignError> {
    let kind = &raw.media_type;
    if !raw.urls.is_empty() || kind.contains("foreign") || kind.contains("nondistributable") {
        return Err(ForeignError::Elsewhere(raw.digest));
    }
    let packed = match kind.strip_prefix("application/vnd.") {
        Some("oci.image.layer.v1.tar" | "docker.image.rootfs.diff.tar") => Packed::Not,
        Some("oci.image.layer.v1.tar+gzip" | "docker.image.rootfs.diff.tar.gzip") => Packed::Gzip,
        Some("oci.image.layer.v1.tar+zstd" | "docker.image.rootfs.diff.tar.zstd") => Packed::Zstd,
        _ => {
            return Err(ForeignError::Kind {
                digest: raw.digest,
                kind: raw.media_type,
            });
        }
    };
    Ok(Descriptor::new(packed.media_type(), raw.digest, raw.size))
}

/// The compression of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed {
    Not,
    Gzip,
    Zstd,
}

impl Packed {
    /// The media type for a manifest.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Not => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }

    /// Detects it from the first bytes.
    pub(super) fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            _ => Self::Not,
        }
    }
}

/// Chooses the image for a platform. Entries that are not images, such as attestations, have the
/// platform `unknown`.
pub fn choose<'e>(
    entries: &'e [IndexEntry],
    wanted: &Platform,
) -> Result<&'e IndexEntry, ForeignError> {
    let fits = |entry: &&IndexEntry| match &entry.platform {
        Some(parts) => is_for(parts, wanted),
        None => entries.len() == 1,
    };
    entries.iter().find(fits).ok_or_else(|| {
        let there = entries.iter().filter_map(|entry| entry.platform.as_deref());
        let mut there: Vec<String> = there
            .filter(|parts| parts.first().is_some_and(|os| os != "unknown"))
            .map(|parts| parts.join("/"))
            .collect();
        there.dedup();
        if there.is_empty() {
            there.push("no platform that is named".to_owned());
        }
        ForeignError::Platform {
            wanted: wanted.clone(),
            there,
        }
    })
}

/// The default variant of arm64 is v8.
fn is_for(parts: &[String], wanted: &Platform) -> bool {
    let (os, architecture, variant) = wanted.parts();
    let theirs = parts.get(2).map(String::as_str);
    parts.first().is_some_and(|it| it == os)
        && parts.get(1).is_some_and(|it| it == architecture)
        && match (theirs, variant) {
            (Some(theirs), Some(variant)) => theirs == variant,
            (Some(theirs), None) => architecture != "arm64" || theirs == "v8",
            (None, Some(variant)) => architecture == "arm64" && variant == "v8",
            (None, None) => true,
        }
}

#[derive(Deserialize)]
struct RawConfig {
    #[serde(flatten)]
    platform: RawPlatform,
    config: Option<Config>,
    rootfs: RawRoot,
    #[serde(default)]
    history: Option<Vec<History>>,
}

#[derive(Deserialize)]
struct RawRoot {
    #[serde(default)]
    diff_ids: Option<Vec<Digest>>,
}

/// The properties of a layer's tar.
#[derive(Serialize, Deserialize)]
struct Unpacked {
    diff_id: Digest,
    size: u64,
}

/// How an image is run, from its configuration.
pub(super) fn configuration(bytes: &[u8]) -> Result<Config, ForeignError> {
    Ok(RawConfig::parse(bytes)?.config.unwrap_or_default())
}

impl RawConfig {
    fn parse(bytes: &[u8]) -> Result<Self, ForeignError> {
        serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))
    }
}

fn malformed(reason: String) -> ForeignError {
    ForeignError::Malformed {
        what: "configuration",
        reason,
    }
}

impl ForeignManifest {
    /// Fails if the cache's disk has too little room for the layers that are not there yet.
    pub fn room(&self, cache: &Cache) -> Result<(), ForeignError> {
        let blobs = std::iter::once(&self.config).chain(&self.layers);
        let missing = blobs.filter(|blob| cache.blob(&blob.digest, blob.size).is_none());
        let needed = limits::sum(missing.map(|blob| blob.size)).unwrap_or(u64::MAX);
        let blobs = cache.path(&self.config.digest);
        let directory = blobs.parent().unwrap_or(&blobs);
        limits::room(directory, needed).map_err(ForeignError::Cache)
    }

    /// Makes the image. Its layers must be in the cache. Each is read once to check it against the
    /// configuration.
    pub fn image(
        &self,
        config: &[u8],
        wanted: &Platform,
        created: u64,
        cache: &Cache,
    ) -> Result<Image, ForeignError> {
        let raw = RawConfig::parse(config)?;
        let parts = raw.platform.parts();
        if !is_for(&parts, wanted) {
            return Err(ForeignError::Platform {
                wanted: wanted.clone(),
                there: vec![parts.join("/")],
            });
        }
        let mut image = Image::empty(wanted.clone(), created);
        image.config = raw.config.unwrap_or_default();
        let other = &mut image.config.other;
        let triggers = other.get("OnBuild").and_then(Value::as_array);
        if triggers.is_some_and(|triggers| !triggers.is_empty()) {
            return Err(ForeignError::OnBuild);
        }
        other.retain(|key, value| KEPT_KEYS.contains(&key.as_str()) && !value.is_null());
        let diff_ids = raw.rootfs.diff_ids.unwrap_or_default();
        if diff_ids.len() != self.layers.len() {
            return Err(malformed(format!(
                "it tells of {} layers, and the manifest of {}",
                diff_ids.len(),
                self.layers.len()
            )));
        }
        for (descriptor, diff_id) in self.layers.iter().zip(diff_ids) {
            let unpacked = unpack(descriptor, cache)?;
            if unpacked.diff_id != diff_id {
                return Err(ForeignError::Contents(descriptor.digest.clone()));
            }
            image.push(ImageLayer {
                descriptor: descriptor.clone(),
                diff_id,
                unpacked: unpacked.size,
                title: "a layer of the base".to_owned(),
            });
        }
        let history = raw.history.unwrap_or_default();
        let made = history.iter().filter(|step| !step.empty_layer).count();
        if made == image.layers.len() {
            image.history = history;
        }
        Ok(image)
    }
}

/// The properties of a layer's tar. They are noted in the cache, so that the layer is read only
/// once.
fn unpack(layer: &Descriptor, cache: &Cache) -> Result<Unpacked, ForeignError> {
    let damaged = || ForeignError::Damaged(layer.digest.clone());
    let path = cache.blob(&layer.digest, layer.size).ok_or_else(damaged)?;
    if let Some(note) = cache.note::<Unpacked>(NOTE_KIND, &layer.digest) {
        return Ok(note);
    }
    let file = File::open(path).map_err(ForeignError::Cache)?;
    let file = BufReader::with_capacity(1 << 16, file);
    let reader: Box<dyn Read> = match layer.media_type.rsplit(['+', '.']).next() {
        Some("gzip") => Box::new(MultiGzDecoder::new(file)),
        Some("zstd") => Box::new(zstd::Decoder::new(file).map_err(ForeignError::Cache)?),
        _ => Box::new(file),
    };
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let meter = Meter::new(layer.size);
    let mut reader = Metered(reader, &meter);
    let Ok(size) = io::copy(&mut reader, &mut hasher) else {
        if let Some(excess) = meter.excess() {
            return Err(ForeignError::Excess(layer.digest.clone(), excess));
        }
        // The digest shows whether the cache or the image is at fault.
        return Err(match cache.verified(&layer.digest) {
            Some(_) => ForeignError::Contents(layer.digest.clone()),
            None => damaged(),
        });
    };
    let note = Unpacked {
        diff_id: hasher.finish(),
        size,
    };
    cache.write_note(NOTE_KIND, &layer.digest, &note);
    Ok(note)
}

#[cfg(test)]
mod tests;
