//! The way back: a layer of the cache as files in a directory, for whoever wants to try an image out.
//!
//! What is read is what will be sent. The layer may be somebody else's and mean harm: a [`Writer`] keeps it in the directory, and limits keep it
//! from filling memory and disk. A later entry replaces an earlier one, and a whiteout hides what layers below have, as containerd does it.
//!
//! Left out is what only root could make, or what nobody needs who looks at files: owners, devices, pipes, times and extended attributes, and the
//! bits that give a program the rights of its owner (setuid, setgid) or that protect a directory (sticky). What a device or a pipe replaces is gone
//! all the same. Who unpacked a file may always read, replace and remove it.

use std::ffi::OsStr;
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use flate2::read::MultiGzDecoder;
use fs_err::File;
use tar::{Archive, EntryType};

use super::limits::{Excess, Meter, Metered};
use super::pack::Tee;
use super::{ImageLayer, OciError};
use crate::files::rooted::{PlaceError, Slot, Writer};
use crate::model::digest::Digest;
use crate::store::cache::Cache;
use crate::system::threads;

/// Up to this size, a file is read as a whole, and written by another thread.
const SMALL: u64 = 256 * 1024;
/// How many files may wait for being written.
const WAITING: usize = 64;
/// How many letters of a reason are shown.
const REASON: usize = 400;
/// What hides a file of a layer below; the rest of the name is the file's.
const WHITEOUT: &[u8] = b".wh.";
/// What hides all that layers below have in a directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What else begins so is AUFS's own, and no file.
const AUFS: &[u8] = b".wh..wh.";

/// A file on its way.
struct Small {
    slot: Slot,
    mode: u32,
    bytes: Vec<u8>,
}

/// Which side is at fault.
enum Fault {
    /// The bytes are no tar.
    Read(io::Error),
    /// The tar asks for what no file system can hold.
    Entry(String),
    /// It asks for too much.
    Excess(Excess),
    /// The disk.
    Write(io::Error),
}

impl From<PlaceError> for Fault {
    fn from(error: PlaceError) -> Self {
        match error {
            PlaceError::Impossible(words) => Self::Entry(words),
            PlaceError::Disk(error) => Self::Write(error),
        }
    }
}

impl From<Excess> for Fault {
    fn from(excess: Excess) -> Self {
        Self::Excess(excess)
    }
}

/// Unpacks a layer into a directory, over those that were unpacked there before. A blob that is damaged is thrown away, and is the error.
pub fn unpack(layer: &ImageLayer, cache: &Cache, into: &Path) -> Result<(), OciError> {
    let digest = &layer.descriptor.digest;
    let damaged = || {
        cache.remove(digest);
        OciError::Damaged(digest.clone())
    };
    let blob = cache.blob(digest, layer.descriptor.size);
    let blob = blob
        .and_then(|path| File::open(path).ok())
        .ok_or_else(damaged)?;
    let fault = match unpack_blob(layer, blob, into) {
        Ok(diff_id) if diff_id == layer.diff_id => return Ok(()),
        Ok(_) => return Err(damaged()),
        Err(Fault::Write(error)) => return Err(OciError::Unpack(error)),
        Err(fault) => fault,
    };
    // Whose fault it is, the digest tells.
    if cache.verified(digest).is_none() {
        return Err(damaged());
    }
    let layer = digest.clone();
    let reason = match fault {
        Fault::Read(error) | Fault::Write(error) => error.to_string(),
        Fault::Entry(reason) => reason,
        Fault::Excess(excess) => return Err(OciError::Excess { layer, excess }),
    };
    let reason = shown(&reason);
    Err(OciError::Malformed { layer, reason })
}

/// Words that may hold a part of the layer: not for ever, and nothing that a terminal obeys.
fn shown(words: &str) -> String {
    let letters = words.chars().take(REASON).map(|letter| {
        if letter.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            letter
        }
    });
    letters.collect()
}

/// Unpacks the tar in a blob. Comes out: the tar's digest.
fn unpack_blob(layer: &ImageLayer, blob: File, into: &Path) -> Result<Digest, Fault> {
    let blob = BufReader::with_capacity(1 << 16, blob.into_file());
    let mut tar: Box<dyn Read> = match &layer.descriptor.media_type {
        kind if kind.ends_with("gzip") => Box::new(MultiGzDecoder::new(blob)),
        kind if kind.ends_with("zstd") => {
            Box::new(zstd::Decoder::with_buffer(blob).map_err(Fault::Read)?)
        }
        _ => Box::new(blob),
    };
    let mut there = fs_err::read_dir(into).map_err(Fault::Write)?;
    let writer = Writer::new(into, there.next().is_none())?;
    let meter = Meter::new(layer.descriptor.size);
    let mut hashed = Tee::new(Metered(&mut tar, &meter));
    let (files, queue) = sync_channel::<Small>(WAITING);
    let queue = Mutex::new(queue);
    let read = thread::scope(|scope| {
        // Two that add to one directory wait for each other.
        let helpers = threads::cores().saturating_sub(1).clamp(1, 2);
        let writers: Vec<_> = (0..helpers)
            .map(|_| scope.spawn(|| write_all(&queue)))
            .collect();
        let mut unpacking = Unpacking {
            writer,
            files,
            meter: &meter,
        };
        let read = unpacking.all(Archive::new(&mut hashed));
        drop(unpacking);
        for writer in writers {
            let written = writer
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            written?;
        }
        read
    });
    // Behind the archive's end there may be more of the tar.
    let read = read.and_then(|()| {
        meter.contents_follow();
        io::copy(&mut hashed, &mut io::sink()).map_err(Fault::Read)
    });
    match (read, meter.excess()) {
        (Ok(_), _) => Ok(hashed.1.finish().1),
        (Err(Fault::Read(_)), Some(excess)) => Err(Fault::Excess(excess)),
        (Err(fault), _) => Err(fault),
    }
}

struct Unpacking<'u> {
    writer: Writer,
    files: SyncSender<Small>,
    meter: &'u Meter,
}

impl Unpacking<'_> {
    fn all(&mut self, mut archive: Archive<impl Read>) -> Result<(), Fault> {
        let mut entries = archive.entries().map_err(Fault::Read)?;
        loop {
            self.meter.headers_follow();
            let Some(entry) = entries.next() else {
                return Ok(());
            };
            let mut entry = entry.map_err(Fault::Read)?;
            self.meter.contents_follow();
            // A sparse file is larger than its part of the tar.
            self.meter.file(entry.size())?;
            self.one(&mut entry)?;
            // What is left of it is not taken for headers.
            io::copy(&mut entry, &mut io::sink()).map_err(Fault::Read)?;
            self.meter.made(self.writer.made())?;
        }
    }

    fn one(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> Result<(), Fault> {
        let bytes = entry.path_bytes().into_owned();
        self.meter.path(&bytes)?;
        let path = Path::new(OsStr::from_bytes(&bytes));
        let name = path.file_name().unwrap_or_default().as_bytes();
        let parent = path.parent().unwrap_or(Path::new(""));
        if name == OPAQUE {
            return Ok(self.writer.hide_below(parent)?);
        }
        if name.starts_with(AUFS) {
            return Ok(());
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            if matches!(hidden, b"" | b"." | b"..") {
                let words = format!("the whiteout `{}` names no file", path.display());
                return Err(Fault::Entry(words));
            }
            return Ok(self.writer.hide(&parent.join(OsStr::from_bytes(hidden)))?);
        }
        let mode = entry.header().mode().map_err(Fault::Read)?;
        let kind = match entry.header().entry_type() {
            // The oldest tars have no kind for directories.
            EntryType::Regular if bytes.ends_with(b"/") => EntryType::Directory,
            kind => kind,
        };
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                return self.file(path, mode, entry);
            }
            EntryType::Directory => self.writer.directory(path, mode)?,
            EntryType::Symlink => self.writer.symlink(path, &self.target(entry)?)?,
            EntryType::Link => self.writer.hard_link(path, &self.target(entry)?)?,
            EntryType::Block | EntryType::Char | EntryType::Fifo => self.writer.nothing(path)?,
            _ => {}
        }
        Ok(())
    }

    fn file(
        &mut self,
        path: &Path,
        mode: u32,
        entry: &mut tar::Entry<'_, impl Read>,
    ) -> Result<(), Fault> {
        let slot = self.writer.slot(path)?;
        let mode = mode | 0o600;
        let size = entry.size();
        if size > SMALL {
            let mut file = slot.create(mode)?;
            return copy(entry, size, &mut file);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        entry.read_to_end(&mut bytes).map_err(Fault::Read)?;
        if bytes.len() as u64 != size {
            return Err(Fault::Read(io::ErrorKind::UnexpectedEof.into()));
        }
        // Who writes gave up: it has the error.
        let gone = |_| Fault::Write(io::ErrorKind::BrokenPipe.into());
        self.files.send(Small { slot, mode, bytes }).map_err(gone)
    }

    fn target(&self, entry: &tar::Entry<'_, impl Read>) -> Result<PathBuf, Fault> {
        let target = entry.link_name_bytes().unwrap_or_default();
        self.meter.path(&target)?;
        Ok(OsStr::from_bytes(&target).into())
    }
}

fn write_all(queue: &Mutex<Receiver<Small>>) -> Result<(), Fault> {
    loop {
        let next = queue.lock().map(|queue| queue.recv());
        let Ok(Ok(Small { slot, mode, bytes })) = next else {
            return Ok(());
        };
        let written = slot
            .create(mode)
            .map_err(Fault::from)
            .and_then(|mut file| io::Write::write_all(&mut file, &bytes).map_err(Fault::Write));
        if written.is_err() {
            // Nobody may wait for room in the queue; what is left is not written.
            while queue.lock().is_ok_and(|queue| queue.recv().is_ok()) {}
            return written;
        }
    }
}

fn copy(from: &mut impl Read, size: u64, to: &mut std::fs::File) -> Result<(), Fault> {
    let mut buffer = vec![0; 1 << 16];
    let mut left = size;
    loop {
        let count = from.read(&mut buffer).map_err(Fault::Read)?;
        if count == 0 && left > 0 {
            return Err(Fault::Read(io::ErrorKind::UnexpectedEof.into()));
        }
        if count == 0 {
            return Ok(());
        }
        left = left.saturating_sub(count as u64);
        io::Write::write_all(to, &buffer[..count]).map_err(Fault::Write)?;
    }
}

#[cfg(test)]
mod tests;
