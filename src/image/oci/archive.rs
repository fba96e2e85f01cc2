//! The files of an image in the order of an archive. Layers from the cache are read to their end
//! and checked against their digests.

use std::io::{self, BufReader, Read, Write};
use std::path::PathBuf;

use flate2::read::MultiGzDecoder;
use fs_err::File;
use serde::Serialize;
use tar::{Builder, EntryType, Header};

use super::pack::Tee;
use super::{Descriptor, ImageLayer, OciError};
use crate::store::cache::Cache;

/// The content of a file.
pub(super) enum Content<'c> {
    Bytes(Vec<u8>),
    /// A blob in the cache.
    Blob(&'c Descriptor),
    /// The uncompressed tar of a blob in the cache.
    Tar(&'c ImageLayer),
    /// A file on the disk of the target, which moves there.
    File(PathBuf),
}

impl Content<'_> {
    /// Writes the content. The inner error is from writing to `out`.
    pub(super) fn write(
        &self,
        cache: &Cache,
        out: &mut dyn Write,
    ) -> Result<io::Result<()>, OciError> {
        match self {
            Self::Bytes(bytes) => Ok(out.write_all(bytes)),
            Self::Blob(layer) => blob(layer, cache, |blob| io::copy(blob, out).map(drop)),
            Self::Tar(layer) => unpack(layer, cache, |tar| io::copy(tar, out).map(drop)),
            Self::File(path) => {
                let mut file = File::open(path).map_err(OciError::Read)?;
                Ok(io::copy(&mut file, out).map(drop))
            }
        }
    }
}

/// An entry of `manifest.json`, by which engines find configuration and layers.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Docker {
    pub(super) config: String,
    pub(super) repo_tags: Vec<String>,
    pub(super) layers: Vec<String>,
}

/// Writes the files in order. The inner error is from writing to `out`.
pub(super) fn write_tar(
    files: &[(String, Content<'_>)],
    cache: &Cache,
    out: &mut dyn Write,
) -> Result<io::Result<()>, OciError> {
    let mut tar = Builder::new(out);
    for (name, content) in files {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(match content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Blob(layer) => layer.size,
            Content::Tar(layer) => layer.unpacked,
            Content::File(path) => fs_err::metadata(path).map_err(OciError::Read)?.len(),
        });
        let mut append = |from: &mut dyn Read| tar.append_data(&mut header, name, from);
        let written = match content {
            Content::Bytes(bytes) => append(&mut &**bytes),
            Content::Blob(layer) => blob(layer, cache, append)?,
            Content::Tar(layer) => unpack(layer, cache, append)?,
            Content::File(path) => append(&mut File::open(path).map_err(OciError::Read)?),
        };
        if written.is_err() {
            return Ok(written);
        }
    }
    Ok(tar.finish())
}

/// Reads a blob to its end. A blob that does not match its digest is deleted and reported as
/// damaged.
pub(super) fn blob(
    layer: &Descriptor,
    cache: &Cache,
    to: impl FnOnce(&mut dyn Read) -> io::Result<()>,
) -> Result<io::Result<()>, OciError> {
    let damaged = || OciError::Damaged(layer.digest.clone());
    let path = cache.blob(&layer.digest, layer.size).ok_or_else(damaged)?;
    let mut blob = Tee::new(File::open(path).map_err(|_| damaged())?);
    let written = to(&mut blob);
    if written.is_ok() && blob.1.finish().1 != layer.digest {
        cache.remove(&layer.digest);
        return Err(damaged());
    }
    Ok(written)
}

/// Like [`blob`], for the tar in a blob.
pub(super) fn unpack(
    layer: &ImageLayer,
    cache: &Cache,
    to: impl FnOnce(&mut dyn Read) -> io::Result<()>,
) -> Result<io::Result<()>, OciError> {
    let descriptor = &layer.descriptor;
    let mut undone = false;
    let written = blob(descriptor, cache, |packed| {
        let kind = descriptor.media_type.as_str();
        let mut packed = BufReader::with_capacity(1 << 16, packed);
        let written = {
            let mut tar: Box<dyn Read + '_> = if kind.ends_with("gzip") {
                Box::new(MultiGzDecoder::new(&mut packed))
            } else if kind.ends_with("zstd") {
                Box::new(zstd::Decoder::with_buffer(&mut packed)?)
            } else {
                Box::new(&mut packed)
            };
            let mut tar = Checked {
                left: layer.unpacked,
                wrong: false,
                from: &mut *tar,
            };
            let written = to(&mut tar);
            undone = tar.wrong || (written.is_ok() && !tar.is_at_end());
            written
        };
        written?;
        // The blob may continue after the compressed data.
        io::copy(&mut packed, &mut io::sink()).map(drop)
    });
    if undone {
        cache.remove(&descriptor.digest);
        return Err(OciError::Damaged(descriptor.digest.clone()));
    }
    written
}

/// Passes the bytes on, and records whether their number is not the expected one.
struct Checked<'r> {
    left: u64,
    wrong: bool,
    from: &'r mut dyn Read,
}

impl Checked<'_> {
    fn is_at_end(&mut self) -> bool {
        self.left == 0 && matches!(self.from.read(&mut [0]), Ok(0))
    }
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let most = most.min(buffer.len());
        let read = self.from.read(&mut buffer[..most]);
        self.wrong |= match &read {
            Ok(0) => most > 0,
            Ok(_) => false,
            Err(error) => error.kind() != io::ErrorKind::Interrupted,
        };
        self.left -= *read.as_ref().unwrap_or(&0) as u64;
        read
    }
}
