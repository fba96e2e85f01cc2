//! The table on a real daemon: which instructions run again.
//!
//! Every run of the tests has a workspace of its own, by a comment that installs read, so that no other run can have filled the cache.

use std::collections::BTreeSet;

use super::modification::Modification;
use crate::support::daemon::one_daemon;
use crate::support::steps::build;
use crate::support::tree::Tree;
use crate::support::unique;

/// A modification, and the stages with instructions that run again, but for the last, which only copies.
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
        // Nothing is made of it, and the app is built beside it.
        row(M::EditPlainLibrary, &["build-apps-server"]),
        row(M::EditUnusedLibrary, &[]),
        row(M::EditAppReadme, &[]),
        row(M::EditRootScript, &[]),
        row(M::AddDevDependencyElsewhere, &[]),
        row(M::BumpVersionElsewhere, &[]),
        // The production install does not know dev dependencies.
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

#[test]
fn a_change_reruns_what_depends_on_it() {
    one_daemon("a_change_reruns_what_depends_on_it", |daemon| {
        let nonce = unique();
        let tag = daemon.tag("cache");
        let first = build(daemon, workspace(&nonce).root(), "apps/server", &tag.name);
        let installs = first
            .ran()
            .iter()
            .filter(|step| step.ends_with("RUN pnpm install"))
            .count();
        assert_eq!(installs, 2, "this workspace is new: {:#?}", first.ran());
        let image = daemon.image(&tag.name).id;
        for row in TABLE {
            let tree = workspace(&nonce);
            row.modification.apply(&tree, &nonce);
            let ran = build(daemon, tree.root(), "apps/server", &tag.name).ran();
            let stage = |step: &String| step.split(':').next().unwrap().to_owned();
            let mut stages: BTreeSet<String> = ran.iter().map(stage).collect();
            stages.remove("runtime");
            let expected: BTreeSet<String> =
                row.reruns.iter().map(|&stage| stage.to_owned()).collect();
            assert_eq!(stages, expected, "{:?}: {ran:#?}", row.modification);
            // The one layer that is large.
            let modules = ran
                .iter()
                .any(|step| step == "runtime: COPY --from=modules /app/ ./");
            assert_eq!(
                modules,
                expected.contains("modules"),
                "{:?}: {ran:#?}",
                row.modification
            );
            let same = daemon.image(&tag.name).id == image;
            assert_eq!(same, ran.is_empty(), "{:?}", row.modification);
        }
    });
}
