//! The order: circles are opened where that may be, and what is left is a list of runs, with what each of them needs.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graphmap::DiGraphMap;

use super::{Bond, TaskError, Tasks};
use crate::lockfile::Field;
use crate::workspace::Workspace;

/// Tasks of one package that run one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The package, by position.
    pub member: usize,
    /// The tasks, by number.
    pub tasks: Vec<usize>,
    /// Earlier runs that wrote what it reads, by their place in the list.
    pub needs: BTreeSet<usize>,
    /// Members whose tasks it waits for, near or far, those without a script too.
    pub members: BTreeSet<usize>,
}

/// How far the order has come.
#[derive(Clone)]
struct State<'g> {
    graph: &'g DiGraphMap<usize, Bond>,
    /// Tasks that nothing has been done about yet, with the number of those that each waits for.
    waits: BTreeMap<usize, usize>,
}

impl State<'_> {
    fn done(&mut self, node: usize) {
        self.waits.remove(&node);
        for next in self.graph.neighbors(node) {
            if let Some(waits) = self.waits.get_mut(&next) {
                *waits -= 1;
            }
        }
    }

    fn ready(&self) -> impl Iterator<Item = usize> {
        self.waits
            .iter()
            .filter(|(_, waits)| **waits == 0)
            .map(|(&node, _)| node)
    }
}

impl Tasks {
    /// The runs in order. A package has one, but where a task of another one stands between two of its own.
    pub fn runs(&self, workspace: &Workspace) -> Result<Vec<Run>, TaskError> {
        if let Some(problem) = &self.problem {
            return Err(problem.clone());
        }
        let graph = self.without_circles(workspace)?;
        let waits = |node: usize| graph.neighbors_directed(node, Direction::Incoming).count();
        let mut state = State {
            graph: &graph,
            waits: (0..self.nodes.len())
                .map(|node| (node, waits(node)))
                .collect(),
        };
        self.pass(&mut state);
        let mut runs: Vec<Run> = Vec::new();
        while !state.waits.is_empty() {
            let members: BTreeSet<usize> =
                state.ready().map(|node| self.nodes[node].member).collect();
            // Rather a package whose tasks can all run now than one that would have to be interrupted.
            let whole = members.iter().find(|&&at| {
                let left = |state: &State<'_>| {
                    let mut left = state.waits.keys().map(|&node| &self.nodes[node]);
                    left.any(|node| node.member == at && node.runs)
                };
                let mut trial = state.clone();
                self.run(at, &mut trial);
                !left(&trial)
            });
            let Some(&member) = whole.or(members.first()) else {
                break;
            };
            let tasks = self.run(member, &mut state);
            runs.push(Run {
                member,
                tasks,
                needs: BTreeSet::new(),
                members: BTreeSet::new(),
            });
        }
        let place: BTreeMap<usize, usize> = runs
            .iter()
            .enumerate()
            .flat_map(|(at, run)| run.tasks.iter().map(move |&task| (task, at)))
            .collect();
        for at in 0..runs.len() {
            let before = before(&graph, &runs[at].tasks);
            let earlier = (0..at).filter(|&earlier| runs[earlier].member == runs[at].member);
            let needs: BTreeSet<usize> = before
                .iter()
                .filter_map(|node| place.get(node).copied())
                .chain(earlier)
                .collect();
            let run = &mut runs[at];
            run.members = before
                .iter()
                .map(|&node| self.nodes[node].member)
                .filter(|&member| member != run.member)
                .collect();
            run.needs = needs;
            run.needs.remove(&at);
        }
        Ok(runs)
    }

    /// Runs what a member can run now; gives the tasks in order.
    fn run(&self, at: usize, state: &mut State<'_>) -> Vec<usize> {
        let mut ran = Vec::new();
        loop {
            let ready = state
                .ready()
                .filter(|&node| self.nodes[node].member == at && self.nodes[node].runs);
            // The build itself comes last.
            let Some(next) = ready.min_by_key(|&node| {
                (
                    self.nodes[node].name == super::BUILD,
                    &self.nodes[node].name,
                )
            }) else {
                return ran;
            };
            ran.push(next);
            state.done(next);
            self.pass(state);
        }
    }

    /// Passes tasks without a script.
    fn pass(&self, state: &mut State<'_>) {
        while let Some(node) = {
            let mut ready = state.ready();
            ready.find(|&node| !self.nodes[node].runs)
        } {
            state.done(node);
        }
    }

    /// The graph without what closes circles: first what nobody asked for, then `^task` over dev dependencies.
    fn without_circles(&self, workspace: &Workspace) -> Result<DiGraphMap<usize, Bond>, TaskError> {
        let mut graph = self.bonds.clone();
        let weak: [fn(Bond) -> bool; 3] = [
            |bond| bond == Bond::Own(Field::Dev),
            |bond| matches!(bond, Bond::Own(_)),
            |bond| bond == Bond::Topological(Field::Dev),
        ];
        for may_go in weak {
            for component in kosaraju_scc(&graph) {
                let inside: BTreeSet<usize> = component.into_iter().collect();
                let gone: Vec<(usize, usize)> = graph
                    .all_edges()
                    .filter(|(from, to, bond)| {
                        inside.len() > 1
                            && may_go(**bond)
                            && inside.contains(from)
                            && inside.contains(to)
                    })
                    .map(|(from, to, _)| (from, to))
                    .collect();
                for (from, to) in gone {
                    graph.remove_edge(from, to);
                }
            }
        }
        if let Some((node, _, _)) = graph.all_edges().find(|(from, to, _)| from == to) {
            let id = self.id(workspace, node);
            return Err(TaskError::Circle(format!("{id} → {id}")));
        }
        match kosaraju_scc(&graph)
            .into_iter()
            .find(|component| component.len() > 1)
        {
            Some(component) => Err(TaskError::Circle(
                self.circle(workspace, &graph, &component),
            )),
            None => Ok(graph),
        }
    }

    /// One way around, each task followed by the one that it waits for.
    fn circle(
        &self,
        workspace: &Workspace,
        graph: &DiGraphMap<usize, Bond>,
        component: &[usize],
    ) -> String {
        let mut path: Vec<usize> = component.iter().min().copied().into_iter().collect();
        let around = loop {
            let Some(&last) = path.last() else {
                break &path[..];
            };
            let next = graph
                .neighbors_directed(last, Direction::Incoming)
                .filter(|next| component.contains(next))
                .min();
            match next {
                Some(next) => match path.iter().position(|&seen| seen == next) {
                    Some(start) => break &path[start..],
                    None => path.push(next),
                },
                None => break &path[..],
            }
        };
        let ids: Vec<String> = around
            .iter()
            .chain(around.first())
            .map(|&node| self.id(workspace, node))
            .collect();
        ids.join(" → ")
    }
}

/// All that some tasks wait for, near or far.
fn before(graph: &DiGraphMap<usize, Bond>, tasks: &[usize]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = tasks.to_vec();
    while let Some(node) = open.pop() {
        for first in graph.neighbors_directed(node, Direction::Incoming) {
            if found.insert(first) {
                open.push(first);
            }
        }
    }
    found
}
