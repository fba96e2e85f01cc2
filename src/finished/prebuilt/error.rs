//! Why a workspace cannot be used as it is.

use crate::files::FilesError;
use crate::finished::modules::ModulesError;
use crate::model::path::RepoPath;

/// Why a workspace cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum PrebuiltError {
    /// The installed modules cannot be used.
    #[error(transparent)]
    Modules(ModulesError),
    /// Files cannot be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The output of a build is missing.
    #[error("{path} is not there: {package} is not built")]
    NotBuilt {
        /// The package's name.
        package: String,
        /// The missing path.
        path: RepoPath,
        /// The command that makes it.
        command: String,
    },
    /// The output of a build is older than its sources.
    #[error("{package} was built before `{input}` was changed")]
    Stale {
        /// The package's name.
        package: String,
        /// The newest source.
        input: RepoPath,
        /// The command that makes the output again.
        command: String,
    },
    /// The program that finds unneeded files failed.
    #[error("node cannot tell which files of modules are spare: {0}")]
    Trim(String),
}

impl PrebuiltError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Modules(error) => error.hint(),
            // No ignore rule applies to the output of an install or a build.
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
