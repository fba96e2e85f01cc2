//! Finds the steps of the shortest chains that every chain has, short or long.

use std::collections::{BTreeMap, BTreeSet};

use super::route::{Chain, Part, RouteStep};
use crate::ask::web::Edge;

/// How many edges may be visited for steps that one sweep cannot decide. The remaining steps are
/// not reported as the only way.
const MAX_STEPS: usize = 50_000_000;

/// The steps of a chain, by the node where they begin.
struct Steps<'c> {
    places: BTreeMap<&'c str, Vec<(&'c RouteStep, usize)>>,
    count: usize,
}

impl<'c> Steps<'c> {
    fn new(chain: &'c Chain) -> Self {
        let mut places: BTreeMap<&str, Vec<(&RouteStep, usize)>> = BTreeMap::new();
        let mut from = chain.from.as_str();
        for (place, step) in chain.steps.iter().enumerate() {
            places.entry(from).or_default().push((step, place));
            from = &step.to;
        }
        Self {
            places,
            count: chain.steps.len(),
        }
    }

    /// The position of the step that an edge is, if any.
    fn place(&self, part: &Part<'_>, at: usize, edge: &Edge) -> Option<usize> {
        let known = self.places.get(part.web.labels[at].as_str())?;
        let step = part.step(edge);
        let mut known = known.iter();
        known
            .find(|(own, _)| **own == step)
            .map(|(_, place)| *place)
    }
}

impl Part<'_> {
    /// Marks the steps that every chain has. Such a step is in the first chain too, so only its
    /// steps are checked: a step is marked if nothing reaches the targets without it.
    pub(super) fn mark(&self, chains: &mut [Chain], targets: &BTreeSet<usize>) {
        let Some(first) = chains.first() else { return };
        let marked: BTreeSet<(String, RouteStep)> = {
            let only = self.only_ways(&Steps::new(first), targets);
            let from = [&first.from].into_iter();
            let from = from.chain(first.steps.iter().map(|step| &step.to));
            let all = from.zip(&first.steps).enumerate();
            let marked = all.filter(|(place, _)| only.contains(place));
            marked
                .map(|(_, (from, step))| (from.clone(), step.clone()))
                .collect()
        };
        for chain in chains {
            let mut from = &chain.from;
            for step in &mut chain.steps {
                step.only_way = marked.contains(&(from.clone(), step.clone()));
                from = &step.to;
            }
        }
    }

    /// Sweeps once along the chain. What is reachable without a step is what is reachable without
    /// it and all later steps, unless a reached node continues by a later step.
    fn only_ways(&self, steps: &Steps<'_>, targets: &BTreeSet<usize>) -> BTreeSet<usize> {
        let edges = self.web.edges.iter().map(Vec::len).sum::<usize>().max(1);
        let mut left = MAX_STEPS / edges;
        let mut only = BTreeSet::new();
        let mut reached = vec![false; self.web.nodes.len()];
        // The targets of steps that were found but not taken yet.
        let mut held: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut open = self.starts.clone();
        for place in 0..steps.count {
            while let Some(at) = open.pop() {
                if std::mem::replace(&mut reached[at], true) {
                    continue;
                }
                if targets.contains(&at) {
                    return only;
                }
                for edge in &self.web.edges[at] {
                    if !(self.counts)(at, edge) {
                        continue;
                    }
                    match steps.place(self, at, edge).filter(|own| *own >= place) {
                        Some(own) => held.entry(own).or_default().push(edge.to),
                        None => open.push(edge.to),
                    }
                }
            }
            let goes_on = held.keys().any(|own| *own > place);
            let is_only = if goes_on {
                let checked = left > 0;
                left = left.saturating_sub(1);
                let other = |at: usize, edge: &Edge| steps.place(self, at, edge) != Some(place);
                let distances = checked.then(|| self.distances(&other));
                distances.is_some_and(|found| targets.iter().all(|at| found[*at].is_none()))
            } else {
                true
            };
            if is_only {
                only.insert(place);
            }
            open.extend(held.remove(&place).unwrap_or_default());
        }
        only
    }
}
