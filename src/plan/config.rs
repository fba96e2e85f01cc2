//! `slimbuild.json`: what a user decides beforehand, at the workspace's root for all apps and beside an app for that one. JSON with comments.
//!
//! Goes in: the texts of the files. Comes out: [`PlanOptions`], each value with the place that it comes from. The app's file wins over the
//! root's, and flags win over both; lists of files, variables, labels and system packages add up instead. `schema.json` describes the same
//! keys for editors, and a test compares the two.

mod base;
mod keys;
mod load;
mod merge;
mod reader;
mod values;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::detect::AppKind;
use crate::model::image::{ImageRef, Platform};
use crate::model::path::RepoPath;
use crate::model::span::Span;
use crate::workspace::manifest::ManifestError;

pub use base::{Base, DiskBase, Mirror};
pub use load::{inherited, load};

/// The file's name, at the root and beside an app.
pub const FILE: &str = "slimbuild.json";

/// All lifecycle scripts.
pub const EVERY: &str = "*";

/// The JSON Schema of the file.
pub const SCHEMA: &str = include_str!("../../schema.json");

/// What a user may decide beforehand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// Node's version.
    pub node: Option<Given<String>>,
    /// The image that the build stages start from.
    pub build_base: Option<Given<ImageRef>>,
    /// The image that the result starts from.
    pub base: Option<Given<Base>>,
    /// Where images come from that slimbuild chooses; nothing where they come from their own registries.
    pub registry_mirrors: Vec<Given<Mirror>>,
    /// What kind of app it is.
    pub kind: Option<Given<AppKind>>,
    /// What node starts.
    pub start: Option<Given<NodeArguments>>,
    /// Globs of files that the build and the image get, ignored or not.
    pub include: Vec<String>,
    /// Globs of files that neither gets.
    pub exclude: Vec<String>,
    /// Globs of files of variables (`.env.production`) that hold no secret: the build and the image get them.
    pub public_env_files: Vec<String>,
    /// Directories of the app that it writes to when it runs.
    pub writable: Vec<Given<String>>,
    /// The port that it listens on.
    pub port: Option<Given<u16>>,
    /// Variables of the image.
    pub env: BTreeMap<String, Given<String>>,
    /// How Docker asks the container whether it is well; nothing where it must not ask.
    pub healthcheck: Option<Given<Option<Healthcheck>>>,
    /// Labels of the image.
    pub labels: BTreeMap<String, Given<String>>,
    /// Names of the image.
    pub tags: Option<Given<Vec<ImageRef>>>,
    /// Packages of the base's distribution that builds need.
    pub build_packages: Vec<Given<String>>,
    /// Packages of the base's distribution that the image needs.
    pub runtime_packages: Vec<Given<String>>,
    /// The scripts that build the app, in order.
    pub tasks: Option<Given<Vec<String>>>,
    /// Which lifecycle scripts run, by `PACKAGE#SCRIPT`; [`EVERY`] stands for those that are not named.
    pub lifecycle: BTreeMap<String, Given<bool>>,
    /// Arguments of the build. Values of the command line are not among them: they may be secrets.
    pub build_args: BTreeMap<String, Given<Option<String>>>,
    /// Names of secrets that the build needs; never their values.
    pub secrets: Vec<Given<String>>,
    /// A template for the Dockerfile.
    pub template: Option<Given<RepoPath>>,
    /// Who makes the image.
    pub engine: Engine,
    /// What an image on the disk says of itself, where the base is one.
    pub disk_base: Option<DiskBase>,
    /// To take modules and outputs as they lie in the workspace.
    pub prebuilt: bool,
    /// The machine that the image is for; the engine's where nothing is said.
    pub platform: Option<Platform>,
    /// How the image proves that it can run before it gets a name.
    pub proof: Proof,
    /// To keep what packages hold that cannot matter when the app runs.
    pub whole_modules: bool,
}

/// Who makes the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// A Docker daemon, by a Dockerfile.
    #[default]
    Docker,
    /// slimbuild, on this machine.
    Native,
}

/// How an image proves that it can run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// All that it loads is there, and it is started.
    #[default]
    Started,
    /// All that it loads is there.
    Verified,
    /// Not at all.
    None,
}

/// A value, and who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given<T> {
    /// What was given.
    pub value: T,
    /// By whom.
    pub source: Source,
}

impl<T> Given<T> {
    /// A value of a flag: `--node`.
    pub fn by_flag(value: T, flag: &'static str) -> Self {
        Self {
            value,
            source: Source::Flag(flag),
        }
    }

    /// Another value from the same place.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Given<U> {
        Given {
            value: change(self.value),
            source: self.source,
        }
    }
}

/// Who gave a value. Displays as a reason: "named by --node", "`node` in apps/server/slimbuild.json".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An argument.
    Flag(&'static str),
    /// A key of a file.
    Key {
        /// The path of keys.
        key: String,
        /// The file, relative to the workspace's root.
        file: String,
    },
}

impl Source {
    /// The place without the key: `--node`, `apps/server/slimbuild.json`.
    pub fn place(&self) -> &str {
        match self {
            Self::Flag(flag) => flag,
            Self::Key { file, .. } => file,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "named by {flag}"),
            Self::Key { key, file } => write!(f, "`{key}` in {file}"),
        }
    }
}

/// What stands behind `node`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeArguments {
    /// node's own flags.
    pub flags: Vec<String>,
    /// The file, relative to the app.
    pub file: String,
    /// The program's arguments.
    pub args: Vec<String>,
}

/// How Docker asks whether a container is well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Healthcheck {
    /// What is asked.
    #[serde(flatten)]
    pub probe: Probe,
    /// When it is asked.
    #[serde(flatten)]
    pub timing: Timing,
}

/// When Docker asks, and how many failures count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// How often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// How long an answer may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// For how long a failure does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<Span>,
    /// How many failures in a row count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

/// The question itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// A path that must answer without an error.
    Path(String),
    /// A command that must end with 0.
    Command(Vec<String>),
}

impl Default for Probe {
    fn default() -> Self {
        Self::Path("/".to_owned())
    }
}

/// What is wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read, or is not JSON.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A key or a value.
    #[error("`{file}`, line {line}, column {column}: {problem}")]
    At {
        /// Relative to the workspace's root.
        file: String,
        /// Counted from one.
        line: usize,
        /// Counted from one, in characters.
        column: usize,
        /// Names the key.
        problem: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// A value that is fine by itself does not fit the app.
    #[error("{by}: {problem}")]
    Unfit {
        /// Who gave it.
        by: String,
        /// What it does not fit.
        problem: String,
        /// What to do about it.
        hint: String,
    },
}

impl ConfigError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Manifest(error) => error.hint(),
            Self::At { hint, .. } => hint.clone(),
            Self::Unfit { hint, .. } => Some(hint.clone()),
        }
    }

    /// That a value does not fit the app.
    pub(crate) fn unfit(
        source: &Source,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let by = match source {
            Source::Flag(flag) => (*flag).to_owned(),
            Source::Key { .. } => source.to_string(),
        };
        Self::Unfit {
            by,
            problem: problem.into(),
            hint: hint.into(),
        }
    }
}

#[cfg(test)]
mod tests;
