//! The [`Plan`]: every decision about an image, each with its reason. What follows executes it and decides nothing.
//!
//! It is a value that can be printed, compared and tested; it holds no absolute path, no time and no secret, so that the same tree gives the same
//! plan on every machine.

mod base;
mod beside;
mod code;
pub mod config;
mod configured;
mod contents;
mod context_list;
mod credentials;
mod cycles;
mod engine;
mod env_files;
mod error;
pub(crate) mod inputs;
pub(crate) mod install;
mod kept_out;
mod libc;
mod lifecycle;
pub(crate) mod make;
mod missing_programs;
mod native;
mod nginx;
mod outputs;
mod pin;
mod runnable;
mod runs;
pub(crate) mod secrets;
pub mod smoke;
pub mod sources;
mod step;
mod steps;
pub(crate) mod study;
pub mod template;
mod trim;
mod verify;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

pub use crate::detect::WORKSPACE;
use crate::detect::{Delivery, Detected};
use crate::files::Kind;
use crate::model::digest::hex;
use crate::model::path::RepoPath;
use crate::needs::closure::Because;
/// Why a task runs.
pub use crate::needs::tasks::Because as Reason;
pub use crate::plan::config::{Engine, PlanOptions, Proof, Timing};
use crate::plan::sources::Role;
pub use crate::workspace::toolchain::Decision;
pub use beside::Brought;
pub use configured::{Configured, HealthcheckPlan, PackageManager, SystemPackages};
pub use contents::{Contents, Finished, Recipe};
pub use error::PlanError;
pub use native::Native;
pub use outputs::{Locked, Machines, Outputs};
pub use runs::Runs;
pub use secrets::{NPMRC, SecretPlan, Secrets};
pub use step::{BuildStep, Copy, Gather, LeftOut, MOST, TaskPlan};

/// Everything that was decided for the image of one app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Who makes the image.
    pub engine: Engine,
    /// The app.
    pub app: App,
    /// The image's name where the user gives none.
    pub image: String,
    /// Node's version: a line (`22`) or exact (`22.11.0`).
    pub node: Decision<String>,
    /// pnpm's version.
    pub pnpm: Decision<String>,
    /// The image that the build stages start from; `this machine` where steps run here.
    pub build_base: Decision<String>,
    /// The image that the result starts from.
    pub runtime_base: Decision<RuntimeBase>,
    /// What the image holds, and what runs in it.
    pub delivery: Delivery,
    /// What node is given so that a signal ends an app that does not listen for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signals: Option<&'static str>,
    /// The port that it listens on, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// What the user adds to it.
    #[serde(flatten)]
    pub configured: Configured,
    /// What packages of the registry need of the stages.
    #[serde(skip_serializing_if = "Native::is_none")]
    pub native: Native,
    /// What the build needs.
    pub build: ClosurePlan,
    /// What the app needs when it runs; nothing where the build's output brings it along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<ClosurePlan>,
    /// How many packages of the registry the whole workspace has.
    pub workspace_packages: usize,
    /// How many members it has, the root project not counted.
    pub workspace_members: usize,
    /// Directories of the workspace that pnpm installs by themselves, each by a lockfile of its own; none where one lockfile serves all.
    #[serde(skip_serializing_if = "InstalledAlone::is_none")]
    pub installed_alone: InstalledAlone,
    /// Globs of what comes along by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Globs of files of variables that hold no secret.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub public_env_files: Vec<String>,
    /// Directories that builds of other packages write, and that the image gets too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub brought: Vec<Brought>,
    /// The members that the image gets, the app last.
    pub image_packages: Vec<ImagePackage>,
    /// Whether the image proves that it can run before it gets a name.
    pub verify: bool,
    /// Whether the app is started before the image gets a name.
    pub trial: bool,
    /// What a reader should know.
    pub warnings: Vec<String>,
    /// Where the files of the image come from.
    #[serde(flatten)]
    pub contents: Contents,
}

/// What is left out of production modules: declarations, documents, tests, and mostly source maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Trim {
    /// Whether source maps stay, since something reads them.
    pub maps: bool,
}

/// The app that the image is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct App {
    /// The package's name.
    pub name: String,
    /// Its directory.
    pub dir: RepoPath,
    /// Its kind.
    #[serde(flatten)]
    pub detected: Detected,
}

/// The image that the result starts from, and how node is called there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeBase {
    /// The image.
    pub image: String,
    /// What stands before node's arguments; nothing where no node runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeCommand>,
    /// The user and group, by number: Kubernetes checks `runAsNonRoot` by it.
    pub user: String,
    /// Where the image is.
    pub from: BaseFrom,
    /// Whether somebody named the image, or the registry that it comes from.
    #[serde(skip)]
    pub named: bool,
}

/// Where a base is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaseFrom {
    /// In a registry.
    Registry,
    /// On the disk.
    Disk,
    /// Nowhere yet: slimbuild makes it.
    Own,
}

/// How node is called in a base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeCommand {
    /// The base's entry point is node.
    Entrypoint,
    /// `node` is found on the path.
    OnPath,
    /// The build stage's node is copied into the image, to a place of its own.
    Copied,
    /// The build stage's node is copied onto the path, and a user is made: the base is a distribution without node.
    Alone,
    /// `node` is found on the path; what else the base brings for developers (npm, corepack, yarn, headers) is left behind.
    Trimmed,
}

impl NodeCommand {
    /// The program, as a command of the image's calls it.
    pub fn program(self) -> &'static str {
        match self {
            Self::OnPath | Self::Alone | Self::Trimmed => "node",
            Self::Entrypoint | Self::Copied => "/nodejs/bin/node",
        }
    }

    /// Whether the image's entry point is node.
    pub fn is_entrypoint(self) -> bool {
        matches!(self, Self::Entrypoint | Self::Copied)
    }
}

/// A closure, as a reader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClosurePlan {
    /// The members, by directory.
    pub members: Vec<MemberPlan>,
    /// How many packages of the registry it has.
    pub packages: usize,
    /// Dev dependencies that count at run time, since they are peers: `packages/ui: react`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<String>,
    /// Dev dependencies that count at run time, since the start names them or what they read does: `apps/api: tsx`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<String>,
}

/// Directories with a lockfile of their own, and so with a virtual store of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct InstalledAlone {
    /// Those of the build closure.
    pub build: Vec<RepoPath>,
    /// Those of the runtime closure.
    pub runtime: Vec<RepoPath>,
}

impl InstalledAlone {
    fn is_none(&self) -> bool {
        self.build.is_empty() && self.runtime.is_empty()
    }
}

/// A member of a closure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemberPlan {
    /// Its name, or its directory where it has none.
    pub name: String,
    /// Its directory.
    pub dir: RepoPath,
    /// Why it is here.
    #[serde(flatten)]
    pub because: Because,
}

/// A member in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImagePackage {
    /// Its directory.
    pub dir: RepoPath,
    /// Its name.
    pub name: String,
    /// The stage that builds it, if any.
    pub stage: Option<String>,
    /// What its build writes.
    #[serde(skip)]
    pub outputs: Outputs,
}

/// A file of the context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContextEntry {
    /// Its path in the context.
    pub path: String,
    /// What it holds.
    #[serde(flatten)]
    pub content: Content,
    /// Why it is there.
    pub why: String,
}

/// What a file of the context holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text that slimbuild made.
    Made {
        /// The text, which may stand in several places.
        text: Arc<String>,
        /// Whether it may be executed.
        executable: bool,
    },
    /// What slimbuild made of a file: a compressed one.
    Packed {
        /// What it holds.
        bytes: Arc<[u8]>,
    },
    /// A file of the workspace.
    Source {
        /// Where it lies there.
        path: RepoPath,
        /// What it is.
        kind: Kind,
        /// Its length in bytes when the plan was made.
        size: u64,
    },
}

/// Why a file is in the context that something reads which the app loads or runs.
pub(crate) const LOADER: &str = "configuration that is read when the app starts";

/// Why a file is in the context that a link of a package leads to.
pub(crate) const LED_TO: &str = "a symlink leads here";

impl Content {
    /// The length in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Made { text, .. } => text.len() as u64,
            Self::Packed { bytes } => bytes.len() as u64,
            Self::Source { size, .. } => *size,
        }
    }
}

impl Serialize for Content {
    /// Text that was made is shown by its digest: a lockfile would drown the plan.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map: BTreeMap<&str, serde_json::Value> = BTreeMap::new();
        map.insert("size", self.size().into());
        match self {
            Self::Made { text, .. } => {
                map.insert("sha256", hex(&Sha256::digest(text.as_bytes())).into());
            }
            Self::Packed { bytes } => {
                map.insert("sha256", hex(&Sha256::digest(bytes)).into());
            }
            Self::Source { path, kind, .. } => {
                map.insert("source", path.to_string().into());
                if let Kind::Symlink { target } = kind {
                    map.insert("link", target.clone().into());
                }
            }
        }
        map.serialize(serializer)
    }
}

/// Whether a context, whose entries are in order, has anything below a directory; a slash ends the directory.
fn holds(context: &[ContextEntry], dir: &str) -> bool {
    let at = context.partition_point(|entry| entry.path.as_str() < dir);
    let first = context.get(at);
    first.is_some_and(|entry| entry.path.starts_with(dir))
}

/// The directories of a context.
pub mod place {
    /// Manifests and lockfile of the build closure.
    pub const BUILD: &str = "build";
    /// Manifests and lockfile of the runtime closure.
    pub const PROD: &str = "prod";
    /// Files of the workspace's root that builds read.
    pub const ROOT: &str = "root";
    /// Files of the root project that its own tasks read.
    pub const TOP: &str = "top";
    /// Sources that only builds read.
    pub const SRC: &str = "src";
    /// Files that the image keeps as they are.
    pub const RUN: &str = "run";
    /// What a web server reads: its configuration.
    pub const SERVE: &str = "serve";
    /// What proves that the image can run; it is not in the image.
    pub const VERIFY: &str = "verify";
    /// What leaves spare files out of modules.
    pub const TRIM: &str = "trim";
    /// Modules as they are installed in the workspace.
    pub const MODULES: &str = "modules";
    /// Packages as they are built there, but for the app.
    pub const PACKAGES: &str = "packages";
    /// The app as it is built there.
    pub const APP: &str = "app";
    /// What the app writes to when it runs.
    pub const WRITABLE: &str = "writable";
    /// What makes directories that the app writes to.
    pub const OWN: &str = "own";
    /// Files of other places in the workspace that the image gets, each at its own place.
    pub const BESIDE: &str = "beside";
}

impl Role {
    /// The directory of the context that files of this role go to.
    fn place(self) -> Option<&'static str> {
        match self {
            Self::Build => Some(place::SRC),
            Self::Image => Some(place::RUN),
            Self::Out => None,
        }
    }
}
