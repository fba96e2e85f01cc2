//! Takes production modules from the installed tree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value};

use super::PrebuiltError;
use super::files::{self, LeftOut, Wanted};
use super::trim::{self, Spare};
use crate::files::{File, Kind, tree};
use crate::finished::modules::{self, InstalledModules, Project};
use crate::model::image::Platform;
use crate::plan::{Content, ContextEntry, Machines, Place, Plan, Recipe};

/// The modules found.
pub(super) struct Modules {
    tree: InstalledModules,
}

impl Modules {
    pub(super) fn find(plan: &Plan, recipe: &Recipe, root: &Path) -> Result<Self, PrebuiltError> {
        let tree = modules::walk(root, &projects(plan), &recipe.locked)?;
        Ok(Self { tree })
    }

    /// A warning about missing packages that are for this kind of machine. An install leaves out
    /// packages for other machines, or ones that could not be downloaded.
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

    /// The files of the modules, and of build outputs of the image's packages, that are not needed
    /// at run time.
    pub(super) fn spare(&self, plan: &Plan, root: &Path) -> Result<Spare, PrebuiltError> {
        let Some(wish) = plan.trim() else {
            return Ok(Spare::default());
        };
        let built = plan.image_packages.iter();
        let built = built.filter(|package| package.stage.is_some());
        let members = built.map(|package| &package.dir);
        trim::spare(root, self.tree.packages.keys(), members, wish)
    }

    /// The entries of all files and links.
    pub(super) fn entries(
        &self,
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
            entries
                .extend(kept.map(|found| ContextEntry::source(Place::Modules, &found.file, why)));
        }
        for dir in &self.tree.generated {
            let wanted = Wanted {
                modules: files::Modules::Theirs,
                outputs: true,
                globs: None,
            };
            let why = "generated inside of modules";
            let found = files::below(files, dir, &wanted, left_out)?.into_iter();
            entries
                .extend(found.map(|found| ContextEntry::source(Place::Modules, &found.file, why)));
        }
        for (path, target) in &self.tree.links {
            let link = File {
                path: path.clone(),
                kind: Kind::Symlink {
                    target: target.clone(),
                },
                size: 0,
            };
            let why = "node finds modules by it";
            entries.push(ContextEntry::source(Place::Modules, &link, why));
        }
        Ok(entries)
    }
}

/// Whether packages are for this machine's processor, linux, and the C library of the built-in
/// base.
fn is_this(machines: &Machines) -> bool {
    machines.fit("linux", Platform::host().cpu(), "glibc")
}

/// The runtime projects and their dependencies, from the manifests of a production install.
fn projects(plan: &Plan) -> Vec<Project> {
    let mut projects = Vec::new();
    for entry in plan.context() {
        let Content::Made { text, .. } = &entry.content else {
            continue;
        };
        if entry.place != Place::Prod || entry.path.file_name() != Some("package.json") {
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
        // The remaining dev dependencies are needed at run time.
        needs.extend(names("devDependencies", false));
        needs.extend(names("optionalDependencies", true));
        projects.push(Project {
            dir: entry.path.parent().unwrap_or_default(),
            needs,
        });
    }
    projects
}
