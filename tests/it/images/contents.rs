//! The files of an image.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::json_of;
use crate::support::archive::{Entry, context_files};
use crate::support::container::Container;
use crate::support::daemon::Daemon;
use crate::support::tree::shop;

/// Files by path, and the users who own the directories.
pub(crate) struct Contents {
    files: BTreeMap<String, Entry>,
    directories: BTreeMap<String, u64>,
}

/// Forbidden names of packages and programs.
const TOOLS: [&str; 21] = [
    "typescript",
    "tsx",
    "eslint",
    "turbo",
    "vitest",
    "vite",
    "esbuild",
    "prettier",
    "pino-pretty",
    "@types",
    "@shop/tsconfig",
    "@shop/legacy",
    "lodash",
    "react",
    "react-dom",
    "next",
    "pnpm",
    "npm",
    "npx",
    "corepack",
    "yarn",
];

impl Contents {
    /// Reads an image's files.
    pub(crate) fn of(daemon: &Daemon, image: &str) -> Self {
        let all = Container::create(daemon, image, 80).files().into_iter();
        let (directories, files): (Vec<_>, Vec<_>) =
            all.partition(|entry| entry.kind == tar::EntryType::Directory);
        let owned = |entry: Entry| (entry.path.trim_end_matches('/').to_owned(), entry.owner.0);
        Self {
            files: (files.into_iter())
                .map(|entry| (entry.path.clone(), entry))
                .collect(),
            directories: directories.into_iter().map(owned).collect(),
        }
    }

    /// All paths.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The paths below `/app/` that are no third-party modules.
    pub(crate) fn ours(&self) -> Vec<&str> {
        let below = self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix("app/"));
        below
            .filter(|path| !path.contains("node_modules/"))
            .collect()
    }

    /// The paths of third-party modules.
    pub(super) fn modules(&self) -> Vec<&str> {
        let paths = self.files.keys().map(String::as_str);
        paths
            .filter(|path| path.contains("node_modules/"))
            .collect()
    }

    /// Where a symlink leads.
    pub(super) fn link(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.link.as_deref()
    }

    pub(super) fn mode(&self, path: &str) -> u32 {
        self.files[path].mode & 0o777
    }

    /// The packages that are really there, as `name@version`, from their manifests.
    pub(crate) fn packages(&self) -> BTreeSet<String> {
        let manifests = self.files.iter().filter(|(path, entry)| {
            let Some(place) = path
                .strip_prefix("app/node_modules/.pnpm/")
                .and_then(|path| path.strip_suffix("/package.json"))
            else {
                return false;
            };
            // `<depPath>/node_modules/<name>`, not modules inside a package.
            let Some((_, name)) = place.split_once("/node_modules/") else {
                return false;
            };
            let parts = name.split('/').count();
            entry.kind == tar::EntryType::Regular
                && parts == if name.starts_with('@') { 2 } else { 1 }
        });
        manifests
            .map(|(path, entry)| (path, json_of(entry.text())))
            // Generated code beside them has no version.
            .filter(|(_, manifest)| manifest["version"].is_string())
            .map(|(path, manifest)| {
                let text = |key: &str| {
                    manifest[key]
                        .as_str()
                        .unwrap_or_else(|| panic!("{path}: {key}"))
                        .to_owned()
                };
                format!("{}@{}", text("name"), text("version"))
            })
            .collect()
    }

    /// Third-party packages are exactly those of the pruned lockfile.
    pub(super) fn assert_packages(&self, app: &str) {
        let files = context_files(&shop(), app, &[]);
        let lockfile: Value = serde_saphyr::from_str(files["prod/pnpm-lock.yaml"].text()).unwrap();
        let expected: BTreeSet<String> = lockfile["packages"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        assert!(expected.len() >= 2, "{expected:?}");
        assert_eq!(self.packages(), expected, "{app}");
    }

    /// Of the workspace, the image has only what runs.
    pub(super) fn assert_our_files(&self, app: &str) {
        let ours = self.ours().join("\n");
        let links: Vec<String> = self
            .files
            .iter()
            .filter(|(path, _)| path.starts_with("app/apps/") || path.starts_with("app/packages/"))
            .filter_map(|(path, entry)| Some(format!("{path} -> {}", entry.link.as_ref()?)))
            .collect();
        let links = links.join("\n");
        insta::allow_duplicates! {
            if app == "apps/server" {
                insta::assert_snapshot!(ours, @"
                apps/server/dist/app.js
                apps/server/dist/main.js
                apps/server/dist/orders.js
                apps/server/dist/schema.js
                apps/server/package.json
                apps/server/public/index.html
                apps/server/schema/order.schema.json
                packages/catalog/dist/index.js
                packages/catalog/package.json
                packages/events/package.json
                packages/events/src/index.d.ts
                packages/events/src/index.js
                ");
                insta::assert_snapshot!(links, @"
                app/apps/server/node_modules/@shop/catalog -> ../../../../packages/catalog
                app/apps/server/node_modules/@shop/events -> ../../../../packages/events
                app/apps/server/node_modules/ajv -> ../../../node_modules/.pnpm/ajv@8.20.0/node_modules/ajv
                app/apps/server/node_modules/fastify -> ../../../node_modules/.pnpm/fastify@5.12.8/node_modules/fastify
                app/packages/catalog/node_modules/zod -> ../../../node_modules/.pnpm/zod@4.6.7/node_modules/zod
                app/packages/events/node_modules/nanoid -> ../../../node_modules/.pnpm/nanoid@5.1.16/node_modules/nanoid
                ");
            } else {
                insta::assert_snapshot!(ours, @"
                apps/worker/package.json
                apps/worker/src/main.js
                packages/events/package.json
                packages/events/src/index.d.ts
                packages/events/src/index.js
                ");
                insta::assert_snapshot!(links, @"
                app/apps/worker/node_modules/@shop/events -> ../../../../packages/events
                app/apps/worker/node_modules/croner -> ../../../node_modules/.pnpm/croner@10.0.1/node_modules/croner
                app/packages/events/node_modules/nanoid -> ../../../node_modules/.pnpm/nanoid@5.1.16/node_modules/nanoid
                ");
            }
        }
    }

    /// No build tools, package managers, settings or lockfile.
    pub(super) fn assert_no_tools(&self) {
        for path in self.files.keys() {
            let name = path.rsplit('/').next().unwrap();
            assert!(!TOOLS.contains(&name), "{path}");
            let lockfile = matches!(
                name,
                "pnpm-lock.yaml"
                    | "package-lock.json"
                    | "yarn.lock"
                    | "pnpm-workspace.yaml"
                    | ".npmrc"
                    | ".modules.yaml"
                    | "turbo.json"
            );
            assert!(!lockfile || path.contains("/.pnpm/"), "{path}");
            for tool in TOOLS {
                assert!(!path.contains(&format!("/node_modules/{tool}/")), "{path}");
                assert!(!path.contains(&format!("/.pnpm/{tool}@")), "{path}");
            }
            let ours = path.starts_with("app/") && !path.contains("node_modules/");
            assert!(!ours || !name.contains("test"), "{path}");
            assert!(
                !ours || !name.to_lowercase().starts_with("readme"),
                "{path}"
            );
            assert!(!name.starts_with(".env"), "{path}");
        }
    }

    /// Everything else belongs to the base image.
    pub(super) fn assert_nothing_outside_of_app(&self, daemon: &Daemon, base: &str) {
        let base = Self::of(daemon, base);
        let outside = |contents: &Self| -> BTreeSet<String> {
            let paths = contents
                .files
                .keys()
                .filter(|path| !path.starts_with("app/"));
            paths.cloned().collect()
        };
        let (with, without) = (outside(self), outside(&base));
        let added: Vec<_> = with.symmetric_difference(&without).collect();
        assert!(added.is_empty(), "{added:#?}");
        assert!(self.directories.contains_key("app"));
        for (path, owner) in &self.directories {
            let ours = path == "app" || path.starts_with("app/");
            assert!(
                !ours || *owner == 0,
                "the program could change what is in {path}"
            );
        }
        for (path, entry) in self
            .files
            .iter()
            .filter(|(path, _)| path.starts_with("app/"))
        {
            let open = entry.link.is_none() && entry.mode & 0o022 != 0;
            assert!(!open, "others may write {path}");
            assert_eq!(entry.owner.0, 0, "the program could change {path}");
        }
    }
}
