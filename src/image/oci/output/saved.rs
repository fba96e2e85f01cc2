//! Writes what `docker save` gave as an OCI layout: a daemon without containerd's image store has no
//! other way to give an image away. The configuration stays as it is, so the image keeps its id.

use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::disk::Files;
use super::super::image::{Descriptor, manifest};
use super::super::limits;
use super::super::pack::keep_packed;
use super::super::{Compression, OciError};
use super::{Output, files, lay_down};
use crate::model::digest::Digest;
use crate::model::image::ImageRef;
use crate::store::cache::Cache;

/// The entry of an image in `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    layers: Vec<String>,
}

/// What the configuration says of the platform and of the layers.
#[derive(Deserialize)]
struct Known {
    architecture: String,
    os: String,
    #[serde(default)]
    variant: Option<String>,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

/// Writes the only image of a file of `docker save` under these names. Its layers are compressed
/// in the cache.
pub fn write_saved(
    saved: &Path,
    names: &[ImageRef],
    output: &Output,
    compression: Compression,
    cache: &Cache,
    stop: &dyn Fn() -> bool,
) -> Result<(), OciError> {
    let archive = Files::archive(saved.to_path_buf()).map_err(OciError::Read)?;
    let read = |name: &str, most: u64| archive.json(name, most).map_err(OciError::Read);
    let list = read("manifest.json", limits::MANIFEST)?;
    let list: Vec<Saved> =
        serde_json::from_slice(&list).map_err(|error| malformed(&error.to_string()))?;
    let [one] = &list[..] else {
        return Err(malformed(&format!("it holds {} images", list.len())));
    };
    let config = read(&one.config, limits::CONFIG)?;
    let known: Known =
        serde_json::from_slice(&config).map_err(|error| malformed(&error.to_string()))?;
    if known.rootfs.diff_ids.len() != one.layers.len() {
        return Err(malformed("its layers are not those of its configuration"));
    }
    let mut layers = Vec::new();
    for (name, diff_id) in one.layers.iter().zip(&known.rootfs.diff_ids) {
        let layer = keep_packed(diff_id, compression, cache, || {
            let (file, _) = archive.open(name)?;
            Ok(Stoppable { file, stop })
        });
        layers.push(layer.map_err(|error| match error {
            OciError::Cache(_) if stop() => OciError::Interrupted,
            error => error,
        })?);
    }
    let mut platform = json!({ "architecture": known.architecture, "os": known.os });
    if let Some(variant) = known.variant.filter(|variant| !variant.is_empty()) {
        platform["variant"] = Value::from(variant);
    }
    let layers: Vec<&Descriptor> = layers.iter().collect();
    let manifest = manifest(Descriptor::config(&config), layers.clone());
    let all = files(config, &manifest, &platform, layers, names);
    lay_down(&all, output, cache, stop)
}

fn malformed(why: &str) -> OciError {
    OciError::Read(io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the daemon saved something else than an image: {why}"),
    ))
}

/// Reads until the user cancels.
struct Stoppable<'s> {
    file: Box<dyn Read>,
    stop: &'s dyn Fn() -> bool,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.stop)() {
            return Err(io::Error::other("interrupted"));
        }
        self.file.read(buffer)
    }
}
