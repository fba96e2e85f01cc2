//! The entries of the cache with their sizes and times of last use, and their sums.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::lease::{Gate, Others, temporary};
use super::{Cache, CacheError, place};
use crate::model::digest::{Algorithm, Digest};

/// The directory of pnpm's store.
pub(super) const STORE: &str = "pnpm-store";
/// The kind of notes that hold sizes of directories.
pub(super) const SIZES: &str = "sizes";
/// While an image is built, at most this many files of one directory are counted.
const MAX_COUNTED: usize = 200_000;

/// The kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CacheKind {
    /// Layers as they are sent, and downloads.
    Blobs,
    /// Layers as directories.
    Trees,
    /// pnpm's store.
    PnpmStore,
    /// Notes about keys.
    Notes,
    /// What is being written, and leftovers.
    Unfinished,
}

impl CacheKind {
    /// All kinds, in the order in which they are shown.
    pub const ALL: [Self; 5] = [
        Self::Blobs,
        Self::Trees,
        Self::PnpmStore,
        Self::Notes,
        Self::Unfinished,
    ];
}

/// One entry.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) kind: CacheKind,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) used: SystemTime,
}

/// The entries of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KindUsage {
    /// The kind.
    pub kind: CacheKind,
    /// The number of entries.
    pub count: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// When one of them was last used.
    #[serde(serialize_with = "as_text")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub last_used: Option<SystemTime>,
}

/// The entries of all kinds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Usage {
    /// One row for each kind.
    pub kinds: Vec<KindUsage>,
    /// The total size in bytes.
    pub bytes: u64,
    /// How many builds are using the cache now.
    pub running: usize,
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn as_text<S: Serializer>(time: &Option<SystemTime>, to: S) -> Result<S::Ok, S::Error> {
    let text = time.and_then(|time| {
        let seconds = OffsetDateTime::from(time).replace_nanosecond(0).ok()?;
        seconds.format(&Rfc3339).ok()
    });
    text.serialize(to)
}

/// The size of a directory's files in bytes, and whether all of them were counted.
pub(super) fn weigh(directory: &Path) -> (u64, bool) {
    let mut bytes = 0;
    let entries = walkdir::WalkDir::new(directory).into_iter().flatten();
    for (at, entry) in entries.enumerate() {
        if at > MAX_COUNTED {
            return (bytes, false);
        }
        bytes += entry.metadata().map_or(0, |of| on_disk(&of));
    }
    (bytes, true)
}

/// The bytes that a file takes.
#[cfg(unix)]
fn on_disk(file: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(file) * 512
}

#[cfg(not(unix))]
fn on_disk(file: &std::fs::Metadata) -> u64 {
    file.len()
}

/// The entries of a cache, without the directories of running builds. `known` looks up sizes
/// measured before.
pub(super) fn items(root: &Path, known: impl Fn(&Digest) -> Option<u64>) -> Vec<Item> {
    let mut items = Vec::new();
    let mut files = |kind: CacheKind, directory: PathBuf, is_it: &dyn Fn(&str) -> bool| {
        for entry in fs_err::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(of) = entry.metadata().ok().filter(|_| is_it(&name)) {
                items.push(Item {
                    kind,
                    path: entry.path(),
                    bytes: of.len(),
                    used: of.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                });
            }
        }
    };
    // The user may have named a directory with other files in it. Those are not listed.
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        files(
            CacheKind::Blobs,
            root.join("blobs").join(algorithm.name()),
            &is_hex,
        );
    }
    files(CacheKind::Trees, root.join("trees"), &is_hex);
    for kind in fs_err::read_dir(root.join("notes"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let is_note = |name: &str| name.strip_suffix(".json").is_some_and(is_hex);
        files(CacheKind::Notes, kind.path(), &is_note);
    }
    for item in items
        .iter_mut()
        .filter(|item| item.kind == CacheKind::Trees)
    {
        let name = item.path.file_name().unwrap_or_default().to_string_lossy();
        let digest = Digest::sha256_hex(&name).ok();
        let size = digest.and_then(|digest| known(&digest));
        item.bytes = size.unwrap_or_else(|| weigh(&item.path).0);
    }
    let store = root.join(STORE);
    if let Ok(of) = fs_err::symlink_metadata(&store) {
        let size = known(&Digest::of(STORE.as_bytes()));
        items.push(Item {
            kind: CacheKind::PnpmStore,
            bytes: size.unwrap_or_else(|| weigh(&store).0),
            used: of.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            path: store,
        });
    }
    items
}

fn is_hex(name: &str) -> bool {
    name.len() >= 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Usage {
    /// Measures a cache, which need not exist.
    pub fn of(root: &Path) -> Result<Self, CacheError> {
        let is_there = root.exists();
        if is_there {
            place::check(root)?;
        }
        let mut items = items(root, |_| None);
        if is_there {
            for entry in fs_err::read_dir(temporary(root))
                .into_iter()
                .flatten()
                .flatten()
            {
                let used = entry.metadata().ok().and_then(|of| of.modified().ok());
                items.push(Item {
                    kind: CacheKind::Unfinished,
                    bytes: weigh(&entry.path()).0,
                    used: used.unwrap_or(SystemTime::UNIX_EPOCH),
                    path: entry.path(),
                });
            }
        }
        let kinds = CacheKind::ALL.map(|kind| {
            let of_kind = || items.iter().filter(|item| item.kind == kind);
            KindUsage {
                kind,
                count: of_kind().count(),
                bytes: of_kind().map(|item| item.bytes).sum(),
                last_used: of_kind().map(|item| item.used).max(),
            }
        });
        let running = if is_there && Gate::alone(root).is_some() {
            Others::find(root, None).living.len()
        } else {
            0
        };
        Ok(Self {
            bytes: kinds.iter().map(|kind| kind.bytes).sum(),
            kinds: kinds.to_vec(),
            running,
        })
    }
}

impl Cache {
    /// The default limit in bytes: a tenth of the disk, at most 20 GB.
    pub fn default_limit(root: &Path) -> u64 {
        const MAX_DEFAULT: u64 = 20_000_000_000;
        let there = root.ancestors().find(|path| path.exists());
        let disk = there.and_then(disk_size);
        disk.map_or(MAX_DEFAULT, |disk| (disk / 10).min(MAX_DEFAULT))
    }
}

/// The bytes of the disk that a path is on, if the system tells.
#[cfg(unix)]
fn disk_size(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_blocks * disk.f_frsize)
}

#[cfg(not(unix))]
fn disk_size(_: &Path) -> Option<u64> {
    None
}
