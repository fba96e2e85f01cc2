//! The build steps: one stage a package, in dependency order.

use std::collections::{BTreeMap, BTreeSet};

use super::{BuildStep, ContextEntry, Copy, place};
use crate::graph::Graph;
use crate::path::RepoPath;
use crate::tasks;
use crate::workspace::Workspace;

/// What steps are made from.
pub(super) struct Steps<'s> {
    pub(super) workspace: &'s Workspace,
    pub(super) graph: &'s Graph,
    pub(super) app: usize,
    /// The members that the app's build needs, in dependency order.
    pub(super) order: &'s [usize],
    pub(super) in_image: &'s BTreeSet<usize>,
    pub(super) context: &'s [ContextEntry],
    /// What the app's build must write.
    pub(super) writes: Option<String>,
    /// Variables that the app's build runs with.
    pub(super) build_env: &'s BTreeMap<String, String>,
}

impl Steps<'_> {
    /// The stages of all members that have something to run.
    pub(super) fn plan(&self) -> Vec<BuildStep> {
        let mut stages: BTreeMap<usize, String> = BTreeMap::new();
        let mut steps = Vec::new();
        for &at in self.order {
            let scripts = tasks::scripts(self.workspace, at);
            if scripts.is_empty() {
                continue;
            }
            let member = &self.workspace.members[at];
            let stage = stage_name(&member.dir, stages.values());
            let needed = self.needed(at);
            steps.push(BuildStep {
                dir: member.dir.clone(),
                name: member.label(),
                stage: stage.clone(),
                scripts,
                env: if at == self.app {
                    self.build_env.clone()
                } else {
                    BTreeMap::new()
                },
                copies: self.copies(at, &needed),
                needs: needed
                    .iter()
                    .filter_map(|other| stages.get(other).cloned())
                    .collect(),
                writes: if at == self.app {
                    self.writes.clone()
                } else {
                    None
                },
                in_image: self.in_image.contains(&at),
            });
            stages.insert(at, stage);
        }
        steps
    }

    /// All members that `at` needs, near or far, among those that stand before it in the order.
    fn needed(&self, at: usize) -> BTreeSet<usize> {
        let place = |member: usize| self.order.iter().position(|&other| other == member);
        let mut found = BTreeSet::new();
        let mut queue = vec![at];
        while let Some(next) = queue.pop() {
            for (to, _) in self.graph.dependencies(next) {
                if place(to).is_some_and(|to| Some(to) < place(at)) && found.insert(to) {
                    queue.push(to);
                }
            }
        }
        found
    }

    /// The sources that a stage copies: for the app all there are, for a library its own and those of what it needs, so that no change elsewhere
    /// builds it again.
    fn copies(&self, at: usize, needed: &BTreeSet<usize>) -> Vec<Copy> {
        let present = |place: &str, dir: &RepoPath| {
            let prefix = if dir.is_root() {
                format!("{place}/")
            } else {
                format!("{place}/{dir}/")
            };
            self.context
                .iter()
                .any(|entry| entry.path.starts_with(&prefix))
                .then_some(prefix)
        };
        let dirs: Vec<RepoPath> = if at == self.app {
            vec![RepoPath::ROOT]
        } else {
            needed
                .iter()
                .chain([&at])
                .map(|&member| self.workspace.members[member].dir.clone())
                .collect()
        };
        let copy = |dir: RepoPath| {
            let from: Vec<String> = [place::SRC, place::RUN]
                .into_iter()
                .filter_map(|place| present(place, &dir))
                .collect();
            let to = if dir.is_root() {
                "./".to_owned()
            } else {
                format!("{dir}/")
            };
            (!from.is_empty()).then_some(Copy { from, to })
        };
        dirs.into_iter().filter_map(copy).collect()
    }
}

/// `build-apps-server`: legal as a stage's name, and one of its kind.
fn stage_name<'s>(dir: &RepoPath, mut taken: impl Iterator<Item = &'s String>) -> String {
    let legal = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name = format!(
        "build-{}",
        dir.as_str().chars().map(legal).collect::<String>()
    );
    let alike = taken
        .by_ref()
        .filter(|other| **other == name || other.starts_with(&format!("{name}-x")))
        .count();
    if alike == 0 {
        name
    } else {
        format!("{name}-x{}", alike + 1)
    }
}
