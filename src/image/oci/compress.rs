//! Compresses on several cores. The output does not depend on their number.
//!
//! zstd's library splits its input into jobs of the size set here. For gzip the input is split into
//! blocks, and each becomes a member of the file, as in eStargz layers: RFC 1952 makes a file of
//! members, and what reads layers reads all of them.
//!
//! The last member is empty, and tells the size of the whole: a member's own end tells only the
//! member's.

use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use libdeflater::{CompressionLvl, Compressor};
use serde::Serialize;
use zstd::zstd_safe::CParameter;

/// More threads gain little and cost memory: one thread writes and hashes the tar.
const MAX_THREADS: usize = 8;
/// The most bytes of a gzip member.
const BLOCK: usize = 1 << 20;
/// The bytes in a job for one zstd thread.
const JOB: u32 = 2 << 20;
/// The default level of zstd's command line.
const ZSTD_LEVEL: i32 = 3;
/// libdeflate's level whose output is smaller than that of gzip's default level, in half the time.
const GZIP_LEVEL: i32 = 5;

/// The member that tells the size of all: a header with an extra field, no name, no time, an unknown
/// system. The size follows, then a block without content and its checksum and size, which are zero.
const SIZE_HEADER: [u8; 16] = [
    0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 12, 0, b'S', b'B', 8, 0,
];
const SIZE_END: [u8; 10] = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// The length of that member.
pub const SIZE_MEMBER: usize = 34;

/// The size of what a gzip file holds, if the file's last [`SIZE_MEMBER`] bytes tell it.
pub fn told_size(end: &[u8]) -> Option<u64> {
    let told = end.strip_prefix(&SIZE_HEADER)?.strip_suffix(&SIZE_END)?;
    Some(u64::from_le_bytes(told.try_into().ok()?))
}

/// How layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Every engine and registry can read it.
    #[default]
    Gzip,
    /// Smaller and faster. Docker reads it since Engine 23.
    Zstd,
}

impl Compression {
    /// The media type of such a layer.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }

    /// Compresses what `write` writes into `sink`, on this many extra threads.
    pub(super) fn compress<S: Write + Send, E: From<io::Error>>(
        self,
        threads: usize,
        mut sink: S,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<S, E> {
        let threads = threads.clamp(1, MAX_THREADS);
        match self {
            Self::Gzip => gzip(threads, sink, write),
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(&mut sink, ZSTD_LEVEL)?;
                encoder.multithread(u32::try_from(threads).unwrap_or(1))?;
                encoder.set_parameter(CParameter::JobSize(JOB))?;
                write(&mut encoder)?;
                encoder.finish()?;
                Ok(sink)
            }
        }
    }
}

/// A block, and where to send the member that it becomes.
type Job = (Vec<u8>, SyncSender<io::Result<Vec<u8>>>);

fn gzip<S: Write + Send, E: From<io::Error>>(
    threads: usize,
    mut sink: S,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<S, E> {
    let (jobs, queue) = sync_channel::<Job>(threads);
    let (results, ordered) = sync_channel::<Receiver<io::Result<Vec<u8>>>>(threads * 2);
    let queue = Mutex::new(queue);
    let all: Result<(S, u64), E> = thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut compressor = Compressor::new(level());
                loop {
                    let job = queue.lock().map(|queue| queue.recv());
                    let Ok(Ok((block, results))) = job else {
                        return;
                    };
                    // Nobody receives the result if writing failed.
                    drop(results.send(member(&mut compressor, &block)));
                }
            });
        }
        let writer = scope.spawn(move || {
            for result in ordered {
                let gone = |_| io::Error::other("a thread that compresses ended");
                sink.write_all(&result.recv().map_err(gone)??)?;
            }
            Ok::<S, io::Error>(sink)
        });
        let mut blocks = Blocks {
            block: Vec::with_capacity(BLOCK),
            size: 0,
            jobs,
            results,
        };
        let written = write(&mut blocks).and_then(|()| Ok(blocks.end()?));
        let size = blocks.size;
        // Dropping these ends the threads.
        drop((blocks.jobs, blocks.results));
        let sink = writer
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match (written, sink) {
            (Err(_), Err(error)) => Err(error.into()),
            (Err(error), Ok(_)) => Err(error),
            (Ok(()), sink) => Ok((sink?, size)),
        }
    });
    let (mut sink, size) = all?;
    for part in [&SIZE_HEADER[..], &size.to_le_bytes(), &SIZE_END] {
        sink.write_all(part)?;
    }
    Ok(sink)
}

/// Collects bytes into blocks and queues them.
struct Blocks {
    block: Vec<u8>,
    /// The bytes of all blocks.
    size: u64,
    jobs: SyncSender<Job>,
    results: SyncSender<Receiver<io::Result<Vec<u8>>>>,
}

impl Blocks {
    fn send(&mut self) -> io::Result<()> {
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        self.size += block.len() as u64;
        let (result, waiting) = sync_channel(1);
        // The writer stopped and has the real error.
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        self.results.send(waiting).map_err(|_| gone())?;
        self.jobs.send((block, result)).map_err(|_| gone())
    }

    /// Sends the last block.
    fn end(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.send()
    }
}

impl Write for Blocks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK {
            self.send()?;
        }
        let taken = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// Blocks end where they are full.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn level() -> CompressionLvl {
    CompressionLvl::new(GZIP_LEVEL).unwrap_or_default()
}

/// Compresses a block to a gzip member: no name, no time, an unknown system.
fn member(compressor: &mut Compressor, block: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = vec![0; compressor.gzip_compress_bound(block.len())];
    let length = compressor.gzip_compress(block, &mut out);
    out.truncate(length.map_err(io::Error::other)?);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// Text that compresses well, and noise that does not.
    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..length)
            .map(|at| {
                if at / 70_000 % 2 == 0 {
                    b"module"[at % 6]
                } else {
                    next()
                }
            })
            .collect()
    }

    fn compressed(compression: Compression, threads: usize, bytes: &[u8]) -> Vec<u8> {
        let write = |out: &mut dyn Write| out.write_all(bytes);
        compression
            .compress::<_, io::Error>(threads, Vec::new(), write)
            .unwrap()
    }

    #[test]
    fn what_comes_out_is_what_went_in_on_any_number_of_threads() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 17] {
            let bytes = sample(length);
            for compression in [Compression::Gzip, Compression::Zstd] {
                let one = compressed(compression, 1, &bytes);
                let mut back = Vec::new();
                match compression {
                    Compression::Gzip => {
                        flate2::read::MultiGzDecoder::new(&*one).read_to_end(&mut back)
                    }
                    Compression::Zstd => zstd::Decoder::new(&*one).unwrap().read_to_end(&mut back),
                }
                .unwrap();
                assert!(back == bytes, "{compression:?} of {length}");
                let told = told_size(&one[one.len() - SIZE_MEMBER.min(one.len())..]);
                let known = (compression == Compression::Gzip).then_some(length as u64);
                assert_eq!(told, known, "{compression:?}");
                for threads in [2, 7] {
                    assert!(compressed(compression, threads, &bytes) == one);
                }
            }
        }
    }

    #[test]
    fn a_disk_that_is_full_is_told() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self
                    .0
                    .checked_sub(bytes.len())
                    .ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let bytes = sample(9 * BLOCK);
        for compression in [Compression::Gzip, Compression::Zstd] {
            let write = |out: &mut dyn Write| out.write_all(&bytes);
            let result = compression.compress::<_, io::Error>(2, Full(BLOCK), write);
            assert_eq!(
                result.err().unwrap().kind(),
                io::ErrorKind::StorageFull,
                "{compression:?}"
            );
        }
    }
}
