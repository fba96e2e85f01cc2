//! Pruning and planning take time in proportion to the workspace, and a plan is as large as its
//! subject: nothing visits all members for each member.

use std::path::Path;
use std::time::Duration;

use slimbuild::internals::{
    Listing, Plan, PlanOptions, PruneOptions, Pruned, Workspace, dockerfile,
};

use crate::support::daemon::{skipped, too_slow};

#[path = "../../benches/prune/shapes.rs"]
mod shapes;
#[path = "../../benches/prune/synthetic.rs"]
mod synthetic;

use shapes::Shape;

/// The processor time of this thread, which excludes other work of the machine. Only Linux reports
/// it.
fn worked() -> Option<Duration> {
    let text = fs_err::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// The shortest time for a workspace of this size.
fn pruning(members: usize) -> Option<Duration> {
    let dir = crate::support::temporary();
    synthetic::write(dir.path(), members).unwrap();
    let root: &Path = &fs_err::canonicalize(dir.path()).unwrap();
    let once = || {
        let before = worked()?;
        let workspace = Workspace::load(root).unwrap();
        let app = workspace.named("app").unwrap();
        let pruned = Pruned::new(&workspace, &[app], &PruneOptions::default()).unwrap();
        // The root project is one of them.
        assert_eq!(pruned.members.len(), members / 2 + 1);
        worked()?.checked_sub(before)
    };
    (0..2).filter_map(|_| once()).min()
}

#[test]
fn a_member_costs_the_same_in_a_large_workspace() {
    if too_slow("a_member_costs_the_same_in_a_large_workspace") {
        return;
    }
    let (few, many) = (100, 1600);
    let (Some(small), Some(large)) = (pruning(few), pruning(many)) else {
        skipped(
            "no /proc/thread-self/schedstat",
            "a_member_costs_the_same_in_a_large_workspace",
        );
        return;
    };
    // Sixteen times as many members may take eighty times as long, far more than they do; visiting
    // all members for each would take 256 times as long.
    let most = small * 5 * u32::try_from(many / few).unwrap();
    assert!(large < most, "{few}: {small:?}, {many}: {large:?}");
}

/// A workspace whose app needs all of its members.
fn shaped(shape: Shape, members: usize) -> (tempfile::TempDir, Workspace) {
    let dir = tempfile::tempdir().unwrap();
    shape.write(dir.path(), members).unwrap();
    let root = fs_err::canonicalize(dir.path()).unwrap();
    let workspace = Workspace::load(&root).unwrap();
    (dir, workspace)
}

fn planned(workspace: &Workspace) -> Plan {
    let app = workspace.named("app").unwrap();
    Plan::new(workspace, app, &PlanOptions::default()).unwrap()
}

/// The size of the JSON in bytes and of the Dockerfile in lines, per member.
fn sizes(shape: Shape, members: usize) -> [usize; 2] {
    let (_dir, workspace) = shaped(shape, members);
    let plan = planned(&workspace);
    assert_eq!(plan.steps().len(), members);
    let json = serde_json::to_string_pretty(&plan).unwrap().len();
    let lines = dockerfile::render(&plan).unwrap().lines().count();
    [json / members, lines / members]
}

#[test]
fn a_plan_is_as_large_as_what_it_is_about() {
    if too_slow("a_plan_is_as_large_as_what_it_is_about") {
        return;
    }
    for shape in Shape::ALL {
        let (few, many) = (sizes(shape, 100), sizes(shape, 1000));
        for (small, large) in few.into_iter().zip(many) {
            // Ten times as many members may take twenty times the text; if each step named all
            // before it, it would be a hundred times.
            assert!(large < 2 * small, "{}: {small}, {large}", shape.name());
        }
    }
}

#[test]
fn a_member_costs_the_same_in_a_large_closure() {
    if too_slow("a_member_costs_the_same_in_a_large_closure") {
        return;
    }
    let once = |workspace: &Workspace| {
        let before = worked()?;
        let plan = planned(workspace);
        dockerfile::render(&plan).unwrap();
        Listing::new(workspace).unwrap();
        worked()?.checked_sub(before)
    };
    for shape in Shape::ALL {
        let (few, many) = (100, 1000);
        let ((_small, small), (_large, large)) = (shaped(shape, few), shaped(shape, many));
        // Both sizes take turns, so that other work of the machine affects both.
        let rounds: Vec<_> = (0..3).map(|_| (once(&small), once(&large))).collect();
        let small = rounds.iter().filter_map(|(small, _)| *small).min();
        let large = rounds.iter().filter_map(|(_, large)| *large).min();
        let (Some(small), Some(large)) = (small, large) else {
            skipped(
                "no /proc/thread-self/schedstat",
                "a_member_costs_the_same_in_a_large_closure",
            );
            return;
        };
        // Ten times as many members may take forty times as long; visiting all members for each
        // would take a hundred times as long.
        assert!(large < small * 40, "{}: {small:?}, {large:?}", shape.name());
    }
}
