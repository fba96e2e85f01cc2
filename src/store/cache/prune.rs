//! What goes: what nobody used for long, the least recently used where there is too much, and what runs left behind that were killed.

use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::Cache;
use super::lease::{Gate, Others, temporary};
use super::usage::{Item, Kind, SIZES, STORE, items};
use crate::model::digest::Digest;

/// What was unused for so long is removed.
pub(super) const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Unpacked layers are large, and quickly made again.
pub(super) const TREES_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// What an older slimbuild was writing for so long was left behind.
pub(super) const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);
/// How long it is believed how large pnpm's store is.
const WEIGHED: Duration = Duration::from_secs(24 * 60 * 60);
/// Clocks of a disk and of this machine may differ by so much; in tests they do not.
const SLACK: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 60 });

/// What is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// What was unused for long, and the least recently used until no more than so many bytes are left. `None` is no limit.
    Limit(Option<u64>),
    /// What was unused for so long.
    Older(Duration),
    /// All of it.
    All,
}

/// What went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// How many entries.
    pub count: usize,
    /// How large they were.
    pub bytes: u64,
    /// How large the rest is.
    pub left: u64,
    /// How many other builds are using the cache: what they use stays.
    pub running: usize,
}

impl Cache {
    /// What each run does at its end: removes what was unused for long, and what is too much. No cache lets a run fail here.
    pub fn tidy(&self, limit: Option<u64>) {
        if !self.is_private() {
            self.prune_at(Which::Limit(limit), SystemTime::now());
        }
    }

    /// Removes entries. Those that other runs use stay.
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
            let is_fresh = *key != store || age(at, now) < WEIGHED;
            is_fresh.then_some(bytes)
        });
        for item in items.iter().filter(|item| item.kind == Kind::PnpmStore) {
            self.note_size(&store, item.bytes, now);
        }
        items.sort_by_key(|item| item.used);
        let mut pruning = Pruning {
            cache: self,
            since: others
                .living
                .iter()
                .min()
                .and_then(|at| at.checked_sub(SLACK)),
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

    /// Takes something out of everybody's sight. It goes with the value.
    fn bury(&self, path: &Path) -> Option<TempDir> {
        let grave = self.run.lease.directory().ok()?;
        fs_err::rename(path, grave.path().join("grave")).ok()?;
        Some(grave)
    }

    /// What slimbuild left in `tmp/` before runs had directories of their own there.
    fn sweep_abandoned(&self, now: SystemTime) {
        for entry in fs_err::read_dir(temporary(self.root()))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_ours = name.starts_with("blob-") || name.starts_with("tree-");
            let used = entry.metadata().ok().and_then(|of| of.modified().ok());
            if is_ours && used.is_some_and(|used| age(used, now) > ABANDONED) {
                drop(self.bury(&entry.path()));
            }
        }
    }

    /// How large a directory is, and when that was found out.
    fn noted_size(&self, key: &Digest) -> Option<(u64, SystemTime)> {
        let path = self.note_path(SIZES, key);
        let at = fs_err::symlink_metadata(&path).ok()?.modified().ok()?;
        let text = fs_err::read(&path).ok()?;
        Some((serde_json::from_slice(&text).ok()?, at))
    }

    fn note_size(&self, key: &Digest, bytes: u64, now: SystemTime) {
        let known = self.noted_size(key);
        if known.is_none_or(|(_, at)| age(at, now) >= WEIGHED) {
            self.write_note(SIZES, key, &bytes);
        }
    }
}

/// A removal that is going on.
struct Pruning<'p> {
    cache: &'p Cache,
    /// What was used since then may be in use.
    since: Option<SystemTime>,
    total: u64,
    done: Pruned,
}

impl Pruning<'_> {
    fn run(&mut self, which: Which, items: &[Item], now: SystemTime) {
        let kept = |item: &Item| match which {
            Which::All => None,
            Which::Older(than) => Some(than),
            Which::Limit(_) if item.kind == Kind::Trees => Some(TREES_KEPT),
            Which::Limit(_) => Some(KEPT),
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
        // pnpm does not note what it uses of its store, so it goes whole. It is used by every build: one that is too large must not push out
        // all the rest.
        let (stores, rest): (Vec<&Item>, Vec<&Item>) = rest
            .into_iter()
            .partition(|item| item.kind == Kind::PnpmStore);
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
        let is_store = item.kind == Kind::PnpmStore;
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
    /// Removes an entry unless it was used since it was looked at.
    fn remove_unused(&self, item: &Item) -> bool {
        let path = &item.path;
        let Some(gate) = Gate::alone(self.root()) else {
            return false;
        };
        let used = fs_err::symlink_metadata(path).and_then(|of| of.modified());
        // A run that began meanwhile may be about to use pnpm's store.
        let is_awaited = || {
            !Others::find(self.root(), Some(&self.run.lease))
                .living
                .is_empty()
        };
        if used.ok() != Some(item.used) || (item.kind == Kind::PnpmStore && is_awaited()) {
            return false;
        }
        if fs_err::remove_file(path).is_ok() {
            return true;
        }
        let grave = self.bury(path);
        // To remove a directory takes a while.
        drop(gate);
        grave.is_some()
    }
}

fn age(used: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(used).unwrap_or_default()
}
