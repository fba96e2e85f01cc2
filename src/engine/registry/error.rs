//! Why a registry did not deliver or accept an image.

use std::io;

use super::http::Fault;
use crate::image::oci::ForeignError;
use crate::model::digest::Digest;
use crate::store::fetch::{Cause, Stall};

/// The attempted action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Pulling an image.
    Pull,
    /// Pushing an image.
    Push,
}

/// Why a registry did not deliver or accept an image.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry does not answer, or the connection broke.
    #[error("cannot {} `{image}`: the connection to the registry failed", verb(*.action))]
    Unreached {
        image: String,
        action: Action,
        /// The reason in words.
        source: Cause,
    },
    /// The registry is too slow.
    #[error("cannot {} `{image}`: the registry is too slow", verb(*.action))]
    Stalled {
        image: String,
        action: Action,
        /// Which limit was exceeded.
        source: Stall,
    },
    /// A login is required, or this user has no access.
    #[error("cannot {} `{image}`: the registry answers {status}, {}", verb(*.action), denial(*.status))]
    Denied {
        image: String,
        /// Its registry, as `docker login` expects it.
        registry: String,
        action: Action,
        /// 401 or 403.
        status: u16,
        /// Whether credentials were sent.
        known: bool,
    },
    /// The image does not exist.
    #[error("there is no `{0}` in its registry")]
    Missing(String),
    /// Another error status.
    #[error("cannot {} `{image}`: the registry answers {status}{}", verb(*.action), answer_text(*.status, .message))]
    Status {
        image: String,
        action: Action,
        status: u16,
        /// The registry's message.
        message: String,
    },
    /// The answer is invalid.
    #[error("cannot {} `{image}`: the registry's answer makes no sense: {reason}", verb(*.action))]
    Answer {
        image: String,
        action: Action,
        /// What is wrong with it.
        reason: String,
    },
    /// The content does not match the digest.
    #[error(
        "the registry sends something else than what `{image}` names: expected {expected}, got {found}"
    )]
    Digest {
        image: String,
        /// The expected digest.
        expected: String,
        /// The digest of the content.
        found: String,
    },
    /// The image cannot be a base.
    #[error("`{image}` cannot be the base")]
    Foreign {
        image: String,
        /// The reason.
        source: ForeignError,
    },
    /// A blob of the cache does not match its digest.
    #[error("a layer in the cache was damaged, and is thrown away: {0}")]
    Damaged(Digest),
    /// Writing to the cache failed, most likely because of its disk.
    #[error("cannot keep what was downloaded")]
    Cache(#[source] io::Error),
    /// This process failed to set up its client.
    #[error("cannot use the network")]
    Client(#[source] io::Error),
    /// The user interrupted it.
    #[error("interrupted")]
    Interrupted,
}

fn verb(action: Action) -> &'static str {
    match action {
        Action::Pull => "pull",
        Action::Push => "push",
    }
}

fn denial(status: u16) -> &'static str {
    if status == 401 {
        "unauthorized"
    } else {
        "forbidden"
    }
}

fn answer_text(status: u16, message: &str) -> String {
    let message = match status {
        _ if !message.is_empty() => message,
        429 => "too many requests",
        500 => "internal server error",
        502 => "bad gateway",
        503 => "service unavailable",
        504 => "gateway timeout",
        _ => return String::new(),
    };
    format!(", {message}")
}

impl RegistryError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreached { source, .. } if source.to_string().contains("certificate") => {
                "a certificate authority of your own is named by SSL_CERT_FILE".to_owned()
            }
            Self::Stalled { .. } => {
                "look at the way to it (HTTP_PROXY, HTTPS_PROXY and NO_PROXY), or try again later"
                    .to_owned()
            }
            Self::Unreached { .. } => {
                "look at the network, and at HTTP_PROXY, HTTPS_PROXY and NO_PROXY; then try again"
                    .to_owned()
            }
            Self::Denied {
                registry, known, ..
            } => {
                let login = if registry == "docker.io" {
                    "docker login".to_owned()
                } else {
                    format!("docker login {registry}")
                };
                if *known {
                    format!(
                        "look at the name; the account that you logged in with may not do it, or its password is no longer right: `{login}` takes another"
                    )
                } else {
                    format!("look at the name, or log in: `{login}`")
                }
            }
            Self::Missing(_) => "look at the name and its tag".to_owned(),
            Self::Status { status: 429, .. } => {
                "wait a while; who is logged in may mostly do more: `docker login`".to_owned()
            }
            Self::Status { status, .. } if *status >= 500 => {
                "try again, and if it stays so, ask who runs that registry".to_owned()
            }
            Self::Digest { .. } => {
                "nothing of it was kept; try again, and if it stays so, ask who runs that registry"
                    .to_owned()
            }
            Self::Foreign { source, .. } => return source.hint(),
            Self::Damaged(_) => "build again: it is made anew".to_owned(),
            Self::Status { .. }
            | Self::Answer { .. }
            | Self::Cache(_)
            | Self::Client(_)
            | Self::Interrupted => return None,
        })
    }

    /// Whether a retry may help.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreached { source, .. } => !source.to_string().contains("certificate"),
            Self::Status { .. } => self.is_refused_for_now(),
            Self::Stalled { .. } => true,
            _ => false,
        }
    }

    /// Whether the registry cannot answer now, or is asked too often.
    pub fn is_refused_for_now(&self) -> bool {
        matches!(
            self,
            Self::Status {
                status: 429 | 500..,
                ..
            }
        )
    }

    /// Whether the registry stalled.
    pub(super) fn is_stall(&self) -> bool {
        matches!(self, Self::Stalled { .. })
    }

    /// Whether the registry throttles.
    pub(super) fn is_throttled(&self) -> bool {
        matches!(self, Self::Status { status: 429, .. })
    }
}

/// What was requested, for errors.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) image: String,
    pub(super) registry: String,
    pub(super) action: Action,
    pub(super) known: bool,
}

impl Asked {
    /// Turns a fault into an error.
    pub(super) fn error(&self, fault: Fault) -> RegistryError {
        match fault {
            Fault::Status(status, words) => self.status(status, words),
            Fault::Unreached(cause) => self.unreached(cause),
            Fault::Answer(reason) => self.answer(reason),
            Fault::Digest { expected, found } => RegistryError::Digest {
                image: self.image.clone(),
                expected,
                found,
            },
        }
    }

    pub(super) fn unreached(&self, source: Cause) -> RegistryError {
        RegistryError::Unreached {
            image: self.image.clone(),
            action: self.action,
            source,
        }
    }

    pub(super) fn stalled(&self, source: Stall) -> RegistryError {
        RegistryError::Stalled {
            image: self.image.clone(),
            action: self.action,
            source,
        }
    }

    pub(super) fn answer(&self, reason: String) -> RegistryError {
        RegistryError::Answer {
            image: self.image.clone(),
            action: self.action,
            reason,
        }
    }

    fn status(&self, status: u16, message: String) -> RegistryError {
        let image = self.image.clone();
        match status {
            401 | 403 => RegistryError::Denied {
                image,
                registry: self.registry.clone(),
                action: self.action,
                status,
                known: self.known,
            },
            404 if self.action == Action::Pull => RegistryError::Missing(image),
            _ => RegistryError::Status {
                image,
                action: self.action,
                status,
                message,
            },
        }
    }
}
