//! Circles of packages: which of them a build can do with, and what is said of them.

use crate::needs::graph::Circle;
use crate::needs::tasks::{Runs, TaskError, Tasks};
use crate::plan::PlanError;
use crate::workspace::Workspace;

/// The circles of a build in which something is built.
#[derive(Debug)]
pub(super) struct Circles {
    /// As they are shown, whether dev dependencies open them, and how many members build.
    all: Vec<(String, bool, usize)>,
    /// The first one that has no beginning: several members build and need each other, and no `turbo.json` says that they do not.
    closed: Option<String>,
}

impl Circles {
    pub(super) fn new(workspace: &Workspace, tasks: &Tasks, circles: Vec<Circle>) -> Self {
        let (mut all, mut closed) = (Vec::new(), None);
        for circle in circles {
            let builders = circle.builders(|at| tasks.run_in(at));
            let shown = circle.display(workspace);
            if circle.closed && builders > 1 && workspace.turbo.is_none() {
                closed.get_or_insert_with(|| shown.clone());
            }
            if builders > 0 {
                all.push((shown, !circle.closed, builders));
            }
        }
        Self { all, closed }
    }

    /// The order of tasks, if no circle of packages stands against it. Where tasks wait for each other because packages do, the packages are named.
    pub(super) fn check(&self, runs: Result<Runs, TaskError>) -> Result<Runs, PlanError> {
        if let Some(closed) = &self.closed {
            return Err(PlanError::Cycle(closed.clone()));
        }
        let packages = self.all.iter().find(|(_, opened, _)| !opened);
        match (runs, packages) {
            (Err(TaskError::Circle(_)), Some((shown, ..))) => Err(PlanError::Cycle(shown.clone())),
            (runs, _) => Ok(runs?),
        }
    }

    /// What a reader should know.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.all.iter().filter_map(|(shown, opened, builders)| {
            let words = match (opened, builders) {
                (true, _) => "dev dependencies make a circle, which is passed over",
                (false, 0 | 1) => return None,
                (false, _) => "packages depend on each other, and are built in no certain order",
            };
            Some(format!("{words}: {shown}"))
        })
    }
}
