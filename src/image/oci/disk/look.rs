//! Looks at an image on disk: its layers are read where they are, and nothing is copied.

use std::io::Read;

use super::{DiskError, Place, blob_name};
use crate::image::oci::foreign::few;
use crate::image::oci::read::Blob;
use crate::image::oci::{Described, choose_any, limits};
use crate::model::digest::Digest;
use crate::model::image::{DiskFormat, DiskImage, Platform};

/// An image on disk.
pub struct OnDisk {
    place: Place,
    /// What its configuration tells.
    pub described: Described,
    /// The digest of the configuration, by which Docker knows the image.
    pub id: Digest,
    /// The files with the layers, the lowest first.
    files: Vec<String>,
}

impl OnDisk {
    /// Reads its manifest and its configuration.
    pub fn open(image: &DiskImage, platform: Option<&Platform>) -> Result<Self, DiskError> {
        Self::found(image, platform).map_err(|error| match error {
            DiskError::Foreign { image, source } => DiskError::Unread { image, source },
            error => error,
        })
    }

    fn found(image: &DiskImage, platform: Option<&Platform>) -> Result<Self, DiskError> {
        let place = Place::new(image)?;
        let (files, blobs, config) = match image.format {
            DiskFormat::DockerArchive => {
                let (saved, config) = place.saved()?;
                few(saved.layers.len(), "layers", limits::LAYERS)
                    .map_err(|error| place.foreign(error))?;
                let blobs = vec![None; saved.layers.len()];
                (saved.layers, blobs, config)
            }
            DiskFormat::Oci | DiskFormat::OciArchive => {
                let choose = |entries: &[_]| choose_any(entries, platform);
                let (manifest, config) = place.layout(&choose)?;
                let names = manifest.layers.iter().map(|layer| blob_name(&layer.digest));
                let names: Vec<String> = names.collect();
                let blobs = manifest.layers.into_iter().map(Some).collect();
                (names, blobs, config)
            }
        };
        let described = Described::parse(&config, blobs, platform);
        Ok(Self {
            described: described.map_err(|error| place.foreign(error))?,
            id: Digest::of(&config),
            files,
            place,
        })
    }

    /// The blob of a layer, which may be damaged: whoever reads it checks its tar.
    pub fn blob(&self, layer: usize) -> Result<Blob<Box<dyn Read>>, DiskError> {
        let name = self.files.get(layer).map_or("", String::as_str);
        let opened = self.place.files.open(name);
        let (from, size) = opened.map_err(|error| self.place.read(error))?;
        Ok(Blob {
            // If the file grows meanwhile, the rest is ignored.
            from: Box::new(from.take(size)),
            size,
            is_sent: false,
        })
    }
}

/// Whether an archive is an OCI layout, as newer engines write it too.
pub fn is_layout(image: &DiskImage) -> bool {
    Place::new(image).is_ok_and(|place| place.files.open("index.json").is_ok())
}
