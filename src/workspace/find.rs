//! Finds the workspace, and the app that a user names by directory or package name. Suggests
//! similar names after a typo.

use std::path::{Path, PathBuf};

use super::{Workspace, WorkspaceError};
use crate::lockfile;
use crate::model::path::RepoPath;
use crate::model::similar;
use crate::workspace::manifest::workspace;

/// Lockfiles of other package managers.
const LOCKFILES_OF_OTHERS: [(&str, &str); 5] = [
    ("package-lock.json", "an npm"),
    ("npm-shrinkwrap.json", "an npm"),
    ("yarn.lock", "a Yarn"),
    ("bun.lock", "a Bun"),
    ("bun.lockb", "a Bun"),
];

/// The nearest directory with a `pnpm-workspace.yaml`, from `start` upwards.
pub fn find_root(start: &Path) -> Result<PathBuf, WorkspaceError> {
    let no_directory = |source| WorkspaceError::NoDirectory {
        path: start.to_path_buf(),
        source,
    };
    let start = fs_err::canonicalize(start).map_err(no_directory)?;
    let root = start
        .ancestors()
        .find(|dir| dir.join(workspace::FILE).is_file());
    root.map(Path::to_path_buf).ok_or_else(|| {
        let single = start
            .ancestors()
            .find(|dir| dir.join(lockfile::FILE).is_file());
        if let Some(dir) = single {
            return WorkspaceError::SinglePackage(dir.to_path_buf());
        }
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
    pub fn find_app(&self, name: &str, cwd: &Path) -> Result<usize, WorkspaceError> {
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
        let by_dir = |dir: Option<RepoPath>| dir.and_then(|dir| self.position(&dir));
        // `.` anywhere inside an app means that app.
        let enclosing = || match (name, &here) {
            ("." | "./", Some(here)) => Some(self.enclosing(here)),
            _ => None,
        };
        let found = by_dir(from_here)
            .or_else(enclosing)
            .or_else(|| by_dir(RepoPath::new(name).ok()));
        let at = match found {
            Some(at) => at,
            None => self.find_by_name(name)?,
        };
        if at == 0 {
            return Err(WorkspaceError::RootIsNoApp {
                members: self.app_dirs(),
            });
        }
        Ok(at)
    }

    fn find_by_name(&self, name: &str) -> Result<usize, WorkspaceError> {
        let named: Vec<usize> = (0..self.members.len())
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
    fn nearest(&self, name: &str) -> Vec<String> {
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
        let scored = self.members[1..].iter().map(|member| {
            let dir = member.dir.to_string();
            let score = member.manifest.name().map_or(0.0, &alike).max(alike(&dir));
            (score, dir)
        });
        similar::best(scored, 3)
    }

    /// Whether the member is in a directory for apps.
    pub fn is_app_by_place(&self, at: usize) -> bool {
        self.members[at].dir.as_str().starts_with("apps/")
    }

    /// The directories of members in directories for apps, or of all members, for lists in
    /// messages.
    pub fn app_dirs(&self) -> Vec<String> {
        let dirs = || {
            self.members[1..]
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
