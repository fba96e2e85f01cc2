//! Packs a [`Layer`] into a blob: tar, digest, compression and second digest in one pass, unless
//! the cache has the blob.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::tar::{Listing, Stamped};
use super::{Compression, Descriptor, ImageLayer, OciError};
use crate::image::layer::Layer;
use crate::model::digest::{Algorithm, Digest, Hasher};
use crate::store::cache::Cache;
use crate::system::threads;

/// The kind of the cache's notes about layers.
const NOTE_KIND: &str = "layers";
/// Raised when the same layer would give different bytes.
const FORMAT: u32 = 4;

/// How the layers of an image are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Packing {
    /// The time of every entry, in seconds since 1970.
    pub epoch: u64,
    pub compression: Compression,
}

/// The blob of a layer.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    digest: Digest,
    size: u64,
    diff_id: Digest,
    unpacked: u64,
}

/// Packs a layer. If its files look unchanged since the last time, they are not read again.
pub fn pack(layer: &Layer, packing: Packing, cache: &Cache) -> Result<ImageLayer, OciError> {
    let listing = Listing::new(layer)?;
    let key = key(&listing, packing);
    if let Some(packed) = look_up(&key, &layer.title, packing, cache) {
        return Ok(packed);
    }
    let note = write(&listing, packing, cache, threads::cores())?;
    if listing.settled {
        cache.write_note(NOTE_KIND, &key, &note);
    }
    Ok(packed(note, &layer.title, packing))
}

/// A layer that is not packed yet.
pub(super) struct Unpacked<'l> {
    listing: Listing<'l>,
    key: Digest,
    packing: Packing,
    title: &'l str,
}

impl<'l> Unpacked<'l> {
    pub(super) fn new(layer: &'l Layer, packing: Packing) -> Result<Self, OciError> {
        let listing = Listing::new(layer)?;
        Ok(Self {
            key: key(&listing, packing),
            listing,
            packing,
            title: &layer.title,
        })
    }

    /// The layer, if the cache has it.
    pub(super) fn look_up(&self, cache: &Cache) -> Option<ImageLayer> {
        look_up(&self.key, self.title, self.packing, cache)
    }

    /// The digest and the size of its tar. Reads all files.
    pub(super) fn tar(&self) -> Result<(Digest, u64), OciError> {
        let mut tar = Counted::new(io::sink());
        self.listing.write(self.packing.epoch, &mut tar)?;
        let (_, diff_id, unpacked) = tar.finish();
        Ok((diff_id, unpacked))
    }

    /// The layer with this blob, which the cache has.
    pub(super) fn with(&self, blob: Descriptor, diff_id: Digest, unpacked: u64) -> ImageLayer {
        let note = Note {
            digest: blob.digest,
            size: blob.size,
            diff_id,
            unpacked,
        };
        packed(note, self.title, self.packing)
    }

    /// Notes that the cache has this layer.
    pub(super) fn remember(&self, layer: &ImageLayer, cache: &Cache) {
        if self.listing.settled {
            let note = Note {
                digest: layer.descriptor.digest.clone(),
                size: layer.descriptor.size,
                diff_id: layer.diff_id.clone(),
                unpacked: layer.unpacked,
            };
            cache.write_note(NOTE_KIND, &self.key, &note);
        }
    }
}

/// Packs a layer that is known by its inputs, and makes it only if the cache does not have it.
/// `parts` are digests and versions of all inputs, including the recipe.
pub fn pack_keyed<E: From<OciError>>(
    title: &str,
    parts: &[&str],
    packing: Packing,
    cache: &Cache,
    make: impl FnOnce() -> Result<Layer, E>,
) -> Result<ImageLayer, E> {
    let mut hasher = begin(packing);
    for part in parts {
        field(&mut hasher, part.as_bytes());
    }
    let key = hasher.finish();
    if let Some(packed) = look_up(&key, title, packing, cache) {
        return Ok(packed);
    }
    let layer = make()?;
    let note = write(&Listing::new(&layer)?, packing, cache, threads::cores())?;
    cache.write_note(NOTE_KIND, &key, &note);
    Ok(packed(note, title, packing))
}

/// Compresses the tar of a layer that is known by its digest, unless the cache has the result.
/// What `open` gives must be that tar.
pub(super) fn keep_packed<R: Read>(
    diff_id: &Digest,
    compression: Compression,
    cache: &Cache,
    open: impl FnOnce() -> io::Result<R>,
) -> Result<Descriptor, OciError> {
    let packing = Packing {
        epoch: 0,
        compression,
    };
    let mut hasher = begin(packing);
    field(&mut hasher, b"a saved layer");
    field(&mut hasher, diff_id.to_string().as_bytes());
    let key = hasher.finish();
    if let Some(there) = look_up(&key, "", packing, cache) {
        return Ok(there.descriptor);
    }
    let mut tar = open().map_err(OciError::Read)?;
    let copy = |out: &mut dyn Write| io::copy(&mut tar, out).map(drop);
    let note = keep(packing, cache, threads::cores(), copy)?;
    if note.diff_id != *diff_id {
        cache.remove(&note.digest);
        return Err(OciError::Damaged(diff_id.clone()));
    }
    cache.write_note(NOTE_KIND, &key, &note);
    Ok(packed(note, "", packing).descriptor)
}

fn look_up(key: &Digest, title: &str, packing: Packing, cache: &Cache) -> Option<ImageLayer> {
    let note: Note = cache.note(NOTE_KIND, key)?;
    cache.blob(&note.digest, note.size)?;
    Some(packed(note, title, packing))
}

fn packed(note: Note, title: &str, packing: Packing) -> ImageLayer {
    let descriptor = Descriptor::new(packing.compression.media_type(), note.digest, note.size);
    ImageLayer {
        descriptor,
        diff_id: note.diff_id,
        unpacked: note.unpacked,
        title: title.to_owned(),
    }
}

/// The key of a layer: everything its bytes depend on. Files count by what shows that they are
/// unchanged.
fn key(listing: &Listing<'_>, packing: Packing) -> Digest {
    let mut hasher = begin(packing);
    for item in &listing.items {
        field(&mut hasher, item.path.as_bytes());
        let owner = (item.owner.user, item.owner.group);
        let words = match &item.node {
            Stamped::Directory(mode) => format!("directory {mode} {owner:?}"),
            Stamped::File(_, mode, stamp) => format!("file {mode} {owner:?} {stamp:?}"),
            Stamped::Made(bytes, mode) => format!("made {mode} {owner:?} {}", Digest::of(bytes)),
            Stamped::Symlink(target) => format!("symlink {owner:?} {target}"),
        };
        field(&mut hasher, words.as_bytes());
    }
    hasher.finish()
}

fn begin(packing: Packing) -> Hasher {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    field(&mut hasher, format!("{FORMAT} {packing:?}").as_bytes());
    hasher
}

fn field(hasher: &mut Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

fn write(
    listing: &Listing<'_>,
    packing: Packing,
    cache: &Cache,
    threads: usize,
) -> Result<Note, OciError> {
    keep(packing, cache, threads, |out| {
        listing.write(packing.epoch, out)
    })
}

/// Compresses a tar into the cache.
fn keep<E>(
    packing: Packing,
    cache: &Cache,
    threads: usize,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<Note, OciError>
where
    OciError: From<E>,
{
    let blob = cache.begin().map_err(OciError::Cache)?;
    let mut tar = Counted::new(io::sink());
    let compressed =
        packing
            .compression
            .compress::<_, OciError>(threads, Counted::new(blob), |out| {
                Ok(write(&mut Both(&mut tar, out))?)
            })?;
    let (mut blob, digest, size) = compressed.finish();
    blob.flush().map_err(OciError::Cache)?;
    blob.keep(&digest).map_err(OciError::Cache)?;
    let (_, diff_id, unpacked) = tar.finish();
    Ok(Note {
        digest,
        size,
        diff_id,
        unpacked,
    })
}

/// Writes to both; the first one hashes and counts.
struct Both<'b>(&'b mut Counted<io::Sink>, &'b mut dyn Write);

impl Write for Both<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.1.write(bytes)?;
        self.0.write_all(&bytes[..written])?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.1.flush()
    }
}

/// Hashes and counts what is written.
pub(super) struct Counted<W> {
    out: W,
    hasher: Hasher,
    size: u64,
}

impl<W> Counted<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out,
            hasher: Hasher::new(Algorithm::Sha256),
            size: 0,
        }
    }

    pub(super) fn finish(self) -> (W, Digest, u64) {
        (self.out, self.hasher.finish(), self.size)
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Hashes and counts what is read.
pub(super) struct Tee<R>(pub(super) R, pub(super) Counted<io::Sink>);

impl<R> Tee<R> {
    pub(super) fn new(from: R) -> Self {
        Self(from, Counted::new(io::sink()))
    }
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.write_all(&buffer[..read])?;
        Ok(read)
    }
}

impl From<io::Error> for OciError {
    /// An error of the compressor or of what it writes to.
    fn from(error: io::Error) -> Self {
        Self::Cache(error)
    }
}

#[cfg(test)]
mod tests;
