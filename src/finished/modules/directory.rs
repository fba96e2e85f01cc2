//! Selects the links and files to take from the `node_modules` directories that a walk searched.

use std::collections::{BTreeMap, BTreeSet};

use super::package::Package;
use super::walk::{MODULES, Walk};
use super::{InstalledModules, InstalledPackage, ModulesError};
use crate::files::tree::{self, FileKind, optional};
use crate::model::path::RepoPath;

/// State of package managers and builds next to packages.
const STATE: [&str; 11] = [
    ".bin",
    ".cache",
    ".modules.yaml",
    ".package-lock.json",
    ".package-map.json",
    ".pnpm",
    ".pnpm-workspace-state.json",
    ".pnpm-workspace-state-v1.json",
    ".vite",
    ".vite-temp",
    ".yarn-integrity",
];

/// Collects the modules of the image.
pub(super) fn collect(walk: &Walk<'_>) -> Result<InstalledModules, ModulesError> {
    let mut tree = InstalledModules::default();
    for (dir, reached) in &walk.packages {
        let Package {
            name,
            version,
            bundles,
            ..
        } = &reached.package;
        let found = InstalledPackage {
            name: name.clone(),
            version: version.clone(),
            bundles: *bundles,
        };
        tree.packages.insert(dir.clone(), found);
    }
    let mut directories = BTreeSet::new();
    let projects = walk.projects.keys().copied();
    for dir in projects.chain(walk.packages.keys()) {
        let mut above = Some(dir.clone());
        while let Some(at) = above {
            if at.file_name() != Some(MODULES)
                && let Ok(modules) = at.join(MODULES)
            {
                directories.insert(modules);
            }
            above = at.parent();
        }
    }
    for directory in directories {
        Directory::read(walk, &directory)?.take(walk, &mut tree)?;
    }
    Ok(tree)
}

/// A `node_modules` directory.
struct Directory {
    path: RepoPath,
    /// Links to and directories of packages, by name.
    packages: BTreeMap<String, (RepoPath, FileKind)>,
    /// Everything else.
    others: Vec<(RepoPath, String)>,
}

impl Directory {
    fn read(walk: &Walk<'_>, path: &RepoPath) -> Result<Self, ModulesError> {
        let mut directory = Self {
            path: path.clone(),
            packages: BTreeMap::new(),
            others: Vec::new(),
        };
        for (name, kind) in list(walk.files, path)? {
            let place = path.join(&name).unwrap_or_default();
            if name.starts_with('@') && kind == FileKind::Directory {
                for (below, kind) in list(walk.files, &place)? {
                    let place = place.join(&below).unwrap_or_default();
                    let name = format!("{name}/{below}");
                    directory.packages.insert(name, (place, kind));
                }
            } else if name.starts_with('.')
                || !matches!(kind, FileKind::Directory | FileKind::Symlink)
            {
                directory.others.push((place, name));
            } else {
                directory.packages.insert(name, (place, kind));
            }
        }
        Ok(directory)
    }

    fn take(self, walk: &Walk<'_>, tree: &mut InstalledModules) -> Result<(), ModulesError> {
        let owner = self.path.parent().unwrap_or_default();
        if let Some(found) = tree.packages.get(&owner)
            && found.bundles
        {
            // It is taken with its package.
            return Ok(());
        }
        let project = walk.projects.get(&owner);
        // A project's dev dependencies do not belong in the image, even if another package needs
        // them at run time.
        let developed = match Package::development(walk.files, &owner)? {
            Some(names) if project.is_some() || owner.is_root() => names,
            _ => BTreeSet::new(),
        };
        let mut programs = BTreeMap::new();
        if let Some(reached) = walk.packages.get(&owner) {
            for dir in &reached.leads_to {
                note(&mut programs, walk, dir);
            }
        }
        let mut holds_packages = false;
        for (name, (place, kind)) in &self.packages {
            if *kind == FileKind::Directory {
                match tree.packages.get(place) {
                    Some(_) => holds_packages = true,
                    None => continue,
                }
                note(&mut programs, walk, place);
                continue;
            }
            let needed = project.is_some_and(|project| project.needs.contains_key(name));
            if developed.contains(name) && !needed {
                continue;
            }
            let Some(real) = self.leads_to(walk, tree, name, place) else {
                continue;
            };
            tree.links.insert(
                place.clone(),
                relative(&place.parent().unwrap_or_default(), &real),
            );
            note(&mut programs, walk, &real);
        }
        // Generated code is next to the package that it is for.
        let left: Vec<(&RepoPath, &str)> = self
            .packages
            .iter()
            .filter(|(_, (place, kind))| {
                *kind == FileKind::Directory && !tree.packages.contains_key(place)
            })
            .map(|(name, (place, _))| (place, name.as_str()))
            .collect();
        let others = self
            .others
            .iter()
            .map(|(place, name)| (place, name.as_str()));
        for (place, name) in left.into_iter().chain(others).filter(|_| holds_packages) {
            let installed = Package::read(walk.files, place)?
                .is_some_and(|package| !package.version.is_empty());
            if !installed && !STATE.contains(&name) {
                tree.generated.insert(place.clone());
            }
        }
        self.programs(walk, &programs, tree)
    }

    /// The real directory behind a link, if it is in the image. For a hoisted package in a virtual
    /// store, the disk may link to a version that only development uses; then the image's own
    /// version takes its place.
    fn leads_to(
        &self,
        walk: &Walk<'_>,
        tree: &InstalledModules,
        name: &str,
        place: &RepoPath,
    ) -> Option<RepoPath> {
        let real = walk.files.real(place).ok()?;
        let is_project = walk.projects.contains_key(&real);
        if is_project || tree.packages.contains_key(&real) {
            return Some(real);
        }
        // The walk has already followed exact dependencies. A link next to a package is a declared
        // dependency.
        let hoisted = self.path.parent().is_some_and(|parent| {
            parent.parts().any(|part| part == MODULES)
                && !self
                    .packages
                    .values()
                    .any(|(_, kind)| *kind == FileKind::Directory)
                && Package::read(walk.files, &parent).is_ok_and(|package| package.is_none())
        });
        if !hoisted {
            return None;
        }
        let same = walk
            .packages
            .iter()
            .find(|(_, reached)| reached.package.name == name);
        same.map(|(dir, _)| dir.clone())
    }

    /// Programs as links to their files. Package managers write shell scripts there that contain
    /// paths of this machine.
    fn programs(
        &self,
        walk: &Walk<'_>,
        programs: &BTreeMap<String, RepoPath>,
        tree: &mut InstalledModules,
    ) -> Result<(), ModulesError> {
        let bin = self.path.join(".bin").unwrap_or_default();
        for (name, _) in list(walk.files, &bin)? {
            if let Some(file) = programs.get(&name) {
                let place = bin.join(&name).unwrap_or_default();
                tree.links.insert(place, relative(&bin, file));
            }
        }
        Ok(())
    }
}

/// Adds the programs of a package with their files.
fn note(programs: &mut BTreeMap<String, RepoPath>, walk: &Walk<'_>, dir: &RepoPath) {
    let Some(reached) = walk.packages.get(dir) else {
        return;
    };
    for (program, file) in &reached.package.programs {
        if let Ok(file) = dir.join(file) {
            programs.insert(program.clone(), file);
        }
    }
}

/// The names in a directory, sorted; empty if there is no such directory.
fn list(tree: &tree::Tree, dir: &RepoPath) -> Result<Vec<(String, FileKind)>, ModulesError> {
    let mut opened = match optional(tree.directory(dir)) {
        Ok(Some(opened)) => opened,
        Ok(None) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut names = Vec::new();
    for (name, kind) in opened.entries()? {
        let name = name.into_string();
        names.push((name.map_err(|_| ModulesError::NotUtf8(dir.clone()))?, kind));
    }
    names.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(names)
}

/// The relative path from a directory to a path, both in the workspace.
fn relative(from: &RepoPath, to: &RepoPath) -> String {
    let common = from
        .parts()
        .zip(to.parts())
        .take_while(|(left, right)| left == right)
        .count();
    let up = from.parts().skip(common).map(|_| "..");
    let down = to.parts().skip(common);
    up.chain(down).collect::<Vec<_>>().join("/")
}
