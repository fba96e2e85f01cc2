//! The [`Plan`]: every decision about an image, each with its reason. Later rooms carry it out and
//! decide nothing.
//!
//! It is a value that can be printed, compared and tested. It contains no absolute path, time or
//! secret, so the same tree gives the same plan on every machine.

mod aliases;
mod base;
mod beside;
pub(crate) mod closures;
mod code;
pub mod config;
mod configured;
mod contents;
pub(crate) mod context_entry;
mod context_list;
mod credentials;
mod cycles;
mod engine;
mod env_files;
mod error;
mod generate;
mod image_name;
pub(crate) mod inputs;
pub(crate) mod install;
mod kept_out;
mod libc;
mod lifecycle;
mod make;
mod missing_programs;
mod native;
mod nginx;
mod outputs;
mod pin;
mod portable;
mod runnable;
mod runs;
pub(crate) mod secrets;
pub mod smoke;
pub mod sources;
mod step;
mod steps;
mod string_names;
pub(crate) mod study;
pub mod template;
mod trim;
mod verify;

use std::collections::BTreeSet;

use serde::Serialize;

pub use crate::detect::WORKSPACE;
use crate::detect::{Delivery, Detected};
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
pub use context_entry::{Content, ContextEntry, Place, PlacedFile};
pub use error::PlanError;
pub use image_name::image_name;
pub(crate) use libc::libc_of;
pub use native::Native;
pub use outputs::{Locked, Machines, Outputs};
pub use runs::Runs;
pub use secrets::{AUTHORITY, NPMRC, SecretPlan, Secrets};
pub use step::{BuildStep, Copy, Declared, Gather, LeftOut, MAX_COPIES, TaskPlan};
pub use verify::{PROOF_FLAGS, PROOF_PROGRAMS};

/// All decisions about the image of one app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The engine that makes the image.
    pub engine: Engine,
    /// The app.
    pub app: App,
    /// The image's default name.
    pub image: String,
    /// Node's version: a line (`22`) or exact (`22.11.0`).
    pub node: Decision<String>,
    /// pnpm's version.
    pub pnpm: Decision<String>,
    /// The image of the build stages; `this machine` if steps run here.
    pub build_base: Decision<String>,
    /// The image that the result starts from.
    pub runtime_base: Decision<RuntimeBase>,
    /// What the image contains, and what runs in it.
    pub delivery: Delivery,
    /// The node argument that lets a signal end an app which does not handle it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signals: Option<&'static str>,
    /// The port that it listens on, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// What the user's configuration adds.
    #[serde(flatten)]
    pub configured: Configured,
    /// What packages with machine code need in the stages.
    #[serde(skip_serializing_if = "Native::is_none")]
    pub native: Native,
    /// Why steps run on the image's own platform, where one is named; `None` if the image is the same
    /// for any: then they run on the builder's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<String>,
    /// Whether a platform is named and steps need not run on it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub portable: bool,
    /// What the build needs.
    pub build: ClosurePlan,
    /// What the app needs at run time; `None` if the build's output includes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<ClosurePlan>,
    /// The number of registry packages in the whole workspace.
    pub workspace_packages: usize,
    /// The number of members, without the root project.
    pub workspace_members: usize,
    /// Directories that pnpm installs separately, each with its own lockfile; empty with a shared
    /// lockfile.
    #[serde(skip_serializing_if = "InstalledAlone::is_none")]
    pub installed_alone: InstalledAlone,
    /// Globs of files that are brought by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Globs of files of variables that hold no secret.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub public_env_files: Vec<String>,
    /// Directories that other packages' builds write and that the image gets too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub brought: Vec<Brought>,
    /// The members that the image gets, the app last.
    pub image_packages: Vec<ImagePackage>,
    /// Whether the image proves that it can run before it gets a name.
    pub verify: bool,
    /// Whether the app is started before the image gets a name.
    pub trial: bool,
    /// Warnings for the user.
    pub warnings: Vec<String>,
    /// Where the files of the image come from.
    #[serde(flatten)]
    pub contents: Contents,
}

/// What is left out of production modules: declarations, documents, tests, and usually source maps and
/// machine code for other systems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Trim {
    /// Whether source maps are kept because something reads them.
    pub maps: bool,
    /// Which machine code is kept.
    pub machine_code: MachineCode,
    /// The databases for which Prisma's client keeps its compilers of queries; empty means all.
    pub databases: BTreeSet<String>,
}

/// Which machine code production modules keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MachineCode {
    /// All: nobody knows yet what the image runs on.
    All,
    /// That of the system and the processor that the modules are installed on.
    System,
    /// The same, but for code that needs another C library than glibc.
    Glibc,
}

/// The app that the image is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct App {
    /// The package's name.
    pub name: String,
    /// Its directory.
    pub dir: RepoPath,
    /// Its kind.
    #[serde(flatten)]
    pub detected: Detected,
}

/// The image that the result starts from, and how node is called in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RuntimeBase {
    /// The image.
    pub image: String,
    /// How node is called; `None` if no node runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeCommand>,
    /// Numeric `user:group` the container runs as: Kubernetes needs numbers to check
    /// `runAsNonRoot`.
    pub user: String,
    /// Where the image comes from.
    pub from: BaseFrom,
    /// Whether the user named the image or its registry.
    #[serde(skip)]
    pub named: bool,
    /// Whether its node has no symbols.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stripped: bool,
}

/// Where a base comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BaseFrom {
    /// In a registry.
    Registry,
    /// On the disk.
    Disk,
    /// slimbuild makes it.
    Own,
}

/// How node is called in a base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NodeCommand {
    /// The base's entry point is node.
    Entrypoint,
    /// `node` is found on the path.
    OnPath,
    /// The build stage's node is copied into the image, to its own place.
    Copied,
    /// The build stage's node is copied onto the path, and a user is created: the base is a
    /// distribution without node.
    Alone,
    /// `node` is on the path. What the base has for developers (npm, corepack, yarn, headers) is
    /// removed.
    Trimmed,
}

impl NodeCommand {
    /// The program as a command in the image calls it.
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

/// A closure as shown to the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClosurePlan {
    /// The members, by directory.
    pub members: Vec<MemberPlan>,
    /// The number of registry packages.
    pub packages: usize,
    /// Dev dependencies needed at run time because they are peers: `packages/ui: react`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<String>,
    /// Dev dependencies needed at run time because the start or its configuration names them:
    /// `apps/api: tsx`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<String>,
    /// Developers' tools that are left out: pnpm would bring them only as optional peers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spared: Vec<Spared>,
}

/// A developer's tool that production leaves out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Spared {
    /// The tool, with its version: `typescript@5.9.2`.
    pub package: String,
    /// The packages whose optional peer it is.
    pub peer_of: Vec<String>,
}

impl ClosurePlan {
    /// Its packages: all members, without a root project that only provides tools.
    pub fn packages(&self) -> impl Iterator<Item = &MemberPlan> {
        let members = self.members.iter();
        members.filter(|member| member.because.is_package(&member.dir))
    }
}

/// Directories with their own lockfile and virtual store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MemberPlan {
    /// Its name, or its directory if it has none.
    pub name: String,
    /// Its directory.
    pub dir: RepoPath,
    /// Why it is here.
    #[serde(flatten)]
    pub because: Because,
}

/// A member in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ImagePackage {
    /// Its directory.
    pub dir: RepoPath,
    /// Its name.
    pub name: String,
    /// The directories of packages that lie below it.
    #[serde(skip)]
    pub nested: Vec<RepoPath>,
    /// The stage that builds it, if any.
    pub stage: Option<String>,
    /// The output of its build.
    #[serde(skip)]
    pub outputs: Outputs,
}

impl Role {
    /// The context's directory for files of this role that belong to the package in `dir`.
    fn place(self, dir: &RepoPath) -> Option<Place> {
        match self {
            Self::Build => Some(Place::read(dir)),
            Self::Image => Some(Place::kept(dir)),
            Self::Out => None,
        }
    }
}
