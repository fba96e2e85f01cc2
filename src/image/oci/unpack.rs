//! Unpacks a layer of the cache into a directory, so that an image can be tried out.
//!
//! The blob that is read is the one that will be sent. It may come from elsewhere and be malicious:
//! a [`Writer`] keeps it inside the directory, and limits keep it from filling memory and disk. As
//! in containerd, a later entry replaces an earlier one, and a whiteout hides files of lower
//! layers.
//!
//! Left out is what only root could create or what nobody needs to read files: owners, devices,
//! pipes, times, extended attributes, and the setuid, setgid and sticky bits. Devices and pipes
//! still replace what was at their path. The user can always read, replace and remove unpacked
//! files.

use std::ffi::OsStr;
use std::io::{self, BufReader, Read};
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

/// Files up to this size in bytes are read whole and written by another thread.
const MAX_READ_WHOLE: u64 = 256 * 1024;
/// How many files may wait to be written.
const QUEUE_LENGTH: usize = 64;
/// The longest reason shown, in characters.
const REASON: usize = 400;
/// The name prefix that hides a file of a lower layer; the rest is the file's name.
const WHITEOUT: &[u8] = b".wh.";
/// The name that hides everything that lower layers have in a directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Other names with this prefix are AUFS's own, not files.
const AUFS: &[u8] = b".wh..wh.";

/// A small file, waiting to be written.
struct Small {
    slot: Slot,
    mode: u32,
    bytes: Vec<u8>,
}

/// The cause of a failure.
enum Fault {
    /// The bytes are not a tar.
    Read(io::Error),
    /// An entry that no file system can hold.
    Entry(String),
    /// A limit is exceeded.
    Excess(Excess),
    /// The disk failed.
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

/// Unpacks a layer into a directory, over the layers below it. A damaged blob is deleted and
/// reported.
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
    // The digest shows whether the cache or the layer is at fault.
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

/// An error text that may quote the layer: shortened, and safe for a terminal.
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

/// Unpacks the tar in a blob and returns its digest.
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
    let (files, queue) = sync_channel::<Small>(QUEUE_LENGTH);
    let queue = Mutex::new(queue);
    let read = thread::scope(|scope| {
        // Two threads that add to the same directory would wait for each other.
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
    // The blob may continue after the tar's end marker.
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
            // Skips the rest of the entry, so that it is not read as a header.
            io::copy(&mut entry, &mut io::sink()).map_err(Fault::Read)?;
            self.meter.made(self.writer.made())?;
        }
    }

    fn one(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> Result<(), Fault> {
        let bytes = entry.path_bytes().into_owned();
        self.meter.path(&bytes)?;
        let path = Path::new(name_of(&bytes)?);
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
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
            return Ok(self.writer.hide(&parent.join(name_of(hidden)?))?);
        }
        let mode = entry.header().mode().map_err(Fault::Read)?;
        let kind = match entry.header().entry_type() {
            // The oldest tars have no type for directories.
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
        if size > MAX_READ_WHOLE {
            let mut file = slot.create(mode)?;
            return copy(entry, size, &mut file);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        entry.read_to_end(&mut bytes).map_err(Fault::Read)?;
        if bytes.len() as u64 != size {
            return Err(Fault::Read(io::ErrorKind::UnexpectedEof.into()));
        }
        // The writer stopped and has the real error.
        let gone = |_| Fault::Write(io::ErrorKind::BrokenPipe.into());
        self.files.send(Small { slot, mode, bytes }).map_err(gone)
    }

    fn target(&self, entry: &tar::Entry<'_, impl Read>) -> Result<PathBuf, Fault> {
        let target = entry.link_name_bytes().unwrap_or_default();
        self.meter.path(&target)?;
        Ok(name_of(&target)?.into())
    }
}

/// A name in an archive as a name of this system.
fn name_of(bytes: &[u8]) -> Result<&OsStr, Fault> {
    #[cfg(unix)]
    let name = Ok(std::os::unix::ffi::OsStrExt::from_bytes(bytes));
    #[cfg(not(unix))]
    let name = match str::from_utf8(bytes) {
        Ok(name) => Ok(OsStr::new(name)),
        Err(_) => Err(Fault::Entry("a name in it is not valid UTF-8".to_owned())),
    };
    name
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
            // Drains the queue, so that no sender waits for room in it; the rest is not written.
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
