//! An image laid out as directories, to be tried out: one for the base, and one for each layer on it, kept in the cache for the next time.

use std::path::{Path, PathBuf};

use super::error::NativeError;
use crate::assemble;
use crate::cache::Cache;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::oci::{Contents, Image, ImageLayer, unpack};

/// Directories of the cache that are an image when they lie on top of each other.
pub(super) struct Rootfs {
    /// The highest first.
    pub(super) layers: Vec<PathBuf>,
    /// Whether all of them were made just now: then nobody can have damaged them.
    pub(super) fresh: bool,
}

/// Unpacks what is not unpacked yet. The lowest `base` layers become one directory.
pub(super) fn rootfs(
    image: &Image,
    base: usize,
    contents: Contents,
    cache: &Cache,
) -> Result<Rootfs, NativeError> {
    let mut laid = Rootfs {
        layers: Vec::new(),
        fresh: true,
    };
    for group in groups(image, base) {
        let (path, fresh) = tree(group, contents, cache)?;
        laid.fresh &= fresh;
        laid.layers.insert(0, path);
    }
    Ok(laid)
}

/// The lowest layers alone, as a directory of the cache; nothing where there are none.
pub fn base(image: &Image, base: usize, cache: &Cache) -> Result<Option<PathBuf>, NativeError> {
    let base = groups(image, base).next().filter(|_| base > 0);
    Ok(base
        .map(|base| tree(base, Contents::Whole, cache))
        .transpose()?
        .map(|(path, _)| path))
}

/// These layers as a directory, and whether it was made just now.
fn tree(
    layers: &[ImageLayer],
    contents: Contents,
    cache: &Cache,
) -> Result<(PathBuf, bool), NativeError> {
    let key = key(layers, contents);
    if let Some(path) = cache.tree(&key) {
        return Ok((path, false));
    }
    let tree = cache.begin_tree().map_err(NativeError::Workshop)?;
    for layer in layers {
        unpack(layer, enough(layer, contents), cache, tree.path())?;
    }
    let path = cache.keep_tree(tree, &key).map_err(NativeError::Workshop)?;
    Ok((path, true))
}

/// Throws the directories away: the next time they are made anew.
pub(super) fn forget(image: &Image, base: usize, cache: &Cache) {
    for group in groups(image, base) {
        for contents in [Contents::Whole, Contents::Names] {
            cache.remove_tree(&key(group, contents));
        }
    }
}

/// The layers on the base in one new directory, as far as they are read to prove an image.
pub(super) fn merged(
    image: &Image,
    base: usize,
    cache: &Cache,
    into: &Path,
) -> Result<(), NativeError> {
    for layer in &image.layers[base..] {
        unpack(layer, enough(layer, Contents::Names), cache, into)?;
    }
    Ok(())
}

fn groups(image: &Image, base: usize) -> impl Iterator<Item = &[ImageLayer]> {
    let (base, own) = image.layers.split_at(base);
    std::iter::once(base)
        .chain(own.chunks(1))
        .filter(|group| !group.is_empty())
}

/// Code of the workspace is read to prove an image, code of modules is not.
fn enough(layer: &ImageLayer, contents: Contents) -> Contents {
    if layer.title == assemble::MODULES {
        contents
    } else {
        Contents::Whole
    }
}

fn key(layers: &[ImageLayer], contents: Contents) -> Digest {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    for layer in layers {
        let enough = enough(layer, contents);
        hasher.update(format!("{enough:?} ").as_bytes());
        hasher.update(layer.diff_id.to_string().as_bytes());
    }
    hasher.finish()
}
