//! Orders the tasks: opens circles where possible, and makes a list of runs with what each needs.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graphmap::DiGraphMap;

use super::{Bond, TaskError, Tasks};
use crate::lockfile::Field;
use crate::model::member::MemberId;
use crate::needs::graph::Edge;
use crate::needs::sets::{Set, Sets};
use crate::workspace::Workspace;

/// Tasks of one package that run one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRun {
    /// The package.
    pub member: MemberId,
    /// The tasks, by number.
    pub tasks: Vec<usize>,
    /// Earlier runs whose output it reads, by their position in the list.
    pub needs: Set,
    /// Members whose tasks it waits for, directly or not, including those without a script.
    pub members: Set,
}

/// All runs in order.
#[derive(Debug, Default)]
pub struct TaskRuns {
    /// The runs.
    pub all: Vec<TaskRun>,
    /// What they need.
    pub sets: Sets,
}

/// Ready tasks, in the order in which they run: whether it is the build, its name and number.
type Ready<'t> = BTreeSet<(bool, &'t str, usize)>;

/// The progress of the ordering.
struct State<'t> {
    tasks: &'t Tasks,
    graph: &'t DiGraphMap<usize, Bond>,
    /// How many tasks each task still waits for.
    waits: Vec<usize>,
    /// Tasks that can run now, by member.
    ready: BTreeMap<MemberId, Ready<'t>>,
    /// For each member, how many tasks of others must end before all of its own can run in a row.
    others: BTreeMap<MemberId, usize>,
    /// The members that each task blocks in this sense.
    kept_waiting: BTreeMap<usize, Vec<MemberId>>,
    /// Members that have a ready task and could then run all their tasks in a row.
    whole: BTreeSet<MemberId>,
}

impl<'t> State<'t> {
    /// The initial state. `before` has the members whose tasks each task waits for.
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

    /// The tasks of others that a member's tasks wait for directly. Tasks without a script count
    /// too, unless they wait for a task of the member themselves: then whatever else they wait for
    /// counts.
    fn others_before(&self, at: MemberId, before: &[Set], sets: &Sets) -> BTreeSet<usize> {
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

    /// Marks a task that waits for nothing any more as ready; one without a script is done at once.
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

    /// Marks a task as done; returns the tasks that then wait for nothing.
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

    /// The next member, preferably one whose tasks can all run now without interruption.
    fn next(&self) -> Option<MemberId> {
        let whole = self.whole.first().copied();
        whole.or_else(|| self.ready.keys().next().copied())
    }

    /// Runs what a member can run now; returns the tasks in order. Its build comes last.
    fn run(&mut self, at: MemberId) -> Vec<usize> {
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

/// Removes the edges in circles for which `may_go` holds, judged by the circle's nodes and the
/// edge; returns the circles.
fn open(
    graph: &mut DiGraphMap<usize, Bond>,
    may_go: impl Fn(&[usize], Bond) -> bool,
) -> Vec<Vec<usize>> {
    let circles: Vec<Vec<usize>> = kosaraju_scc(&*graph)
        .into_iter()
        .filter(|component| component.len() > 1)
        .collect();
    let all = circles.iter().enumerate();
    let inside: BTreeMap<usize, usize> = all
        .flat_map(|(circle, nodes)| nodes.iter().map(move |&node| (node, circle)))
        .collect();
    let gone: Vec<(usize, usize)> = graph
        .all_edges()
        .filter(
            |(from, to, bond)| match (inside.get(from), inside.get(to)) {
                (Some(one), Some(other)) => one == other && may_go(&circles[*one], **bond),
                _ => false,
            },
        )
        .map(|(from, to, _)| (from, to))
        .collect();
    for (from, to) in gone {
        graph.remove_edge(from, to);
    }
    circles
}

/// Puts the tasks of an opened circle in a line, since each needs all others: a task that waits for
/// one waits for all, and all wait for what one waits for.
fn line_up(graph: &mut DiGraphMap<usize, Bond>, circle: &[usize]) {
    let members: BTreeSet<usize> = circle.iter().copied().collect();
    let inner = |node: usize| first(graph, node).filter(|before| members.contains(before));
    let mut waits: BTreeMap<usize, usize> = members
        .iter()
        .map(|&node| (node, inner(node).count()))
        .collect();
    let mut ready: BTreeSet<usize> = members
        .iter()
        .copied()
        .filter(|node| waits[node] == 0)
        .collect();
    let mut line = Vec::with_capacity(circle.len());
    while let Some(node) = ready.pop_first() {
        line.push(node);
        for next in graph.neighbors(node) {
            if let Some(waits) = waits.get_mut(&next) {
                *waits -= 1;
                if *waits == 0 {
                    ready.insert(next);
                }
            }
        }
    }
    // If turbo.json itself makes a circle, there is no line.
    let (Some(&head), Some(&last), true) = (line.first(), line.last(), line.len() == circle.len())
    else {
        return;
    };
    let outside = |node: &usize| !members.contains(node);
    let before: BTreeSet<usize> = circle
        .iter()
        .flat_map(|&node| first(graph, node))
        .filter(outside)
        .collect();
    let behind: BTreeSet<usize> = circle
        .iter()
        .flat_map(|&node| graph.neighbors(node))
        .filter(outside)
        .collect();
    let pairs = line.iter().copied().zip(line.iter().copied().skip(1));
    let pairs = pairs
        .chain(before.into_iter().map(|node| (node, head)))
        .chain(behind.into_iter().map(|node| (last, node)));
    for (from, to) in pairs.collect::<Vec<_>>() {
        if !graph.contains_edge(from, to) {
            graph.add_edge(from, to, Bond::Own(Edge::of(Field::Prod)));
        }
    }
}

impl Tasks {
    /// The runs in order. A package has a single run unless another package's task must run between
    /// two of its own.
    pub fn runs(&self, workspace: &Workspace) -> Result<TaskRuns, TaskError> {
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
        let mut runs: Vec<TaskRun> = Vec::new();
        let mut place: Vec<Option<usize>> = vec![None; self.nodes.len()];
        while let Some(member) = state.next() {
            let tasks = state.run(member);
            for &task in &tasks {
                place[task] = Some(runs.len());
            }
            runs.push(TaskRun {
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
        let mut earlier: BTreeMap<MemberId, Set> = BTreeMap::new();
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
        Ok(TaskRuns { all: runs, sets })
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

    /// The graph without circles. Removed first are edges that turbo.json does not request, then
    /// `^task` over dev dependencies, then `^task` where nothing runs.
    fn without_circles(&self, workspace: &Workspace) -> Result<DiGraphMap<usize, Bond>, TaskError> {
        let mut graph = self.bonds.clone();
        open(
            &mut graph,
            |_, bond| matches!(bond, Bond::Own(edge) if edge.peer),
        );
        open(
            &mut graph,
            |_, bond| matches!(bond, Bond::Own(edge) if edge.field == Field::Dev),
        );
        for circle in open(&mut graph, |_, bond| matches!(bond, Bond::Own(_))) {
            line_up(&mut graph, &circle);
        }
        open(&mut graph, |_, bond| bond == Bond::Topological(Field::Dev));
        // Tasks without a script only pass on what they wait for. If they only wait for each other,
        // that is nothing.
        open(&mut graph, |circle, bond| {
            matches!(bond, Bond::Topological(_))
                && !circle.iter().any(|&node| self.nodes[node].runs)
        });
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

    /// One way around; each task waits for the next.
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
