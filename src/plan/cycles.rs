//! Circles of packages: which ones a build can cope with, and the warnings about them.

use crate::needs::graph::Circle;
use crate::needs::tasks::{TaskError, TaskRuns, Tasks};
use crate::plan::PlanError;
use crate::workspace::Workspace;

/// The circles of a build in which something is built.
#[derive(Debug)]
pub(super) struct Circles {
    /// Their text, whether dev dependencies open them, and how many members build.
    all: Vec<(String, bool, usize)>,
    /// The first circle without a beginning: several members build and need each other, and
    /// `turbo.json` does not order them.
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

    /// The order of tasks, if no circle of packages prevents it. If tasks wait for each other
    /// because their packages do, the error names the packages.
    pub(super) fn check(&self, runs: Result<TaskRuns, TaskError>) -> Result<TaskRuns, PlanError> {
        if let Some(closed) = &self.closed {
            return Err(PlanError::Cycle(closed.clone()));
        }
        let packages = self.all.iter().find(|(_, opened, _)| !opened);
        match (runs, packages) {
            (Err(TaskError::Circle(_)), Some((shown, ..))) => Err(PlanError::Cycle(shown.clone())),
            (runs, _) => Ok(runs?),
        }
    }

    /// Warnings for the user.
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
