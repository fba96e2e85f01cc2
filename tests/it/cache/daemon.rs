//! The same table on a real daemon: which instructions run again.
//!
//! Each run of the tests makes its workspace unique with a comment that installs read, so that no
//! other run can have filled the cache.

use std::collections::BTreeSet;

use super::modification::Modification;
use crate::support::daemon::{Daemon, one_daemon};
use crate::support::steps::build;
use crate::support::tree::Tree;
use crate::support::unique;

/// A modification, and the stages with instructions that run again, except the last, which only
/// copies.
struct Row {
    modification: Modification,
    reruns: &'static [&'static str],
}

const fn row(modification: Modification, reruns: &'static [&'static str]) -> Row {
    Row {
        modification,
        reruns,
    }
}

const TABLE: &[Row] = {
    use Modification as M;
    &[
        row(M::EditAppSource, &["build-apps-server"]),
        row(M::EditAppScript, &["build-apps-server"]),
        row(
            M::EditBuiltLibrary,
            &["build-packages-catalog", "build-apps-server"],
        ),
        // It is not built, but the app is built with it.
        row(M::EditPlainLibrary, &["build-apps-server"]),
        row(M::EditUnusedLibrary, &[]),
        row(M::EditAppReadme, &[]),
        row(M::EditRootScript, &[]),
        row(M::AddDevDependencyToWeb, &[]),
        row(M::BumpNext, &[]),
        // The production install has no dev dependencies.
        row(
            M::AddDevDependency,
            &[
                "deps",
                "sources",
                "build-packages-catalog",
                "build-apps-server",
            ],
        ),
        row(
            M::AddProductionDependency,
            &[
                "deps",
                "modules",
                "sources",
                "build-packages-catalog",
                "build-apps-server",
            ],
        ),
    ]
};

/// A workspace that no daemon has seen.
fn workspace(nonce: &str) -> Tree {
    let tree = Tree::shop();
    tree.append("pnpm-workspace.yaml", &format!("# {nonce}\n"));
    tree
}

/// Builds the workspace, modifies it, builds it again, and compares what ran then.
fn check(daemon: &Daemon, row: &Row, nonce: &str) -> Result<(), String> {
    let Row {
        modification,
        reruns,
    } = row;
    let tag = daemon.tag("cache");
    let tree = workspace(nonce);
    build(daemon, tree.root(), "apps/server", &tag.name);
    let before = daemon.image(&tag.name).id;
    modification.apply(&tree, &unique());
    let ran = build(daemon, tree.root(), "apps/server", &tag.name).ran();
    let stage = |step: &String| step.split(':').next().unwrap_or_default().to_owned();
    let mut stages: BTreeSet<String> = ran.iter().map(stage).collect();
    // Stages of the image's file system only copy; the proof runs if anything in it is new.
    for copies in ["image", "verify", "runtime"] {
        stages.remove(copies);
    }
    let expected: BTreeSet<String> = reruns.iter().map(|&stage| stage.to_owned()).collect();
    // The one large layer; its content may be cached from another day.
    let modules = ran
        .iter()
        .any(|step| step.ends_with(": COPY --from=modules /app/ ./"));
    let same = daemon.image(&tag.name).id == before;
    if stages == expected && same == ran.is_empty() && (!modules || expected.contains("modules")) {
        Ok(())
    } else {
        Err(format!(
            "{modification:?}, the same image: {same}, ran: {ran:#?}"
        ))
    }
}

#[test]
fn a_change_reruns_what_depends_on_it() {
    one_daemon("a_change_reruns_what_depends_on_it", |daemon| {
        let nonce = unique();
        let tag = daemon.tag("cache");
        let first = build(daemon, workspace(&nonce).root(), "apps/server", &tag.name).ran();
        let installs = first
            .iter()
            .filter(|step| step.ends_with(": pnpm install --frozen-lockfile"))
            .count();
        assert_eq!(installs, 2, "this workspace is new: {first:#?}");
        for row in TABLE {
            // Another process may empty the daemon's cache between the two builds.
            let checked = check(daemon, row, &nonce).or_else(|problem| {
                eprintln!("once more, since: {problem}");
                check(daemon, row, &nonce).or_else(|_| check(daemon, row, &nonce))
            });
            checked.unwrap_or_else(|problem| panic!("{problem}"));
        }
    });
}
