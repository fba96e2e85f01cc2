//! [`BuildkitError`]: why a builder made no image. Each part of the client has its own variants, so
//! that a fault's place is plain.

use std::io;
use std::path::PathBuf;

use super::Builder;
use crate::engine::docker::EngineError;
use crate::engine::docker::error::connects_later;
use crate::engine::host::HostError;
use crate::image::oci::OciError;

/// Why a builder made no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildkitError {
    /// The text is not an address of a builder.
    #[error("`{text}` (from {origin}) is not an address of a builder: {problem}")]
    Address {
        /// The text.
        text: String,
        /// What named the builder.
        origin: &'static str,
        /// Why.
        problem: String,
    },
    /// buildx knows the builder, and it cannot be used.
    #[error("cannot use the builder `{name}` of buildx: {problem}")]
    Stored {
        /// The builder.
        name: String,
        /// Why.
        problem: String,
    },
    /// buildx knows no such builder.
    #[error("buildx has no builder `{name}` (from {origin})")]
    NotStored {
        /// The name.
        name: String,
        /// What named the builder.
        origin: &'static str,
        /// Whether a Docker context has the name.
        is_context: bool,
    },
    /// The Docker daemon of a builder in a container.
    #[error(transparent)]
    Host(#[from] HostError),
    /// TLS without certificates.
    #[error("`{text}` (from {origin}) needs certificates")]
    NoCertificates {
        /// The text.
        text: String,
        /// What named the builder.
        origin: &'static str,
    },
    /// One of the user's files for TLS cannot be used.
    #[error("cannot use `{}` for the connection to the builder: {problem}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// Nothing answers.
    #[error("cannot reach {builder}")]
    NotReached {
        /// The builder.
        builder: Box<Builder>,
        /// The reason.
        source: io::Error,
    },
    /// One side does not trust the other.
    #[error("cannot trust the connection to {builder}: {problem}")]
    Untrusted {
        /// The builder.
        builder: Box<Builder>,
        /// Who refuses.
        side: Side,
        /// Why.
        problem: String,
    },
    /// Something answers that is no BuildKit.
    #[error("{builder} does not speak as BuildKit does: {problem}")]
    Foreign {
        /// The builder.
        builder: Box<Builder>,
        /// What it said.
        problem: String,
    },
    /// A Docker daemon, or what stands before it, does not let clients to its BuildKit.
    #[error(
        "{builder} does not offer its BuildKit: it answers `POST /grpc` with status {status}{}",
        said(words)
    )]
    NotOffered {
        /// The builder.
        builder: Box<Builder>,
        /// The status of its answer.
        status: u16,
        /// What it said.
        words: String,
    },
    /// The builder cannot do what is asked for. This is known before anything is sent.
    #[error("{builder} {problem}")]
    Unable {
        /// The builder.
        builder: Box<Builder>,
        /// What it cannot do.
        problem: String,
        /// The way out.
        hint: String,
    },
    /// The connection broke.
    #[error("lost the connection to {builder} during the build")]
    Lost {
        /// The builder.
        builder: Box<Builder>,
        /// The connection's error.
        source: io::Error,
    },
    /// A directory cannot hold a cache.
    #[error("cannot keep a cache in `{}`", path.display())]
    Cache {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file with the image cannot be written.
    #[error(transparent)]
    Output(OciError),
    /// What can happen with any BuildKit: the build fails, the context cannot be read, the user
    /// interrupts, a daemon does not load the image.
    #[error(transparent)]
    Build(#[from] EngineError),
}

/// The side of a connection that does not trust the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// slimbuild, by the authority that the user named.
    Own,
    /// The builder, by the user's certificate.
    Builder,
}

impl BuildkitError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Address { .. } => Some(
                "Write `tcp://HOST:PORT`, with `--builder-tls DIR` if it wants certificates, `unix:///PATH` for a socket of this machine, `docker-container://NAME` or `kube-pod://NAME`."
                    .to_owned(),
            ),
            Self::Stored { name, .. } => Some(format!(
                "`docker buildx inspect {name}` shows it; `docker buildx create` makes another."
            )),
            Self::NotStored {
                is_context: true, ..
            } => Some(
                "It is a Docker context: leave the builder out, and name the context with DOCKER_CONTEXT."
                    .to_owned(),
            ),
            Self::NotStored { .. } => Some(
                "`docker buildx ls` lists them; an address has a scheme: `tcp://HOST:PORT`, `unix:///PATH`, `docker-container://NAME`, `kube-pod://NAME`."
                    .to_owned(),
            ),
            Self::Host(error) => error.hint(),
            Self::NoCertificates { .. } => Some(
                "Name the directory with `ca.pem`, `cert.pem` and `key.pem` by `--builder-tls DIR`, or `--builder-tls cacert=FILE` if the builder asks for no client certificate."
                    .to_owned(),
            ),
            Self::Certificate { .. } => Some(
                "`--builder-tls DIR` takes a directory with `ca.pem`, `cert.pem` and `key.pem`; `cacert=FILE,cert=FILE,key=FILE` names them singly."
                    .to_owned(),
            ),
            Self::NotReached { builder, .. } | Self::Lost { builder, .. } if builder.is_daemon() => Some(
                "Check that the daemon runs with `docker version`, and look into its log for why it stopped; then build again: finished steps \
                 are cached."
                    .to_owned(),
            ),
            Self::NotReached { builder, .. } if builder.is_by_program() => Some(
                "The builder must run, with `buildctl` in it: `docker buildx inspect --bootstrap NAME` starts one of buildx's."
                    .to_owned(),
            ),
            Self::NotReached { source, .. } => Some(
                match source.kind() {
                    io::ErrorKind::ConnectionRefused => {
                        "Nothing listens there: start buildkitd, or look at the port."
                    }
                    io::ErrorKind::NotFound => "There is no such socket or host: look at the address.",
                    io::ErrorKind::PermissionDenied => "This user may not use the socket: look at its group.",
                    io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                        "It hung up: it may want certificates (`--builder-tls DIR`), or none."
                    }
                    _ => "Look at the address, and whether a firewall is between.",
                }
                .to_owned(),
            ),
            Self::Untrusted { side: Side::Own, .. } => Some(
                "`ca.pem` must be the authority that signed the builder's certificate; `servername=NAME` in `--builder-tls` is for a certificate of another name than the address's."
                    .to_owned(),
            ),
            Self::Untrusted { side: Side::Builder, .. } => Some(
                "`cert.pem` and `key.pem` must be a client's certificate that the builder's authority signed."
                    .to_owned(),
            ),
            Self::Foreign { .. } => Some(
                "Look at the port: `--builder` names buildkitd, `--host` a Docker daemon. A builder that wants certificates needs `--builder-tls`."
                    .to_owned(),
            ),
            Self::NotOffered { .. } => Some(
                "Docker Engine 20.10 and newer offer it. A proxy before the daemon must let connections upgrade (`Connection: Upgrade`, `Upgrade: h2c`). \
                 Without BuildKit, `--engine native` makes the image on this machine: `docker load` and `podman load` take the file."
                    .to_owned(),
            ),
            Self::Unable { hint, .. } => Some(hint.clone()),
            Self::Lost { .. } => Some(
                "Look into the builder's log for why it stopped; then build again: finished steps are cached."
                    .to_owned(),
            ),
            Self::Cache { .. } => Some("Name another directory, or leave the cache out.".to_owned()),
            Self::Output(error) => error.hint(),
            Self::Build(error) => error.hint(),
        }
    }

    /// Whether the same may succeed later, without any change.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NotReached { builder, source } => connects_later(source, builder.is_here()),
            Self::NotOffered { status, .. } => matches!(status, 429 | 500..),
            Self::Lost { .. } => true,
            Self::Build(error) => error.may_pass(),
            _ => false,
        }
    }

    /// Whether no usable builder was reached.
    pub fn is_unreached(&self) -> bool {
        !matches!(
            self,
            Self::Lost { .. } | Self::Cache { .. } | Self::Output(_) | Self::Build(_)
        )
    }
}

/// The words of an answer, if it has any.
fn said(words: &str) -> String {
    if words.is_empty() {
        String::new()
    } else {
        format!(" ({words})")
    }
}
