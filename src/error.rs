//! Errors: what is wrong, what caused it, what to do, and which exit code it means.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;

use crate::ask::pruned::output::OutputError;
use crate::ask::why::WhyError;
use crate::detect::DetectError;
use crate::engine::docker::{EngineError, EngineErrorKind};
use crate::engine::fault::Fault;
use crate::engine::host::HostError;
use crate::engine::native::NativeError;
use crate::engine::registry::RegistryError;
use crate::files::FilesError;
use crate::files::ignore::IgnoreError;
use crate::files::tree::TreeError;
use crate::finished::prebuilt::PrebuiltError;
use crate::image::base::BaseError;
use crate::image::oci::{DiskError, OciError};
use crate::lockfile::LockfileError;
use crate::model::image::ImageRefError;
use crate::model::path::RepoPath;
use crate::needs::tasks::TaskError;
use crate::plan::config::ConfigError;
use crate::plan::template::TemplateError;
use crate::store::cache::CacheError;
use crate::store::fetch::FetchError;
use crate::system::whole::WriteError;
use crate::workspace::WorkspaceError;
use crate::workspace::manifest::ManifestError;
use crate::workspace::toolchain::ToolchainError;

/// Everything that can end a command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The workspace, or the app in it.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// A file that describes the workspace.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// `slimbuild.json`.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The template of the Dockerfile.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The lockfile.
    #[error(transparent)]
    Lockfile(#[from] LockfileError),
    /// The versions of node and pnpm.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The kind of app and its start command.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The files of the context.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The rules that choose the files.
    #[error(transparent)]
    Ignore(#[from] IgnoreError),
    /// The tasks of `turbo.json`.
    #[error(transparent)]
    Tasks(#[from] TaskError),
    /// Packages that need each other to be built first.
    #[error("packages need each other to be built first: {0}")]
    Cycle(String),
    /// A file that the lockfile or a setting names.
    #[error("{by} names `{path}`, which is not there")]
    MissingFile {
        /// Where the name stands.
        by: String,
        /// What is missing.
        path: String,
    },
    /// A file that the lockfile or a setting names, and that is not taken.
    #[error("{by} names `{path}`, which slimbuild does not take")]
    RefusedFile {
        /// Where the name stands.
        by: String,
        /// What is named.
        path: String,
        /// Why it is not taken.
        #[source]
        source: Box<FilesError>,
    },
    /// A file of the workspace that cannot be opened.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A package that is asked about.
    #[error(transparent)]
    Why(#[from] WhyError),
    /// A workspace that is to be taken as it lies there.
    #[error(transparent)]
    Prebuilt(#[from] PrebuiltError),
    /// A file or directory that the user is to get.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The directory that a pruned workspace is written to.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A file that the image cannot do without, and that a rule leaves out.
    #[error("the image needs `{path}`, which is left out: {reason}")]
    Dropped {
        /// The file.
        path: RepoPath,
        /// The rule, and the file that has it.
        reason: String,
    },
    /// The address of the daemon.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The engine, or what it built.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An image that is made without a daemon.
    #[error(transparent)]
    Native(#[from] NativeError),
    /// A step of the build failed.
    #[error(transparent)]
    Step(#[from] Fault),
    /// The image was made, and its own proof found that it cannot run.
    #[error("the image of {app} would not run; what is missing is said above")]
    Verify {
        /// The app.
        app: RepoPath,
    },
    /// A name that Docker would refuse.
    #[error(transparent)]
    Image(#[from] ImageRefError),
    /// The cache on the disk.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The network.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The built-in base.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// An image that is made without a daemon.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// An image on the disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Arguments that fit each other or the workspace badly.
    #[error("{message}")]
    Usage {
        /// What is wrong with them.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// The disk, or a pipe.
    #[error("{doing}")]
    Io {
        /// What was being done: cannot write `ctx.tar`
        doing: String,
        /// The system's words.
        source: io::Error,
    },
}

/// How a command ends; the numbers are part of the interface.
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
    /// The terminal was closed.
    HungUp = 129,
    /// The user interrupted.
    Interrupted = 130,
    /// Somebody asked the process to end.
    Terminated = 143,
}

impl ExitCode {
    /// The one of 128 and a signal's number.
    pub(crate) fn of_signal(code: u8) -> Option<Self> {
        let codes = [Self::HungUp, Self::Interrupted, Self::Terminated];
        codes.into_iter().find(|known| *known as u8 == code)
    }
}

impl Error {
    /// A file that `by` names and that cannot be had: it is missing, or it is not taken.
    pub fn named(by: &str, path: &RepoPath, source: impl Into<FilesError>) -> Self {
        let (by, path) = (by.to_owned(), path.to_string());
        match source.into() {
            FilesError::Unreadable { source, .. }
                if matches!(
                    source.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Self::MissingFile { by, path }
            }
            source => Self::RefusedFile {
                by,
                path,
                source: Box::new(source),
            },
        }
    }

    /// Notes what was being done when the system said no.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Workspace(error) => error.hint(),
            Self::Manifest(error) => error.hint(),
            Self::Config(error) => error.hint(),
            Self::Template(error) => error.hint(),
            Self::Lockfile(error) => error.hint(),
            Self::Toolchain(error) => error.hint(),
            Self::Detect(error) => error.hint(),
            Self::Files(error) => error.hint(),
            Self::RefusedFile { source, .. } => source.hint(),
            Self::Tree(error) => error.hint(),
            Self::Tasks(error) => error.hint(),
            Self::Ignore(error) => error.hint(),
            Self::Why(error) => error.hint(),
            Self::Write(error) => error.hint(),
            Self::Output(error) => error.hint(),
            Self::Prebuilt(error) => error.hint(),
            Self::Host(error) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::Step(fault) => fault.hint(),
            Self::Native(error) => error.hint(),
            Self::Cache(error) => error.hint(),
            Self::Fetch(error) => error.hint(),
            Self::Base(error) => error.hint(),
            Self::Oci(error) => error.hint(),
            Self::Disk(error) => error.hint(),
            Self::Registry(error) => error.hint(),
            Self::Cycle(_) => {
                Some("turn one of these dependencies into a dev dependency, or move what both need into a package of its own".to_owned())
            }
            Self::Dropped { path, .. } => {
                Some(format!("change the rule, or take the file along with `--include {path}`"))
            }
            Self::Verify { app } => Some(format!(
                "`slimbuild why {app} PACKAGE` shows who needs a package; `--no-trial` does not start the app, and `--no-verify` makes the image as it is."
            )),
            Self::Usage { hint, .. } => hint.clone(),
            Self::MissingFile { by, path } if by.starts_with("`template`") => Some(format!(
                "`slimbuild dockerfile --template > {path}` writes slimbuild's own to start with; without the key, slimbuild uses it"
            )),
            Self::MissingFile { .. } => Some(
                "bring the file back (is it committed?), or take its name out where it stands".to_owned(),
            ),
            Self::Image(_) | Self::Io { .. } => None,
        }
    }

    /// Whether somebody wanted to stop.
    pub fn is_interrupt(&self) -> bool {
        self.exit_code() == ExitCode::Interrupted
    }

    /// Whether something in the cache was damaged, which is thrown away by now: beginning again makes it anew.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Oci(error) | Self::Engine(EngineError::Layer(error)) => error.is_damage(),
            Self::Base(error) => error.is_damage(),
            Self::Native(error) => error.is_damage(),
            _ => false,
        }
    }

    /// The exit code that it means.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage { .. } | Self::Image(_) | Self::Ignore(IgnoreError::Glob { .. }) => {
                ExitCode::Usage
            }
            Self::Toolchain(error) if error.is_argument() => ExitCode::Usage,
            Self::Host(_) | Self::Native(NativeError::NoNamespace(_)) => ExitCode::NoEngine,
            Self::Base(error) if error.is_argument() => ExitCode::Usage,
            Self::Base(error) if error.is_file() => ExitCode::Workspace,
            Self::Fetch(error) if error.is_interrupt() => ExitCode::Interrupted,
            Self::Base(error) if error.is_interrupt() => ExitCode::Interrupted,
            Self::Native(error) if error.is_interrupt() => ExitCode::Interrupted,
            Self::Registry(RegistryError::Interrupted) => ExitCode::Interrupted,
            Self::Verify { .. }
            | Self::Step(_)
            | Self::Fetch(_)
            | Self::Base(_)
            | Self::Oci(_)
            | Self::Registry(_)
            | Self::Native(_) => ExitCode::Build,
            Self::Engine(error) => match error.kind() {
                EngineErrorKind::Unreached => ExitCode::NoEngine,
                EngineErrorKind::Workspace => ExitCode::Workspace,
                EngineErrorKind::Build => ExitCode::Build,
                EngineErrorKind::Interrupted => ExitCode::Interrupted,
            },
            // A reader that closed its pipe has what it wanted.
            Self::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => {
                ExitCode::Success
            }
            Self::Write(error) if error.is_closed_pipe() => ExitCode::Success,
            _ => ExitCode::Workspace,
        }
    }

    /// The whole message: the error, one line a cause, and the hint after a blank line.
    pub fn render(&self, error_label: &str, hint_label: &str) -> String {
        let mut text = format!("{error_label} {}\n", printable(&self.to_string()));
        let mut cause = self.source();
        while let Some(error) = cause {
            let _ = writeln!(text, "  caused by: {}", printable(&error.to_string()));
            cause = error.source();
        }
        if let Some(hint) = self.hint() {
            let _ = writeln!(text, "\n{hint_label} {}", printable(&hint));
        }
        text
    }
}

/// What files hold may reach a message; what would move a terminal's cursor is shown as an escape.
fn printable(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\n' | '\t' => letter.to_string(),
        _ if letter.is_control() => letter.escape_debug().to_string(),
        _ => letter.to_string(),
    };
    text.chars().map(shown).collect()
}
