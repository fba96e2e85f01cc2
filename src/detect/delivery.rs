//! What an image holds, and what runs in it: the three shapes that every kind of app comes down to.

use serde::Serialize;

use super::Start;

/// Where the workspace is while Docker builds it, as variables of a build may say it. Elsewhere it is where it is.
pub const WORKSPACE: &str = "/app";

/// What the image holds, and what runs in it. Paths are relative to the app's directory, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "holds")]
pub enum Delivery {
    /// Production modules and the packages as they are built; node starts a file.
    Modules(Start),
    /// A directory that the build writes and that brings the modules that it needs; node starts a file in it.
    Bundle(Bundle),
    /// Files that nginx hands out.
    Site(Site),
}

impl Delivery {
    /// What node starts, where it is node that runs.
    pub fn start(&self) -> Option<&Start> {
        match self {
            Self::Modules(start) => Some(start),
            Self::Bundle(bundle) => Some(&bundle.start),
            Self::Site(_) => None,
        }
    }

    /// Leaves variables to somebody who sets them too.
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

    /// The path that the build must have written, and whether it is a directory.
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
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    /// How it starts.
    #[serde(flatten)]
    pub start: Start,
    /// The directories that make it up.
    pub pieces: Vec<Piece>,
    /// Where its modules are in the image, relative to the workspace: they change more rarely than the rest, and get a layer of their own.
    pub modules: String,
    /// The file without which the build did not write it.
    pub proof: String,
    /// A directory that the server writes into, if any: a cache of pages.
    pub writable: Option<String>,
}

/// A directory of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Piece {
    /// Where it is after the build.
    pub from: String,
    /// Its place in the image, relative to the app; nothing where its paths begin at the workspace's root.
    pub to: Option<String>,
    /// Whether it may be missing.
    pub optional: bool,
}

/// Files for a web server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Site {
    /// The directory that the build writes.
    pub dir: String,
    /// Who says so.
    pub reason: String,
    /// What is answered where no file is.
    pub fallback: Fallback,
    /// Directories below `dir` whose files carry a hash of their content in their names.
    pub hashed: Vec<String>,
}

/// What a site answers where no file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fallback {
    /// The page that a single-page app is; nothing where it is none, and the answer is 404.
    pub page: Option<String>,
    /// Why.
    pub reason: String,
}
