//! Production modules, from the installed tree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value};

use super::PrebuiltError;
use super::files::{self, LeftOut, Wanted};
use super::trim::{self, Spare};
use crate::files::tree;
use crate::finished::modules::{self, Project, Tree};
use crate::model::image::Platform;
use crate::model::path::RepoPath;
use crate::plan::{Content, ContextEntry, LED_TO, LOADER, Machines, Plan, Recipe, place};

/// What was found.
pub(super) struct Modules {
    tree: Tree,
}

impl Modules {
    pub(super) fn find(plan: &Plan, recipe: &Recipe, root: &Path) -> Result<Self, PrebuiltError> {
        let tree = modules::walk(root, &projects(plan), &recipe.locked)?;
        Ok(Self { tree })
    }

    /// Says which packages are missing that are for machines as this one: an install leaves them out for other machines alone, or where they could
    /// not be had.
    pub(super) fn missing(&self, recipe: &Recipe) -> Option<String> {
        let there: BTreeSet<(&str, &str)> = self
            .tree
            .packages
            .values()
            .map(|package| (&*package.name, &*package.version))
            .collect();
        let missing: Vec<String> = recipe
            .bound
            .iter()
            .filter(|(locked, machines)| {
                is_this(machines) && !there.contains(&(&*locked.name, &*locked.version))
            })
            .map(|(locked, _)| format!("{}@{}", locked.name, locked.version))
            .collect();
        if missing.is_empty() {
            return None;
        }
        Some(format!(
            "for machines as this one pnpm-lock.yaml has {}, and it is not installed: what needs it may fail when it runs. Run `pnpm install --frozen-lockfile`",
            missing.join(", ")
        ))
    }

    /// What can be spared of them, and of what builds of the image's packages wrote.
    pub(super) fn spare(&self, plan: &Plan, root: &Path) -> Result<Spare, PrebuiltError> {
        let Some(wish) = plan.trim() else {
            return Ok(Spare::default());
        };
        let built = plan.image_packages.iter();
        let built = built.filter(|package| package.stage.is_some());
        let members = built.map(|package| &package.dir);
        trim::spare(root, self.tree.packages.keys(), members, wish)
    }

    /// All files and links.
    pub(super) fn entries(
        &self,
        plan: &Plan,
        files: &tree::Tree,
        spare: &Spare,
        left_out: &mut LeftOut,
    ) -> Result<Vec<ContextEntry>, PrebuiltError> {
        let mut entries = Vec::new();
        for (dir, package) in &self.tree.packages {
            let wanted = Wanted {
                modules: if package.bundles {
                    files::Modules::Theirs
                } else {
                    files::Modules::Below
                },
                outputs: false,
                globs: None,
            };
            let why = "the app needs it when it runs";
            let found = files::below(files, dir, &wanted, left_out)?.into_iter();
            let kept = found.filter(|found| !spare.files.contains(found.file.path.as_str()));
            entries.extend(kept.map(|found| {
                let path = found.file.path.as_str().to_owned();
                files::entry(place::MODULES, &path, found.file, why)
            }));
        }
        for dir in &self.tree.generated {
            let wanted = Wanted {
                modules: files::Modules::Theirs,
                outputs: true,
                globs: None,
            };
            let why = "generated inside of modules";
            let found = files::below(files, dir, &wanted, left_out)?.into_iter();
            entries.extend(found.map(|found| {
                let path = found.file.path.as_str().to_owned();
                files::entry(place::MODULES, &path, found.file, why)
            }));
        }
        for (path, target) in &self.tree.links {
            entries.push(files::link(
                place::MODULES,
                path,
                target,
                "node finds modules by it",
            ));
        }
        entries.extend(files_beside(plan));
        Ok(entries)
    }
}

/// Whether packages like this are for the processor that this runs on, under linux, and with the C library that slimbuild's own base has.
fn is_this(machines: &Machines) -> bool {
    machines.fit("linux", Platform::host().cpu(), "glibc")
}

/// The projects that run, and what each needs: the manifests that a production install would get say it.
fn projects(plan: &Plan) -> Vec<Project> {
    let prefix = format!("{}/", place::PROD);
    let mut projects = Vec::new();
    for entry in plan.context() {
        let Some(path) = entry.path.strip_prefix(&prefix) else {
            continue;
        };
        let (Ok(path), Content::Made { text, .. }) = (RepoPath::new(path), &entry.content) else {
            continue;
        };
        if path.file_name() != Some("package.json") {
            continue;
        }
        let document: Value = serde_json::from_str(text).unwrap_or_default();
        let names = |key: &str, optional| {
            let map = document[key].as_object();
            let names = map.into_iter().flat_map(Map::keys);
            names
                .map(|name| (name.clone(), optional))
                .collect::<BTreeMap<_, _>>()
        };
        let mut needs = names("dependencies", false);
        // Those that are left count at run time.
        needs.extend(names("devDependencies", false));
        needs.extend(names("optionalDependencies", true));
        projects.push(Project {
            dir: path.parent().unwrap_or_default(),
            needs,
        });
    }
    projects
}

/// What belongs to no package and lies beside the modules: configuration that is read when the app starts, and what links of packages lead to.
fn files_beside(plan: &Plan) -> Vec<ContextEntry> {
    let prefix = format!("{}/", place::PROD);
    let wanted = |why: &str| why == LOADER || why == LED_TO;
    let beside = plan
        .context()
        .iter()
        .filter(|entry| wanted(&entry.why) && entry.path.starts_with(&prefix));
    beside
        .map(|entry| ContextEntry {
            path: entry.path.replacen(place::PROD, place::MODULES, 1),
            ..entry.clone()
        })
        .collect()
}
