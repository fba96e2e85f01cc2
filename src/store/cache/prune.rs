//! Removes entries unused for long, the least recently used ones if there are too many, and what
//! killed runs left behind.

use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::Cache;
use super::lease::{Gate, Others, temporary};
use super::usage::{CacheKind, Item, SIZES, STORE, items};
use crate::model::digest::Digest;

/// Entries unused for this long are removed.
pub(super) const UNUSED_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Unpacked layers are large and quickly made again.
pub(super) const TREES_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// An unfinished file of an older slimbuild is a leftover after this time.
pub(super) const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a measured size of pnpm's store is reused.
const SIZE_REUSED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How far the disk's clock and this machine's may differ. Not in tests.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 60 });

/// Which entries to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Entries unused for long, then the least recently used until at most this many bytes are
    /// left. `None` is no limit.
    Limit(Option<u64>),
    /// Entries unused for this long.
    Older(Duration),
    /// Everything.
    All,
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// The number of removed entries.
    pub count: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// The size of the remaining entries in bytes.
    pub left: u64,
    /// How many other runs are using the cache. The entries they use stay.
    pub running: usize,
}

impl Cache {
    /// Removes entries unused for long and what exceeds the limit. Each run calls this at its end.
    /// It never fails.
    pub fn tidy(&self, limit: Option<u64>) {
        if !self.is_private() {
            self.prune_at(Which::Limit(limit), SystemTime::now());
        }
    }

    /// Removes entries. Those that other runs use are kept.
    pub fn prune(&self, which: Which) -> Pruned {
        self.prune_at(which, SystemTime::now())
    }

    pub(super) fn prune_at(&self, which: Which, now: SystemTime) -> Pruned {
        let (others, graves) = {
            let Some(_gate) = Gate::alone(self.root()) else {
                return Pruned::default();
            };
            let others = Others::find(self.root(), Some(&self.run.lease));
            let graves: Vec<_> = others.dead.iter().map(|dead| self.bury(dead)).collect();
            (others, graves)
        };
        drop(graves);
        self.sweep_abandoned(now);
        let store = Digest::of(STORE.as_bytes());
        let mut items = items(self.root(), |key| {
            let (bytes, at) = self.noted_size(key)?;
            let is_fresh = *key != store || age(at, now) < SIZE_REUSED_FOR;
            is_fresh.then_some(bytes)
        });
        for item in items
            .iter()
            .filter(|item| item.kind == CacheKind::PnpmStore)
        {
            self.note_size(&store, item.bytes, now);
        }
        items.sort_by_key(|item| item.used);
        let mut pruning = Pruning {
            cache: self,
            since: others
                .living
                .iter()
                .min()
                .and_then(|at| at.checked_sub(CLOCK_TOLERANCE)),
            total: items.iter().map(|item| item.bytes).sum(),
            done: Pruned {
                running: others.living.len(),
                ..Pruned::default()
            },
        };
        pruning.run(which, &items, now);
        Pruned {
            left: pruning.total,
            ..pruning.done
        }
    }

    /// Moves an entry out of the other runs' sight. It is removed when the value is dropped.
    fn bury(&self, path: &Path) -> Option<TempDir> {
        let grave = self.run.lease.directory().ok()?;
        fs_err::rename(path, grave.path().join("grave")).ok()?;
        Some(grave)
    }

    /// Removes what older versions of slimbuild, which had no directory for each run, left in
    /// `tmp/`.
    fn sweep_abandoned(&self, now: SystemTime) {
        for entry in fs_err::read_dir(temporary(self.root()))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_ours = name.starts_with("blob-") || name.starts_with("tree-");
            let used = entry.metadata().ok().and_then(|of| of.modified().ok());
            if is_ours && used.is_some_and(|used| age(used, now) > ABANDONED_AFTER) {
                drop(self.bury(&entry.path()));
            }
        }
    }

    /// The noted size of a directory, and when it was measured.
    fn noted_size(&self, key: &Digest) -> Option<(u64, SystemTime)> {
        let path = self.note_path(SIZES, key);
        let at = fs_err::symlink_metadata(&path).ok()?.modified().ok()?;
        let text = fs_err::read(&path).ok()?;
        Some((serde_json::from_slice(&text).ok()?, at))
    }

    fn note_size(&self, key: &Digest, bytes: u64, now: SystemTime) {
        let known = self.noted_size(key);
        if known.is_none_or(|(_, at)| age(at, now) >= SIZE_REUSED_FOR) {
            self.write_note(SIZES, key, &bytes);
        }
    }
}

/// A removal in progress.
struct Pruning<'p> {
    cache: &'p Cache,
    /// Entries used since then may be in use.
    since: Option<SystemTime>,
    total: u64,
    done: Pruned,
}

impl Pruning<'_> {
    fn run(&mut self, which: Which, items: &[Item], now: SystemTime) {
        let kept = |item: &Item| match which {
            Which::All => None,
            Which::Older(than) => Some(than),
            Which::Limit(_) if item.kind == CacheKind::Trees => Some(TREES_KEPT),
            Which::Limit(_) => Some(UNUSED_FOR),
        };
        let (old, rest): (Vec<&Item>, Vec<&Item>) = items
            .iter()
            .partition(|item| kept(item).is_none_or(|kept| age(item.used, now) > kept));
        for item in old {
            self.remove(item);
        }
        let Which::Limit(Some(limit)) = which else {
            return;
        };
        // pnpm does not record which parts of its store it uses, so the store is removed as a
        // whole. Every build uses it; one that is too large must not push out all other entries.
        let (stores, rest): (Vec<&Item>, Vec<&Item>) = rest
            .into_iter()
            .partition(|item| item.kind == CacheKind::PnpmStore);
        for store in stores.iter().filter(|store| store.bytes > limit / 2) {
            if self.total > limit {
                self.remove(store);
            }
        }
        for item in rest {
            if self.total <= limit {
                return;
            }
            self.remove(item);
        }
        for store in stores.iter().filter(|store| store.bytes <= limit / 2) {
            if self.total > limit {
                self.remove(store);
            }
        }
    }

    fn remove(&mut self, item: &Item) {
        let is_store = item.kind == CacheKind::PnpmStore;
        let in_use = self
            .since
            .is_some_and(|since| is_store || item.used >= since);
        if in_use || !self.cache.remove_unused(item) {
            return;
        }
        self.done.count += 1;
        self.done.bytes += item.bytes;
        self.total = self.total.saturating_sub(item.bytes);
    }
}

impl Cache {
    /// Removes an entry unless it was used since it was listed.
    fn remove_unused(&self, item: &Item) -> bool {
        let path = &item.path;
        let Some(gate) = Gate::alone(self.root()) else {
            return false;
        };
        let used = fs_err::symlink_metadata(path).and_then(|of| of.modified());
        // A run that started since may be about to use pnpm's store.
        let is_awaited = || {
            !Others::find(self.root(), Some(&self.run.lease))
                .living
                .is_empty()
        };
        if used.ok() != Some(item.used) || (item.kind == CacheKind::PnpmStore && is_awaited()) {
            return false;
        }
        if fs_err::remove_file(path).is_ok() {
            return true;
        }
        let grave = self.bury(path);
        // Removing a directory takes a while.
        drop(gate);
        grave.is_some()
    }
}

fn age(used: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(used).unwrap_or_default()
}
