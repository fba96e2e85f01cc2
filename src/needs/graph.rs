//! The graph of members: their dependencies on each other from the lockfile's links, and an order
//! for building.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::Direction;
use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graphmap::DiGraphMap;

use crate::lockfile::{Field, Lockfiles};
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::needs::local::{Local, unrecorded};
use crate::needs::sets::{Set, Sets};
use crate::workspace::Workspace;

/// Members, and the strongest edge between each pair.
#[derive(Debug)]
pub struct Graph {
    edges: DiGraphMap<MemberId, Edge>,
}

/// Why one member depends on another; stronger reasons sort first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Whether only `peerDependencies` contains it, and pnpm recorded it because of
    /// `autoInstallPeers`. turbo has no such edge.
    pub peer: bool,
    /// The lockfile's map that contains it.
    pub field: Field,
}

impl Edge {
    /// An edge that is not a peer's.
    pub const fn of(field: Field) -> Self {
        Self { peer: false, field }
    }
}

/// Members that depend on each other in a circle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circle {
    /// One way around; each member needs the next.
    path: Vec<MemberId>,
    /// All members of the circle.
    members: BTreeSet<MemberId>,
    /// Whether the circle remains without dev dependencies and peers.
    pub closed: bool,
}

impl Circle {
    /// How many of its members run something in a build.
    pub fn builders(&self, builds: impl Fn(MemberId) -> bool) -> usize {
        self.members.iter().filter(|at| builds(**at)).count()
    }

    /// `a → b → a`
    pub fn display(&self, workspace: &Workspace) -> String {
        let labels: Vec<String> = self
            .path
            .iter()
            .chain(self.path.first())
            .map(|&at| workspace.members[at].label())
            .collect();
        labels.join(" → ")
    }
}

impl Graph {
    /// Reads the direct edges of all importers. A link counts if it leads to a member, or into a
    /// directory in one, such as its build output.
    pub fn new(workspace: &Workspace, lockfiles: &Lockfiles<'_>) -> Self {
        let mut edges = DiGraphMap::new();
        for (at, member) in workspace.members.with_ids() {
            edges.add_node(at);
            let project = lockfiles.project(&member.dir);
            let home = lockfiles.home(&member.dir);
            let text = home.map(|home| &lockfiles.all()[home.lockfile]);
            let links = unrecorded(text, project.map(|(_, importer)| importer), member);
            let links = links.into_iter().filter_map(|link| {
                let dir = link.dir(member).ok()?;
                Some((linked(workspace, &dir)?, Edge::of(link.field)))
            });
            let recorded = project.into_iter().flat_map(|(lockfile, importer)| {
                let lockfile = &lockfiles.all()[lockfile];
                importer.dependencies.iter().filter_map(move |dependency| {
                    let dir = lockfile.local_target(importer, dependency)?;
                    let to = if dependency.version.starts_with("link:") {
                        linked(workspace, &dir)
                    } else {
                        workspace.member_in(&dir)
                    };
                    let alias = &*dependency.alias;
                    let manifest = &member.manifest;
                    let edge = Edge {
                        peer: !manifest.depends_on(alias) && manifest.peers().contains_key(alias),
                        field: dependency.field,
                    };
                    Some((to?, edge))
                })
            });
            for (to, edge) in recorded.chain(links) {
                let known = edges.edge_weight(at, to).copied();
                edges.add_edge(at, to, known.map_or(edge, |known: Edge| known.min(edge)));
            }
        }
        Self { edges }
    }

    /// The members that `at` depends on directly.
    pub fn dependencies(&self, at: MemberId) -> Vec<(MemberId, Edge)> {
        let mut found: Vec<(MemberId, Edge)> = self
            .edges
            .edges(at)
            .map(|(_, to, &edge)| (to, edge))
            .collect();
        found.sort_unstable();
        found
    }

    /// The members that `starts` reach through dependencies of any kind, including themselves.
    /// The root project is not followed: it builds nothing that an app needs.
    pub fn reachable(&self, starts: impl Iterator<Item = MemberId>) -> Vec<MemberId> {
        let mut found: BTreeSet<MemberId> = BTreeSet::new();
        let mut queue: Vec<MemberId> = starts.collect();
        let with_root = queue.contains(&MemberId::ROOT);
        while let Some(at) = queue.pop() {
            if (!at.is_root() || with_root) && found.insert(at) {
                queue.extend(self.dependencies(at).into_iter().map(|(to, _)| to));
            }
        }
        found.into_iter().collect()
    }

    /// Orders members so that each follows its dependencies; ties keep the order of members. Edges
    /// that close a circle are ignored: peers first, then dev dependencies, finally any. Circles
    /// closed only by peers are not reported, since turbo does not have them.
    pub fn build_order(&self, members: &[MemberId]) -> (Vec<MemberId>, Vec<Circle>) {
        // Edges lead from a dependency to its dependents, so that a topological order builds.
        let mut needed_by: DiGraphMap<MemberId, Edge> = DiGraphMap::new();
        for &at in members {
            needed_by.add_node(at);
            for (to, edge) in self.dependencies(at) {
                if to != at && members.binary_search(&to).is_ok() {
                    needed_by.add_edge(to, at, edge);
                }
            }
        }
        open(&mut needed_by, |edge| edge.peer);
        let mut circles: Vec<Circle> = Vec::new();
        for members in components(&needed_by) {
            let path = circle(&needed_by, &members);
            let closed = false;
            circles.push(Circle {
                path,
                members,
                closed,
            });
        }
        open(&mut needed_by, |edge| edge.field == Field::Dev);
        for members in components(&needed_by) {
            // The rest is part of a known circle.
            let known = circles
                .iter_mut()
                .find(|circle| circle.members.is_superset(&members));
            if let Some(known) = known {
                *known = Circle {
                    path: circle(&needed_by, &members),
                    members: std::mem::take(&mut known.members),
                    closed: true,
                };
            }
        }
        open(&mut needed_by, |_| true);
        (sorted_order(&needed_by), circles)
    }

    /// The transitive dependencies of each member that precede it in the order. Members of a circle
    /// need each other.
    pub fn needed(&self, order: &[MemberId], sets: &mut Sets) -> BTreeMap<MemberId, Set> {
        let mut edges: DiGraphMap<MemberId, Edge> = DiGraphMap::new();
        let known: BTreeSet<MemberId> = order.iter().copied().collect();
        for &at in order {
            let own = self.dependencies(at).into_iter();
            for (to, edge) in own.filter(|(to, _)| known.contains(to)) {
                edges.add_edge(at, to, edge);
            }
        }
        let mut circles: Vec<Set> = Vec::new();
        let mut inside: BTreeMap<MemberId, usize> = BTreeMap::new();
        for component in components(&edges) {
            inside.extend(component.into_iter().map(|at| (at, circles.len())));
            circles.push(Set::EMPTY);
        }
        let mut found: BTreeMap<MemberId, Set> = BTreeMap::new();
        for &at in order {
            let mut needed = Set::EMPTY;
            for to in edges.neighbors(at) {
                let near = match (inside.get(&to), found.get(&to)) {
                    (Some(&circle), _) => circles[circle],
                    (None, Some(&far)) => sets.with(far, to),
                    (None, None) => Set::EMPTY,
                };
                needed = sets.union(needed, near);
            }
            found.insert(at, needed);
            if let Some(&circle) = inside.get(&at) {
                let own = sets.with(needed, at);
                circles[circle] = sets.union(circles[circle], own);
            }
        }
        found
    }
}

/// The member that a link leads to or into.
fn linked(workspace: &Workspace, dir: &RepoPath) -> Option<MemberId> {
    match Local::of(workspace, dir) {
        Local::Member(to) => Some(to),
        Local::Installed(..) | Local::Nothing | Local::Directory => None,
    }
}

/// Removes the edges in circles that may be removed.
fn open(needed_by: &mut DiGraphMap<MemberId, Edge>, may_go: impl Fn(Edge) -> bool) {
    let mut inside: BTreeMap<MemberId, usize> = BTreeMap::new();
    for (number, members) in components(needed_by).into_iter().enumerate() {
        inside.extend(members.into_iter().map(|at| (at, number)));
    }
    let gone: Vec<(MemberId, MemberId)> = needed_by
        .all_edges()
        .filter(|(from, to, edge)| {
            let circle = inside.get(from);
            may_go(**edge) && circle.is_some() && circle == inside.get(to)
        })
        .map(|(from, to, _)| (from, to))
        .collect();
    for (from, to) in gone {
        needed_by.remove_edge(from, to);
    }
}

/// One way around through the first member of a strongly connected component.
fn circle(needed_by: &DiGraphMap<MemberId, Edge>, component: &BTreeSet<MemberId>) -> Vec<MemberId> {
    let mut path: Vec<MemberId> = component.first().copied().into_iter().collect();
    let mut places: BTreeMap<MemberId, usize> = path.iter().map(|&at| (at, 0)).collect();
    while let Some(&last) = path.last() {
        let needs = needed_by.neighbors_directed(last, Direction::Incoming);
        let Some(next) = needs.filter(|to| component.contains(to)).min() else {
            break;
        };
        if let Some(&start) = places.get(&next) {
            return path.split_off(start);
        }
        places.insert(next, path.len());
        path.push(next);
    }
    path
}

/// The circles of a graph: components of more than one member that all reach each other.
fn components(graph: &DiGraphMap<MemberId, Edge>) -> Vec<BTreeSet<MemberId>> {
    let all = kosaraju_scc(graph).into_iter();
    all.filter(|component| component.len() > 1)
        .map(|component| component.into_iter().collect())
        .collect()
}

/// Kahn's algorithm, smallest position first: `toposort` does not define the order of ties.
fn sorted_order(needed_by: &DiGraphMap<MemberId, Edge>) -> Vec<MemberId> {
    debug_assert!(toposort(needed_by, None).is_ok(), "circles were taken out");
    let waits = |at: MemberId| {
        let first = needed_by.neighbors_directed(at, Direction::Incoming);
        first.count()
    };
    let mut open: BTreeMap<MemberId, usize> = needed_by.nodes().map(|at| (at, waits(at))).collect();
    let ready = open.iter().filter(|(_, waits)| **waits == 0);
    let mut ready: BTreeSet<MemberId> = ready.map(|(&at, _)| at).collect();
    let mut order = Vec::with_capacity(open.len());
    while let Some(at) = ready.pop_first() {
        for next in needed_by.neighbors(at) {
            if let Some(waits) = open.get_mut(&next) {
                *waits -= 1;
                if *waits == 0 {
                    ready.insert(next);
                }
            }
        }
        order.push(at);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::workspace;

    /// The build order of `apps/a` and `packages/{b,c}` with links given as `a b dependencies`.
    fn order(links: &[(&str, &str, &str)]) -> String {
        let dirs = [("apps/a", "a"), ("packages/b", "b"), ("packages/c", "c")];
        let mut lockfile = "lockfileVersion: '9.0'\n\nimporters:\n".to_owned();
        for (dir, name) in dirs {
            let entry = |(_, to, _): &&(&str, &str, &str)| {
                let target = dirs.iter().find(|(_, name)| name == to).unwrap().0;
                let lines = [
                    format!("      {to}:"),
                    "        specifier: workspace:*".to_owned(),
                    format!("        version: link:../../{target}\n"),
                ];
                lines.join("\n")
            };
            let map = |field: &str| {
                // pnpm records a peer among the dependencies if no other map has it.
                let has = |from, to, field| links.contains(&(from, to, field));
                let own = links.iter().filter(|(from, to, own)| {
                    let own = match *own {
                        "peerDependencies" if !has(from, to, "devDependencies") => "dependencies",
                        own => own,
                    };
                    *from == name && own == field
                });
                let entries: String = own.map(|one| entry(&one)).collect();
                if entries.is_empty() {
                    entries
                } else {
                    format!("    {field}:\n{entries}")
                }
            };
            let entries = ["dependencies", "devDependencies"].map(map).concat();
            let value = if entries.is_empty() {
                " {}\n".to_owned()
            } else {
                format!("\n{entries}")
            };
            lockfile.push_str(&["\n  ", dir, ":", &value].concat());
        }
        let manifests = dirs.map(|(dir, name)| {
            let map = |field: &str| {
                let own = links
                    .iter()
                    .filter(|(from, _, own)| *from == name && *own == field);
                let own: Vec<String> = own.map(|(_, to, _)| format!("\"{to}\": \"*\"")).collect();
                format!("\"{field}\": {{{}}}", own.join(", "))
            };
            let maps = ["dependencies", "devDependencies", "peerDependencies"].map(map);
            let text = format!("{{\"name\": \"{name}\", {}}}", maps.join(", "));
            (format!("{dir}/package.json"), text)
        });
        let mut files = vec![("pnpm-lock.yaml", lockfile.as_str())];
        files.extend(
            manifests
                .iter()
                .map(|(path, text)| (path.as_str(), text.as_str())),
        );
        let (_dir, workspace) = workspace(&files);
        let lockfiles = Lockfiles::parse(&workspace.lockfiles).unwrap();
        let graph = Graph::new(&workspace, &lockfiles);
        let (order, circles) = graph.build_order(&[1, 2, 3].map(MemberId::new));
        let label = |at: &MemberId| workspace.members[*at].label();
        let names: Vec<String> = order.iter().map(label).collect();
        let shown = |circle: &Circle| {
            let closed = if circle.closed { "!" } else { "" };
            circle.display(&workspace) + closed
        };
        let circles: Vec<String> = circles.iter().map(shown).collect();
        format!("{} [{}]", names.join(" "), circles.join(", "))
    }

    #[test]
    fn what_is_needed_comes_first() {
        let (prod, dev, peer) = ("dependencies", "devDependencies", "peerDependencies");
        assert_eq!(order(&[]), "a b c []");
        assert_eq!(order(&[("a", "b", prod), ("b", "c", dev)]), "c b a []");
        assert_eq!(order(&[("a", "c", prod), ("a", "b", prod)]), "b c a []");
        assert_eq!(order(&[("a", "b", peer), ("b", "c", peer)]), "c b a []");
    }

    #[test]
    fn circles_are_shown_as_a_chain() {
        let (prod, dev) = ("dependencies", "devDependencies");
        assert_eq!(
            order(&[("b", "c", prod), ("c", "b", dev)]),
            "a c b [b → c → b]"
        );
        assert_eq!(
            order(&[("a", "b", prod), ("b", "c", prod), ("c", "a", prod)]),
            "a b c [a → b → c → a!]"
        );
    }

    #[test]
    fn a_peer_closes_no_circle() {
        let (prod, dev, peer) = ("dependencies", "devDependencies", "peerDependencies");
        assert_eq!(order(&[("b", "c", prod), ("c", "b", peer)]), "a c b []");
        // The peer edge is removed first, so that the dev dependency is respected.
        assert_eq!(
            order(&[("a", "b", dev), ("b", "c", prod), ("c", "a", peer)]),
            "c b a []"
        );
        assert_eq!(
            order(&[("b", "c", prod), ("c", "b", dev), ("c", "b", peer)]),
            "a c b [b → c → b]"
        );
    }
}
