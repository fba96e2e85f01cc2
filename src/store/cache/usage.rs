//! What lies in the cache: every entry with its size and the time when it was used, and sums of them.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::lease::{Gate, Others, temporary};
use super::{Cache, CacheError, place};
use crate::model::digest::{Algorithm, Digest};

/// The directory that is pnpm's.
pub(super) const STORE: &str = "pnpm-store";
/// The notes about how large directories are.
pub(super) const SIZES: &str = "sizes";
/// No more files of one directory are counted while an image is made.
const COUNTED: usize = 200_000;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Layers as they are sent, and downloads.
    Blobs,
    /// Layers as directories.
    Trees,
    /// What pnpm fetched.
    PnpmStore,
    /// What is known about keys.
    Notes,
    /// What is being written, and what was left behind.
    Unfinished,
}

impl Kind {
    /// All of them.
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
    pub(super) kind: Kind,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) used: SystemTime,
}

/// What there is of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KindUsage {
    /// Which.
    pub kind: Kind,
    /// How many there are.
    pub count: usize,
    /// How large they are together.
    pub bytes: u64,
    /// When one of them was used last.
    #[serde(serialize_with = "as_text")]
    pub last_used: Option<SystemTime>,
}

/// What there is of all kinds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// A row each.
    pub kinds: Vec<KindUsage>,
    /// The sum.
    pub bytes: u64,
    /// How many builds are using it now.
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

/// How many bytes the files of a directory take, and whether all of them were counted.
pub(super) fn weigh(directory: &Path) -> (u64, bool) {
    let mut bytes = 0;
    let entries = walkdir::WalkDir::new(directory).into_iter().flatten();
    for (at, entry) in entries.enumerate() {
        if at > COUNTED {
            return (bytes, false);
        }
        bytes += entry.metadata().map_or(0, |of| of.blocks() * 512);
    }
    (bytes, true)
}

/// The entries of a cache, those of running builds' own directories aside. `known` has the sizes of directories that were weighed before.
pub(super) fn items(root: &Path, known: impl Fn(&Digest) -> Option<u64>) -> Vec<Item> {
    let mut items = Vec::new();
    let mut files = |kind: Kind, directory: PathBuf, is_it: &dyn Fn(&str) -> bool| {
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
    // Whatever else lies in a directory that was named by mistake is not the cache's.
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        files(
            Kind::Blobs,
            root.join("blobs").join(algorithm.name()),
            &is_hex,
        );
    }
    files(Kind::Trees, root.join("trees"), &is_hex);
    for kind in fs_err::read_dir(root.join("notes"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let is_note = |name: &str| name.strip_suffix(".json").is_some_and(is_hex);
        files(Kind::Notes, kind.path(), &is_note);
    }
    for item in items.iter_mut().filter(|item| item.kind == Kind::Trees) {
        let name = item.path.file_name().unwrap_or_default().to_string_lossy();
        let digest = Digest::sha256_hex(&name).ok();
        let size = digest.and_then(|digest| known(&digest));
        item.bytes = size.unwrap_or_else(|| weigh(&item.path).0);
    }
    let store = root.join(STORE);
    if let Ok(of) = fs_err::symlink_metadata(&store) {
        let size = known(&Digest::of(STORE.as_bytes()));
        items.push(Item {
            kind: Kind::PnpmStore,
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
    /// Of a cache that may not be there.
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
                    kind: Kind::Unfinished,
                    bytes: weigh(&entry.path()).0,
                    used: used.unwrap_or(SystemTime::UNIX_EPOCH),
                    path: entry.path(),
                });
            }
        }
        let kinds = Kind::ALL.map(|kind| {
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
    /// How many bytes it may have where nobody says otherwise: a tenth of its disk, at most 20 GB.
    pub fn default_limit(root: &Path) -> u64 {
        const MOST: u64 = 20_000_000_000;
        let there = root.ancestors().find(|path| path.exists());
        let disk = there.and_then(|path| rustix::fs::statvfs(path).ok());
        disk.map_or(MOST, |disk| (disk.f_blocks * disk.f_frsize / 10).min(MOST))
    }
}
