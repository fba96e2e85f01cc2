//! An [`Image`] in the format of `docker save` before Engine 25: `manifest.json`, the
//! configuration, and uncompressed layers. Every engine loads it, and tools without OCI support
//! read it.
//!
//! What is [sent](send) to a daemon has the same format, with layers as they are in the cache if
//! any engine can read them, and without layers that the daemon has.

use std::io::{self, Write};

use super::archive::{Content, Docker, write_tar};
use super::{Image, OciError, image};
use crate::model::digest::Digest;
use crate::model::image::ImageRef;
use crate::store::cache::Cache;

/// All files by name.
pub(super) fn layout<'i>(image: &'i Image, names: &[ImageRef]) -> Vec<(String, Content<'i>)> {
    files(image, names, |layer| {
        let name = format!("{}/layer.tar", layer.diff_id.hex());
        (name, Content::Tar(layer))
    })
}

/// Writes the image for a daemon that has its first `known` layers. The inner error is from writing
/// to `out`.
///
/// A daemon identifies a layer by itself and all layers below it, and reads a layer of the archive
/// only if it does not have it. So known layers can be left out: `image/tarexport/load.go` of moby,
/// in 20.10 as in 28. With containerd's image store the daemon needs all of them.
pub fn send(
    image: &Image,
    names: &[ImageRef],
    known: usize,
    cache: &Cache,
    out: &mut dyn Write,
) -> Result<io::Result<()>, OciError> {
    let mut all = files(image, names, |layer| {
        let descriptor = &layer.descriptor;
        // Engines before 23 cannot read zstd.
        if descriptor.media_type.ends_with("zstd") {
            let name = format!("{}/layer.tar", layer.diff_id.hex());
            (name, Content::Tar(layer))
        } else {
            let name = format!("{}.tar.gz", descriptor.digest.hex());
            (name, Content::Blob(descriptor))
        }
    });
    let wanted = &image.layers[known.min(image.layers.len())..];
    all.retain(|(_, content)| match content {
        Content::Bytes(_) | Content::File(_) => true,
        Content::Tar(one) => wanted.iter().any(|layer| layer.diff_id == one.diff_id),
        Content::Blob(blob) => wanted.iter().any(|layer| layer.descriptor == **blob),
    });
    write_tar(&all, cache, out)
}

fn files<'i>(
    image: &'i Image,
    names: &[ImageRef],
    file: impl Fn(&'i super::ImageLayer) -> (String, Content<'i>),
) -> Vec<(String, Content<'i>)> {
    let config = image.config_json();
    let config_name = format!("{}.json", Digest::of(&config).hex());
    let layers = image.layers.iter().map(file);
    let layers: Vec<(String, Content<'_>)> = layers.collect();
    let manifest = Docker {
        config: config_name.clone(),
        repo_tags: names.iter().map(ToString::to_string).collect(),
        layers: layers.iter().map(|(name, _)| name.clone()).collect(),
    };
    let mut files = vec![
        (
            "manifest.json".to_owned(),
            Content::Bytes(image::text(&[manifest])),
        ),
        (config_name, Content::Bytes(config)),
    ];
    for (name, content) in layers {
        // A repeated layer is one file.
        if files.iter().all(|(other, _)| *other != name) {
            files.push((name, content));
        }
    }
    files
}
