//! Limits on a layer from elsewhere, checked before memory or disk is spent on it. Real layers stay
//! far below.

use std::cell::Cell;
use std::io::{self, Read};

/// Files and directories in a layer. The largest known images have a third of that.
const ENTRIES: u64 = 1_000_000;
/// Bytes of a path or a link's target. Linux opens nothing longer.
const PATH: usize = 4096;
/// Bytes of a tar between two files: headers, and long names, which are kept in memory.
const HEADERS: u64 = 1 << 20;
/// A layer may always unpack to this many bytes.
const ALWAYS_ALLOWED: u64 = 1 << 30;
/// How many times its size a layer may unpack to. Program files unpack to 3 to 10 times their size;
/// gzip can reach 1,000, zstd more.
const MAX_RATIO: u64 = 200;
/// No layer may unpack to more bytes than this.
const MAX_UNPACKED: u64 = 64 << 30;

/// A limit that a layer exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// Too many files.
    #[error("more than {ENTRIES} files and directories")]
    Entries,
    /// A path or a link's target is too long.
    #[error("a path of more than {PATH} bytes")]
    Path,
    /// All paths together are too long.
    #[error("paths of more than {0} bytes together")]
    Paths(u64),
    /// Headers or long names are too large.
    #[error("a file whose headers have more than {HEADERS} bytes")]
    Headers,
    /// It unpacks to more than this many bytes.
    #[error("more than {0} bytes when it is unpacked")]
    Bytes(u64),
}

/// How many bytes a layer of this size may unpack to.
pub(in crate::image::oci) fn unpacked(size: u64) -> u64 {
    size.saturating_mul(MAX_RATIO)
        .clamp(ALWAYS_ALLOWED, MAX_UNPACKED)
}

/// Counts what a tar demands. Reading stops when a limit is exceeded.
pub(in crate::image::oci) struct Meter {
    most: u64,
    read: Cell<u64>,
    headers: Cell<Option<u64>>,
    written: Cell<u64>,
    excess: Cell<Option<Excess>>,
}

impl Meter {
    /// For a layer of this size, as it is sent.
    pub(in crate::image::oci) fn new(size: u64) -> Self {
        Self {
            most: unpacked(size),
            read: Cell::new(0),
            headers: Cell::new(None),
            written: Cell::new(0),
            excess: Cell::new(None),
        }
    }

    /// The next bytes are headers.
    pub(in crate::image::oci) fn headers_follow(&self) {
        self.headers.set(Some(0));
    }

    /// The next bytes are a file's content.
    pub(in crate::image::oci) fn contents_follow(&self) {
        self.headers.set(None);
    }

    /// The limit that stopped reading.
    pub(in crate::image::oci) fn excess(&self) -> Option<Excess> {
        self.excess.get()
    }

    /// Fails if this many files are too many.
    pub(in crate::image::oci) fn made(&self, count: u64) -> Result<(), Excess> {
        self.check(count <= ENTRIES, Excess::Entries)
    }

    /// Fails if a path is too long.
    pub(in crate::image::oci) fn path(&self, bytes: &[u8]) -> Result<(), Excess> {
        self.check(bytes.len() <= PATH, Excess::Path)
    }

    /// Fails if all paths so far are longer than this together.
    pub(in crate::image::oci) fn paths(&self, bytes: u64, most: u64) -> Result<(), Excess> {
        self.check(bytes <= most, Excess::Paths(most))
    }

    /// Fails if a file of this size would exceed the limit. A sparse file is larger than its part
    /// of the tar.
    pub(in crate::image::oci) fn file(&self, size: u64) -> Result<(), Excess> {
        let written = self.written.get().saturating_add(size);
        self.written.set(written);
        self.check(written <= self.most, Excess::Bytes(self.most))
    }

    fn check(&self, fine: bool, excess: Excess) -> Result<(), Excess> {
        if fine {
            return Ok(());
        }
        self.excess.set(Some(excess));
        Err(excess)
    }

    fn count(&self, bytes: u64) -> Result<(), Excess> {
        let read = self.read.get() + bytes;
        self.read.set(read);
        self.check(read <= self.most, Excess::Bytes(self.most))?;
        if let Some(headers) = self.headers.get() {
            self.headers.set(Some(headers + bytes));
            self.check(headers + bytes <= HEADERS, Excess::Headers)?;
        }
        Ok(())
    }
}

/// Counts a tar while it is read.
pub(in crate::image::oci) struct Metered<'m, R>(
    pub(in crate::image::oci) R,
    pub(in crate::image::oci) &'m Meter,
);

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.count(count as u64).map_err(io::Error::other)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_files_and_no_more() {
        let meter = Meter::new(1);
        meter.made(ENTRIES).unwrap();
        assert_eq!(meter.made(ENTRIES + 1), Err(Excess::Entries));
        assert_eq!(meter.excess(), Some(Excess::Entries));
    }

    #[test]
    fn what_is_written_is_added_up() {
        let meter = Meter::new(1);
        meter.file(ALWAYS_ALLOWED / 2).unwrap();
        meter.file(ALWAYS_ALLOWED / 2).unwrap();
        assert_eq!(meter.file(1), Err(Excess::Bytes(ALWAYS_ALLOWED)));
        // A header may state any size.
        assert_eq!(meter.file(u64::MAX), Err(Excess::Bytes(ALWAYS_ALLOWED)));
    }

    #[test]
    fn a_large_layer_may_become_larger_than_a_small_one() {
        assert_eq!(unpacked(0), ALWAYS_ALLOWED);
        assert_eq!(unpacked(100 << 20), MAX_RATIO * (100 << 20));
        assert_eq!(unpacked(u64::MAX), MAX_UNPACKED);
    }

    #[test]
    fn what_has_no_end_is_read_up_to_a_limit() {
        let read = |meter: &Meter| {
            let mut piece = vec![0; 1 << 20];
            let mut endless = Metered(io::repeat(0), meter);
            let mut bytes = 0;
            loop {
                match endless.read(&mut piece) {
                    Ok(count) => bytes += count as u64,
                    Err(_) => return bytes,
                }
            }
        };
        let contents = Meter::new(1);
        assert_eq!(read(&contents), ALWAYS_ALLOWED);
        assert_eq!(contents.excess(), Some(Excess::Bytes(ALWAYS_ALLOWED)));
        let headers = Meter::new(1);
        headers.headers_follow();
        assert_eq!(read(&headers), HEADERS);
        assert_eq!(headers.excess(), Some(Excess::Headers));
    }

    #[test]
    fn a_path_is_no_longer_than_linux_takes_it() {
        let meter = Meter::new(1);
        meter.path(&[b'a'; PATH]).unwrap();
        assert_eq!(meter.path(&[b'a'; PATH + 1]), Err(Excess::Path));
    }
}
