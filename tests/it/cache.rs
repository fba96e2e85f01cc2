//! What a change makes stale: a table of modifications against the parts of the context that change, and against the steps of a real
//! build that run again. The shape is cargo-chef's.

mod daemon;
mod modification;

use std::collections::{BTreeMap, BTreeSet};

use crate::support::archive::{Entry, context, entries};
use crate::support::tree::Tree;

use modification::Modification;

/// A modification, with the parts of each app's context that it may change.
struct Row {
    modification: Modification,
    server: &'static [&'static str],
    worker: &'static [&'static str],
}

const TABLE: &[Row] = {
    use Modification as M;
    const fn row(
        modification: Modification,
        server: &'static [&'static str],
        worker: &'static [&'static str],
    ) -> Row {
        Row {
            modification,
            server,
            worker,
        }
    }
    &[
        // What the app is made of.
        row(M::EditAppSource, &["src/apps/server"], &[]),
        row(M::EditAppAsset, &["run/apps/server"], &[]),
        row(M::EditAppScript, &["run/apps/server"], &[]),
        row(M::EditBuiltLibrary, &["src/packages/catalog"], &[]),
        row(
            M::EditPlainLibrary,
            &["run/packages/events"],
            &["run/packages/events"],
        ),
        row(M::EditSharedTsconfig, &["src/packages/tsconfig"], &[]),
        row(M::EditRootTsconfig, &["root"], &[]),
        row(
            M::AddProductionDependency,
            &["build", "prod", "run/apps/server"],
            &[],
        ),
        row(M::AddDevDependency, &["build", "run/apps/server"], &[]),
        row(M::ChooseAnotherNode, &["Dockerfile"], &["Dockerfile"]),
        // What has nothing to do with it.
        row(M::EditUnusedLibrary, &[], &[]),
        row(M::EditOtherApp, &[], &[]),
        row(M::EditRootScript, &[], &[]),
        row(M::EditAppReadme, &[], &[]),
        row(M::EditRootReadme, &[], &[]),
        row(M::EditTurboComment, &[], &[]),
        row(M::EditLintConfiguration, &[], &[]),
        row(M::EditNpmrcComment, &[], &[]),
        row(M::AddDevDependencyElsewhere, &[], &[]),
        row(M::BumpVersionElsewhere, &[], &[]),
    ]
};

/// The files of a context by the part that they belong to: what stands in one `COPY` of the Dockerfile.
fn parts(archive: &[u8]) -> BTreeMap<String, Vec<Entry>> {
    let mut parts: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for entry in entries(archive) {
        let depth = if entry.path.starts_with("src/") || entry.path.starts_with("run/") {
            3
        } else {
            1
        };
        let part: Vec<&str> = entry.path.split('/').take(depth).collect();
        parts.entry(part.join("/")).or_default().push(entry);
    }
    parts
}

fn assert_changes(modification: Modification, app: &str, expected: &[&str]) {
    let tree = Tree::shop();
    let before = context(tree.root(), app, &[]);
    modification.apply(&tree, "1");
    let after = context(tree.root(), app, &[]);
    let (old, new) = (parts(&before), parts(&after));
    let changed: BTreeSet<&str> = old
        .keys()
        .chain(new.keys())
        .filter(|part| old.get(*part) != new.get(*part))
        .map(String::as_str)
        .collect();
    let expected: BTreeSet<&str> = expected.iter().copied().collect();
    assert_eq!(changed, expected, "{modification:?} for {app}");
    assert_eq!(
        before == after,
        expected.is_empty(),
        "{modification:?} for {app}: headers"
    );
}

#[test]
fn a_change_reaches_its_own_part_of_the_context() {
    for row in TABLE {
        assert_changes(row.modification, "apps/server", row.server);
        assert_changes(row.modification, "apps/worker", row.worker);
    }
}
