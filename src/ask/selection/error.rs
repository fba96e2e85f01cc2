//! Why no app is selected.

use crate::plan::PlanError;

/// Why no app is selected.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// The apps cannot be found out.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The workspace has none.
    #[error("no package of this workspace looks like an app")]
    NoApps,
    /// A word names nothing.
    #[error("`{word}` matches no package of this workspace")]
    Unknown {
        /// As it was given.
        word: String,
        /// What looks like it.
        nearest: Vec<String>,
        /// The apps.
        apps: Vec<String>,
    },
    /// A word names packages, and none is an app.
    #[error("`{word}` matches no app, only {}", listed(members))]
    NoAppAmong {
        /// As it was given.
        word: String,
        /// What it names.
        members: Vec<String>,
        /// The apps that depend on these.
        users: Vec<String>,
    },
    /// Everything is left out.
    #[error("the filters leave no app")]
    NothingLeft,
    /// A filter has no name.
    #[error("the filter `{0}` names nothing")]
    Empty(String),
    /// A filter asks for what has changed.
    #[error("the filter `{0}` asks for what git says has changed, and filters select by name here")]
    Changes(String),
    /// A glob has a fault.
    #[error("`{word}` is not a glob: {problem}")]
    Glob {
        /// As it was given.
        word: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl SelectionError {
    /// Whether the argument itself is wrong, whatever the workspace holds.
    pub fn is_argument(&self) -> bool {
        match self {
            Self::Plan(error) => error.is_argument(),
            Self::NothingLeft | Self::Empty(_) | Self::Changes(_) | Self::Glob { .. } => true,
            Self::NoApps | Self::Unknown { .. } | Self::NoAppAmong { .. } => false,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Plan(error) => return error.hint(),
            Self::NoApps => {
                "`slimbuild plan DIR` shows what would be made of a package, or what keeps it from being an image".to_owned()
            }
            Self::Unknown { nearest, apps, .. } if nearest.is_empty() => {
                format!("the apps are: {}", apps.join(", "))
            }
            Self::Unknown { nearest, .. } => format!("did you mean `{}`?", nearest.join("` or `")),
            Self::NoAppAmong { word, users, .. } if !users.is_empty() => {
                let library = word.trim_matches(['.', '^']);
                format!(
                    "`--filter '...{library}'` selects the apps that depend on it: {}",
                    users.join(", ")
                )
            }
            Self::NoAppAmong { .. } => "`slimbuild ls` lists the apps".to_owned(),
            Self::NothingLeft => "leave out one of the filters that begin with `!`".to_owned(),
            Self::Empty(_) | Self::Glob { .. } => {
                "write a filter as `NAME`, `./apps/*`, `...NAME` or `!NAME`".to_owned()
            }
            Self::Changes(_) => {
                "name the apps, or list them in the pipeline: `slimbuild ls --json`".to_owned()
            }
        })
    }
}

/// `packages/a, packages/b and 3 more`
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = names.len().min(SHOWN);
    let more = match names.len() - shown {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", names[..shown].join(", "))
}
