//! Production modules of an installed tree: which of the packages that lie on the disk an app needs when it runs.
//!
//! Goes in: the workspace's directory, its projects with the names that each needs, and the packages that the lockfile's runtime closure has.
//! Comes out: a [`Tree`] of package directories, links and generated files, each by its path in the workspace.
//!
//! The walk goes from package to package as Node's resolution does: a name is looked for in every `node_modules` on the way up from the real
//! directory of who asks. So it knows no package manager's layout: virtual stores, hoisted trees and nested ones are all the same to it. What is
//! found is held against the lockfile, which is right where the two differ.

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

/// A project of the workspace, and what it asks for when it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its directory.
    pub dir: RepoPath,
    /// The names that it needs; those that it can do without are `true`.
    pub needs: BTreeMap<String, bool>,
}

/// What the lockfile has, and whether an install may leave it out: a package for another platform.
pub type Expected = BTreeMap<Locked, bool>;

/// The modules that projects need.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    /// The real directories of packages; all below each is taken but for its `node_modules`, which has entries of its own.
    pub packages: BTreeMap<RepoPath, Found>,
    /// Links, with their targets relative to where they lie.
    pub links: BTreeMap<RepoPath, String>,
    /// Files and directories beside packages that no package manager put there: code that a build generates.
    pub generated: BTreeSet<RepoPath>,
}

/// A package that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// As its manifest has it.
    pub name: String,
    /// Likewise.
    pub version: String,
    /// Whether it carries modules of its own, which no lockfile knows: its `node_modules` are taken whole.
    pub bundles: bool,
}

/// Walks from the projects through the modules that are installed below `root`.
pub fn walk(root: &Path, projects: &[Project], expected: &Expected) -> Result<Tree, ModulesError> {
    let files = files::Tree::open(root)?;
    let mut walk = walk::Walk::new(&files, projects, expected);
    walk.run()?;
    walk.check()?;
    directory::collect(&walk)
}
