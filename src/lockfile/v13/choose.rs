//! Which of a package's peers are meant: the file names only the package's version, and pnpm finds
//! the peers again from what is in sight there.
//!
//! The rule was found by comparing translations with what pnpm 12.21 itself writes as format 9.0
//! for the same workspaces (see the tests). Where nothing decides, it is the first snapshot; where
//! that would be the wrong one, pnpm writes `with` beside the version.

use std::collections::BTreeMap;

/// The peers of a node: name and version. Those that only packages below it need count too.
pub(super) type Peers<'t> = BTreeMap<&'t str, &'t str>;

/// The position of the snapshot that is meant by a reference. `scope` has what its writer sees by
/// this name, `with` what stands beside the version.
pub(super) fn choose<'s>(
    snapshots: &[&Peers<'_>],
    scope: &dyn Fn(&str) -> Option<&'s str>,
    with: &Peers<'s>,
) -> usize {
    let seen = |name: &str| with.get(name).copied().or_else(|| scope(name));
    let fits = |peers: &Peers<'_>| {
        peers
            .iter()
            .all(|(name, version)| seen(name).is_none_or(|seen| seen == *version))
    };
    let known = |peers: &Peers<'_>| peers.keys().filter(|name| seen(name).is_some()).count();
    let fitting = snapshots.iter().enumerate().filter(|(_, one)| fits(one));
    // The most peers in sight, then the fewest out of sight, then the first.
    let best = fitting.max_by_key(|(at, one)| {
        (
            known(one),
            std::cmp::Reverse(one.len()),
            std::cmp::Reverse(*at),
        )
    });
    best.map_or(0, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_in_sight_decide_and_with_decides_over_them() {
        let one = Peers::from([("react", "18.3.1"), ("ws", "8.0.0")]);
        let other = Peers::from([("react", "19.0.0")]);
        let bare = Peers::new();
        let chosen = |scope: &[(&str, &'static str)], with: &Peers<'static>| {
            let seen = |name: &str| {
                let mut all = scope.iter();
                all.find(|(key, _)| *key == name)
                    .map(|(_, version)| *version)
            };
            choose(&[&one, &other, &bare], &seen, with)
        };
        let none = Peers::new();
        assert_eq!(chosen(&[("react", "18.3.1")], &none), 0);
        assert_eq!(chosen(&[("react", "19.0.0")], &none), 1);
        assert_eq!(chosen(&[("react", "17.0.0")], &none), 2);
        // Nothing is in sight: the one without peers needs nothing.
        assert_eq!(chosen(&[], &none), 2);
        let with = Peers::from([("react", "19.0.0")]);
        assert_eq!(chosen(&[("react", "18.3.1")], &with), 1);
        assert_eq!(choose(&[&one, &one], &|_| None, &none), 0);
    }
}
