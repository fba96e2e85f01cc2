//! Pruning takes time in proportion to the workspace: nothing looks through all members for each of them.

use std::path::Path;
use std::time::Duration;

use slimbuild::pruned::{PruneOptions, Pruned};
use slimbuild::workspace::Workspace;

use crate::support::daemon::skipped;

#[path = "../../benches/prune/synthetic.rs"]
mod synthetic;

/// The time for which this thread had a processor: what else the machine does is not in it. Only Linux tells.
fn worked() -> Option<Duration> {
    let text = fs_err::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// How long a workspace of this size takes at best.
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
    let (few, many) = (100, 1600);
    let (Some(small), Some(large)) = (pruning(few), pruning(many)) else {
        skipped(
            "no /proc/thread-self/schedstat",
            "a_member_costs_the_same_in_a_large_workspace",
        );
        return;
    };
    // Sixteen times as many members may take eighty times as long, far more than they do; looking at all for each would take 256 times as long.
    let most = small * 5 * u32::try_from(many / few).unwrap();
    assert!(large < most, "{few}: {small:?}, {many}: {large:?}");
}
