//! Packages that sources name by a string, for a library to load, and that the image does not have
//! because only developers get them.
//!
//! Input: the sources that may run. Output: a warning for each such package. The proof refuses an
//! image in which code certainly comes to one of them, as it does for an import.

use std::collections::BTreeSet;

use super::code::Source;
use super::context_list::ContextList;
use crate::lockfile::Field;
use crate::model::member::MemberId;
use crate::model::module::package;
use crate::model::path::RepoPath;
use crate::workspace::Workspace;
use crate::workspace::manifest::package::Manifest;

/// A package that a source names and the image does not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Missing {
    /// The source.
    pub(super) by: RepoPath,
    pub(super) package: String,
    /// The manifest that has it as a dev dependency.
    of: String,
    /// Whether loading the source loads the package.
    pub(super) certain: bool,
}

/// Finds such packages.
pub(super) fn found(list: &ContextList<'_, '_, '_>, sources: &[Source]) -> Vec<Missing> {
    let workspace = list.workspace;
    let kept: BTreeSet<&(MemberId, String)> = list
        .runtime
        .map(|runtime| runtime.named().iter().collect())
        .unwrap_or_default();
    let mut found = BTreeSet::new();
    for source in sources {
        for one in &source.reads.named {
            let Some(package) = package(&one.module) else {
                continue;
            };
            let own = [source.of, MemberId::ROOT];
            let Some(at) = own.into_iter().find(|at| knows(workspace, *at, package)) else {
                continue;
            };
            let manifest = &workspace.members[at].manifest;
            if !is_for_developers(manifest, package) || kept.contains(&(at, package.to_owned())) {
                continue;
            }
            found.insert(Missing {
                by: source.path.clone(),
                package: package.to_owned(),
                of: manifest.file().to_owned(),
                certain: one.certain,
            });
        }
    }
    found.into_iter().collect()
}

fn knows(workspace: &Workspace, at: MemberId, package: &str) -> bool {
    let manifest = &workspace.members[at].manifest;
    manifest.depends_on(package) || manifest.peers().contains_key(package)
}

fn is_for_developers(manifest: &Manifest, package: &str) -> bool {
    let has = |field| manifest.dependencies(field).contains_key(package);
    has(Field::Dev) && !has(Field::Prod) && !has(Field::Optional)
}

/// A warning for each.
pub(super) fn warnings(missing: &[Missing]) -> Vec<String> {
    let one = |missing: &Missing| {
        let Missing {
            by, package, of, ..
        } = missing;
        format!(
            "{by} names `{package}` for a library to load, and the image does not have it: it is a dev dependency in {of}. What runs needs it among `dependencies`; what only developers need is named under a condition, as `process.env.NODE_ENV !== 'production'`"
        )
    };
    missing.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use crate::plan::{Content, Plan, PlanOptions};
    use crate::testing::{at, workspace};

    const LOCKFILE: &str = "lockfileVersion: '9.0'

importers:

  .:
    devDependencies:
      of-root:
        specifier: 1.0.0
        version: 1.0.0

  apps/a:
    dependencies:
      ships:
        specifier: 1.0.0
        version: 1.0.0
    devDependencies:
      pretty:
        specifier: 1.0.0
        version: 1.0.0

packages:

  of-root@1.0.0:
    resolution: {integrity: sha512-a}

  pretty@1.0.0:
    resolution: {integrity: sha512-b}

  ships@1.0.0:
    resolution: {integrity: sha512-c}

snapshots:

  of-root@1.0.0: {}

  pretty@1.0.0: {}

  ships@1.0.0: {}
";

    /// The warnings about an app with this code, and what the proof is told.
    fn of(code: &str) -> (Vec<String>, String) {
        let root =
            r#"{"name":"r","packageManager":"pnpm@10.34.8","devDependencies":{"of-root":"1.0.0"}}"#;
        let app = r#"{"name":"a","scripts":{"start":"node index.js"},"dependencies":{"ships":"1.0.0"},"devDependencies":{"pretty":"1.0.0"}}"#;
        let (_dir, workspace) = workspace(&[
            ("package.json", root),
            ("pnpm-lock.yaml", LOCKFILE),
            ("apps/a/package.json", app),
            ("apps/a/index.js", code),
        ]);
        let plan = Plan::new(
            &workspace,
            at(&workspace, "apps/a"),
            &PlanOptions::default(),
        );
        let plan = plan.unwrap();
        let proof = plan
            .context()
            .iter()
            .find_map(|entry| match &entry.content {
                Content::Made { text, .. } if entry.path.as_str() == "image.json" => {
                    Some(text.clone())
                }
                _ => None,
            });
        let proof: serde_json::Value = serde_json::from_str(&proof.unwrap()).unwrap();
        (plan.warnings.clone(), proof["named"].to_string())
    }

    #[test]
    fn a_dev_dependency_that_a_string_names_is_told() {
        let certain = "pino({ transport: { target: 'pretty' } })";
        let (warnings, proof) = of(certain);
        assert_eq!(
            warnings,
            [
                "apps/a/index.js names `pretty` for a library to load, and the image does not have it: it is a dev dependency in apps/a/package.json. What runs needs it among `dependencies`; what only developers need is named under a condition, as `process.env.NODE_ENV !== 'production'`"
            ]
        );
        assert_eq!(proof, r#"[["apps/a/index.js","pretty"]]"#);
        let (warnings, proof) = of("x({ loader: 'of-root/sub' })");
        assert!(
            warnings[0].contains("a dev dependency in package.json"),
            "{warnings:?}"
        );
        assert_eq!(proof, "[]");
        for fine in [
            "pino({ transport: { target: 'ships' } })",
            "pino({ transport: { target: 'unknown' } })",
            "pino({ transport: { target: './pretty' } })",
            "pino({ transport: dev ? { target: 'pretty' } : undefined })",
        ] {
            assert_eq!(of(fine), (Vec::new(), "[]".to_owned()), "{fine}");
        }
    }
}
