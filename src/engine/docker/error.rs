//! [`EngineError`]: turns the errors of a daemon and of its BuildKit into ones that a user can act on.

mod hints;

use std::error::Error;
use std::io;

use bollard::errors::Error as Bollard;

use crate::engine::host::{Address, Host};
use crate::engine::step_names::without_command;
use crate::image::oci::OciError;

/// Why an engine made no image.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No daemon answers.
    #[error("cannot reach a Docker daemon at {host}")]
    NotReached {
        /// The address that was tried.
        host: Box<Host>,
        /// The reason.
        source: io::Error,
    },
    /// Something answers, but cannot build.
    #[error("{engine} at {host} cannot build with BuildKit")]
    Unsupported {
        /// Its address.
        host: Box<Host>,
        /// Its name and version.
        engine: String,
    },
    /// The context could not be written, so the build was cancelled.
    #[error("cannot put the build context together")]
    Context(#[source] io::Error),
    /// The build itself failed.
    #[error("{}", failure(step.as_deref(), message, *exit_code))]
    BuildFailed {
        /// The failed step, as the engine names it. A build can also fail before its first step.
        step: Option<String>,
        /// The engine's message, without the prefixes of its components.
        message: String,
        /// The exit code of the step's command.
        exit_code: Option<i64>,
    },
    /// The digest of an image cannot be found.
    #[error(
        "the digest of {image} is not known: the daemon did not pull it, and its registry does not tell"
    )]
    NoDigest {
        image: String,
        /// The error of the registry or the daemon.
        source: io::Error,
    },
    /// The image was built, but the daemon would not tag or inspect it.
    #[error("the image is built, but the Docker daemon cannot {what}")]
    AfterBuild {
        /// The request: `tag it as …`.
        what: String,
        /// The engine's error.
        source: io::Error,
    },
    /// The daemon refuses an image that was made without it.
    #[error("the image is made, but the Docker daemon at {host} did not load it")]
    NotLoaded {
        /// The daemon's address.
        host: Box<Host>,
        /// The engine's error.
        source: io::Error,
    },
    /// A layer of such an image cannot be read.
    #[error(transparent)]
    Layer(OciError),
    /// The registry refuses the image, or the daemon does not send it.
    #[error("cannot push `{image}`: {message}")]
    NotPushed {
        /// The name.
        image: String,
        /// The message of the registry or the daemon.
        message: String,
    },
    /// The image was started, but its program did not come up.
    #[error("the image was started, and {how}")]
    NotUp {
        /// The image's id.
        image: String,
        /// `ended with exit code 1 before it was up`
        how: String,
        /// Whether it was still running at the timeout.
        late: bool,
        /// The last lines of its log.
        log: Vec<String>,
    },
    /// The user interrupted the build.
    #[error("interrupted")]
    Interrupted,
    /// This process could not set up its client.
    #[error("cannot start the engine's client")]
    Client(#[source] io::Error),
}

/// How an engine that is Podman names itself.
pub(super) const PODMAN: &str = "Podman";

/// The kind of an error, which decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineErrorKind {
    /// No usable engine: exit code 3.
    Unreached,
    /// The workspace's files cannot be read: exit code 1.
    Workspace,
    /// The build failed: exit code 4.
    Build,
    /// Exit code 130.
    Interrupted,
}

impl EngineError {
    /// The kind of the error.
    pub fn kind(&self) -> EngineErrorKind {
        match self {
            Self::NotReached { .. } | Self::Unsupported { .. } | Self::Client(_) => {
                EngineErrorKind::Unreached
            }
            Self::Context(_) => EngineErrorKind::Workspace,
            Self::BuildFailed { .. }
            | Self::AfterBuild { .. }
            | Self::NoDigest { .. }
            | Self::NotLoaded { .. }
            | Self::Layer(_)
            | Self::NotPushed { .. }
            | Self::NotUp { .. } => EngineErrorKind::Build,
            Self::Interrupted => EngineErrorKind::Interrupted,
        }
    }

    /// Whether no daemon runs: the socket does not exist, or nothing listens on it.
    pub fn is_absence(&self) -> bool {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        matches!(self, Self::NotReached { source, .. } if matches!(source.kind(), NotFound | ConnectionRefused))
    }

    /// Whether the same may succeed later, without any change.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::NotReached { host, source } => {
                connects_later(source, matches!(host.address(), Address::Local(_)))
            }
            Self::BuildFailed {
                message,
                exit_code: None,
                ..
            }
            | Self::NotPushed { message, .. } => passing(message),
            _ => false,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotReached { host, source } => Some(hints::for_unreached(host, source.kind())),
            Self::Unsupported { engine, .. } if engine.starts_with(PODMAN) => Some(
                "`--engine native --load` makes the image without Docker and loads it into Podman; without `--load`, it writes a file for `podman load`."
                    .to_owned(),
            ),
            Self::Unsupported { .. } => Some(
                "Use Docker Engine 20.10 or newer with Linux containers; or `--engine native`, which makes the image without a daemon."
                    .to_owned(),
            ),
            Self::BuildFailed {
                step,
                message,
                exit_code,
            } => hints::for_failure(step.as_deref(), message, *exit_code).map(str::to_owned),
            Self::NotUp { image, late, .. } => {
                let image = image.trim_start_matches("sha256:");
                let image = image.get(..12).unwrap_or(image);
                let more = if *late {
                    "`--smoke-timeout SECONDS` waits longer, `--smoke-port PORT` asks elsewhere, `none` asks for nothing. "
                } else {
                    "`--env` and `--env-file` give it variables. "
                };
                Some(format!(
                    "{more}The image has no name; `docker run --rm {image}` starts it again."
                ))
            }
            Self::NotLoaded { .. } => Some(
                "Look into the daemon's log, and whether its disk is full; `--output FILE` writes the image without it."
                    .to_owned(),
            ),
            Self::Layer(error) => error.hint(),
            Self::NoDigest { .. } => Some(
                "Leave --pin out, name a base with its digest (`--base NAME@sha256:…`), or a registry that can be reached (`--registry-mirror`)."
                    .to_owned(),
            ),
            Self::NotPushed { image, message } => hints::for_push(image, message),
            Self::Context(_) | Self::AfterBuild { .. } | Self::Interrupted | Self::Client(_) => {
                None
            }
        }
    }

    /// A failed build, by BuildKit's message.
    pub(in crate::engine) fn failed(message: &str, step: Option<&str>) -> Self {
        let message = without_components(&without_command(message), step.and_then(looked_up));
        Self::BuildFailed {
            step: step.map(str::to_owned),
            exit_code: exit_code(&message),
            message,
        }
    }
}

/// A request about an image that was built failed.
pub(super) fn after_build(what: String, error: &Bollard) -> EngineError {
    EngineError::AfterBuild {
        what,
        source: root(error),
    }
}

/// The innermost error: bollard and hyper wrap it in layers without information.
pub(super) fn root(error: &Bollard) -> io::Error {
    if let Bollard::SocketNotFoundError(_) = error {
        return io::Error::new(io::ErrorKind::NotFound, "there is no such socket");
    }
    if let Bollard::RequestTimeoutError = error {
        return io::Error::new(io::ErrorKind::TimedOut, "it does not answer");
    }
    if let Bollard::DockerResponseServerError {
        status_code,
        message,
    } = error
    {
        let message = message.trim();
        let kind = match status_code {
            429 | 500.. => io::ErrorKind::ResourceBusy,
            _ => io::ErrorKind::Other,
        };
        let words = format!("it answers with status {status_code}: {message}");
        return io::Error::new(kind, words);
    }
    let mut kind = io::ErrorKind::Other;
    let mut cause: &dyn Error = error;
    loop {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            kind = error.kind();
        }
        match cause.source() {
            Some(source) => cause = source,
            None => return io::Error::new(kind, cause.to_string()),
        }
    }
}

fn failure(step: Option<&str>, message: &str, exit_code: Option<i64>) -> String {
    // A step with a here-document has many lines.
    let step = step.and_then(|step| step.lines().next());
    match (step, exit_code) {
        (Some(step), Some(code)) => format!("`{step}` failed with exit code {code}"),
        (Some(step), None) => {
            let step = step.strip_prefix("[internal] ").unwrap_or(step);
            format!("`{step}` failed: {message}")
        }
        (None, _) => format!("the build failed: {message}"),
    }
}

/// Whether a connection that failed may succeed later. `is_here`: on this machine, where nothing
/// starts an engine meanwhile.
pub(in crate::engine) fn connects_later(error: &io::Error, is_here: bool) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, ResourceBusy};
    match error.kind() {
        ConnectionRefused => !is_here,
        ConnectionReset | ConnectionAborted | ResourceBusy => true,
        _ => false,
    }
}

/// Whether a message tells of a registry that cannot answer now, or is asked too often. Daemons and
/// builders pass on Go's words.
fn passing(message: &str) -> bool {
    [
        "429 Too Many Requests",
        "toomanyrequests",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Time", // -out, or out
        "connection reset by peer",
    ]
    .iter()
    .any(|words| message.contains(words))
        // The connection ended before the answer.
        || message.ends_with(": EOF")
}

/// The base image that a step resolves in its registry.
fn looked_up(step: &str) -> Option<&str> {
    step.strip_prefix("[internal] load metadata for ")
}

/// The engine's message without the names of its components, and without an image that is mentioned
/// anyway.
fn without_components(message: &str, image: Option<&str>) -> String {
    let mut layers: Vec<String> = [
        "failed to solve with frontend dockerfile.v0: ",
        "failed to solve with frontend gateway.v0: ",
        "failed to solve: ",
        "failed to build LLB: ",
        "failed to create LLB definition: ",
        "failed to compute cache key: ",
    ]
    .map(str::to_owned)
    .into();
    if let Some(image) = image {
        layers.push(format!("{image}: "));
        layers.push(format!("failed to resolve source metadata for {image}: "));
    }
    let mut rest = message.trim();
    loop {
        let before = rest;
        for layer in &layers {
            rest = rest.strip_prefix(layer.as_str()).unwrap_or(rest);
        }
        for (start, end) in [
            // The prefix of most messages of 20.10, and a reference that means nothing outside
            // BuildKit.
            ("rpc error: code = ", " desc = "),
            ("failed to calculate checksum of ref ", ": "),
        ] {
            let after = rest
                .strip_prefix(start)
                .and_then(|rest| rest.split_once(end));
            rest = after.map_or(rest, |(_, after)| after);
        }
        if rest == before {
            return rest.to_owned();
        }
    }
}

/// The exit code in BuildKit's `process "/bin/sh -c …" did not complete successfully: exit code: 7`
/// and 20.10's `executor failed running […]: exit code: 7`.
fn exit_code(message: &str) -> Option<i64> {
    let (_, rest) = message.rsplit_once("exit code: ")?;
    let digits = rest.split(|digit: char| !digit.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Whether this error only means that the answer ended. A daemon ends lines with `\r\n`; if the
/// last two bytes arrive separately, bollard takes them for the start of another line. A truncated
/// answer gives the connection's error instead.
pub(super) fn is_end(error: &Bollard) -> bool {
    matches!(error, Bollard::IOError { err } if err.to_string() == "bytes remaining on stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_layers_are_peeled_off() {
        let process = "process \"/bin/sh -c false\" did not complete successfully: exit code: 1";
        for layers in [
            "failed to solve: ",
            "failed to solve with frontend dockerfile.v0: failed to build LLB: ",
            "rpc error: code = Unknown desc = ",
        ] {
            let message = without_components(&format!("{layers}{process}"), None);
            assert_eq!(message, process);
            assert_eq!(exit_code(&message), Some(1));
        }
        let copied = "failed to compute cache key: failed to calculate checksum of ref 955b8f4a::1h5d: \"/nothing\": not found";
        assert_eq!(without_components(copied, None), "\"/nothing\": not found");
        let image = "127.0.0.1:5000/nosuch:1";
        let twice =
            format!("{image}: failed to resolve source metadata for {image}: {image}: not found");
        assert_eq!(without_components(&twice, Some(image)), "not found");
    }

    #[test]
    fn what_may_pass_is_told_from_what_stays() {
        for (message, expected) in [
            (
                "failed to solve: x: unexpected status from HEAD request to http://r/v2/: 503 Service Unavailable",
                true,
            ),
            (
                "toomanyrequests: You have reached your unauthenticated pull rate limit",
                true,
            ),
            (
                "read tcp 10.0.0.1:4->10.0.0.2:443: read: connection reset by peer",
                true,
            ),
            (
                "unexpected status from POST request: 401 Unauthorized",
                false,
            ),
            ("x509: certificate signed by unknown authority", false),
            ("not found", false),
            // What a step says is its own business.
            (
                "process \"/bin/sh -c curl x # 503 Service Unavailable\" did not complete successfully: exit code: 22",
                false,
            ),
            (
                "process \"/bin/sh -c x\" did not complete successfully: 503 Service Unavailable: exit code: 22",
                false,
            ),
        ] {
            let error = EngineError::failed(message, None);
            assert_eq!(error.may_pass(), expected, "{message}");
        }
    }

    #[test]
    fn hints_fit_the_failure() {
        let lookup = Some("[internal] load metadata for docker.io/library/node:99");
        for (message, expected) in [
            (
                "pull access denied, repository does not exist or may require authorization",
                "Check the name of the base image, and log in",
            ),
            ("not found", "Check the name and the tag"),
            (
                "failed to do request: Head \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host",
                "Check that the Docker daemon reaches the registry",
            ),
            (
                "no match for platform in manifest sha256:1: not found",
                "Choose a base image that exists",
            ),
        ] {
            let hint = hints::for_failure(lookup, message, None).unwrap_or_default();
            assert!(hint.starts_with(expected), "{message} -> {hint}");
        }
        assert_eq!(hints::for_failure(Some("[1/1] RUN x"), "", Some(1)), None);
        let copy = Some("[1/1] COPY nothing /");
        assert_eq!(
            hints::for_failure(copy, "\"/nothing\": not found", None),
            None
        );
    }
}
