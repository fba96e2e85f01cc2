//! What each change invalidates: a table of modifications, compared with the parts of the context
//! that change, and with the steps of a real build that run again. The design is cargo-chef's.

mod daemon;
mod modification;

use std::collections::{BTreeMap, BTreeSet};

use crate::support::archive::{Entry, context, entries};
use crate::support::tree::Tree;

use modification::Modification;

const SERVER: &str = "apps/server";
const WORKER: &str = "apps/worker";
/// The Next.js app.
const WEB: &str = "apps/web";
/// The static site.
const SITE: &str = "apps/site";

const APPS: [&str; 4] = [SERVER, WORKER, WEB, SITE];

/// A modification, with the parts of each app's context that it changes. The contexts of all other
/// apps must stay the same to the byte.
struct Row {
    modification: Modification,
    parts: &'static [(&'static str, &'static [&'static str])],
}

const TABLE: &[Row] = {
    use Modification as M;
    const fn row(
        modification: Modification,
        parts: &'static [(&'static str, &'static [&'static str])],
    ) -> Row {
        Row {
            modification,
            parts,
        }
    }
    &[
        // The app's own files.
        row(M::EditAppSource, &[(SERVER, &["src/apps/server"])]),
        row(M::EditAppAsset, &[(SERVER, &["run/apps/server"])]),
        row(M::EditAppScript, &[(SERVER, &["run/apps/server"])]),
        row(M::EditPage, &[(WEB, &["src/apps/web"])]),
        row(M::EditPublicFile, &[(WEB, &["src/apps/web"])]),
        row(M::EditNextConfiguration, &[(WEB, &["src/apps/web"])]),
        row(M::EditWebScript, &[(WEB, &["src/apps/web"])]),
        row(M::EditSiteSource, &[(SITE, &["src/apps/site"])]),
        row(M::EditSitePage, &[(SITE, &["src/apps/site"])]),
        row(M::EditViteConfiguration, &[(SITE, &["src/apps/site"])]),
        row(M::EditSiteScript, &[(SITE, &["src/apps/site"])]),
        // Files that several apps use.
        row(M::EditBuiltLibrary, &[(SERVER, &["src/packages/catalog"])]),
        row(
            M::EditPlainLibrary,
            &[
                (SERVER, &["run/packages/events"]),
                (WORKER, &["run/packages/events"]),
            ],
        ),
        row(
            M::EditComponents,
            &[(WEB, &["src/packages/ui"]), (SITE, &["src/packages/ui"])],
        ),
        row(
            M::EditSharedTsconfig,
            &[
                (SERVER, &["src/packages/tsconfig"]),
                (WEB, &["src/packages/tsconfig"]),
                (SITE, &["src/packages/tsconfig"]),
            ],
        ),
        // The libraries' configurations extend it; those of the pages and the site do not.
        row(M::EditRootTsconfig, &[(SERVER, &["root"])]),
        // What is installed. Only an image of modules has a production install. A comment in the
        // Dockerfile counts packages, and so changes with a new one; the cache ignores comments.
        row(
            M::AddProductionDependency,
            &[(SERVER, &["build", "prod", "run/apps/server"])],
        ),
        row(
            M::AddDevDependency,
            &[(SERVER, &["build", "run/apps/server"])],
        ),
        row(
            M::AddProductionDependencyToWeb,
            &[(WEB, &["Dockerfile", "build", "src/apps/web"])],
        ),
        row(
            M::AddDevDependencyToWeb,
            &[(WEB, &["Dockerfile", "build", "src/apps/web"])],
        ),
        row(M::BumpNext, &[(WEB, &["build"])]),
        row(
            M::AddProductionDependencyToSite,
            &[(SITE, &["Dockerfile", "build", "src/apps/site"])],
        ),
        row(
            M::AddDevDependencyToSite,
            &[(SITE, &["build", "src/apps/site"])],
        ),
        row(M::BumpVitePlugin, &[(SITE, &["build"])]),
        row(
            M::ChooseAnotherNode,
            &[
                (SERVER, &["Dockerfile"]),
                (WORKER, &["Dockerfile"]),
                (WEB, &["Dockerfile"]),
                (SITE, &["Dockerfile"]),
            ],
        ),
        // Files that no image contains.
        row(M::EditUnusedLibrary, &[]),
        row(M::EditRootScript, &[]),
        row(M::EditAppReadme, &[]),
        row(M::AddReadmes, &[]),
        row(M::EditRootReadme, &[]),
        row(M::EditTurboComment, &[]),
        row(M::EditLintConfiguration, &[]),
        row(M::EditNpmrcComment, &[]),
    ]
};

/// The files of a context by part, which is one `COPY` of the Dockerfile.
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

#[test]
fn a_change_reaches_its_own_part_of_the_context() {
    let contexts = |tree: &Tree| APPS.map(|app| context(tree.root(), app, &[]));
    let before = contexts(&Tree::shop());
    for Row {
        modification,
        parts: expected,
    } in TABLE
    {
        let tree = Tree::shop();
        modification.apply(&tree, "1");
        let after = contexts(&tree);
        for (app, (before, after)) in APPS.iter().zip(before.iter().zip(&after)) {
            let (old, new) = (parts(before), parts(after));
            let changed: BTreeSet<&str> = old
                .keys()
                .chain(new.keys())
                .filter(|part| old.get(*part) != new.get(*part))
                .map(String::as_str)
                .collect();
            let row = expected.iter().find(|(named, _)| named == app);
            let expected: BTreeSet<&str> = row.into_iter().flat_map(|row| row.1).copied().collect();
            assert_eq!(changed, expected, "{modification:?} for {app}");
            assert_eq!(
                before == after,
                expected.is_empty(),
                "{modification:?} for {app}: headers"
            );
        }
    }
}
