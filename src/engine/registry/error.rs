//! Why a registry did not deliver or accept an image.

use std::io;

pub use super::http::Server;

use super::http::Fault;
use super::reach::NO_TLS;
use super::trust::is_here;
use crate::image::oci::ForeignError;
use crate::model::digest::Digest;
use crate::store::fetch::{Cause, Stall};

/// The attempted action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Finding out what a registry has.
    Look,
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
        /// Its registry.
        registry: String,
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
    #[error("cannot {} `{image}`: {} answers {status}{}", verb(*.action), who(*.server), answer_text(*.status, .message))]
    Denied {
        image: String,
        /// Its registry, as `docker login` expects it.
        registry: String,
        action: Action,
        /// 401 or 403.
        status: u16,
        /// Whether credentials were sent.
        known: bool,
        server: Server,
        /// Its message.
        message: String,
    },
    /// The image does not exist.
    #[error("there is no `{image}` in its registry{}", answer_text(0, .message))]
    Missing {
        image: String,
        /// The registry's message.
        message: String,
    },
    /// Another error status.
    #[error("cannot {} `{image}`: {} answers {status}{}", verb(*.action), who(*.server), answer_text(*.status, .message))]
    Status {
        image: String,
        /// Its registry.
        registry: String,
        action: Action,
        status: u16,
        server: Server,
        /// Its message.
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
    /// The image cannot be looked at.
    #[error("cannot read `{image}`")]
    Unread {
        image: String,
        /// The reason.
        source: ForeignError,
    },
    /// The image cannot be part of an index.
    #[error("`{image}` cannot be part of an index: {reason}")]
    Unfit { image: String, reason: String },
    /// There is something else under the name.
    #[error("`{image}` is no image: {reason}")]
    NoImage { image: String, reason: String },
    /// A name stands for another image than before.
    #[error("`{image}` stands for another image than a moment ago")]
    Moved { image: String },
    /// The registry does not let an image into another repository without its layers.
    #[error("the registry does not take over the layers of `{image}` into `{target}`")]
    NotTakenOver { image: String, target: String },
    /// A file of `certs.d` cannot be used.
    #[error("cannot {} `{image}`: {problem}", verb(*.action))]
    Certificate {
        image: String,
        action: Action,
        /// Which file, and why.
        problem: String,
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
        Action::Look => "look for",
        Action::Pull => "pull",
        Action::Push => "push",
    }
}

fn who(server: Server) -> &'static str {
    match server {
        Server::Registry => "the registry",
        Server::Tokens => "the registry's token server",
    }
}

fn answer_text(status: u16, message: &str) -> String {
    let message = match status {
        _ if !message.is_empty() => message,
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not found",
        413 => "too large",
        429 => "too many requests",
        500 => "internal server error",
        502 => "bad gateway",
        503 => "service unavailable",
        504 => "gateway timeout",
        _ => return String::new(),
    };
    format!(", {message}")
}

/// Whether the reason of a failed connection stays until somebody changes something.
fn stays(source: &Cause, registry: &str) -> bool {
    let text = source.to_string();
    // Nothing starts a registry on this machine meanwhile.
    let is_gone = is_here(registry) && text.contains("onnection refused");
    let mut reasons = [
        "certificate",
        "Name or service not known",
        "nodename nor servname",
        "the proxy `",
        NO_TLS,
    ]
    .iter();
    is_gone || reasons.any(|reason| text.contains(reason))
}

impl RegistryError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreached {
                registry, source, ..
            } if source.to_string().contains("certificate") => {
                format!(
                    "name its certificate authority in SSL_CERT_FILE or `/etc/docker/certs.d/{registry}/ca.crt`; `--insecure-registry {registry}` goes without"
                )
            }
            Self::Unreached {
                registry, source, ..
            } if source.to_string() == NO_TLS => {
                format!("look at its address; `--insecure-registry {registry}` goes without TLS")
            }
            Self::Unreached { source, .. } if source.to_string().contains("the proxy `") => {
                "look at HTTP_PROXY and HTTPS_PROXY; NO_PROXY names the registries that are reached without"
                    .to_owned()
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
                registry,
                known,
                status,
                ..
            } => {
                let login = if registry == "docker.io" {
                    "docker login".to_owned()
                } else {
                    format!("docker login {registry}")
                };
                if *known && *status == 403 {
                    format!(
                        "look at the name; the account that you logged in with may not do it: `{login}` takes another"
                    )
                } else if *known {
                    format!(
                        "look at the name; the account that you logged in with may not do it, or its password is no longer right: `{login}` takes another"
                    )
                } else {
                    format!("look at the name, or log in: `{login}`")
                }
            }
            Self::Missing { .. } => "look at the name and its tag".to_owned(),
            Self::Status { status: 429, .. } => {
                "wait a while; who is logged in may mostly do more: `docker login`".to_owned()
            }
            Self::Status { status: 413, .. } => {
                "the registry, or a proxy before it, takes no layer of that size: have its limit raised"
                    .to_owned()
            }
            Self::Status {
                status: 404,
                registry,
                ..
            } => format!("look at the name; at some registries, a repository is made first: ask who runs `{registry}`"),
            Self::Status { status, .. } if *status >= 500 => {
                "try again, and if it stays so, ask who runs that registry".to_owned()
            }
            Self::Digest { .. } => {
                "nothing of it was kept; try again, and if it stays so, ask who runs that registry"
                    .to_owned()
            }
            Self::Foreign { source, .. } | Self::Unread { source, .. } => return source.hint(),
            Self::Damaged(_) => "build again: it is made anew".to_owned(),
            Self::Moved { .. } => "somebody has pushed it meanwhile: run the command again".to_owned(),
            Self::NotTakenOver { image, target } => {
                format!("copy it once: `skopeo copy docker://{image} docker://{target}`")
            }
            Self::Status { .. }
            | Self::NoImage { .. }
            | Self::Unfit { .. }
            | Self::Answer { .. }
            | Self::Certificate { .. }
            | Self::Cache(_)
            | Self::Client(_)
            | Self::Interrupted => return None,
        })
    }

    /// Whether the same may succeed later, without any change.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreached {
                registry, source, ..
            } => !stays(source, registry),
            Self::Status { status, .. } => matches!(status, 429 | 500..) && *status != 501,
            Self::Stalled { .. } => true,
            _ => false,
        }
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
            Fault::Status {
                status,
                words,
                server,
            } => self.status(status, words, server),
            Fault::Certificate(problem) => RegistryError::Certificate {
                image: self.image.clone(),
                action: self.action,
                problem,
            },
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
            registry: self.registry.clone(),
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

    fn status(&self, status: u16, message: String, server: Server) -> RegistryError {
        let (image, registry) = (self.image.clone(), self.registry.clone());
        match status {
            401 | 403 => RegistryError::Denied {
                image,
                registry,
                action: self.action,
                status,
                known: self.known,
                server,
                message,
            },
            404 if self.action != Action::Push => RegistryError::Missing { image, message },
            _ => RegistryError::Status {
                image,
                registry,
                action: self.action,
                status,
                server,
                message,
            },
        }
    }
}
