//! `pnpm-lock.yaml`: read as an index of byte ranges, pruned by leaving ranges out.
//!
//! A workspace has one for all of its projects, or one for each ([`Lockfiles`]). Goes in: a lockfile's text. Comes out: which entries an importer reaches ([`reach`]), and the same text without the entries that nothing
//! reaches ([`prune`]). Whether the text is in step with manifests is [`frozen`](crate::needs::frozen)'s business. Nothing is ever re-serialised, so that whatever pnpm wrote, known to us or not, survives byte for byte. The rules mirror pnpm's own (`@pnpm/lockfile.fs`, `@pnpm/deps.path`).

mod document;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub(crate) mod importer;
pub mod index;
pub mod keys;
mod lines;
pub mod prune;
pub mod reachable;
mod scalar;
mod set;
mod traits;

pub use importer::{Dependency, Field, Importer};
pub use index::Lockfile;
pub use set::{Home, Lockfiles, Texts};
pub use traits::Traits;
pub(crate) use traits::allows;

use crate::files::tree::{Limit, Tree, TreeError};
use crate::model::path::RepoPath;

/// The file's name in a workspace.
pub const FILE: &str = "pnpm-lock.yaml";

/// What is wrong with a lockfile.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LockfileError {
    /// A line that pnpm would not have written.
    #[error("cannot read `{FILE}`, line {line}: {problem}")]
    Unreadable {
        /// Counted from one.
        line: usize,
        /// What was found there.
        problem: String,
    },
    /// Git left a conflict in the file.
    #[error("`{FILE}`, line {line}: there is a merge conflict in the file")]
    Conflict {
        /// Counted from one.
        line: usize,
    },
    /// The file does not say which format it has.
    #[error("`{FILE}` has no `lockfileVersion`")]
    NoVersion,
    /// A format that slimbuild does not read.
    #[error("`{FILE}` has format {0}: slimbuild reads 5.3, 5.4, 6.0, 6.1 and 9.0")]
    Unknown(String),
    /// A reference to an entry that is not there.
    #[error("`{FILE}`: {from} needs `{key}`, which the file does not hold")]
    Dangling {
        /// The importer or entry that has the reference.
        from: String,
        /// The key that is missing.
        key: String,
    },
    /// A snapshot whose package is not there.
    #[error("`{FILE}`: `packages` has no entry for `{0}` of `snapshots`")]
    NoPackage(String),
    /// A local reference that leads out of the workspace.
    #[error("`{FILE}`: {from} needs `{target}`, which lies outside of the workspace")]
    Outside {
        /// The importer or entry that has the reference.
        from: String,
        /// As it is written.
        target: String,
    },
    /// A format that the workspace's pnpm does not read.
    #[error("`{FILE}` has format {format}, which pnpm {pnpm} does not read: {readers} do")]
    Incompatible {
        /// The format's major number.
        format: &'static str,
        /// The versions of pnpm that read it.
        readers: &'static str,
        /// The version that would install.
        pnpm: String,
    },
    /// A setting is not what it was when the lockfile was written.
    #[error("`{FILE}` does not match the setting `{setting}` of `{file}`: {problem}")]
    Setting {
        /// In pnpm's words.
        setting: &'static str,
        /// The file that holds the setting, or that would.
        file: String,
        /// The first difference.
        problem: String,
    },
    /// The lockfile knows nothing of a member.
    #[error("`{FILE}` does not know `{0}`: the package was added after the last install")]
    NoImporter(String),
    /// Each project has a lockfile, but for this one.
    #[error(
        "there is no `{0}/{FILE}`, and `sharedWorkspaceLockfile` is off: each package has its own"
    )]
    NoLockfile(RepoPath),
    /// Something is wrong with a lockfile that does not lie at the root.
    #[error("{}", located(dir, error))]
    Of {
        /// Where it lies.
        dir: RepoPath,
        /// What is wrong.
        error: Box<Self>,
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
    /// The same of the lockfile in `dir`.
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

    /// What to do about it.
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
            Self::Unknown(format) if format.starts_with("13.") => {
                "remove `format: v13` of `lockfile` from pnpm-workspace.yaml and run `pnpm install`, which then writes format 9.0"
            }
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
            Self::NoImporter(_) | Self::Outdated { .. } | Self::NoLockfile(_) => {
                "run `pnpm install` and commit the lockfile"
            }
            Self::Of { error, .. } => return error.hint(),
        };
        Some(text.to_owned())
    }
}

/// Every message names the file; this one says where it lies.
fn located(dir: &RepoPath, error: &LockfileError) -> String {
    let (bare, whole) = (format!("`{FILE}`"), format!("`{dir}/{FILE}`"));
    error.to_string().replacen(&bare, &whole, 1)
}

/// The lockfile's name on a branch where `gitBranchLockfile` is on
/// (pnpm's [`lockfileName.ts`](https://github.com/pnpm/pnpm/blob/main/lockfile/fs/src/lockfileName.ts)).
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

/// The text of the first of these files that is there.
pub fn load(tree: &Tree, dir: &RepoPath, files: &[String]) -> Result<Option<String>, TreeError> {
    for file in files {
        let path = RepoPath::child(dir, file);
        if let Some(text) = tree.read_text_optional(&path, Limit::Lockfile)? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}
