//! Layers over each other: which entries a container sees.
//!
//! As in containerd, a later entry replaces an earlier one at its path, and what is no directory also
//! replaces everything below. A whiteout removes from lower layers only. Links to directories are not
//! followed: a file that one layer writes through a link of another counts at the path that it was
//! written to.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{EntryKind, ReadLayer};

/// For each entry of each layer, whether a container sees it.
pub(super) fn seen(layers: &[ReadLayer]) -> Vec<Vec<bool>> {
    let mut seen: Vec<Vec<bool>> = layers
        .iter()
        .map(|layer| vec![true; layer.entries.len()])
        .collect();
    // The entry that is seen at each path.
    let mut live: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (at, layer) in layers.iter().enumerate() {
        for (number, entry) in layer.entries.iter().enumerate() {
            let path = entry.path.as_str();
            let hidden: Vec<(&str, (usize, usize))> = match entry.kind {
                EntryKind::Directory => {
                    // A directory over a directory keeps what is in it.
                    let other = |(layer, entry): &(usize, usize)| {
                        layers[*layer].entries[*entry].kind != EntryKind::Directory
                    };
                    let own = live.get(path).copied().filter(other);
                    own.map(|place| (path, place)).into_iter().collect()
                }
                EntryKind::File | EntryKind::Other => at_and_below(&live, path),
                EntryKind::Whiteout | EntryKind::Opaque => {
                    let mut found = at_and_below(&live, path);
                    let is_opaque = entry.kind == EntryKind::Opaque;
                    found.retain(|(other, (layer, _))| {
                        *layer < at && !(is_opaque && *other == path)
                    });
                    found
                }
            };
            for (path, (layer, entry)) in hidden {
                live.remove(path);
                seen[layer][entry] = false;
            }
            if !matches!(entry.kind, EntryKind::Whiteout | EntryKind::Opaque) {
                live.insert(path, (at, number));
            }
        }
    }
    seen
}

/// What is seen at a path and below it.
fn at_and_below<'e>(
    live: &BTreeMap<&'e str, (usize, usize)>,
    path: &str,
) -> Vec<(&'e str, (usize, usize))> {
    let own = live.get_key_value(path);
    // Everything is below the root, whose path is empty.
    let first = if path.is_empty() {
        String::new()
    } else {
        format!("{path}/")
    };
    let below = live.range::<str, _>((Bound::Included(first.as_str()), Bound::Unbounded));
    let below = below.take_while(|(other, _)| other.starts_with(&first));
    let below = below.filter(|(other, _)| **other != path);
    let all = own.into_iter().chain(below);
    all.map(|(path, place)| (*path, *place)).collect()
}
