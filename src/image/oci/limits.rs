//! Limits on images from elsewhere, checked before memory or disk is spent on them. All of them are
//! here.
//!
//! Each limit is above what registries and engines accept, so that no image is refused that works
//! elsewhere.

mod layer;

use std::io;
use std::path::Path;

pub use layer::Excess;
pub(super) use layer::{Meter, Metered};

/// Bytes of a manifest or an index. Registries accept 4 MiB.
pub const MANIFEST: u64 = 4 << 20;
/// Bytes of a configuration.
pub const CONFIG: u64 = 8 << 20;
/// Bytes of any other answer of a registry: a token, or an error.
pub const ANSWER: u64 = 1 << 20;
/// Layers of an image. Docker accepts 127, and overlayfs stacks 500.
pub const LAYERS: usize = 512;
/// Images in an index.
pub const IMAGES: usize = 1024;
/// How deep indexes may be nested.
pub const MAX_DEPTH: usize = 4;
/// Files in an archive of images.
pub const FILES: usize = 100_000;
/// Bytes of a name or other metadata of a file in an archive.
pub const NAME: u64 = 1 << 20;
/// Bytes of all layers of an image, as they are sent.
pub const PACKED: u64 = 256 << 30;

/// The sum of the sizes that a registry or an image states; `None` if it exceeds [`PACKED`].
pub fn sum(sizes: impl IntoIterator<Item = u64>) -> Option<u64> {
    let sum = sizes.into_iter().try_fold(0, u64::checked_add);
    sum.filter(|sum| *sum <= PACKED)
}

/// Fails if a directory's disk has fewer free bytes than this.
#[cfg(unix)]
pub fn room(directory: &Path, bytes: u64) -> io::Result<()> {
    let disk = rustix::fs::statvfs(directory)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if bytes <= free {
        return Ok(());
    }
    let words = format!(
        "it needs {}, and `{}` has {} left",
        size(bytes),
        directory.display(),
        size(free)
    );
    Err(io::Error::new(io::ErrorKind::StorageFull, words))
}

/// Other systems are not asked.
#[cfg(not(unix))]
pub fn room(_: &Path, _: u64) -> io::Result<()> {
    Ok(())
}

/// `4 MiB`
pub fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut rest = bytes;
    let mut unit = 0;
    while rest >= 10 << 10 || (rest >= 1 << 10 && rest.is_multiple_of(1024)) {
        if unit + 1 == units.len() {
            break;
        }
        rest >>= 10;
        unit += 1;
    }
    format!("{rest} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_are_told_do_not_overflow() {
        assert_eq!(sum([1, 2]), Some(3));
        assert_eq!(sum([u64::MAX, 1]), None);
        assert_eq!(sum([PACKED, 1]), None);
        assert_eq!(sum([]), Some(0));
    }

    #[test]
    fn sizes_are_read_by_people() {
        assert_eq!(size(4 << 20), "4 MiB");
        assert_eq!(size(1 << 40), "1 TiB");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(20_000_000), "19 MiB");
        assert!(size(u64::MAX).ends_with(" TiB"));
    }

    #[test]
    fn a_disk_that_is_too_small_is_told() {
        let directory = tempfile::tempdir().unwrap();
        room(directory.path(), 1).unwrap();
        let error = room(directory.path(), 1 << 60).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(
            error.to_string().starts_with("it needs 1048576 TiB, and `"),
            "{error}"
        );
    }
}
