//! Why rules cannot be used.

use super::{DOCKERIGNORE, GlobError, Malformed, Reason};
use crate::files::forbidden::ENV_FILES;
use crate::files::tree::TreeError;
use crate::model::path::RepoPath;

/// Why the rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IgnoreError {
    /// A file of rules cannot be read.
    #[error("cannot read the ignore rules")]
    Unreadable(#[from] TreeError),
    /// A line of the `.dockerignore` is not a pattern.
    #[error("`{DOCKERIGNORE}` line {line}: `{pattern}` is not a pattern")]
    DockerPattern {
        /// The line, counted from 1.
        line: usize,
        /// Its text.
        pattern: String,
        /// What is wrong with it.
        #[source]
        problem: Malformed,
    },
    /// A glob of the `include` or `exclude` option is invalid.
    #[error("`{glob}` of `{option}` is not a glob")]
    Glob {
        /// The option's name.
        option: &'static str,
        /// The glob.
        glob: String,
        /// What is wrong with it.
        #[source]
        problem: GlobError,
    },
    /// A glob of the `include` option matches nothing that it can bring.
    #[error("`{glob}` of `include` brings no file{}", .barred.as_ref().map_or_else(String::new, |(path, reason)| format!(": `{path}` stays out, {reason}")))]
    Nothing {
        /// The glob.
        glob: String,
        /// A path that it matches but cannot bring, and the reason.
        barred: Option<(RepoPath, Reason)>,
    },
}

impl IgnoreError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable(error) => error.hint(),
            Self::DockerPattern { problem, .. } => problem.hint(),
            Self::Glob { problem, .. } => problem.hint(),
            Self::Nothing { barred, .. } => Some(match barred {
                Some((_, Reason::Never { name: ENV_FILES })) => "hand its values over when the container starts, with `docker run --env-file` for example; if it holds no secret, name it in `publicEnvFiles` of slimbuild.json".to_owned(),
                Some((_, Reason::Exclude { .. })) => "take one of the two away: `exclude` is the stronger one".to_owned(),
                Some((_, Reason::Never { .. })) => "leave it out of `include`: nothing brings such files".to_owned(),
                _ => "in slimbuild.json globs begin at the directory of the file, for `--include` at the root; leave it out if nothing needs it".to_owned(),
            }),
        }
    }
}
