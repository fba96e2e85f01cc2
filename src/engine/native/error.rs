//! Why the native engine did not make an image.

use std::collections::BTreeSet;
use std::io;

use crate::image::machine::{Lack, Misfit};
use crate::image::oci::OciError;
use crate::store::fetch::npm::NpmError;

/// Why the native engine did not make an image.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// A step of the build failed; its log was shown.
    #[error("`{name}` failed with exit code {code}")]
    Step {
        /// The step.
        name: String,
        /// How.
        code: i64,
    },
    /// A step could not be started.
    #[error("cannot start a step of the build")]
    Spawn(#[source] io::Error),
    /// pnpm or node.
    #[error(transparent)]
    Npm(#[from] NpmError),
    /// The layers, or the cache that they lie in.
    #[error(transparent)]
    Oci(#[from] OciError),
    /// The image was put together, and its own proof found that it cannot run.
    #[error("what is missing is said above")]
    Disproved,
    /// Machine code that cannot be loaded on the base.
    #[error("{}", one_of(.0))]
    Misfits(Vec<Misfit>),
    /// Nothing can be started in the image's files here.
    #[error("`--smoke` cannot start the image on this machine: {0}")]
    NoNamespace(String),
    /// The image's user is unknown there.
    #[error("the image runs as `{0}`, and its own files do not say who that is")]
    User(String),
    /// This program, started anew, could not get into an image.
    #[error("cannot enter the image")]
    Enter(#[source] io::Error),
    /// A program of an image that does not start.
    #[error("cannot start `{program}` in the image")]
    Program {
        /// The program.
        program: String,
        /// The system's words.
        source: io::Error,
    },
    /// The image was started, and its program did not come up.
    #[error("the image was started, and {how}")]
    NotUp {
        /// `ended with exit code 1 before it was up`
        how: String,
        /// Whether it still ran when patience was at its end.
        late: bool,
        /// The last that it wrote.
        log: Vec<String>,
    },
    /// The private directory.
    #[error("cannot lay out the build")]
    Workshop(#[source] io::Error),
    /// Somebody interrupted the build.
    #[error("interrupted")]
    Interrupted,
}

impl NativeError {
    /// Whether making the image again makes what is missing.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Oci(error) if error.is_damage())
    }

    /// Whether the fault is in a layer, and not in this machine.
    pub(super) fn is_of_a_layer(&self) -> bool {
        matches!(self, Self::Oci(error) if error.is_of_a_layer())
    }

    /// Whether somebody wanted to stop.
    pub fn is_interrupt(&self) -> bool {
        match self {
            Self::Interrupted | Self::Oci(OciError::Interrupted) => true,
            Self::Npm(NpmError::Fetch(error)) => error.is_interrupt(),
            _ => false,
        }
    }

    /// What to do about it.
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

/// The first, and the packages of the others.
fn one_of(misfits: &[Misfit]) -> String {
    let first = misfits.first().map(ToString::to_string).unwrap_or_default();
    let others: BTreeSet<&str> = misfits.iter().skip(1).map(|one| &*one.package).collect();
    let others: Vec<&str> = others.into_iter().collect();
    if others.is_empty() {
        return first;
    }
    format!("{first}; likewise {}", others.join(", "))
}
