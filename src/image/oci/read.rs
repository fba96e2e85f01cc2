//! Reads a layer of any image: what is in it, and how many bytes each part takes.
//!
//! Input: a blob, which may come from elsewhere and be malicious. Output: a [`ReadLayer`]. Nothing is
//! unpacked to the disk. Limits keep a layer from filling the memory, and its tar must have the digest that
//! the image's configuration tells.

mod share;

use std::cell::{Cell, RefCell};
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use serde_json::Value;
use tar::{Archive, EntryType};

use super::foreign::Packed;
use super::limits::{Excess, Meter, Metered};
use crate::image::contents::{
    Entry, EntryKind, Manifest, ReadLayer, Said, Weight, is_list, is_release,
};
use crate::model::digest::{Algorithm, Digest, Hasher};
use share::Share;

/// Bytes of a package.json that is looked into. The largest real ones have a fifth of that.
const MANIFEST: u64 = 1 << 20;
/// Bytes of a list of the system's packages.
const LIST: u64 = 16 << 20;
/// Bytes of all lists of a layer.
const LISTS: u64 = 64 << 20;
/// Bytes of all paths of a layer, which are kept in memory.
const PATHS: u64 = 128 << 20;
/// The longest word that is taken from a manifest.
const WORD: usize = 256;

/// Why a layer cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes are no tar, or end early.
    #[error("its layer {layer} is not a valid tar")]
    Malformed { layer: Digest, source: io::Error },
    /// It has other content than the configuration tells.
    #[error("its layer {0} does not hold what its configuration says")]
    Contents(Digest),
    /// A limit is exceeded.
    #[error("its layer {layer} has {excess}, and slimbuild reads no such layer")]
    Excess { layer: Digest, excess: Excess },
}

/// A blob to read.
pub struct Blob<R> {
    pub from: R,
    /// Its bytes.
    pub size: u64,
    /// Whether a pull would transfer exactly these bytes. What a daemon or a file keeps uncompressed, a
    /// registry has compressed.
    pub is_sent: bool,
}

/// Reads a layer to its end.
pub fn read_layer<R: Read>(blob: Blob<R>, diff_id: &Digest) -> Result<ReadLayer, ReadError> {
    let meter = Meter::new(blob.size);
    match read(blob, diff_id, &meter) {
        Ok(layer) if layer.diff_id == *diff_id => Ok(layer),
        Ok(_) => Err(ReadError::Contents(diff_id.clone())),
        Err(source) => Err(match meter.excess() {
            Some(excess) => ReadError::Excess {
                layer: diff_id.clone(),
                excess,
            },
            None => ReadError::Malformed {
                layer: diff_id.clone(),
                source,
            },
        }),
    }
}

fn read<R: Read>(blob: Blob<R>, diff_id: &Digest, meter: &Meter) -> io::Result<ReadLayer> {
    let Blob {
        from,
        size,
        is_sent,
    } = blob;
    let taken = Cell::new(0);
    let mut packed = Taken {
        from: BufReader::with_capacity(1 << 16, from),
        taken: &taken,
    };
    let kind = Packed::of(packed.fill_buf()?);
    let state = State {
        share: RefCell::new(Share::default()),
        read: Cell::new(0),
    };
    let hasher = Hasher::new(diff_id.algorithm());
    let (entries, hasher) = {
        let decoder: Box<dyn Read + '_> = match kind {
            Packed::Gzip => Box::new(MultiGzDecoder::new(&mut packed)),
            Packed::Zstd => Box::new(zstd::Decoder::with_buffer(&mut packed)?),
            Packed::Not => Box::new(&mut packed),
        };
        let mut tar = Watched {
            from: Metered(decoder, meter),
            taken: &taken,
            state: &state,
            hasher,
        };
        let entries = entries(&mut tar, &state, meter)?;
        // The tar may continue after its end marker.
        meter.contents_follow();
        io::copy(&mut tar, &mut io::sink())?;
        (entries, tar.hasher)
    };
    // The blob may continue after the compressed data.
    io::copy(&mut packed, &mut io::sink())?;
    if taken.get() != size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let unpacked = state.read.get();
    let share = state.share.into_inner();
    let packs = kind != Packed::Not;
    let compressed = |begin: u64, end: u64| match (packs, is_sent) {
        (true, _) => Some(share.between(begin, end)),
        (false, true) => Some(end - begin),
        (false, false) => None,
    };
    let whole = Weight {
        unpacked,
        compressed: (packs || is_sent).then_some(size),
    };
    let entries = entries.into_iter().map(|(mut entry, begin, end)| {
        entry.weight = Weight {
            unpacked: end - begin,
            compressed: compressed(begin, end),
        };
        entry
    });
    Ok(ReadLayer {
        diff_id: hasher.finish(),
        weight: whole,
        entries: entries.collect(),
    })
}

/// What is known while a tar is read.
struct State {
    share: RefCell<Share>,
    /// The bytes of the tar so far.
    read: Cell<u64>,
}

/// Counts the bytes of a blob that a decoder has taken.
struct Taken<'t, R> {
    from: R,
    taken: &'t Cell<u64>,
}

impl<R: BufRead> Read for Taken<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let there = self.from.fill_buf()?;
        let count = there.len().min(buffer.len());
        buffer[..count].copy_from_slice(&there[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Taken<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.from.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.taken.set(self.taken.get() + count as u64);
        self.from.consume(count);
    }
}

/// Hashes a tar, and notes how much of the blob each of its parts took.
struct Watched<'w, R> {
    from: R,
    taken: &'w Cell<u64>,
    state: &'w State,
    hasher: Hasher,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        let begin = self.state.read.get();
        self.hasher.update(&buffer[..count]);
        self.state.read.set(begin + count as u64);
        let mut share = self.state.share.borrow_mut();
        share.took(begin, begin + count as u64, self.taken.get());
        Ok(count)
    }
}

/// The entries with the places of their contents in the tar.
fn entries(
    tar: &mut impl Read,
    state: &State,
    meter: &Meter,
) -> io::Result<Vec<(Entry, u64, u64)>> {
    let mut archive = Archive::new(tar);
    let mut raw = archive.entries()?;
    let mut found = Vec::new();
    let (mut paths, mut lists) = (0_u64, 0_u64);
    loop {
        meter.headers_follow();
        let Some(entry) = raw.next() else {
            return Ok(found);
        };
        let mut entry = entry?;
        meter.contents_follow();
        let bytes = entry.path_bytes().into_owned();
        meter.path(&bytes).map_err(io::Error::other)?;
        paths += bytes.len() as u64;
        meter.paths(paths, PATHS).map_err(io::Error::other)?;
        meter.made(found.len() as u64).map_err(io::Error::other)?;
        // The header of a sparse file may state any size.
        meter.file(entry.size()).map_err(io::Error::other)?;
        let begin = state.read.get();
        let (kind, path) = kind_of(&bytes, entry.header().entry_type());
        let mut made = Entry {
            path,
            kind,
            weight: Weight::NONE,
            said: None,
            digest: None,
        };
        if kind == EntryKind::File {
            look_into(&mut made, &mut entry, &mut lists)?;
        }
        // Skips the rest of the entry, so that it is not read as a header. The zeros of a sparse file
        // are no part of the tar.
        io::copy(&mut entry, &mut io::sink())?;
        found.push((made, begin, state.read.get()));
    }
}

/// What an entry is, and at which path.
fn kind_of(bytes: &[u8], entry: EntryType) -> (EntryKind, String) {
    let (path, is_directory) = (cleaned(bytes), bytes.ends_with(b"/"));
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
    if name == ".wh..wh..opq" {
        return (EntryKind::Opaque, parent.to_owned());
    }
    // Other names with this prefix are AUFS's own.
    if name.starts_with(".wh..wh.") {
        return (EntryKind::Other, path);
    }
    if let Some(hidden) = name.strip_prefix(".wh.").filter(|name| !name.is_empty()) {
        let slash = if parent.is_empty() { "" } else { "/" };
        return (EntryKind::Whiteout, format!("{parent}{slash}{hidden}"));
    }
    let kind = match entry {
        EntryType::Directory => EntryKind::Directory,
        // The oldest tars have no type for directories.
        EntryType::Regular if is_directory => EntryKind::Directory,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => EntryKind::File,
        _ => EntryKind::Other,
    };
    (kind, path)
}

/// A path from the image's root: it cannot leave it. What is not UTF-8 is escaped.
fn cleaned(bytes: &[u8]) -> String {
    let text = match str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.escape_ascii().to_string(),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Reads what a file says of packages, or else its digest.
fn look_into(
    made: &mut Entry,
    entry: &mut tar::Entry<'_, impl Read>,
    lists: &mut u64,
) -> io::Result<()> {
    let name = made.path.rsplit_once('/').map_or(&*made.path, |(_, it)| it);
    let is_manifest = name == "package.json" && entry.size() <= MANIFEST;
    let is_module = made.path.split('/').any(|part| part == "node_modules");
    let is_told = is_list(&made.path) || is_release(&made.path);
    if is_told && entry.size() <= LIST && *lists + entry.size() <= LISTS {
        *lists += entry.size();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        made.digest = Some(Digest::of(&bytes));
        made.said = Some(Said::Text(String::from_utf8_lossy(&bytes).into_owned()));
    } else if is_manifest {
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        made.said = manifest(&bytes).map(|manifest| Said::Manifest(Box::new(manifest)));
        made.digest = (!is_module).then(|| Digest::of(&bytes));
    } else if !is_module {
        made.digest = Some(Digest::of_reader(Algorithm::Sha256, entry)?);
    }
    Ok(())
}

#[derive(Deserialize)]
struct RawManifest {
    #[serde(default)]
    name: Value,
    #[serde(default)]
    version: Value,
    #[serde(default)]
    os: Value,
    #[serde(default)]
    cpu: Value,
    #[serde(default)]
    libc: Value,
}

/// A package.json, as far as it is one.
fn manifest(bytes: &[u8]) -> Option<Manifest> {
    let raw: RawManifest = serde_json::from_slice(bytes).ok()?;
    let word = |value: &Value| {
        let text = value.as_str().filter(|text| !text.is_empty());
        text.filter(|text| text.len() <= WORD).map(str::to_owned)
    };
    let words = |value: &Value| match value {
        Value::Array(all) => all.iter().filter_map(word).collect(),
        value => word(value).into_iter().collect(),
    };
    Some(Manifest {
        name: word(&raw.name),
        version: word(&raw.version),
        os: words(&raw.os),
        cpu: words(&raw.cpu),
        libc: words(&raw.libc),
    })
}

#[cfg(test)]
mod tests;
