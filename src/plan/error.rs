//! Why there is no plan: what is wrong, in which file, and what to do.

use std::io;

use crate::detect::DetectError;
use crate::files::FilesError;
use crate::files::ignore::IgnoreError;
use crate::files::tree::TreeError;
use crate::lockfile::LockfileError;
use crate::model::image::ImageRefError;
use crate::model::path::RepoPath;
use crate::needs::tasks::TaskError;
use crate::plan::config::ConfigError;
use crate::plan::template::TemplateError;
use crate::workspace::WorkspaceError;
use crate::workspace::manifest::ManifestError;
use crate::workspace::toolchain::ToolchainError;

/// Why an app cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The workspace, or the app in it.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// A file that describes the workspace.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// `slimbuild.json`.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The template of the Dockerfile.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The lockfile.
    #[error(transparent)]
    Lockfile(#[from] LockfileError),
    /// The versions of node and pnpm.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The kind of app and its start command.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The files of the context.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The rules that choose the files.
    #[error(transparent)]
    Ignore(#[from] IgnoreError),
    /// A file of the workspace that cannot be opened.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The tasks of `turbo.json`.
    #[error(transparent)]
    Tasks(#[from] TaskError),
    /// The name of an image.
    #[error(transparent)]
    Image(#[from] ImageRefError),
    /// Packages that need each other to be built first.
    #[error("packages need each other to be built first: {0}")]
    Cycle(String),
    /// A file that the lockfile or a setting names does not exist.
    #[error("{by} names `{path}`, which is not there")]
    MissingFile {
        /// What names it.
        by: String,
        /// What is missing.
        path: String,
    },
    /// A file that the lockfile or a setting names is not accepted.
    #[error("{by} names `{path}`, which slimbuild does not take")]
    RefusedFile {
        /// What names it.
        by: String,
        /// The named path.
        path: String,
        /// Why it is not accepted.
        #[source]
        source: Box<FilesError>,
    },
    /// A rule leaves out a file or a package that the image needs.
    #[error("the image needs `{path}`, which is left out: {reason}")]
    Dropped {
        /// The file.
        path: RepoPath,
        /// The rule and its file.
        reason: String,
    },
    /// Options contradict each other or the workspace.
    #[error("{message}")]
    Unfit {
        /// What is wrong with them.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
}

impl PlanError {
    /// The error for a file that `by` names and that is missing or not accepted.
    pub fn named(by: &str, path: &RepoPath, source: impl Into<FilesError>) -> Self {
        let (by, path) = (by.to_owned(), path.to_string());
        match source.into() {
            FilesError::Unreadable { source, .. }
                if matches!(
                    source.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Self::MissingFile { by, path }
            }
            source => Self::RefusedFile {
                by,
                path,
                source: Box::new(source),
            },
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Workspace(error) => error.hint(),
            Self::Manifest(error) => error.hint(),
            Self::Config(error) => error.hint(),
            Self::Template(error) => error.hint(),
            Self::Lockfile(error) => error.hint(),
            Self::Toolchain(error) => error.hint(),
            Self::Detect(error) => error.hint(),
            Self::Files(error) => error.hint(),
            Self::RefusedFile { source, .. } => source.hint(),
            Self::Tree(error) => error.hint(),
            Self::Tasks(error) => error.hint(),
            Self::Ignore(error) => error.hint(),
            Self::Cycle(_) => {
                Some("turn one of these dependencies into a dev dependency, or move what both need into a package of its own".to_owned())
            }
            Self::Dropped { path, .. } => {
                Some(format!("change the rule, or take it along with `--include {path}`, for good `\"include\"` in slimbuild.json"))
            }
            Self::Unfit { hint, .. } => hint.clone(),
            Self::MissingFile { by, path } if by.starts_with("`template`") => Some(format!(
                "`slimbuild dockerfile --template > {path}` writes slimbuild's own to start with; without the key, slimbuild uses it"
            )),
            Self::MissingFile { .. } => Some(
                "bring the file back (is it committed?), or take its name out where it stands".to_owned(),
            ),
            Self::Image(_) => None,
        }
    }

    /// Whether an argument, or a key in its place, is wrong.
    pub fn is_argument(&self) -> bool {
        match self {
            Self::Unfit { .. } | Self::Image(_) | Self::Ignore(IgnoreError::Glob { .. }) => true,
            Self::Toolchain(error) => error.is_argument(),
            _ => false,
        }
    }
}
