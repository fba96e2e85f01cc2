//! Finds the workspace, and the app that a user names by directory or package name. Suggests
//! similar names after a typo.

use std::path::{Path, PathBuf};

use super::{Workspace, WorkspaceError};
use crate::lockfile;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::model::similar;
use crate::workspace::manifest::{package, workspace};

/// Lockfiles of other package managers.
const LOCKFILES_OF_OTHERS: [(&str, &str); 5] = [
    ("package-lock.json", "an npm"),
    ("npm-shrinkwrap.json", "an npm"),
    ("yarn.lock", "a Yarn"),
    ("bun.lock", "a Bun"),
    ("bun.lockb", "a Bun"),
];

/// The nearest directory with a `pnpm-workspace.yaml`, from `start` upwards. Without one, the nearest
/// with a manifest and a pnpm lockfile: a repository with one package.
pub fn find_root(start: &Path) -> Result<PathBuf, WorkspaceError> {
    let no_directory = |source| WorkspaceError::NoDirectory {
        path: start.to_path_buf(),
        source,
    };
    let start = fs_err::canonicalize(start).map_err(no_directory)?;
    let has = |dir: &&Path, file: &str| dir.join(file).is_file();
    let is_workspace = |dir: &&Path| has(dir, workspace::FILE);
    // A lockfile without a manifest does not make a package of everything below it.
    let is_package =
        |dir: &&Path| has(dir, lockfile::FILE) && package::FILES.iter().any(|file| has(dir, file));
    let mut root = start.ancestors().find(is_workspace);
    root = root.or_else(|| start.ancestors().find(is_package));
    root.map(Path::to_path_buf).ok_or_else(|| {
        let other = start
            .ancestors()
            .find_map(|dir| other_manager(|file| dir.join(file).is_file()));
        other.map_or_else(
            || WorkspaceError::NoWorkspace(start.clone()),
            WorkspaceError::OtherManager,
        )
    })
}

/// The package manager whose lockfile exists, with its article.
pub(super) fn other_manager(has: impl Fn(&str) -> bool) -> Option<&'static str> {
    let mut all = LOCKFILES_OF_OTHERS.into_iter();
    all.find(|(file, _)| has(file)).map(|(_, manager)| manager)
}

impl Workspace {
    /// Finds the app that a user names: by directory (relative to `cwd` or the root) or by package
    /// name.
    pub fn find_app(&self, name: &str, cwd: &Path) -> Result<MemberId, WorkspaceError> {
        let here = fs_err::canonicalize(cwd)
            .ok()
            .and_then(|cwd| RepoPath::from_disk(&self.root, &cwd).ok());
        let from_here = match (&here, Path::new(name).is_absolute()) {
            (_, true) => fs_err::canonicalize(name)
                .ok()
                .and_then(|path| RepoPath::from_disk(&self.root, &path).ok()),
            (Some(here), false) => here.join(name).ok(),
            (None, false) => None,
        };
        let by_dir = |dir: Option<RepoPath>| dir.and_then(|dir| self.member_in(&dir));
        if let Some(at) = by_dir(from_here.clone()) {
            return Ok(at);
        }
        // `.` anywhere inside an app means that app.
        if let ("." | "./", Some(here)) = (name, &here) {
            return match self.stray(here) {
                Some(dir) => Err(self.no_member(dir)),
                None => Ok(self.enclosing(here)),
            };
        }
        let from_root = RepoPath::new(name).ok();
        if let Some(at) = by_dir(from_root.clone()) {
            return Ok(at);
        }
        self.find_by_name(name).map_err(|error| {
            let is_package = |dir: &RepoPath| self.is_package(dir);
            let mut named = [from_here, from_root].into_iter().flatten();
            match (error, named.find(is_package)) {
                (WorkspaceError::UnknownApp { .. }, Some(dir)) => self.no_member(dir),
                (error, _) => error,
            }
        })
    }

    /// The nearest directory at or above `dir` with a manifest, if it is not a member.
    fn stray(&self, dir: &RepoPath) -> Option<RepoPath> {
        let above = std::iter::successors(Some(dir.clone()), RepoPath::parent);
        let mut open = above.take_while(|dir| self.member_in(dir).is_none());
        open.find(|dir| self.is_package(dir))
    }

    fn is_package(&self, dir: &RepoPath) -> bool {
        let mut files = package::FILES.iter();
        files.any(|file| {
            let file = RepoPath::child(dir, file);
            self.tree.is_file(&file).unwrap_or_default()
        })
    }

    fn no_member(&self, dir: RepoPath) -> WorkspaceError {
        WorkspaceError::NoMember {
            dir,
            has_settings: self.settings_text.is_some(),
        }
    }

    /// Says that the root only conducts the workspace.
    pub fn root_is_no_app(&self) -> WorkspaceError {
        WorkspaceError::RootIsNoApp {
            is_workspace: !self.members.is_alone(),
            members: self.app_dirs(),
        }
    }

    fn find_by_name(&self, name: &str) -> Result<MemberId, WorkspaceError> {
        let named: Vec<MemberId> = self
            .members
            .ids()
            .filter(|&at| self.members[at].manifest.name() == Some(name))
            .collect();
        match named[..] {
            [at] => Ok(at),
            [] => Err(WorkspaceError::UnknownApp {
                name: name.to_owned(),
                nearest: self.nearest(name),
                apps: self.app_dirs(),
            }),
            _ => Err(WorkspaceError::AmbiguousApp {
                name: name.to_owned(),
                dirs: named
                    .iter()
                    .map(|&at| self.members[at].dir.to_string())
                    .collect(),
            }),
        }
    }

    /// Up to three members that look like `name`.
    pub fn nearest(&self, name: &str) -> Vec<String> {
        let wanted = name.trim_end_matches('/').to_lowercase();
        let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_lowercase();
        let parent = |text: &str| {
            text.rsplit_once('/')
                .map(|(parent, _)| parent.to_lowercase())
        };
        let alike = |text: &str| {
            let names = similar::likeness(&last(&wanted), &last(text));
            // A common parent says nothing: everything in `apps/` has it.
            if parent(&wanted) == parent(text) {
                return names;
            }
            names.max(similar::likeness(&wanted, text))
        };
        let scored = self.members.packages().iter().map(|member| {
            let dir = member.dir.to_string();
            let score = member.manifest.name().map_or(0.0, &alike).max(alike(&dir));
            (score, dir)
        });
        similar::best(scored, 3)
    }

    /// Whether the member is in a directory for apps.
    pub fn is_app_by_place(&self, at: MemberId) -> bool {
        self.members[at].dir.as_str().starts_with("apps/")
    }

    /// The directories of members in directories for apps, or of all members, for lists in
    /// messages.
    pub fn app_dirs(&self) -> Vec<String> {
        if self.members.is_alone() {
            return vec![RepoPath::ROOT.to_string()];
        }
        let dirs = || {
            self.members
                .packages()
                .iter()
                .map(|member| member.dir.to_string())
        };
        let apps: Vec<String> = dirs()
            .filter(|dir| dir.starts_with("apps/"))
            .take(8)
            .collect();
        if apps.is_empty() {
            dirs().take(8).collect()
        } else {
            apps
        }
    }
}
