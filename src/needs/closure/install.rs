//! What an install of a closure reads: lockfiles, settings and manifests, each reduced to the closure.

use std::collections::BTreeMap;

use super::Closure;
use crate::lockfile::prune::{Kept, prune};
use crate::lockfile::{Field, LockfileError};
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::needs::frozen::{self, self_check};
use crate::workspace::Workspace;
use crate::workspace::manifest::workspace::{with_members, with_references};

impl Closure<'_, '_> {
    /// The members in an install of this closure. The root project is always one, because pnpm
    /// needs it.
    fn projects(&self) -> impl Iterator<Item = MemberId> {
        let others = self.members.keys().copied().filter(|at| !at.is_root());
        [MemberId::ROOT].into_iter().chain(others)
    }

    /// The directories that pnpm installs separately for this closure; empty with a shared
    /// lockfile.
    pub fn installed_alone(&self, workspace: &Workspace) -> Vec<RepoPath> {
        if self.lockfiles.is_shared() {
            return Vec::new();
        }
        let dirs = self.projects().map(|at| &workspace.members[at].dir);
        dirs.filter(|dir| self.lockfiles.home(dir).is_some())
            .cloned()
            .collect()
    }

    /// The lockfiles of this closure, each with its directory.
    pub fn lockfiles(&self, workspace: &Workspace) -> Vec<(RepoPath, String)> {
        let mut kept: BTreeMap<usize, BTreeMap<String, MemberId>> = BTreeMap::new();
        for at in self.projects() {
            if let Some(home) = self.lockfiles.home(&workspace.members[at].dir) {
                let projects = kept.entry(home.lockfile).or_default();
                projects.insert(home.key, at);
            }
        }
        let prune = |(at, projects): (usize, BTreeMap<String, MemberId>)| {
            let lockfile = &self.lockfiles.all()[at];
            let importers = projects.keys().cloned().collect();
            let keeps = |key: &str, field, alias: &str| {
                let project = projects.get(key);
                project.is_some_and(|&at| self.keeps_in(at, field, alias))
            };
            let kept = Kept {
                importers: &importers,
                dependency: &keeps,
            };
            let text = prune(lockfile, &kept, &self.reaches[at]);
            debug_assert_eq!(self_check::check(lockfile.dir(), &text, &importers), Ok(()));
            (lockfile.dir().clone(), text)
        };
        kept.into_iter().map(prune).collect()
    }

    /// `pnpm-workspace.yaml` for this closure: only its members, and overrides without references
    /// to root dependencies that it lacks.
    pub fn settings(&self, workspace: &Workspace) -> Option<String> {
        let text = workspace.settings_text.as_ref()?;
        let all = workspace.settings.all.as_ref();
        let members = self.members.keys().filter(|at| !at.is_root());
        let mut dirs: Vec<String> = members
            .map(|&at| workspace.members[at].dir.to_string())
            .collect();
        let text = if !dirs.is_empty() {
            with_members(text, all, dirs.iter().map(String::as_str))
        } else if workspace.settings.packages.is_none() {
            // Settings alone: to pnpm the root is the only package, as it was.
            text.clone()
        } else {
            // pnpm 9 takes no empty list.
            dirs.push(RepoPath::ROOT.to_string());
            with_members(text, all, dirs.iter().map(String::as_str))
        };
        let root = &workspace.root_member().manifest;
        Some(with_references(&text, |name| {
            let has = |field: &Field| root.dependencies(*field).contains_key(name);
            let kept = [Field::Prod, Field::Optional, Field::Dev]
                .iter()
                .any(|field| has(field) && self.keeps_in(MemberId::ROOT, *field, name));
            root.referred(name).filter(|_| !kept)
        }))
    }

    /// The skeleton manifest of a member in this closure; it matches [`Closure::lockfiles`].
    pub fn skeleton(&self, workspace: &Workspace, at: MemberId) -> String {
        let manifest = &workspace.members[at].manifest;
        manifest.skeleton(|field, alias| self.keeps_in(at, field, alias))
    }

    /// Fails if this version of pnpm would find a lockfile outdated, compared with the settings or
    /// with a manifest of this closure or the root project, or a package in it that it cannot
    /// verify.
    pub fn check_frozen(
        &self,
        workspace: &Workspace,
        pnpm: Option<&str>,
    ) -> Result<(), LockfileError> {
        frozen::check(workspace, self.lockfiles, self.projects(), pnpm)?;
        frozen::integrity::check(&self.reaches, pnpm)
    }

    /// The whole manifest of a member without scripts, for packages that pnpm copies at install
    /// time. It matches [`Closure::lockfiles`] too.
    pub fn manifest(&self, workspace: &Workspace, at: MemberId) -> String {
        let manifest = &workspace.members[at].manifest;
        manifest.without(|field, alias| self.keeps_in(at, field, alias))
    }
}
