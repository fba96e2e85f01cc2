//! Why a workspace cannot be taken as it lies there.

use crate::files::FilesError;
use crate::finished::modules::ModulesError;
use crate::model::path::RepoPath;

/// Why a workspace cannot be taken as it lies there.
#[derive(Debug, thiserror::Error)]
pub enum PrebuiltError {
    /// The installed modules.
    #[error(transparent)]
    Modules(ModulesError),
    /// Files that cannot be taken.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// What a build writes is not there.
    #[error("{path} is not there: {package} is not built")]
    NotBuilt {
        /// The package's name.
        package: String,
        /// What is missing.
        path: RepoPath,
        /// The command that makes it.
        command: String,
    },
    /// What a build wrote is older than what it was made from.
    #[error("{package} was built before `{input}` was changed")]
    Stale {
        /// The package's name.
        package: String,
        /// The newest file that it is made from.
        input: RepoPath,
        /// The command that makes it anew.
        command: String,
    },
    /// The program that leaves out spare files.
    #[error("node cannot tell which files of modules are spare: {0}")]
    Trim(String),
}

impl PrebuiltError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Modules(error) => error.hint(),
            // No rule leaves out what an install or a build wrote.
            Self::Files(FilesError::Unreadable { .. }) => Some("make it readable".to_owned()),
            Self::Files(
                FilesError::AbsoluteTarget { .. }
                | FilesError::TargetOutside { .. }
                | FilesError::TargetNotUtf8 { .. },
            ) => Some(
                "the install or the build wrote it: make it a file, or a link that is relative and stays in the workspace"
                    .to_owned(),
            ),
            Self::Files(error) => error.hint(),
            Self::NotBuilt { command, .. } => Some(format!("run `{command}`")),
            Self::Stale { command, .. } => Some(format!(
                "run `{command}`; if nothing is to do, `touch` what it wrote"
            )),
            Self::Trim(said) if said.contains("EACCES") => Some("make it readable".to_owned()),
            Self::Trim(_) => Some("`--whole-modules` keeps all files".to_owned()),
        }
    }
}
