//! Detection: what kind of app this is, and how it starts. One file a kind; each gives evidence or nothing.
//!
//! Goes in: the app's manifest and the list of its files. Comes out: the kind with its evidence, and the start command. Nothing is run.

mod framework;
pub mod script;
pub mod start;
pub mod tsc;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::manifest::ManifestError;
use crate::path::RepoPath;
use crate::workspace::Workspace;
pub use start::Start;

/// The kinds of app that can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AppKind {
    /// A program that node runs: a server, a worker, a command.
    Node,
    /// A Next.js app.
    Next,
    /// A set of files that any web server can hand out.
    StaticSite,
    /// Pages that a framework renders on a server.
    ServerRendering,
}

impl AppKind {
    /// As messages name it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Next => "Next.js",
            Self::StaticSite => "static site",
            Self::ServerRendering => "server rendering",
        }
    }
}

/// Why an app cannot be detected, or not be built yet.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// A kind that slimbuild knows and does not build yet.
    #[error("`{app}` is an app of the kind `{}`, which slimbuild does not support yet ({evidence})", .kind.label())]
    NotYet {
        /// The app's directory.
        app: RepoPath,
        /// Its kind.
        kind: AppKind,
        /// What gave it away.
        evidence: String,
    },
    /// Nothing says how the app starts.
    #[error("cannot tell how `{app}` starts: {tried}")]
    NoStart {
        /// The app's directory.
        app: RepoPath,
        /// What was looked at.
        tried: String,
        /// The file that somebody named.
        entry: Option<String>,
    },
    /// There is nothing to start, and no build that could make it.
    #[error(
        "`{manifest}` has no `build` script, and `{entry}` ({reason}) is not there without one"
    )]
    NoBuild {
        /// The app's manifest.
        manifest: String,
        /// The file that was to be started.
        entry: String,
        /// Who named it.
        reason: String,
    },
    /// A configuration file cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl DetectError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotYet { .. } => Some("apps that node starts from a file are supported so far".to_owned()),
            Self::NoStart { .. } => Some(
                "name the file that node starts with `--entry dist/main.js`, or write it into the `start` script as `node dist/main.js`"
                    .to_owned(),
            ),
            Self::NoBuild { .. } => {
                Some("add a `build` script that writes the file, or name another one with `--entry FILE`".to_owned())
            }
            Self::Manifest(error) => error.hint(),
        }
    }
}

/// An app's kind and the evidence for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Detected {
    /// The kind.
    pub kind: AppKind,
    /// What speaks for it.
    pub evidence: Vec<String>,
}

/// Tells an app's kind. A framework's own marks win over the general case, that node starts a file.
pub fn detect(workspace: &Workspace, app: usize, files: &BTreeSet<String>) -> Detected {
    let manifest = &workspace.members[app].manifest;
    framework::detect(manifest, files).unwrap_or_else(|| {
        let evidence = if ["start:prod", "prod", "start"]
            .iter()
            .any(|name| manifest.script(name).is_some())
        {
            "it has a start script and no framework of another kind"
        } else {
            "no framework of another kind"
        };
        Detected {
            kind: AppKind::Node,
            evidence: vec![evidence.to_owned()],
        }
    })
}
