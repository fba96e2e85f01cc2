//! Why the installed modules cannot be used.

use crate::files::tree::TreeError;
use crate::model::path::RepoPath;

/// Why the installed modules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModulesError {
    /// A file or directory cannot be read.
    #[error("cannot read the installed modules")]
    Unreadable(#[source] TreeError),
    /// Nothing is installed.
    #[error("nothing is installed: there is no `{0}`")]
    NothingInstalled(RepoPath),
    /// A dependency is not installed.
    #[error("`{name}` is not installed; it is needed by {}", chain.join(" → "))]
    Missing {
        /// Its name.
        name: String,
        /// The chain from the app's project to the package that needs it.
        chain: Vec<String>,
    },
    /// Another version is installed.
    #[error("`{name}` {installed} is installed where pnpm-lock.yaml has {locked}; it is needed by {}", chain.join(" → "))]
    Differs {
        /// Its name.
        name: String,
        /// The installed version.
        installed: String,
        /// The lockfile's versions.
        locked: String,
        /// The chain from the app's project to the package that needs it.
        chain: Vec<String>,
    },
    /// The lockfile has a package that nothing installed leads to.
    #[error("pnpm-lock.yaml has {locked}, which nothing that is installed leads to")]
    NotReached {
        /// One or more of `name@version`.
        locked: String,
    },
    /// A link leads out of the workspace.
    #[error("the link `{link}` leaves the workspace: it leads to `{target}`")]
    Outside {
        /// The link.
        link: RepoPath,
        /// Its target.
        target: String,
    },
    /// A name is not UTF-8, so neither a lockfile nor an image's history can contain it.
    #[error("the name of a file in `{0}` is not valid UTF-8")]
    NotUtf8(RepoPath),
    /// A manifest is not valid JSON.
    #[error("`{file}` cannot be read as JSON: {problem}")]
    Manifest {
        /// The file.
        file: RepoPath,
        /// The parser's error.
        problem: String,
    },
}

impl From<TreeError> for ModulesError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Outside { link, target, .. } => Self::Outside { link, target },
            other => Self::Unreadable(other),
        }
    }
}

impl ModulesError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let install = "run `pnpm install --frozen-lockfile`";
        match self {
            Self::NothingInstalled(_) => Some(format!(
                "{install} and build, or leave `--prebuilt` out, and slimbuild does both"
            )),
            Self::Missing { .. } | Self::Differs { .. } | Self::NotReached { .. } => Some(format!(
                "the lockfile is right, the installed modules are not: {install}, and build again"
            )),
            Self::Outside { .. } => Some(
                "modules that are shared with other workspaces (pnpm's `enableGlobalVirtualStore`, `virtualStoreDir`) cannot be taken from here: leave `--prebuilt` out"
                    .to_owned(),
            ),
            Self::Manifest { .. } => Some(install.to_owned()),
            Self::Unreadable(error) => error.hint(),
            Self::NotUtf8(_) => None,
        }
    }
}
