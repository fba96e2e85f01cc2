//! Routes: the shortest chains from some nodes of the web to others, and the edges that every chain
//! has.
//!
//! Entries that differ only in their peers have the same label. Chains are compared, counted and
//! cut by label, as the user sees them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;

use crate::ask::web::{Edge, Web};
use crate::lockfile::Field;

/// The chains to a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// The shortest chains, up to a limit.
    pub chains: Vec<Chain>,
    /// How many more chains of that length exist.
    pub more: u64,
}

/// A chain of dependencies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Chain {
    /// The directory of the member that it starts from.
    pub from: String,
    /// The dependencies, each of the one before it.
    pub steps: Vec<RouteStep>,
}

/// A dependency in a chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RouteStep {
    /// The manifest's map, if a member depends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    /// The name that it is imported by, if that is not its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// A directory, or `name@version`.
    pub to: String,
    /// Whether every chain, short or long, has this step: without this dependency the package is
    /// gone.
    pub only_way: bool,
}

/// Selects the edges that count.
pub(super) type Counts<'c> = &'c dyn Fn(usize, &Edge) -> bool;

/// A part of the web.
pub(super) struct Part<'p> {
    pub(super) web: &'p Web,
    /// Where chains start, the most informative first.
    pub(super) starts: Vec<usize>,
    pub(super) counts: Counts<'p>,
}

impl Part<'_> {
    /// The routes to any of `targets`, with up to `limit` chains; `None` if there is none.
    pub(super) fn route(&self, targets: &BTreeSet<usize>, limit: usize) -> Option<Route> {
        let distances = self.distances(&|_, _| true);
        let shortest = targets.iter().filter_map(|at| distances[*at]).min()?;
        let ends: BTreeSet<usize> = targets
            .iter()
            .copied()
            .filter(|&at| distances[at] == Some(shortest))
            .collect();
        let mut chains = Chains {
            part: self,
            distances: &distances,
            leads: self.leads(&distances, &ends),
            counted: BTreeMap::new(),
        };
        let (mut found, mut total) = (Vec::new(), 0_u64);
        for &start in &self.starts {
            let nodes = BTreeSet::from([start]);
            if !chains.leads.contains(&start) {
                continue;
            }
            total = total.saturating_add(chains.count(&nodes));
            chains.list(&nodes, &mut |steps| {
                let from = self.web.labels[start].clone();
                found.push(Chain { from, steps });
                found.len() < limit
            });
        }
        found.truncate(limit);
        self.mark(&mut found, targets);
        let more = total - found.len() as u64;
        Some(Route {
            chains: found,
            more,
        })
    }

    /// The number of steps from the nearest start to each node.
    pub(super) fn distances(&self, passes: &dyn Fn(usize, &Edge) -> bool) -> Vec<Option<usize>> {
        let mut distances = vec![None; self.web.nodes.len()];
        let mut queue = VecDeque::new();
        for &start in &self.starts {
            distances[start] = Some(0);
            queue.push_back((start, 0));
        }
        while let Some((at, distance)) = queue.pop_front() {
            for edge in &self.web.edges[at] {
                if distances[edge.to].is_none() && (self.counts)(at, edge) && passes(at, edge) {
                    distances[edge.to] = Some(distance + 1);
                    queue.push_back((edge.to, distance + 1));
                }
            }
        }
        distances
    }

    /// The nodes from which a shortest chain leads to one of `ends`, including these.
    fn leads(&self, distances: &[Option<usize>], ends: &BTreeSet<usize>) -> BTreeSet<usize> {
        let last = ends.first().and_then(|at| distances[*at]).unwrap_or(0);
        let mut by_distance = vec![Vec::new(); last + 1];
        for (at, distance) in distances.iter().enumerate() {
            if let Some(nodes) = distance.and_then(|distance| by_distance.get_mut(distance)) {
                nodes.push(at);
            }
        }
        let mut leads = ends.clone();
        for nodes in by_distance.iter().rev().skip(1) {
            for &at in nodes {
                let next = |edge: &Edge| {
                    leads.contains(&edge.to)
                        && distances[edge.to] > distances[at]
                        && (self.counts)(at, edge)
                };
                if self.web.edges[at].iter().any(next) {
                    leads.insert(at);
                }
            }
        }
        leads
    }

    pub(super) fn step(&self, edge: &Edge) -> RouteStep {
        let name = self.web.names[edge.to].as_ref();
        let own = name.is_none_or(|name| *name == edge.alias);
        RouteStep {
            field: edge.field.map(Field::key),
            alias: (!own).then(|| edge.alias.clone()),
            to: self.web.labels[edge.to].clone(),
            only_way: false,
        }
    }
}

/// The shortest chains as sequences of steps. All nodes that one sequence may lead to are visited
/// together.
struct Chains<'c> {
    part: &'c Part<'c>,
    distances: &'c [Option<usize>],
    leads: BTreeSet<usize>,
    counted: BTreeMap<BTreeSet<usize>, u64>,
}

impl Chains<'_> {
    /// The possible next steps, with the nodes that they lead to; empty at the end.
    fn next(&self, nodes: &BTreeSet<usize>) -> BTreeMap<RouteStep, BTreeSet<usize>> {
        let mut next: BTreeMap<RouteStep, BTreeSet<usize>> = BTreeMap::new();
        for &at in nodes {
            for edge in &self.part.web.edges[at] {
                let ahead = self.leads.contains(&edge.to)
                    && self.distances[edge.to] > self.distances[at]
                    && (self.part.counts)(at, edge);
                if ahead {
                    next.entry(self.part.step(edge))
                        .or_default()
                        .insert(edge.to);
                }
            }
        }
        next
    }

    fn count(&mut self, nodes: &BTreeSet<usize>) -> u64 {
        // Iterates with an explicit stack, because chains in lockfiles may be long.
        let mut open = vec![nodes.clone()];
        while let Some(last) = open.last() {
            if self.counted.contains_key(last) {
                open.pop();
                continue;
            }
            let next = self.next(last);
            let missing = next.values().filter(|one| !self.counted.contains_key(*one));
            let missing: Vec<BTreeSet<usize>> = missing.cloned().collect();
            if !missing.is_empty() {
                open.extend(missing);
                continue;
            }
            let counts = next.values().map(|one| self.counted[one]);
            let count = counts.fold(0, u64::saturating_add).max(1);
            if let Some(last) = open.pop() {
                self.counted.insert(last, count);
            }
        }
        self.counted.get(nodes).copied().unwrap_or(1)
    }

    /// Lists the chains in order until `take` has enough.
    fn list(&self, nodes: &BTreeSet<usize>, take: &mut dyn FnMut(Vec<RouteStep>) -> bool) {
        let first = self.next(nodes);
        if first.is_empty() {
            take(Vec::new());
            return;
        }
        let mut steps: Vec<RouteStep> = Vec::new();
        let mut open = vec![first.into_iter()];
        while let Some(here) = open.last_mut() {
            let Some((step, nodes)) = here.next() else {
                open.pop();
                steps.pop();
                continue;
            };
            steps.push(step);
            let next = self.next(&nodes);
            if !next.is_empty() {
                open.push(next.into_iter());
                continue;
            }
            if !take(steps.clone()) {
                return;
            }
            steps.pop();
        }
    }
}
