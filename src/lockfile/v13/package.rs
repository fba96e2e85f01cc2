//! A package, with the nodes that it stands for: one for each choice of peers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::choose::Peers;
use super::parse::{Pair, Value, pairs};
use crate::lockfile::LockfileError;
use crate::lockfile::keys::{Format, Reference, resolve};
use crate::lockfile::lines::unreadable;

/// A package as it is read.
pub(super) struct Package<'t> {
    pub(super) pair: &'t Pair<'t>,
    /// The peers of each of its nodes, and what decides between the nodes of a peer.
    pub(super) nodes: Vec<Bound<'t>>,
}

/// A node's peers.
pub(super) struct Bound<'t> {
    pub(super) peers: Peers<'t>,
    /// Those that the package itself asks for.
    pub(super) own: Vec<OwnPeer<'t>>,
    /// The key in `snapshots` of the translation.
    pub(super) key: String,
}

pub(super) struct OwnPeer<'t> {
    pub(super) name: &'t str,
    pub(super) version: &'t str,
    pub(super) with: Peers<'t>,
    pub(super) optional: bool,
}

/// Reads a package's nodes.
pub(super) fn read<'t>(text: &str, pair: &'t Pair<'t>) -> Result<Package<'t>, LockfileError> {
    if pair.value.map().is_none() {
        let problem = format!("`{}` is not a map", pair.key);
        return Err(unreadable(text, pair.range.start, problem));
    }
    let mut nodes: Vec<Bound<'t>> = Vec::new();
    for parts in snapshots(&pair.value) {
        let mut peers = Peers::new();
        let mut own: BTreeMap<&str, OwnPeer<'t>> = BTreeMap::new();
        let declared = pair.value.get("peerDependencies");
        for peer in parts
            .iter()
            .flat_map(|part| pairs(part.get("peerDependencies")))
        {
            let Some(version) = peer.value.get("version").and_then(Value::text) else {
                continue;
            };
            peers.insert(&*peer.key, version);
            if peer.value.get("below").is_some_and(Value::is_true) {
                continue;
            }
            let optional = declared.and_then(|all| all.get(&peer.key)?.get("optional"));
            own.insert(
                &peer.key,
                OwnPeer {
                    name: &peer.key,
                    version,
                    with: with(&peer.value),
                    optional: optional.is_some_and(Value::is_true),
                },
            );
        }
        let mut key = pair.key.to_string();
        for (name, version) in &peers {
            let peer = match resolve(Format::V9, name, version) {
                Reference::Entry(key) => key.into_owned(),
                Reference::Link(dir) => format!("{name}@{}", dir.replace('/', "+")),
            };
            // A bracket in a directory's name would end the peer early.
            let _ = write!(key, "({})", peer.replace(['(', ')'], "_"));
        }
        if nodes.iter().any(|node| node.key == key) {
            let _ = write!(key, "(snapshot@{})", nodes.len() + 1);
        }
        nodes.push(Bound {
            peers,
            own: own.into_values().collect(),
            key,
        });
    }
    Ok(Package { pair, nodes })
}

/// The parts of each node of a package: what all share, and its own.
pub(super) fn snapshots<'t>(package: &'t Value<'t>) -> Vec<Vec<&'t Value<'t>>> {
    match package.get("snapshots").and_then(Value::list) {
        Some(items) if !items.is_empty() => items
            .iter()
            .map(|item| vec![package, &item.value])
            .collect(),
        _ => vec![vec![package]],
    }
}

/// What decides between the nodes of a package.
pub(super) fn with<'v>(value: &'v Value<'_>) -> Peers<'v> {
    let version = |value: &'v Value<'_>| value.text().or_else(|| value.get("version")?.text());
    pairs(value.get("with"))
        .iter()
        .filter_map(|pair| Some((&*pair.key, version(&pair.value)?)))
        .collect()
}
