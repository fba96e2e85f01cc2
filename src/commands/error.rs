//! Errors: what is wrong, its cause, what to do, and the exit code.

use std::io;

use crate::ask::pruned::output::OutputError;
use crate::ask::selection::SelectionError;
use crate::ask::why::WhyError;
use crate::detect::DetectError;
use crate::engine::buildkit::BuildkitError;
use crate::engine::docker::{EngineError, EngineErrorKind};
use crate::engine::fault::{BuildFault, Place};
use crate::engine::host::HostError;
use crate::engine::native::NativeError;
use crate::engine::registry::RegistryError;
use crate::files::FilesError;
use crate::files::ignore::IgnoreError;
use crate::files::tree::TreeError;
use crate::finished::prebuilt::PrebuiltError;
use crate::image::base::BaseError;
use crate::image::oci::{DiskError, OciError, ReadError};
use crate::lockfile::LockfileError;
use crate::model::image::ImageRefError;
use crate::model::path::RepoPath;
use crate::plan::PlanError;
use crate::plan::config::ConfigError;
use crate::plan::template::TemplateError;
use crate::show::report::count;
use crate::store::cache::CacheError;
use crate::store::fetch::FetchError;
use crate::system::atomic_file::WriteError;
use crate::workspace::WorkspaceError;
use crate::workspace::history::HistoryError;
use crate::workspace::manifest::ManifestError;
use crate::workspace::toolchain::ToolchainError;

/// All errors that can end a command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The workspace, its configuration, or what they lead to.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A package that is asked about.
    #[error(transparent)]
    Why(#[from] WhyError),
    /// A workspace that should be used as built.
    #[error(transparent)]
    Prebuilt(#[from] PrebuiltError),
    /// A file or directory for the user.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The directory that a pruned workspace is written to.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The address of the daemon.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The engine, or what it built.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A builder, or what it built.
    #[error(transparent)]
    Buildkit(BuildkitError),
    /// An image that is made without a daemon.
    #[error(transparent)]
    Native(#[from] NativeError),
    /// A step of the build failed.
    #[error(transparent)]
    Step(#[from] BuildFault),
    /// The image was made, but its proof found that it cannot run.
    #[error("the image of {app} would not run; what is missing is said above")]
    Verify {
        /// The app.
        app: RepoPath,
        /// What to do about it.
        hint: String,
    },
    /// The cache on the disk.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The network.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The built-in base.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// OCI layers and images.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// An image on the disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A layer of an image that is looked at.
    #[error("cannot read {image}")]
    Layer {
        /// The image.
        image: String,
        /// What is wrong with it.
        source: ReadError,
    },
    /// An image is larger than its budget.
    #[error("{message}")]
    Budget {
        /// By how much.
        message: String,
        /// What makes it large.
        hint: String,
    },
    /// Images of a registry did not get a new base.
    #[error("{message}")]
    Rebase {
        /// Which, and why.
        message: String,
        hint: Option<String>,
        /// The worst of their exit codes.
        code: ExitCode,
    },
    /// A registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// There is no commit to compare with.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// One app of several.
    #[error("{app} cannot be planned")]
    OfApp {
        /// Its directory.
        app: RepoPath,
        /// What is wrong with it.
        source: Box<Self>,
    },
    /// Which apps are meant.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// Some of several apps failed.
    #[error("{}", of_apps(failed, *stopped, *all))]
    Apps {
        /// Those with an error of their own, which was told.
        failed: Vec<String>,
        /// How many were stopped because of it.
        stopped: usize,
        /// How many there are.
        all: usize,
        /// The worst of their exit codes.
        code: ExitCode,
    },
    /// The workspace has no modules, which state the licences.
    #[error("no package is installed here, and lockfiles have no licences")]
    NotInstalled,
    /// Packages have licences that are not allowed.
    #[error(
        "{app} has {} whose licence is not allowed ({named}):\n  {}",
        count(refused.len(), "package"),
        refused.join("\n  ")
    )]
    Licences {
        /// The app's directory.
        app: RepoPath,
        /// What the policy is called.
        named: String,
        /// Each package with its licence and the chain that needs it.
        refused: Vec<String>,
    },
    /// A build cannot tell licences.
    #[error(
        "the licences of {app} cannot be checked ({named}): no package is installed here, and lockfiles have no licences"
    )]
    LicencesUnknown {
        /// The app's directory.
        app: RepoPath,
        /// What the policy is called.
        named: String,
    },
    /// Arguments contradict each other or the workspace.
    #[error("{message}")]
    Usage {
        /// The problem.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// The disk or a pipe failed.
    #[error("{doing}")]
    Io {
        /// What failed: `cannot write ctx.tar`
        doing: String,
        /// The system's error.
        source: io::Error,
    },
}

/// The exit codes, which are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// Done.
    Success = 0,
    /// The workspace or its configuration is wrong.
    Workspace = 1,
    /// The arguments are wrong.
    Usage = 2,
    /// No engine was reached.
    NoEngine = 3,
    /// The image could not be built.
    Build = 4,
    /// The image is larger than its budget, or a licence is not allowed.
    Limit = 5,
    /// A service did not answer or refused for now, also after retries. The number is `EX_TEMPFAIL` of
    /// `sysexits.h`, which CI systems can retry.
    TryLater = 75,
    /// The terminal was closed.
    HungUp = 129,
    /// The user interrupted.
    Interrupted = 130,
    /// The process was asked to end.
    Terminated = 143,
}

impl ExitCode {
    /// How bad it is, for runs of several apps: what may pass is the least, so that a pipeline which
    /// tries again does so only where that may help.
    pub(crate) fn severity(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::TryLater => 1,
            Self::Limit => 2,
            Self::NoEngine => 3,
            Self::Usage => 4,
            Self::Workspace => 5,
            Self::Build => 6,
            Self::HungUp | Self::Interrupted | Self::Terminated => 7,
        }
    }

    /// The exit code for 128 plus a signal's number.
    pub(crate) fn of_signal(code: u8) -> Option<Self> {
        let codes = [Self::HungUp, Self::Interrupted, Self::Terminated];
        codes.into_iter().find(|known| *known as u8 == code)
    }
}

impl Error {
    /// Wraps a system error with what failed.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// Says which of several apps it is about.
    #[must_use]
    pub fn of_app(self, app: &RepoPath) -> Self {
        Self::OfApp {
            app: app.clone(),
            source: Box::new(self),
        }
    }

    /// Wrong arguments.
    pub fn usage(message: String) -> Self {
        let hint = None;
        Self::Usage { message, hint }
    }

    /// Whether the app that was named is not there, so that its name may be a misspelt command.
    pub fn may_mean_a_command(&self) -> bool {
        let Self::Plan(PlanError::Workspace(error)) = self else {
            return false;
        };
        matches!(
            error,
            WorkspaceError::UnknownApp { .. }
                | WorkspaceError::NoWorkspace(_)
                | WorkspaceError::OtherManager(_)
        )
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Plan(error) => error.hint(),
            Self::Selection(error) => error.hint(),
            Self::Why(error) => error.hint(),
            Self::Write(error) => error.hint(),
            Self::Output(error) => error.hint(),
            Self::Prebuilt(error) => error.hint(),
            Self::Host(error) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::Buildkit(error) => error.hint(),
            Self::Step(fault) => fault.hint(),
            Self::Native(error) => error.hint(),
            Self::Cache(error) => error.hint(),
            Self::Fetch(error) => error.hint(),
            Self::Base(error) => error.hint(),
            Self::Oci(error) => error.hint(),
            Self::Disk(error) => error.hint(),
            Self::Registry(error) => error.hint(),
            Self::Verify { hint, .. } | Self::Budget { hint, .. } => Some(hint.clone()),
            Self::History(error) => error.hint(),
            Self::OfApp { source, .. } => source.hint(),
            Self::Usage { hint, .. } | Self::Rebase { hint, .. } => hint.clone(),
            Self::NotInstalled => Some("run `pnpm install`, then ask again".to_owned()),
            Self::Licences { .. } => Some(
                "replace the package; or allow its licence, or name it below `licenses.exceptions` with the reason"
                    .to_owned(),
            ),
            Self::LicencesUnknown { .. } => Some(
                "run `pnpm install` before (`--ignore-scripts` is enough); or build with `--engine native`, which installs the packages on this machine"
                    .to_owned(),
            ),
            Self::Apps { .. } | Self::Io { .. } | Self::Layer { .. } => None,
        }
    }

    /// The places in the workspace's files that it is about.
    pub fn places(&self) -> &[Place] {
        match self {
            Self::Step(fault) => fault.places(),
            Self::OfApp { source, .. } => source.places(),
            _ => &[],
        }
    }

    /// Whether the user cancelled it.
    pub fn is_interrupt(&self) -> bool {
        self.exit_code() == ExitCode::Interrupted
    }

    /// Whether a cache entry was damaged. It has been deleted, so a retry makes it again.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Oci(error) | Self::Engine(EngineError::Layer(error)) => error.is_damage(),
            Self::Base(error) => error.is_damage(),
            Self::Native(error) => error.is_damage(),
            _ => false,
        }
    }

    /// Whether the same may succeed later, without any change.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Engine(error) => error.may_pass(),
            Self::Buildkit(error) => error.may_pass(),
            Self::Registry(error) => error.may_pass(),
            _ => false,
        }
    }

    /// The exit code of the error.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            error if error.may_pass() => ExitCode::TryLater,
            Self::Usage { .. } | Self::History(HistoryError::Missing { by: None, .. }) => {
                ExitCode::Usage
            }
            Self::OfApp { source, .. } => source.exit_code(),
            Self::Apps { code, .. } | Self::Rebase { code, .. } => *code,
            Self::Budget { .. } | Self::Licences { .. } => ExitCode::Limit,
            Self::Selection(error) if error.is_argument() => ExitCode::Usage,
            Self::Plan(error) if error.is_argument() => ExitCode::Usage,
            Self::Why(WhyError::Plan(error)) if error.is_argument() => ExitCode::Usage,
            Self::Host(_) | Self::Native(NativeError::NoNamespace(_)) => ExitCode::NoEngine,
            Self::Base(error) if error.is_argument() => ExitCode::Usage,
            Self::Base(error) if error.is_file() => ExitCode::Workspace,
            Self::Fetch(error) if error.is_interrupt() => ExitCode::Interrupted,
            Self::Base(error) if error.is_interrupt() => ExitCode::Interrupted,
            Self::Native(error) if error.is_interrupt() => ExitCode::Interrupted,
            Self::Buildkit(error) if error.is_unreached() => ExitCode::NoEngine,
            Self::Buildkit(BuildkitError::Output(_) | BuildkitError::Cache { .. }) => {
                ExitCode::Workspace
            }
            Self::Registry(RegistryError::Interrupted) => ExitCode::Interrupted,
            Self::Verify { .. }
            | Self::Buildkit(_)
            | Self::Step(_)
            | Self::Fetch(_)
            | Self::Base(_)
            | Self::Oci(_)
            | Self::Layer { .. }
            | Self::Registry(_)
            | Self::Native(_) => ExitCode::Build,
            Self::Engine(error) => match error.kind() {
                EngineErrorKind::Unreached => ExitCode::NoEngine,
                EngineErrorKind::Workspace => ExitCode::Workspace,
                EngineErrorKind::Build => ExitCode::Build,
                EngineErrorKind::Interrupted => ExitCode::Interrupted,
            },
            // The reader of a closed pipe has what it wanted.
            Self::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => {
                ExitCode::Success
            }
            Self::Write(error) if error.is_closed_pipe() => ExitCode::Success,
            _ => ExitCode::Workspace,
        }
    }
}

/// `2 of 5 apps failed: apps/a, apps/b; 1 was stopped`
fn of_apps(failed: &[String], stopped: usize, all: usize) -> String {
    let names = failed.join(", ");
    let text = format!("{} of {all} apps failed: {names}", failed.len());
    match stopped {
        0 => text,
        1 => format!("{text}; 1 was stopped"),
        stopped => format!("{text}; {stopped} were stopped"),
    }
}

/// What any engine can report is told from what only a builder can.
impl From<BuildkitError> for Error {
    fn from(error: BuildkitError) -> Self {
        match error {
            BuildkitError::Build(error) => Self::Engine(error),
            error => Self::Buildkit(error),
        }
    }
}

/// Errors from before the plan count as planning errors in every command.
macro_rules! of_planning {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::Plan(error.into())
            }
        })*
    };
}

of_planning!(
    ConfigError,
    DetectError,
    FilesError,
    IgnoreError,
    ImageRefError,
    LockfileError,
    ManifestError,
    TemplateError,
    ToolchainError,
    TreeError,
    WorkspaceError,
);
