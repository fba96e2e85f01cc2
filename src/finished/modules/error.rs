//! Why the modules on the disk cannot be taken.

use crate::files::tree::TreeError;
use crate::model::path::RepoPath;

/// Why the modules on the disk cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum ModulesError {
    /// A file or directory cannot be read.
    #[error("cannot read the installed modules")]
    Unreadable(#[source] TreeError),
    /// Nothing is installed.
    #[error("nothing is installed: there is no `{0}`")]
    NothingInstalled(RepoPath),
    /// A dependency is not there.
    #[error("`{name}` is not installed; it is needed by {}", chain.join(" → "))]
    Missing {
        /// Its name.
        name: String,
        /// From the app's project to who asks for it.
        chain: Vec<String>,
    },
    /// Another version is there.
    #[error("`{name}` {installed} is installed where pnpm-lock.yaml has {locked}; it is needed by {}", chain.join(" → "))]
    Differs {
        /// Its name.
        name: String,
        /// The version on the disk.
        installed: String,
        /// Those of the lockfile.
        locked: String,
        /// From the app's project to who asks for it.
        chain: Vec<String>,
    },
    /// The lockfile has a package that nothing on the disk leads to.
    #[error("pnpm-lock.yaml has {locked}, which nothing that is installed leads to")]
    NotReached {
        /// `name@version`, several of them.
        locked: String,
    },
    /// A link leads out of the workspace.
    #[error("the link `{link}` leaves the workspace: it leads to `{target}`")]
    Outside {
        /// The link.
        link: RepoPath,
        /// Where to.
        target: String,
    },
    /// A name that neither a lockfile nor an image's history can express.
    #[error("the name of a file in `{0}` is not valid UTF-8")]
    NotUtf8(RepoPath),
    /// A manifest that is no JSON.
    #[error("`{file}` cannot be read as JSON: {problem}")]
    Manifest {
        /// The file.
        file: RepoPath,
        /// The parser's words.
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
    /// What to do about it.
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
