//! Why the native engine made no image.

use std::collections::BTreeSet;
use std::io;

use crate::image::machine::{Lack, Misfit};
use crate::image::oci::OciError;
use crate::store::fetch::npm::NpmError;

/// Why the native engine made no image.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// A step of the build failed. Its log was shown.
    #[error("`{name}` failed with exit code {code}")]
    Step {
        name: String,
        /// Its exit code.
        code: i64,
    },
    /// A step could not be started.
    #[error("cannot start a step of the build")]
    Spawn(#[source] io::Error),
    /// pnpm or node cannot be downloaded.
    #[error(transparent)]
    Npm(#[from] NpmError),
    /// A layer cannot be made or read, or the cache cannot.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// The image was made, but its proof found that it cannot run.
    #[error("what is missing is said above")]
    Disproved,
    /// Machine code cannot be loaded on the base.
    #[error("{}", one_of(.0))]
    Misfits(Vec<Misfit>),
    /// This machine cannot start programs in the image.
    #[error("`--smoke` cannot start the image on this machine: {0}")]
    NoNamespace(String),
    /// The image's user is not known in the image.
    #[error("the image runs as `{0}`, and its own files do not say who that is")]
    User(String),
    /// slimbuild could not enter the image.
    #[error("cannot enter the image")]
    Enter(#[source] io::Error),
    /// A program of an image does not start.
    #[error("cannot start `{program}` in the image")]
    Program {
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// The image was started, but its program did not come up.
    #[error("the image was started, and {how}")]
    NotUp {
        /// `ended with exit code 1 before it was up`
        how: String,
        /// Whether it was still running at the timeout.
        late: bool,
        /// The last lines of its log.
        log: Vec<String>,
    },
    /// The private directory cannot be used.
    #[error("cannot lay out the build")]
    Workshop(#[source] io::Error),
    /// The user interrupted the build.
    #[error("interrupted")]
    Interrupted,
}

impl NativeError {
    /// Whether making the image again restores what is missing.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Oci(error) if error.is_damage())
    }

    /// Whether a layer is at fault, not this machine.
    pub(super) fn is_of_a_layer(&self) -> bool {
        matches!(self, Self::Oci(error) if error.is_of_a_layer())
    }

    /// Whether the user interrupted it.
    pub fn is_interrupt(&self) -> bool {
        match self {
            Self::Interrupted | Self::Oci(OciError::Interrupted) => true,
            Self::Npm(NpmError::Fetch(error)) => error.is_interrupt(),
            _ => false,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Npm(error) => error.hint(),
            Self::Oci(error) => error.hint(),
            Self::Misfits(misfits) => Some(match misfits.first().map(|one| &one.lack) {
                Some(Lack::Musl) => "install and build on a system with glibc, or name a base with musl (`--base node:22-alpine`); `--no-verify` makes the image as it is".to_owned(),
                _ => "it was compiled on a newer system than the base's: name a base as new as that (`--base IMAGE`), or let a Docker daemon make the image, which compiles on the base's own; `--no-verify` makes the image as it is".to_owned(),
            }),
            Self::NoNamespace(_) => Some(
                "it needs user namespaces and util-linux, or a Docker daemon (`--engine docker`); without `--smoke`, the proof that all is there runs all the same"
                    .to_owned(),
            ),
            Self::NotUp { late: true, .. } => Some(
                "`--smoke-timeout SECONDS` waits longer, `--smoke-port PORT` asks elsewhere, `none` asks for nothing; it has a network of its own here, where it reaches nobody. No image was written."
                    .to_owned(),
            ),
            Self::NotUp { .. } => Some(
                "`--env` and `--env-file` give it variables; it has a network of its own here, where it reaches nobody. No image was written."
                    .to_owned(),
            ),
            Self::Step { .. }
            | Self::Spawn(_)
            | Self::Disproved
            | Self::User(_)
            | Self::Enter(_)
            | Self::Program { .. }
            | Self::Workshop(_)
            | Self::Interrupted => None,
        }
    }
}

/// The first misfit, and the packages of the others.
fn one_of(misfits: &[Misfit]) -> String {
    let first = misfits.first().map(ToString::to_string).unwrap_or_default();
    let others: BTreeSet<&str> = misfits.iter().skip(1).map(|one| &*one.package).collect();
    let others: Vec<&str> = others.into_iter().collect();
    if others.is_empty() {
        return first;
    }
    format!("{first}; likewise {}", others.join(", "))
}
