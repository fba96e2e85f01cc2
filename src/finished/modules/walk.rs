//! Walks from the projects to every package that they need, directly or not.

use std::collections::{BTreeMap, BTreeSet};

use super::package::Package;
use super::{Expected, ModulesError, Project};
use crate::files::tree::{Tree, TreeError};
use crate::model::path::RepoPath;

/// The directory name of modules.
pub(super) const MODULES: &str = "node_modules";

/// The state of a walk.
pub(super) struct Walk<'w> {
    pub(super) files: &'w Tree,
    pub(super) projects: BTreeMap<&'w RepoPath, &'w Project>,
    expected: &'w Expected,
    /// The lockfile's versions by name.
    versions: BTreeMap<&'w str, Vec<&'w str>>,
    /// The packages found, by real directory.
    pub(super) packages: BTreeMap<RepoPath, Reached>,
    /// The real path of a place in a `node_modules`; `None` if nothing is there.
    places: BTreeMap<RepoPath, Option<RepoPath>>,
}

/// A package that was found.
pub(super) struct Reached {
    pub(super) package: Package,
    /// The package or project that led here first.
    by: RepoPath,
    /// The packages that it resolves to.
    pub(super) leads_to: BTreeSet<RepoPath>,
}

/// How much a dependency is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// It is required.
    Needs,
    /// It is optional.
    Takes,
}

impl<'w> Walk<'w> {
    pub(super) fn new(files: &'w Tree, projects: &'w [Project], expected: &'w Expected) -> Self {
        let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for locked in expected.keys() {
            let of_name = versions.entry(&locked.name).or_default();
            of_name.push(&locked.version);
        }
        Self {
            files,
            projects: projects.iter().map(|one| (&one.dir, one)).collect(),
            expected,
            versions,
            packages: BTreeMap::new(),
            places: BTreeMap::new(),
        }
    }

    pub(super) fn run(&mut self) -> Result<(), ModulesError> {
        let asked: Vec<(&RepoPath, &Project)> = self.projects.clone().into_iter().collect();
        let needs_any = asked.iter().any(|(_, project)| !project.needs.is_empty());
        let top = RepoPath::child(&RepoPath::ROOT, MODULES);
        if needs_any && !self.files.is_dir(&top)? {
            let mut nowhere = true;
            for (dir, _) in &asked {
                nowhere &= !self.files.is_dir(&RepoPath::child(dir, MODULES))?;
            }
            if nowhere {
                return Err(ModulesError::NothingInstalled(top));
            }
        }
        let mut queue = Vec::new();
        for (dir, project) in asked {
            for (name, optional) in &project.needs {
                let wish = if *optional { Wish::Takes } else { Wish::Needs };
                queue.extend(self.find(dir, name, wish)?);
            }
        }
        // Last found, first searched. The order does not matter, since each package is searched
        // once.
        while let Some(dir) = queue.pop() {
            let package = &self.packages[&dir].package;
            let needs = package.needs.clone();
            let peers = package.peers.clone();
            for (name, optional) in needs {
                let wish = if optional { Wish::Takes } else { Wish::Needs };
                queue.extend(self.find(&dir, &name, wish)?);
            }
            for name in peers {
                queue.extend(self.find(&dir, &name, Wish::Takes)?);
            }
        }
        Ok(())
    }

    /// Resolves a name for the package in `from`. Returns its directory if it was not known before.
    fn find(
        &mut self,
        from: &RepoPath,
        name: &str,
        wish: Wish,
    ) -> Result<Option<RepoPath>, ModulesError> {
        let known = self.versions.contains_key(name);
        let Some(dir) = self.resolve(from, name)? else {
            // Overrides and hooks may remove a dependency; then the lockfile has no version of the
            // name. An install also leaves out packages that only optional packages need, even if
            // such an optional package is installed: pnpm does so with dependencies of packages for
            // other machines.
            if wish == Wish::Needs && known && !self.may_be_left_out(name) {
                let (name, chain) = (name.to_owned(), self.chain(from));
                return Err(ModulesError::Missing { name, chain });
            }
            return Ok(None);
        };
        if let Some(reached) = self.packages.get_mut(from) {
            reached.leads_to.insert(dir.clone());
        }
        // A project is listed with its own needs.
        if self.packages.contains_key(&dir) || !dir.parts().any(|part| part == MODULES) {
            return Ok(None);
        }
        let Some(package) = Package::read(self.files, &dir)? else {
            return Ok(None);
        };
        let carried = self.is_carried(from, &dir);
        if !carried && !self.is_locked(&package.name, &package.version) {
            let versions = self.versions.get(package.name.as_str());
            // In a hoisted tree, a lookup can reach packages of others.
            let (Wish::Needs, Some(versions)) = (wish, versions) else {
                return Ok(None);
            };
            return Err(ModulesError::Differs {
                locked: versions.join(" and "),
                chain: self.chain(from),
                installed: package.version,
                name: package.name,
            });
        }
        let by = from.clone();
        let leads_to = BTreeSet::new();
        let reached = Reached {
            package,
            by,
            leads_to,
        };
        self.packages.insert(dir.clone(), reached);
        Ok(Some(dir))
    }

    /// Whether an install may leave out every version of a name.
    fn may_be_left_out(&self, name: &str) -> bool {
        let mut of_name = self
            .expected
            .iter()
            .filter(|(locked, _)| locked.name == name);
        of_name.all(|(_, optional)| *optional)
    }

    /// Whether a package is in the `node_modules` of a package that bundles its dependencies.
    fn is_carried(&self, from: &RepoPath, dir: &RepoPath) -> bool {
        let mut above = dir.parent();
        while let Some(at) = above {
            if let Some(reached) = self.packages.get(&at) {
                return reached.package.bundles && from.is_within(&at);
            }
            above = at.parent();
        }
        false
    }

    fn is_locked(&self, name: &str, version: &str) -> bool {
        self.versions.get(name).is_some_and(|versions| {
            versions
                .iter()
                .any(|locked| *locked == version || is_elsewhere(locked))
        })
    }

    /// Resolves as node does: in every `node_modules` from the importing package's real directory
    /// up to the root.
    fn resolve(&mut self, from: &RepoPath, name: &str) -> Result<Option<RepoPath>, ModulesError> {
        let mut above = Some(from.clone());
        while let Some(dir) = above {
            if dir.file_name() != Some(MODULES) {
                let place = dir.join(MODULES).and_then(|modules| modules.join(name));
                let Ok(place) = place else {
                    return Ok(None);
                };
                if let Some(found) = self.real(&place)? {
                    return Ok(Some(found));
                }
            }
            above = dir.parent();
        }
        Ok(None)
    }

    /// The real path of a place; `None` if nothing is there or a link is broken.
    pub(super) fn real(&mut self, place: &RepoPath) -> Result<Option<RepoPath>, ModulesError> {
        if let Some(known) = self.places.get(place) {
            return Ok(known.clone());
        }
        let found = match self.files.real(place) {
            Ok(real) => Some(real),
            Err(error @ TreeError::Outside { .. }) => return Err(error.into()),
            Err(_) => None,
        };
        self.places.insert(place.clone(), found.clone());
        Ok(found)
    }

    /// Checks the packages found against the lockfile.
    pub(super) fn check(&self) -> Result<(), ModulesError> {
        let found: BTreeSet<(&str, &str)> = self
            .packages
            .values()
            .map(|reached| {
                let package = &reached.package;
                (package.name.as_str(), package.version.as_str())
            })
            .collect();
        let names: BTreeSet<&str> = found.iter().map(|(name, _)| *name).collect();
        let missing: Vec<String> = self
            .expected
            .iter()
            .filter(|(locked, optional)| {
                let there = if is_elsewhere(&locked.version) {
                    names.contains(locked.name.as_str())
                } else {
                    found.contains(&(locked.name.as_str(), locked.version.as_str()))
                };
                !**optional && !there
            })
            .map(|(locked, _)| format!("{}@{}", locked.name, locked.version))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let more = missing.len().saturating_sub(5);
        let mut locked = missing[..missing.len() - more].join(", ");
        if more > 0 {
            locked = format!("{locked} and {more} more");
        }
        Err(ModulesError::NotReached { locked })
    }

    /// The chain from the project to this package.
    fn chain(&self, from: &RepoPath) -> Vec<String> {
        let mut names = Vec::new();
        let mut at = from;
        while let Some(reached) = self.packages.get(at) {
            let Package { name, version, .. } = &reached.package;
            names.push(format!("{name}@{version}"));
            at = &reached.by;
        }
        names.push(at.to_string());
        names.reverse();
        names
    }
}

/// Whether a version field holds a source instead: a commit, a tarball, a directory. The version is
/// then in the manifest.
fn is_elsewhere(version: &str) -> bool {
    !version.starts_with(|first: char| first.is_ascii_digit())
}
