//! Entries of `packages` or `snapshots`, which are found by their keys.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::ops::Deref;

use hashbrown::HashTable;

use super::document::Entry;

/// Entries in the order of their keys. A lookup does not search, because a lockfile has thousands of
/// references whose keys begin alike.
#[derive(Debug, Default)]
pub(super) struct Entries<'a> {
    all: Vec<Entry<'a>>,
    /// Positions, by key.
    places: HashTable<usize>,
    hasher: RandomState,
}

impl<'a> Entries<'a> {
    /// Takes entries with different keys.
    pub(super) fn new(all: Vec<Entry<'a>>) -> Self {
        let hasher = RandomState::new();
        let mut places = HashTable::with_capacity(all.len());
        let hash = |at: usize| hasher.hash_one(&*all[at].key);
        for at in 0..all.len() {
            places.insert_unique(hash(at), at, |&at| hash(at));
        }
        Self {
            all,
            places,
            hasher,
        }
    }

    /// The position of a key.
    pub(super) fn find(&self, key: &str) -> Option<usize> {
        let hash = self.hasher.hash_one(key);
        let found = self.places.find(hash, |&at| self.all[at].key == key);
        found.copied()
    }
}

impl<'a> Deref for Entries<'a> {
    type Target = [Entry<'a>];

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_where_they_are() {
        let entry = |key: &str| Entry {
            key: key.to_owned().into(),
            range: 0..0,
            head: 0,
            body: 0,
        };
        let entries = Entries::new(["a@1.0.0", "a@1.0.1", "b@1.0.0"].map(entry).into());
        let places = ["a@1.0.0", "a@1.0.1", "b@1.0.0", "b@1.0.1"].map(|key| entries.find(key));
        assert_eq!(places, [Some(0), Some(1), Some(2), None]);
        assert_eq!(Entries::default().find("a@1.0.0"), None);
    }
}
