//! Finds the production modules of an installed tree: the packages on disk that an app needs at run
//! time.
//!
//! Input: the workspace's directory, its projects with the names that each needs, and the packages
//! of the lockfile's runtime closure. Output: [`InstalledModules`] of package directories, links and
//! generated files by their paths in the workspace.
//!
//! The walk follows Node's resolution from package to package: a name is searched in every
//! `node_modules` from the importing package's real directory upwards. So it needs to know no
//! package manager's layout: virtual stores, hoisted and nested trees all work. The result is
//! checked against the lockfile, which decides if the two differ.

mod directory;
mod error;
mod package;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub use self::error::ModulesError;
use crate::files::tree as files;
use crate::model::path::RepoPath;
use crate::plan::Locked;

/// A project of the workspace, and its runtime dependencies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its directory.
    pub dir: RepoPath,
    /// The names that it needs; `true` marks optional ones.
    pub needs: BTreeMap<String, bool>,
}

/// The lockfile's packages, and whether an install may leave each out because it is for another
/// platform.
pub type Expected = BTreeMap<Locked, bool>;

/// The modules that the projects need.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InstalledModules {
    /// The real directories of packages. Everything below each is taken, except its `node_modules`,
    /// which has entries of its own.
    pub packages: BTreeMap<RepoPath, InstalledPackage>,
    /// Links, with targets relative to their directories.
    pub links: BTreeMap<RepoPath, String>,
    /// Files and directories next to packages that no package manager made, such as generated code.
    pub generated: BTreeSet<RepoPath>,
}

/// A package that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledPackage {
    /// The name in its manifest.
    pub name: String,
    /// The version in its manifest.
    pub version: String,
    /// Whether it bundles dependencies, which no lockfile lists: its `node_modules` is taken whole.
    pub bundles: bool,
}

/// Walks from the projects through the modules installed below `root`.
pub fn walk(
    root: &Path,
    projects: &[Project],
    expected: &Expected,
) -> Result<InstalledModules, ModulesError> {
    let files = files::Tree::open(root)?;
    let mut walk = walk::Walk::new(&files, projects, expected);
    walk.run()?;
    walk.check()?;
    directory::collect(&walk)
}
