//! `slimbuild.json`: the user's decisions, at the workspace's root for all apps and beside an app
//! for that one. JSON with comments.
//!
//! Input: the texts of the files. Output: [`PlanOptions`], each value with its source. The app's
//! file wins over the root's, and flags win over both; lists of files, variables, labels and system
//! packages are merged instead. `schema.json` describes the same keys for editors, and a test
//! compares the two.

mod base;
mod budget;
mod keys;
mod licenses;
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
use crate::model::tag::TagTemplate;
use crate::workspace::manifest::ManifestError;

pub use base::{Base, DiskBase, Mirror, insecure_registry};
pub use budget::Budget;
pub use licenses::Licenses;
pub use load::{inherited, load};

/// The file's name, at the root and beside an app.
pub const FILE: &str = "slimbuild.json";

/// Stands for all lifecycle scripts.
pub const ALL_SCRIPTS: &str = "*";

/// The JSON Schema of the file.
pub const SCHEMA: &str = include_str!("../../schema.json");

/// The user's options for a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// Node's version.
    pub node: Option<Given<String>>,
    /// The image that the build stages start from.
    pub build_base: Option<Given<ImageRef>>,
    /// The image that the result starts from.
    pub base: Option<Given<Base>>,
    /// Mirrors for the images that slimbuild picks; empty to use their own registries.
    pub registry_mirrors: Vec<Given<Mirror>>,
    /// Registries that need no verified connection.
    pub insecure_registries: Vec<String>,
    /// What kind of app it is.
    pub kind: Option<Given<AppKind>>,
    /// What node starts.
    pub start: Option<Given<NodeArguments>>,
    /// Globs of files to add to the build and the image, even ignored ones.
    pub include: Vec<String>,
    /// Globs of files to leave out of both.
    pub exclude: Vec<String>,
    /// Globs of env files (`.env.production`) without secrets, which the build and the image get.
    pub public_env_files: Vec<String>,
    /// Directories of the app that are writable at run time.
    pub writable: Vec<Given<String>>,
    /// The port that it listens on.
    pub port: Option<Given<u16>>,
    /// Variables of the image.
    pub env: BTreeMap<String, Given<String>>,
    /// Docker's health check; `None` inside means that there must not be one.
    pub healthcheck: Option<Given<Option<Healthcheck>>>,
    /// Labels of the image.
    pub labels: BTreeMap<String, Given<String>>,
    /// Whether labels tell where the image comes from; they do by default.
    pub oci_labels: Option<bool>,
    /// What stands for `{registry}` in names.
    pub registry: Option<Given<String>>,
    /// What stands for `{image}` in names, which has no tag.
    pub image: Option<Given<TagTemplate>>,
    /// Names of the image.
    pub tags: Option<Given<Vec<TagTemplate>>>,
    /// Packages of the base's distribution that builds need.
    pub build_packages: Vec<Given<String>>,
    /// Packages of the base's distribution that the image needs.
    pub runtime_packages: Vec<Given<String>>,
    /// The scripts that build the app, in order.
    pub tasks: Option<Given<Vec<String>>>,
    /// Which lifecycle scripts run, by `PACKAGE#SCRIPT`; [`ALL_SCRIPTS`] means those that are not named.
    pub lifecycle: BTreeMap<String, Given<bool>>,
    /// Build arguments from files. The command line's values are not included, since they may be
    /// secrets.
    pub build_args: BTreeMap<String, Given<Option<String>>>,
    /// Names of the secrets that the build needs, never their values.
    pub secrets: Vec<Given<String>>,
    /// Names of ssh agents that steps of the build may ask.
    pub ssh: Vec<String>,
    /// Whether steps of the build trust one more certificate authority.
    pub authority: bool,
    /// How large the image may be.
    pub budget: Option<Given<Budget>>,
    /// Which licences its packages may have.
    pub licenses: Option<Given<Licenses>>,
    /// A template for the Dockerfile.
    pub template: Option<Given<RepoPath>>,
    /// The engine that makes the image.
    pub engine: Engine,
    /// The configuration of a base on disk, if the base is one.
    pub disk_base: Option<DiskBase>,
    /// Whether to use modules and outputs as they are in the workspace.
    pub prebuilt: bool,
    /// The image's platforms; none means the engine's.
    pub platforms: Vec<Platform>,
    /// How the image proves that it can run before it gets a name.
    pub proof: Proof,
    /// Whether node gets no symbols, where slimbuild brings it.
    pub strip: Option<bool>,
    /// Whether to keep what production modules need not have at run time; by default it is left out.
    pub whole_modules: Option<bool>,
}

/// The engines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// A Docker daemon, with a Dockerfile.
    #[default]
    Docker,
    /// slimbuild, on this machine.
    Native,
}

/// How an image proves that it can run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// Everything that it loads exists, and it is started.
    #[default]
    Started,
    /// Everything that it loads exists.
    Verified,
    /// Not at all.
    None,
}

/// A value and its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given<T> {
    /// What was given.
    pub value: T,
    /// Where it comes from.
    pub source: GivenBy,
}

impl<T> Given<T> {
    /// A value of a flag: `--node`.
    pub fn by_flag(value: T, flag: &'static str) -> Self {
        Self {
            value,
            source: GivenBy::Flag(flag),
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

/// The source of a value. Displays as a reason: "named by --node", "`node` in
/// apps/server/slimbuild.json".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenBy {
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

impl GivenBy {
    /// The place without the key: `--node`, `apps/server/slimbuild.json`.
    pub fn place(&self) -> &str {
        match self {
            Self::Flag(flag) => flag,
            Self::Key { file, .. } => file,
        }
    }
}

impl fmt::Display for GivenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "named by {flag}"),
            Self::Key { key, file } => write!(f, "`{key}` in {file}"),
        }
    }
}

/// The arguments after `node`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeArguments {
    /// node's own flags.
    pub flags: Vec<String>,
    /// The file, relative to the app.
    pub file: String,
    /// The program's arguments.
    pub args: Vec<String>,
}

/// Docker's health check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Healthcheck {
    /// What it checks.
    #[serde(flatten)]
    pub probe: Probe,
    /// When it runs.
    #[serde(flatten)]
    pub timing: Timing,
}

/// When a health check runs, and how many failures count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// How often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// How long an answer may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How long failures do not count after the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<Span>,
    /// How many failures in a row make the container unhealthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

/// What a health check does.
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

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read, or is not JSON.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A key or a value is wrong.
    #[error("`{file}`, line {line}, column {column}: {problem}")]
    At {
        /// Relative to the workspace's root.
        file: String,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// The problem, with the key.
        problem: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// A valid value does not fit the app.
    #[error("{by}: {problem}")]
    Unfit {
        /// The source of the value.
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
        source: &GivenBy,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let by = match source {
            GivenBy::Flag(flag) => (*flag).to_owned(),
            GivenBy::Key { .. } => source.to_string(),
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
