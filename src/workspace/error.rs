//! [`WorkspaceError`]: why there is no workspace, or no such app.

use std::path::PathBuf;

use crate::lockfile;
use crate::model::path::RepoPath;
use crate::workspace::manifest::ManifestError;
use crate::workspace::manifest::workspace;

/// Why there is no workspace, or no such app.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// No `pnpm-workspace.yaml` here or above.
    #[error("there is no `{}` in `{}` or above it", workspace::FILE, .0.display())]
    NoWorkspace(PathBuf),
    /// There is a lockfile of another package manager here or above, and none of pnpm.
    #[error("this is {0} workspace; slimbuild reads pnpm's so far")]
    OtherManager(&'static str),
    /// The starting directory cannot be entered.
    #[error("cannot enter `{}`", .path.display())]
    NoDirectory {
        /// As it was given.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// There is no lockfile at the root.
    #[error("there is no `{}` beside `{}`", lockfile::FILE, workspace::FILE)]
    NoLockfile,
    /// There is no lockfile at the root, but one in a member.
    #[error(
        "there is no `{}` beside `{}`, but one in `{dir}`",
        lockfile::FILE,
        workspace::FILE
    )]
    OwnLockfile {
        /// The member's directory.
        dir: RepoPath,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A glob of `packages:` is not supported.
    #[error("`{}`: `{glob}` is not a glob: {problem}", workspace::FILE)]
    Glob {
        /// As written.
        glob: String,
        /// globset's error.
        problem: String,
    },
    /// A member's path contains a backslash.
    #[error("`{dir}` has a `\\` in its path, and pnpm writes a `/` for it into the lockfile")]
    Backslash {
        /// The member's directory.
        dir: RepoPath,
    },
    /// No member has this name or directory.
    #[error("there is no app `{name}` in this workspace")]
    UnknownApp {
        /// As it was given.
        name: String,
        /// Directories of similar members, best first.
        nearest: Vec<String>,
        /// Directories of apps, used if nothing is similar.
        apps: Vec<String>,
    },
    /// Several members have this name.
    #[error("`{name}` is the name of several packages: {}", .dirs.join(", "))]
    AmbiguousApp {
        /// As it was given.
        name: String,
        /// Their directories.
        dirs: Vec<String>,
    },
    /// A package was named that `packages` leaves out.
    #[error("`{dir}` is no package of this workspace: {}", if *.has_settings {
        "`packages` in pnpm-workspace.yaml does not name it"
    } else {
        "there is no pnpm-workspace.yaml"
    })]
    NoMember {
        /// Its directory.
        dir: RepoPath,
        /// Whether there is a file that could name it.
        has_settings: bool,
    },
    /// The root project was named, and only conducts the workspace.
    #[error("{} starts nothing of its own", if *.is_workspace {
        "the workspace's root"
    } else {
        "the package"
    })]
    RootIsNoApp {
        /// Whether there are other packages.
        is_workspace: bool,
        /// Members that may be meant.
        members: Vec<String>,
    },
}

impl WorkspaceError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoWorkspace(_) => Some(
                "run slimbuild inside a pnpm workspace or a package with a `pnpm-lock.yaml`, or name one with `-C DIR`; a repository becomes a \
                 workspace by a `pnpm-workspace.yaml` with `packages: ['apps/*', 'packages/*']`"
                    .to_owned(),
            ),
            Self::Backslash { .. } => Some(format!(
                "rename the directory, or leave it out of `packages` in {}",
                workspace::FILE
            )),
            Self::NoLockfile => Some("run `pnpm install` and commit the lockfile".to_owned()),
            Self::Manifest(error) => error.hint(),
            Self::OwnLockfile { .. } => Some(
                "where each package has its own, say so: `sharedWorkspaceLockfile: false` in pnpm-workspace.yaml, before pnpm 10 \
                 `shared-workspace-lockfile=false` in .npmrc"
                    .to_owned(),
            ),
            Self::UnknownApp { nearest, apps, .. } if nearest.is_empty() => {
                (!apps.is_empty()).then(|| format!("there are: {}", apps.join(", ")))
            }
            Self::UnknownApp { nearest, .. } => Some(format!("did you mean {}?", or_list(nearest))),
            Self::AmbiguousApp { .. } => Some("name the directory instead".to_owned()),
            Self::NoMember { dir, .. } => Some(format!(
                "add `{dir}` to `packages` in {}, and run `pnpm install`",
                workspace::FILE
            )),
            Self::RootIsNoApp { members, .. } => {
                let other = "say in slimbuild.json what the root starts: `\"apps\": {\".\": {\"entry\": \"dist/main.js\"}}`";
                Some(if members.is_empty() {
                    other.to_owned()
                } else {
                    format!(
                        "name one of its packages: {}; or {other}",
                        or_list(members)
                    )
                })
            }
            Self::NoDirectory { .. } => Some(
                "`-C DIR` takes a directory that is there, relative to the one that you are in"
                    .to_owned(),
            ),
            Self::OtherManager("a Bun") => Some(
                "to use slimbuild, switch the workspace to pnpm: https://pnpm.io/installation"
                    .to_owned(),
            ),
            Self::OtherManager(_) => Some(
                "to use slimbuild, switch the workspace to pnpm: name its packages in `pnpm-workspace.yaml`, and run `pnpm import`, which \
                 makes `pnpm-lock.yaml` of this lockfile"
                    .to_owned(),
            ),
            Self::Glob { .. } => None,
        }
    }
}

/// `a`, `b` or `c`
fn or_list(names: &[String]) -> String {
    let ticked: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match ticked.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => ticked.concat(),
    }
}
