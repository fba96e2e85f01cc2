//! The graph of members: who depends on whom, by the lockfile's own links, in an order that builds.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graphmap::DiGraphMap;

use crate::lockfile::{Field, Lockfiles};
use crate::needs::sets::{Set, Sets};
use crate::workspace::Workspace;

/// Members (by position in [`Workspace::members`]) and the strongest kind of dependency between each two.
#[derive(Debug)]
pub struct Graph {
    edges: DiGraphMap<usize, Field>,
}

/// Members that depend on each other in a circle, each followed by the one that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle(pub Vec<usize>);

impl Cycle {
    /// `a → b → a`
    pub fn display(&self, workspace: &Workspace) -> String {
        let labels: Vec<String> = self
            .0
            .iter()
            .chain(self.0.first())
            .map(|&at| workspace.members[at].label())
            .collect();
        labels.join(" → ")
    }
}

impl Graph {
    /// Reads the direct edges of all importers. Links that land in no member are not edges.
    pub fn new(workspace: &Workspace, lockfiles: &Lockfiles<'_>) -> Self {
        let mut edges = DiGraphMap::new();
        for (at, member) in workspace.members.iter().enumerate() {
            edges.add_node(at);
            let Some((lockfile, importer)) = lockfiles.project(&member.dir) else {
                continue;
            };
            let lockfile = &lockfiles.all()[lockfile];
            for dependency in &importer.dependencies {
                let Some(to) = lockfile
                    .local_target(importer, dependency)
                    .and_then(|dir| workspace.position(&dir))
                else {
                    continue;
                };
                let strongest = edges
                    .edge_weight(at, to)
                    .map_or(dependency.field, |&known: &Field| {
                        known.min(dependency.field)
                    });
                edges.add_edge(at, to, strongest);
            }
        }
        Self { edges }
    }

    /// The members that `at` depends on directly, by position.
    pub fn dependencies(&self, at: usize) -> Vec<(usize, Field)> {
        let mut found: Vec<(usize, Field)> = self
            .edges
            .edges(at)
            .map(|(_, to, &field)| (to, field))
            .collect();
        found.sort_unstable();
        found
    }

    /// The members that `starts` reach over any kind of dependency, themselves included, by position. The root project is not followed: it builds
    /// nothing that an app needs.
    pub fn reachable(&self, starts: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut found: BTreeSet<usize> = BTreeSet::new();
        let mut queue: Vec<usize> = starts.collect();
        while let Some(at) = queue.pop() {
            if at != 0 && found.insert(at) {
                queue.extend(self.dependencies(at).into_iter().map(|(to, _)| to));
            }
        }
        found.into_iter().collect()
    }

    /// Orders members so that each follows what it depends on; among equals, by position. Dev dependencies that close a circle are passed
    /// over and reported; a circle without any is an error.
    pub fn build_order(&self, members: &[usize]) -> Result<(Vec<usize>, Vec<Cycle>), Cycle> {
        // An edge leads from what is needed to what needs it, so that a topological order builds.
        let mut needed_by: DiGraphMap<usize, Field> = DiGraphMap::new();
        for &at in members {
            needed_by.add_node(at);
            for (to, field) in self.dependencies(at) {
                if to != at && members.binary_search(&to).is_ok() {
                    needed_by.add_edge(to, at, field);
                }
            }
        }
        let mut circles = Vec::new();
        let mut inside: BTreeMap<usize, usize> = BTreeMap::new();
        for component in components(&needed_by) {
            inside.extend(component.iter().map(|&at| (at, circles.len())));
            circles.push(self.circle(&component));
        }
        let gone: Vec<(usize, usize)> = needed_by
            .all_edges()
            .filter(|(from, to, field)| {
                let circle = inside.get(from);
                **field == Field::Dev && circle.is_some() && circle == inside.get(to)
            })
            .map(|(from, to, _)| (from, to))
            .collect();
        for (from, to) in gone {
            needed_by.remove_edge(from, to);
        }
        match components(&needed_by).first() {
            Some(component) => Err(self.circle(component)),
            None => Ok((sorted_order(&needed_by), circles)),
        }
    }

    /// What each member of an order needs, near or far, of those that stand before it. The members of a circle need each other.
    pub fn needed(&self, order: &[usize], sets: &mut Sets) -> BTreeMap<usize, Set> {
        let mut edges: DiGraphMap<usize, Field> = DiGraphMap::new();
        let known: BTreeSet<usize> = order.iter().copied().collect();
        for &at in order {
            let own = self.dependencies(at).into_iter();
            for (to, field) in own.filter(|(to, _)| known.contains(to)) {
                edges.add_edge(at, to, field);
            }
        }
        let mut circles: Vec<Set> = Vec::new();
        let mut inside: BTreeMap<usize, usize> = BTreeMap::new();
        for component in components(&edges) {
            inside.extend(component.into_iter().map(|at| (at, circles.len())));
            circles.push(Set::EMPTY);
        }
        let mut found: BTreeMap<usize, Set> = BTreeMap::new();
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

    /// One circle through the first of a strongly connected set of members.
    fn circle(&self, component: &BTreeSet<usize>) -> Cycle {
        let mut path: Vec<usize> = component.first().copied().into_iter().collect();
        let mut places: BTreeMap<usize, usize> = path.iter().map(|&at| (at, 0)).collect();
        while let Some(&last) = path.last() {
            let next = self
                .dependencies(last)
                .into_iter()
                .map(|(to, _)| to)
                .find(|to| component.contains(to) && *to != last);
            let Some(next) = next else { break };
            if let Some(&start) = places.get(&next) {
                return Cycle(path.split_off(start));
            }
            places.insert(next, path.len());
            path.push(next);
        }
        Cycle(path)
    }
}

/// The circles of a graph: sets of more than one member that all reach each other.
fn components(graph: &DiGraphMap<usize, Field>) -> Vec<BTreeSet<usize>> {
    let all = kosaraju_scc(graph).into_iter();
    all.filter(|component| component.len() > 1)
        .map(|component| component.into_iter().collect())
        .collect()
}

/// Kahn's algorithm with the smallest position first, since `toposort` promises no order among equals.
fn sorted_order(needed_by: &DiGraphMap<usize, Field>) -> Vec<usize> {
    debug_assert!(toposort(needed_by, None).is_ok(), "circles were taken out");
    let waits = |at: usize| {
        let first = needed_by.neighbors_directed(at, petgraph::Direction::Incoming);
        first.count()
    };
    let mut open: BTreeMap<usize, usize> = needed_by.nodes().map(|at| (at, waits(at))).collect();
    let ready = open.iter().filter(|(_, waits)| **waits == 0);
    let mut ready: BTreeSet<usize> = ready.map(|(&at, _)| at).collect();
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

    /// Builds the order of `apps/a` and `packages/{b,c}` whose links are given as `a b dependencies`.
    fn order(links: &[(&str, &str, &str)]) -> Result<String, String> {
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
                let own = links.iter();
                let own = own.filter(|(from, _, own)| *from == name && *own == field);
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
        let (_dir, workspace) = workspace(&[
            ("pnpm-lock.yaml", &lockfile),
            ("apps/a/package.json", r#"{"name": "a"}"#),
            ("packages/b/package.json", r#"{"name": "b"}"#),
            ("packages/c/package.json", r#"{"name": "c"}"#),
        ]);
        let lockfiles = Lockfiles::parse(&workspace.lockfiles).unwrap();
        let graph = Graph::new(&workspace, &lockfiles);
        match graph.build_order(&[1, 2, 3]) {
            Ok((order, circles)) => {
                let names: Vec<String> = order
                    .iter()
                    .map(|&at| workspace.members[at].label())
                    .collect();
                let circles: Vec<String> = circles
                    .iter()
                    .map(|circle| circle.display(&workspace))
                    .collect();
                Ok(format!("{} [{}]", names.join(" "), circles.join(", ")))
            }
            Err(circle) => Err(circle.display(&workspace)),
        }
    }

    #[test]
    fn what_is_needed_comes_first() {
        let (prod, dev) = ("dependencies", "devDependencies");
        assert_eq!(order(&[]).unwrap(), "a b c []");
        assert_eq!(
            order(&[("a", "b", prod), ("b", "c", dev)]).unwrap(),
            "c b a []"
        );
        assert_eq!(
            order(&[("a", "c", prod), ("a", "b", prod)]).unwrap(),
            "b c a []"
        );
    }

    #[test]
    fn circles_are_shown_as_a_chain() {
        let (prod, dev) = ("dependencies", "devDependencies");
        assert_eq!(
            order(&[("b", "c", prod), ("c", "b", dev)]).unwrap(),
            "a c b [b → c → b]"
        );
        assert_eq!(
            order(&[("a", "b", prod), ("b", "c", prod), ("c", "a", prod)]).unwrap_err(),
            "a → b → c → a"
        );
    }
}
