//! Unpacks an image into directories to try it out: one for the base and one for each layer on top,
//! kept in the cache. For the proof, the layers on top are written again, as far as it reads them.

use std::path::{Path, PathBuf};

use super::error::NativeError;
use super::proof_tree;
use crate::image::layer::Layer;
use crate::image::oci::{Image, ImageLayer, limits, unpack};
use crate::model::digest::{Algorithm, Digest, Hasher};
use crate::store::cache::Cache;
use crate::system::workdir::WorkDir;

/// Directories of the cache that form an image when stacked.
pub(super) struct Rootfs {
    /// The highest first.
    pub(super) layers: Vec<PathBuf>,
    /// Whether all of them were just made, so that none can be damaged.
    pub(super) fresh: bool,
    /// A directory outside the cache, removed with the value.
    _own: Option<WorkDir>,
}

/// The part of the image that the proof reads.
pub(super) fn to_prove(
    image: &Image,
    base: usize,
    layers: &[Layer],
    cache: &Cache,
    scratch: &Path,
) -> Result<Rootfs, NativeError> {
    let own = proof_tree::unpack_layers(layers, scratch).map_err(NativeError::Workshop)?;
    let mut laid = Rootfs {
        layers: vec![own.path().to_path_buf()],
        fresh: true,
        _own: Some(own),
    };
    if let Some(base) = groups(image, base).next().filter(|_| base > 0) {
        let (path, fresh) = tree(base, cache)?;
        laid.fresh = fresh;
        laid.layers.push(path);
    }
    Ok(laid)
}

/// Unpacks the layers that are not unpacked yet. The lowest `base` layers become one directory.
pub(super) fn rootfs(image: &Image, base: usize, cache: &Cache) -> Result<Rootfs, NativeError> {
    let mut laid = Rootfs {
        layers: Vec::new(),
        fresh: true,
        _own: None,
    };
    for group in groups(image, base) {
        let (path, fresh) = tree(group, cache)?;
        laid.fresh &= fresh;
        laid.layers.insert(0, path);
    }
    Ok(laid)
}

/// Like [`rootfs`], without using the unpacked trees of the cache: in `scratch`, for this run
/// alone.
pub(super) fn anew(
    image: &Image,
    base: usize,
    cache: &Cache,
    scratch: &Path,
) -> Result<Rootfs, NativeError> {
    let own = WorkDir::new_in(scratch).map_err(NativeError::Workshop)?;
    let mut layers = Vec::new();
    for (number, group) in groups(image, base).enumerate() {
        let path = own.path().join(number.to_string());
        fs_err::create_dir(&path).map_err(NativeError::Workshop)?;
        unpack_all(group, cache, &path)?;
        layers.insert(0, path);
    }
    Ok(Rootfs {
        layers,
        fresh: true,
        _own: Some(own),
    })
}

/// The base layers alone as a directory of the cache; `None` if there are none.
pub fn base(image: &Image, base: usize, cache: &Cache) -> Result<Option<PathBuf>, NativeError> {
    let base = groups(image, base).next().filter(|_| base > 0);
    Ok(base
        .map(|base| tree(base, cache))
        .transpose()?
        .map(|(path, _)| path))
}

/// The layers above the base, each as a directory of the cache, the lowest first.
pub fn apart(image: &Image, base: usize, cache: &Cache) -> Result<Vec<PathBuf>, NativeError> {
    let own = &image.layers[base.min(image.layers.len())..];
    let trees = own.chunks(1).map(|layer| Ok(tree(layer, cache)?.0));
    trees.collect()
}

/// These layers as a directory, and whether it was just made.
fn tree(layers: &[ImageLayer], cache: &Cache) -> Result<(PathBuf, bool), NativeError> {
    let key = key(layers);
    if let Some(path) = cache.tree(&key) {
        return Ok((path, false));
    }
    let tree = cache.begin_tree().map_err(NativeError::Workshop)?;
    // A full disk is reported by the cache.
    unpack_all(layers, cache, tree.path())?;
    let path = cache.keep_tree(tree, &key).map_err(NativeError::Workshop)?;
    Ok((path, true))
}

fn unpack_all(layers: &[ImageLayer], cache: &Cache, to: &Path) -> Result<(), NativeError> {
    let unpacked = layers.iter().map(|layer| layer.unpacked);
    let needed = unpacked.fold(0, u64::saturating_add);
    limits::room(to, needed).map_err(NativeError::Workshop)?;
    for layer in layers {
        unpack(layer, cache, to).inspect_err(|error| cache.full(error))?;
    }
    Ok(())
}

/// Deletes the directories; they are made again next time.
pub(super) fn forget(image: &Image, base: usize, cache: &Cache) {
    for group in groups(image, base) {
        cache.remove_tree(&key(group));
    }
}

fn groups(image: &Image, base: usize) -> impl Iterator<Item = &[ImageLayer]> {
    let (base, own) = image.layers.split_at(base);
    std::iter::once(base)
        .chain(own.chunks(1))
        .filter(|group| !group.is_empty())
}

fn key(layers: &[ImageLayer]) -> Digest {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    for layer in layers {
        hasher.update(layer.diff_id.to_string().as_bytes());
    }
    hasher.finish()
}
