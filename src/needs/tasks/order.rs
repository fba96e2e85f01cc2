//! The order: circles are opened where that may be, and what is left is a list of runs, with what each of them needs.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graphmap::DiGraphMap;

use super::{Bond, TaskError, Tasks};
use crate::lockfile::Field;
use crate::needs::sets::{Set, Sets};
use crate::workspace::Workspace;

/// Tasks of one package that run one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The package, by position.
    pub member: usize,
    /// The tasks, by number.
    pub tasks: Vec<usize>,
    /// Earlier runs that wrote what it reads, by their place in the list.
    pub needs: Set,
    /// Members whose tasks it waits for, near or far, those without a script too.
    pub members: Set,
}

/// All runs in order.
#[derive(Debug, Default)]
pub struct Runs {
    /// The runs.
    pub all: Vec<Run>,
    /// What they need.
    pub sets: Sets,
}

/// Whether a script runs, in a package whose build comes last, and which one: what can run comes out in this order.
type Ready<'t> = BTreeSet<(bool, &'t str, usize)>;

/// How far the order has come.
struct State<'t> {
    tasks: &'t Tasks,
    graph: &'t DiGraphMap<usize, Bond>,
    /// How many tasks each one waits for.
    waits: Vec<usize>,
    /// What can run now, by member.
    ready: BTreeMap<usize, Ready<'t>>,
    /// How many tasks of others each member waits for before all of its own can run one after the other.
    others: BTreeMap<usize, usize>,
    /// The members that each task keeps waiting in this way.
    kept_waiting: BTreeMap<usize, Vec<usize>>,
    /// Members of which something can run now, and all else after it.
    whole: BTreeSet<usize>,
}

impl<'t> State<'t> {
    /// Nothing is done. `before` has the members whose tasks each task waits for.
    fn new(
        tasks: &'t Tasks,
        graph: &'t DiGraphMap<usize, Bond>,
        before: &[Set],
        sets: &Sets,
    ) -> Self {
        let all = 0..tasks.nodes.len();
        let mut state = Self {
            tasks,
            graph,
            waits: all.clone().map(|node| first(graph, node).count()).collect(),
            ready: BTreeMap::new(),
            others: BTreeMap::new(),
            kept_waiting: BTreeMap::new(),
            whole: BTreeSet::new(),
        };
        for at in tasks.members() {
            let others = state.others_before(at, before, sets);
            state.others.insert(at, others.len());
            for node in others {
                state.kept_waiting.entry(node).or_default().push(at);
            }
        }
        let free: Vec<usize> = all.filter(|&node| state.waits[node] == 0).collect();
        for node in free {
            state.free(node);
        }
        state
    }

    /// The tasks of others that the tasks of a member wait for directly. A task without a script, which runs by itself, is one of them; but where it
    /// waits for a task of the member in its turn, what counts is what else it waits for.
    fn others_before(&self, at: usize, before: &[Set], sets: &Sets) -> BTreeSet<usize> {
        let nodes = &self.tasks.nodes;
        let own = self.tasks.numbers_of(at);
        let mut open: Vec<usize> = own.filter(|&node| nodes[node].runs).collect();
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        while let Some(node) = open.pop() {
            for first in first(self.graph, node) {
                if !seen.insert(first) || (nodes[first].member == at && nodes[first].runs) {
                    continue;
                }
                if !nodes[first].runs && sets.contains(before[first], at) {
                    open.push(first);
                } else {
                    found.insert(first);
                }
            }
        }
        found
    }

    /// Nothing keeps a task any longer: it can run, or it passes where it has no script.
    fn free(&mut self, node: usize) {
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            let task = &self.tasks.nodes[node];
            if !task.runs {
                open.extend(self.pass(node));
                continue;
            }
            let build = task.name == super::BUILD;
            let ready = self.ready.entry(task.member).or_default();
            ready.insert((build, &task.name, node));
            if self.others.get(&task.member) == Some(&0) {
                self.whole.insert(task.member);
            }
        }
    }

    /// Does a task; gives those that nothing keeps any longer.
    fn pass(&mut self, node: usize) -> Vec<usize> {
        for at in self.kept_waiting.remove(&node).unwrap_or_default() {
            if let Some(others) = self.others.get_mut(&at) {
                *others -= 1;
                if *others == 0 && self.ready.contains_key(&at) {
                    self.whole.insert(at);
                }
            }
        }
        let mut free = Vec::new();
        for next in self.graph.neighbors(node) {
            self.waits[next] -= 1;
            if self.waits[next] == 0 {
                free.push(next);
            }
        }
        free
    }

    /// The member whose turn it is: rather one whose tasks can all run now than one that would have to be interrupted.
    fn next(&self) -> Option<usize> {
        let whole = self.whole.first().copied();
        whole.or_else(|| self.ready.keys().next().copied())
    }

    /// Runs what a member can run now; gives the tasks in order. The build itself comes last.
    fn run(&mut self, at: usize) -> Vec<usize> {
        let mut ran = Vec::new();
        while let Some((_, _, node)) = self.ready.get_mut(&at).and_then(BTreeSet::pop_first) {
            ran.push(node);
            for next in self.pass(node) {
                self.free(next);
            }
        }
        self.ready.remove(&at);
        self.whole.remove(&at);
        ran
    }
}

/// The tasks that a task waits for directly.
fn first(graph: &DiGraphMap<usize, Bond>, node: usize) -> impl Iterator<Item = usize> + '_ {
    graph.neighbors_directed(node, Direction::Incoming)
}

impl Tasks {
    /// The runs in order. A package has one, but where a task of another one stands between two of its own.
    pub fn runs(&self, workspace: &Workspace) -> Result<Runs, TaskError> {
        if let Some(problem) = &self.problem {
            return Err(problem.clone());
        }
        let graph = self.without_circles(workspace)?;
        let mut sets = Sets::default();
        let order = self.in_order(&graph);
        let mut members = vec![Set::EMPTY; self.nodes.len()];
        for &node in &order {
            for first in first(&graph, node) {
                let own = sets.with(members[first], self.nodes[first].member);
                members[node] = sets.union(members[node], own);
            }
        }
        let mut state = State::new(self, &graph, &members, &sets);
        let mut runs: Vec<Run> = Vec::new();
        let mut place: Vec<Option<usize>> = vec![None; self.nodes.len()];
        while let Some(member) = state.next() {
            let tasks = state.run(member);
            for &task in &tasks {
                place[task] = Some(runs.len());
            }
            runs.push(Run {
                member,
                tasks,
                needs: Set::EMPTY,
                members: Set::EMPTY,
            });
        }
        let mut needs = vec![Set::EMPTY; self.nodes.len()];
        for &node in &order {
            for first in first(&graph, node) {
                let own = match place[first] {
                    Some(run) => sets.with(needs[first], run),
                    None => needs[first],
                };
                needs[node] = sets.union(needs[node], own);
            }
        }
        // Earlier runs of the same member, by member.
        let mut earlier: BTreeMap<usize, Set> = BTreeMap::new();
        for (at, run) in runs.iter_mut().enumerate() {
            let earlier = earlier.entry(run.member).or_insert(Set::EMPTY);
            run.needs = *earlier;
            for &task in &run.tasks {
                run.needs = sets.union(run.needs, needs[task]);
                run.members = sets.union(run.members, members[task]);
            }
            run.needs = sets.without(run.needs, at);
            run.members = sets.without(run.members, run.member);
            *earlier = sets.with(*earlier, at);
        }
        Ok(Runs { all: runs, sets })
    }

    /// All tasks, each after those that it waits for.
    fn in_order(&self, graph: &DiGraphMap<usize, Bond>) -> Vec<usize> {
        let all = 0..self.nodes.len();
        let mut waits: Vec<usize> = all.clone().map(|node| first(graph, node).count()).collect();
        let mut order: Vec<usize> = all.filter(|&node| waits[node] == 0).collect();
        let mut done = 0;
        while let Some(&node) = order.get(done) {
            done += 1;
            for next in graph.neighbors(node) {
                waits[next] -= 1;
                if waits[next] == 0 {
                    order.push(next);
                }
            }
        }
        order
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
            let circles = kosaraju_scc(&graph).into_iter();
            let circles = circles.filter(|component| component.len() > 1).enumerate();
            let inside: BTreeMap<usize, usize> = circles
                .flat_map(|(circle, nodes)| nodes.into_iter().map(move |node| (node, circle)))
                .collect();
            let within = |from: usize, to: usize| {
                let circle = inside.get(&from);
                circle.is_some() && circle == inside.get(&to)
            };
            let gone: Vec<(usize, usize)> = graph
                .all_edges()
                .filter(|(from, to, bond)| may_go(**bond) && within(*from, *to))
                .map(|(from, to, _)| (from, to))
                .collect();
            for (from, to) in gone {
                graph.remove_edge(from, to);
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
        let inside: BTreeSet<usize> = component.iter().copied().collect();
        let mut path: Vec<usize> = inside.first().copied().into_iter().collect();
        let mut places: BTreeMap<usize, usize> = path.iter().map(|&node| (node, 0)).collect();
        let around = loop {
            let Some(&last) = path.last() else {
                break &path[..];
            };
            let next = first(graph, last)
                .filter(|next| inside.contains(next))
                .min();
            let Some(next) = next else {
                break &path[..];
            };
            if let Some(&start) = places.get(&next) {
                break &path[start..];
            }
            places.insert(next, path.len());
            path.push(next);
        };
        let ids: Vec<String> = around
            .iter()
            .chain(around.first())
            .map(|&node| self.id(workspace, node))
            .collect();
        ids.join(" → ")
    }
}
