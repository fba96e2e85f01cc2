//! What an image contains, and what runs in it: every kind of app has one of three shapes.

use serde::Serialize;

use super::Start;

/// The workspace's directory in a Docker build, as a placeholder in build variables. Other engines
/// replace it with the real directory.
pub const WORKSPACE: &str = "/app";

/// What the image contains, and what runs in it. Paths are relative to the app's directory unless
/// stated otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "holds")]
pub enum Delivery {
    /// Production modules and the built packages; node starts a file.
    Modules(Start),
    /// A directory written by the build that includes its modules; node starts a file in it.
    Bundle(Bundle),
    /// Files that nginx serves.
    Site(Site),
}

impl Delivery {
    /// How node starts; `None` if nginx runs.
    pub fn start(&self) -> Option<&Start> {
        match self {
            Self::Modules(start) => Some(start),
            Self::Bundle(bundle) => Some(&bundle.start),
            Self::Site(_) => None,
        }
    }

    /// Drops variables that are also set elsewhere.
    pub(crate) fn forget<'n>(&mut self, names: impl Iterator<Item = &'n String>) {
        let start = match self {
            Self::Modules(start) => start,
            Self::Bundle(bundle) => &mut bundle.start,
            Self::Site(_) => return,
        };
        for name in names {
            start.env.remove(name);
        }
    }

    /// The path that the build must write, and whether it is a directory.
    pub fn written(&self) -> Option<(&str, bool)> {
        match self {
            Self::Modules(start) => {
                let file = start.loads.as_ref().unwrap_or(&start.entry);
                start.built.then_some((file.as_str(), false))
            }
            Self::Bundle(bundle) => Some((bundle.proof.as_str(), false)),
            Self::Site(site) => Some((site.dir.as_str(), true)),
        }
    }

    /// Whether production modules are installed for the image.
    pub fn has_modules(&self) -> bool {
        matches!(self, Self::Modules(_))
    }
}

/// A build's output that needs no other modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    /// How it starts.
    #[serde(flatten)]
    pub start: Start,
    /// The directories that it consists of.
    pub pieces: Vec<Piece>,
    /// The place of its modules in the image, relative to the workspace. They change rarely and get
    /// their own layer.
    pub modules: String,
    /// A file that exists only if the build wrote the bundle.
    pub proof: String,
    /// A directory that the server writes to, if any, such as a page cache.
    pub writable: Option<String>,
}

/// A directory of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Piece {
    /// Its path after the build.
    pub from: String,
    /// Its place in the image, relative to the app; `None` if its paths start at the workspace's
    /// root.
    pub to: Option<String>,
    /// Whether it may be missing.
    pub optional: bool,
}

/// Files for a web server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Site {
    /// The directory that the build writes.
    pub dir: String,
    /// What decided it.
    pub reason: String,
    /// The answer if no file matches.
    pub fallback: Fallback,
    /// Directories below `dir` whose file names contain a hash of their content.
    pub hashed: Vec<String>,
}

/// What a site answers if no file matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Fallback {
    /// The page of a single-page app; `None` for other sites, which answer 404.
    pub page: Option<String>,
    /// Why.
    pub reason: String,
}
