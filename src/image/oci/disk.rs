//! Images on disk: OCI layouts, archives of them, and the output of `docker save`.
//!
//! Input: a [`DiskImage`]. Output: an [`Image`] with its layers copied to the cache, where nobody
//! changes them.

mod files;
mod look;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use serde::Deserialize;

pub(super) use files::Files;
pub use look::{OnDisk, is_layout};

use super::foreign::{
    self, Document, ForeignError, ForeignManifest, IndexEntry, Packed, choose, few,
};
use super::{Config, Descriptor, Image, limits};
use crate::model::digest::{Algorithm, Digest, Hasher};
use crate::model::image::{DiskFormat, DiskImage, ImageRef, Platform};
use crate::store::cache::Cache;

/// Annotations that name an image in a layout: the specification's, and containerd's.
const NAMES: [&str; 2] = [
    "org.opencontainers.image.ref.name",
    "io.containerd.image.name",
];

/// Why an image on disk cannot be a base.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// It cannot be opened or read to its end.
    #[error("cannot read `{image}`")]
    Read {
        /// As the user named it.
        image: DiskImage,
        /// The system's error.
        source: io::Error,
    },
    /// There are several images, and the name does not choose one.
    #[error("`{image}` holds {}", listed(.there))]
    Which {
        /// As the user named it.
        image: DiskImage,
        /// The names of the images.
        there: Vec<String>,
    },
    /// A file does not match its digest.
    #[error("`{image}` is damaged: {digest} is not there, or something else")]
    Damaged {
        /// As the user named it.
        image: DiskImage,
        /// The blob.
        digest: Digest,
    },
    /// The image cannot be used as a base.
    #[error("`{image}` cannot be the base")]
    Foreign {
        /// As the user named it.
        image: DiskImage,
        /// The reason.
        source: ForeignError,
    },
    /// The image cannot be looked at.
    #[error("cannot read `{image}`")]
    Unread {
        /// As the user named it.
        image: DiskImage,
        /// The reason.
        source: ForeignError,
    },
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "no image".to_owned(),
        [one] => format!("only `{one}`"),
        several => format!("several images: `{}`", several.join("`, `")),
    }
}

impl DiskError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Which { image, there } => format!(
                "name one of them: `{}`",
                DiskImage {
                    tag: Some(there.first()?.clone()),
                    ..image.clone()
                }
            ),
            Self::Read { .. } => {
                "`oci:` names a directory with an OCI layout, `oci-archive:` a tar of one, `docker-archive:` what `docker save` writes".to_owned()
            }
            Self::Damaged { .. } => "write it anew, as with `skopeo copy` or `docker save`".to_owned(),
            Self::Foreign { source, .. } | Self::Unread { source, .. } => return source.hint(),
        })
    }
}

/// Reads an image and copies its layers to the cache.
pub fn open(
    image: &DiskImage,
    platform: &Platform,
    created: u64,
    cache: &Cache,
) -> Result<Image, DiskError> {
    let place = Place::new(image)?;
    match image.format {
        DiskFormat::DockerArchive => place.save(platform, created, cache),
        DiskFormat::Oci | DiskFormat::OciArchive => {
            let (manifest, config) = place.layout(&|entries| choose(entries, platform).cloned())?;
            place.keep_layers(&manifest, cache)?;
            let image = manifest.image(&config, platform, created, cache);
            image.map_err(|error| place.foreign(error))
        }
    }
}

/// Reads only how an image is run.
pub fn configuration(image: &DiskImage, platform: &Platform) -> Result<Config, DiskError> {
    let place = Place::new(image)?;
    let found = foreign::configuration(&place.config(platform)?);
    found.map_err(|error| place.foreign(error))
}

/// The digest of an image's configuration, which names the contents of all layers.
pub fn digest(image: &DiskImage, platform: &Platform) -> Result<Digest, DiskError> {
    Ok(Digest::of(&Place::new(image)?.config(platform)?))
}

/// Chooses one of several images.
type Choose<'c> = &'c dyn Fn(&[IndexEntry]) -> Result<IndexEntry, ForeignError>;

/// An image and its files.
struct Place {
    image: DiskImage,
    files: Files,
}

/// An image's entry in `manifest.json` of `docker save`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl Place {
    fn new(image: &DiskImage) -> Result<Self, DiskError> {
        let read = |source| DiskError::Read {
            image: image.clone(),
            source,
        };
        let files = match image.format {
            DiskFormat::Oci => Files::Directory(image.path.clone()),
            DiskFormat::OciArchive | DiskFormat::DockerArchive => {
                Files::archive(image.path.clone()).map_err(read)?
            }
        };
        Ok(Self {
            image: image.clone(),
            files,
        })
    }

    fn read(&self, source: io::Error) -> DiskError {
        DiskError::Read {
            image: self.image.clone(),
            source,
        }
    }

    fn foreign(&self, source: ForeignError) -> DiskError {
        DiskError::Foreign {
            image: self.image.clone(),
            source,
        }
    }

    /// The text of the image's configuration.
    fn config(&self, platform: &Platform) -> Result<Vec<u8>, DiskError> {
        Ok(match self.image.format {
            DiskFormat::DockerArchive => self.saved()?.1,
            DiskFormat::Oci | DiskFormat::OciArchive => {
                let choose = |entries: &[_]| choose(entries, platform).cloned();
                self.layout(&choose)?.1
            }
        })
    }

    /// The manifest and the configuration of an image in a layout.
    fn layout(&self, choose: Choose<'_>) -> Result<(ForeignManifest, Vec<u8>), DiskError> {
        let index = self
            .files
            .json("index.json", limits::MANIFEST)
            .map_err(|error| self.read(error))?;
        let mut document = Document::parse(&index).map_err(|error| self.foreign(error))?;
        if let Document::Index(entries) = &mut document {
            *entries = self.named(entries)?;
        }
        for _ in 0..=limits::MAX_DEPTH {
            match document {
                Document::Image(manifest) => {
                    let config = self.blob(&manifest.config, limits::CONFIG)?;
                    return Ok((manifest, config));
                }
                Document::Index(entries) => {
                    let entry = choose(&entries).map_err(|error| self.foreign(error))?;
                    let bytes = self.blob(&entry.descriptor, limits::MANIFEST)?;
                    document = Document::parse(&bytes).map_err(|error| self.foreign(error))?;
                }
            }
        }
        Err(self.foreign(ForeignError::Malformed {
            what: "index",
            reason: "it is a list of lists without an end".to_owned(),
        }))
    }

    /// The images that the name means. Several are allowed only if they are for different
    /// platforms.
    fn named(&self, entries: &[IndexEntry]) -> Result<Vec<IndexEntry>, DiskError> {
        let names = |entry: &IndexEntry| -> Vec<String> {
            let names = NAMES.iter().filter_map(|name| entry.annotations.get(*name));
            names.cloned().collect()
        };
        let mut there: Vec<String> = entries.iter().flat_map(names).collect();
        there.sort();
        there.dedup();
        let mut meant = entries.to_vec();
        if let Some(tag) = &self.image.tag {
            meant.retain(|entry| names(entry).iter().any(|name| is_called(name, tag)));
        }
        // One image under several names counts once.
        let mut seen: Vec<Digest> = Vec::new();
        meant.retain(|entry| {
            let new = !seen.contains(&entry.descriptor.digest);
            seen.push(entry.descriptor.digest.clone());
            new
        });
        let mut platforms = BTreeSet::new();
        let is_alone = |entry: &IndexEntry| {
            let platform = entry.platform.clone();
            platform.is_some_and(|platform| platforms.insert(platform))
        };
        if meant.is_empty() || (meant.len() > 1 && !meant.iter().all(is_alone)) {
            return Err(DiskError::Which {
                image: self.image.clone(),
                there,
            });
        }
        Ok(meant)
    }

    fn keep_layers(&self, manifest: &ForeignManifest, cache: &Cache) -> Result<(), DiskError> {
        manifest.room(cache).map_err(|error| self.foreign(error))?;
        for layer in &manifest.layers {
            if cache.blob(&layer.digest, layer.size).is_some() {
                continue;
            }
            let name = blob_name(&layer.digest);
            let damaged = || DiskError::Damaged {
                image: self.image.clone(),
                digest: layer.digest.clone(),
            };
            // A file of another size need not be read.
            let there = self.files.open(&name).map_err(|error| self.read(error))?;
            if there.1 != layer.size {
                return Err(damaged());
            }
            let kept = self.keep(&name, layer.digest.algorithm(), cache)?;
            if kept.0 != layer.digest {
                cache.remove(&kept.0);
                return Err(damaged());
            }
        }
        Ok(())
    }

    /// The image's entry in `manifest.json`, and its configuration.
    fn saved(&self) -> Result<(Saved, Vec<u8>), DiskError> {
        let bytes = self.files.json("manifest.json", limits::MANIFEST);
        let bytes = bytes.map_err(|error| self.read(error))?;
        let images: Vec<Saved> = serde_json::from_slice(&bytes).map_err(|error| {
            self.foreign(ForeignError::Malformed {
                what: "manifest",
                reason: error.to_string(),
            })
        })?;
        let names = |saved: &Saved| saved.repo_tags.clone().unwrap_or_default();
        let is_it = |saved: &&Saved| match &self.image.tag {
            Some(tag) => names(saved).iter().any(|name| is_called(name, tag)),
            None => images.len() == 1,
        };
        let Some(at) = images.iter().position(|saved| is_it(&saved)) else {
            return Err(DiskError::Which {
                image: self.image.clone(),
                there: images.iter().flat_map(names).collect(),
            });
        };
        let saved = images.into_iter().nth(at).unwrap_or_default();
        let config = self.files.json(&saved.config, limits::CONFIG);
        let config = config.map_err(|error| self.read(error))?;
        Ok((saved, config))
    }

    fn save(&self, platform: &Platform, created: u64, cache: &Cache) -> Result<Image, DiskError> {
        let (saved, config) = self.saved()?;
        few(saved.layers.len(), "layers", limits::LAYERS).map_err(|error| self.foreign(error))?;
        let mut layers = Vec::new();
        for name in &saved.layers {
            let (digest, size, packed) = self.keep(name, Algorithm::Sha256, cache)?;
            layers.push(Descriptor::new(packed.media_type(), digest, size));
        }
        let manifest = ForeignManifest {
            config: Descriptor::new("", Digest::of(&config), config.len() as u64),
            layers,
        };
        let image = manifest.image(&config, platform, created, cache);
        image.map_err(|error| self.foreign(error))
    }

    /// A small blob, checked against its descriptor.
    fn blob(&self, descriptor: &Descriptor, most: u64) -> Result<Vec<u8>, DiskError> {
        let bytes = self.files.json(&blob_name(&descriptor.digest), most);
        let bytes = bytes.map_err(|error| self.read(error))?;
        let mut hasher = Hasher::new(descriptor.digest.algorithm());
        hasher.update(&bytes);
        if hasher.finish() != descriptor.digest {
            return Err(DiskError::Damaged {
                image: self.image.clone(),
                digest: descriptor.digest.clone(),
            });
        }
        Ok(bytes)
    }

    /// Copies a file to the cache under its digest.
    fn keep(
        &self,
        name: &str,
        algorithm: Algorithm,
        cache: &Cache,
    ) -> Result<(Digest, u64, Packed), DiskError> {
        let cannot = |error| self.foreign(ForeignError::Cache(error));
        let (file, size) = self.files.open(name).map_err(|error| self.read(error))?;
        // If the file grows meanwhile, the rest is ignored.
        let mut file = file.take(size);
        let mut blob = cache.begin().map_err(cannot)?;
        let directory = blob.path().parent().unwrap_or(blob.path());
        limits::room(directory, size).map_err(cannot)?;
        let mut hasher = Hasher::new(algorithm);
        let mut buffer = vec![0; 1 << 16];
        let mut packed = None;
        loop {
            let read = file.read(&mut buffer).map_err(|error| self.read(error))?;
            if read == 0 {
                break;
            }
            packed = packed.or_else(|| Some(Packed::of(&buffer[..read])));
            hasher.update(&buffer[..read]);
            blob.write_all(&buffer[..read]).map_err(cannot)?;
        }
        let digest = hasher.finish();
        blob.keep(&digest).map_err(cannot)?;
        Ok((digest, size, packed.unwrap_or(Packed::Not)))
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// Whether a name is the wanted one: equal text, equal once both are completed, or equal to its tag
/// alone.
fn is_called(name: &str, meant: &str) -> bool {
    let whole = |text: &str| {
        let name = text.parse::<ImageRef>().ok()?;
        Some(name.qualified())
    };
    let tag = || name.rsplit_once(':').map(|(_, tag)| tag);
    name == meant || tag() == Some(meant) || (whole(name).is_some() && whole(name) == whole(meant))
}

#[cfg(test)]
mod tests;
