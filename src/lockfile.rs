//! `pnpm-lock.yaml`: read as an index of byte ranges, pruned by leaving ranges out.
//!
//! A workspace has one for all of its projects, or one for each ([`Lockfiles`]). Input: a
//! lockfile's text. Output: the entries that an importer reaches ([`reach`]), and the same text
//! without all other entries ([`prune`]). Whether the text matches the manifests is checked by
//! [`frozen`](crate::needs::frozen). Nothing is re-serialised, so everything pnpm wrote survives
//! byte for byte, even what slimbuild does not know. The rules mirror pnpm's own
//! (`@pnpm/lockfile.fs`, `@pnpm/deps.path`).

mod catalogs;
mod document;
mod entries;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub(crate) mod importer;
pub mod index;
mod integrity;
pub mod keys;
mod lines;
mod peers;
pub mod prune;
pub mod reachable;
mod scalar;
mod set;
mod text;
mod traits;
pub(crate) mod v13;

pub use catalogs::CatalogEntry;
pub use importer::{Dependency, Field, Importer};
pub use index::Lockfile;
pub use set::{Home, Lockfiles, Texts};
pub use text::Text;
pub use traits::Traits;
pub(crate) use traits::allows;

use crate::files::tree::{Limit, Tree, TreeError};
use crate::model::path::RepoPath;

/// The file's name in a workspace.
pub const FILE: &str = "pnpm-lock.yaml";

/// What is wrong with a lockfile.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum LockfileError {
    /// A line that pnpm would not have written.
    #[error("cannot read `{FILE}`, line {line}: {problem}")]
    Unreadable {
        /// Counted from 1.
        line: usize,
        /// What is wrong with the line.
        problem: String,
    },
    /// The file contains a git conflict.
    #[error("`{FILE}`, line {line}: there is a merge conflict in the file")]
    Conflict {
        /// Counted from 1.
        line: usize,
    },
    /// The file does not state its format.
    #[error("`{FILE}` has no `lockfileVersion`")]
    NoVersion,
    /// A format that slimbuild does not read.
    #[error("`{FILE}` has format {0}: slimbuild reads 5.3, 5.4, 6.0, 6.1, 9.0 and 13.0")]
    Unknown(String),
    /// A reference to a missing entry.
    #[error("`{FILE}`: {from} needs `{key}`, which the file does not hold")]
    Dangling {
        /// The importer or entry that has the reference.
        from: String,
        /// The missing key.
        key: String,
    },
    /// A snapshot without its package.
    #[error("`{FILE}`: `packages` has no entry for `{0}` of `snapshots`")]
    NoPackage(String),
    /// A local reference that leads out of the workspace.
    #[error("`{FILE}`: {from} needs `{target}`, which lies outside of the workspace")]
    Outside {
        /// The importer or entry that has the reference.
        from: String,
        /// As it is written in the file.
        target: String,
    },
    /// The workspace's version of pnpm cannot read the format.
    #[error("`{FILE}` has format {format}, which pnpm {pnpm} does not read: {readers} do")]
    Incompatible {
        /// The format's major number.
        format: &'static str,
        /// The versions of pnpm that read it.
        readers: &'static str,
        /// The version that would run the install.
        pnpm: String,
    },
    /// A setting has changed since the lockfile was written.
    #[error("`{FILE}` does not match the setting `{setting}` of `{file}`: {problem}")]
    Setting {
        /// The setting, in pnpm's words.
        setting: &'static str,
        /// The file of the setting.
        file: String,
        /// The first difference.
        problem: String,
    },
    /// A package whose download pnpm cannot verify.
    #[error("`{FILE}`: `{0}` has no `integrity`, so pnpm cannot verify what it downloads")]
    NoIntegrity(String),
    /// The lockfile has no importer for a member.
    #[error("`{FILE}` does not know `{0}`: the package was added after the last install")]
    NoImporter(String),
    /// Only this project has no lockfile of its own.
    #[error(
        "there is no `{0}/{FILE}`, and `sharedWorkspaceLockfile` is off: each package has its own"
    )]
    NoLockfile(RepoPath),
    /// An error in a lockfile that is not at the root.
    #[error("{}", located(dir, error))]
    Of {
        /// Its directory.
        dir: RepoPath,
        /// The error in it.
        error: Box<Self>,
    },
    /// A manifest does not take the version of pnpm that would run the install.
    #[error("`{manifest}` asks for pnpm `{range}` (engines), and the install runs pnpm {pnpm}")]
    Engine {
        /// The manifest's path.
        manifest: String,
        /// As written.
        range: String,
        /// The version that would run the install.
        pnpm: String,
    },
    /// The lockfile and a manifest disagree.
    #[error("`{FILE}` is older than `{manifest}`: {problem}")]
    Outdated {
        /// The manifest's path.
        manifest: String,
        /// The first difference.
        problem: String,
    },
}

impl LockfileError {
    /// Says that the error is in the lockfile in `dir`.
    #[must_use]
    pub fn of(self, dir: &RepoPath) -> Self {
        if dir.is_root() {
            return self;
        }
        Self::Of {
            dir: dir.clone(),
            error: Box::new(self),
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Unreadable { .. } => {
                "slimbuild reads the layout that pnpm writes: if a formatter changed the file, restore it \
                 with `pnpm install --lockfile-only` and exclude it from formatting"
            }
            Self::Conflict { .. } => {
                "run `pnpm install`, which resolves conflicts in its lockfile, and commit the result"
            }
            Self::NoVersion => "make a lockfile with `pnpm install`",
            Self::Unknown(_) => {
                "`pnpm install --lockfile-only` with pnpm 9 or later writes format 9.0"
            }
            Self::Dangling { .. } | Self::NoPackage(_) => {
                "the lockfile is damaged, often by a merge: run `pnpm install --fix-lockfile` and commit the result"
            }
            Self::Outside { .. } => {
                "a Docker build sees the workspace only: move the package into it, or publish it to a registry"
            }
            Self::Incompatible { .. } => {
                "write the lockfile anew with `pnpm install`, or name a pnpm that reads it by `packageManager` in package.json"
            }
            Self::Setting { .. } => {
                "a frozen install stops there with ERR_PNPM_LOCKFILE_CONFIG_MISMATCH: run `pnpm install` and commit the lockfile"
            }
            Self::Engine { .. } => {
                "pnpm stops there with ERR_PNPM_UNSUPPORTED_ENGINE: let `packageManager` and `engines` name the same pnpm"
            }
            Self::NoIntegrity(_) => {
                "pnpm stops there with ERR_PNPM_MISSING_TARBALL_INTEGRITY: restore the lockfile, or delete it, run `pnpm install` and commit the new one"
            }
            Self::NoImporter(_) | Self::Outdated { .. } | Self::NoLockfile(_) => {
                "run `pnpm install` and commit the lockfile"
            }
            Self::Of { error, .. } => return error.hint(),
        };
        Some(text.to_owned())
    }
}

/// Names the directory of a lockfile, since messages name only the file.
fn located(dir: &RepoPath, error: &LockfileError) -> String {
    let (bare, whole) = (format!("`{FILE}`"), format!("`{dir}/{FILE}`"));
    error.to_string().replacen(&bare, &whole, 1)
}

/// The lockfile's name on a branch where `gitBranchLockfile` is on (pnpm's
/// [`lockfileName.ts`](https://github.com/pnpm/pnpm/blob/main/lockfile/fs/src/lockfileName.ts)).
pub fn branch_file(branch: &str) -> String {
    let legal = |letter: char| {
        if letter.is_ascii_alphanumeric() || "_.-".contains(letter) {
            letter
        } else {
            '!'
        }
    };
    let branch: String = branch.chars().map(legal).collect();
    format!("pnpm-lock.{}.yaml", branch.to_lowercase())
}

/// The text of the first of these files that exists.
pub fn load(tree: &Tree, dir: &RepoPath, files: &[String]) -> Result<Option<String>, TreeError> {
    for file in files {
        let path = RepoPath::child(dir, file);
        if let Some(text) = tree.read_text_optional(&path, Limit::Lockfile)? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}
