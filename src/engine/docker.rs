//! [`Docker`]: builds images with a Docker daemon.
//!
//! Input: a request and a writer of the context. Output: [`Event`]s while the daemon's BuildKit
//! works, then an image or an error. All functions block; async code stays below them. On request,
//! an image is pushed, or started to see whether it comes up. An image made without a daemon can be
//! loaded into one.

pub(super) mod build;
pub(super) mod credentials;
mod digest;
pub(super) mod error;
mod load;
mod push;
pub(super) mod session;
mod smoke;
mod step_names;
pub(super) mod trace;
pub(super) mod upload;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bollard::API_DEFAULT_VERSION;
use bollard::models::SystemVersion;

use crate::engine::host::{Address, Host};
use crate::engine::{Event, Interrupt, Secret};
use crate::model::image::{ImageRef, Platform};

use build::after_build;
pub use error::{EngineError, EngineErrorKind};
pub use load::Loaded;
pub use upload::ContextWriter;

/// The timeout for simple requests. Docker Desktop takes a while to wake up.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The timeout for a build's first byte, which comes only after the daemon has looked up the base
/// images. The user can interrupt it.
const BUILD_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// A daemon that answers.
#[derive(Debug)]
pub struct Docker {
    client: bollard::Docker,
    host: Host,
    version: String,
}

/// What to build, without the context.
#[derive(Debug, Clone, Default)]
pub struct BuildRequest {
    /// The image's names. Without one, only its id finds it.
    pub tags: Vec<ImageRef>,
    /// The Dockerfile's path in the context.
    pub dockerfile: String,
    /// Values for the Dockerfile's `ARG`s.
    pub build_args: BTreeMap<String, String>,
    /// Secrets for `--mount=type=secret`, by id.
    pub secrets: BTreeMap<String, Secret>,
    /// The image's labels.
    pub labels: BTreeMap<String, String>,
    /// The stage to build; the last one by default.
    pub target: Option<String>,
    /// The target platform; the daemon's own by default.
    pub platform: Option<Platform>,
    /// Every image that the Dockerfile pulls, including its frontend. Docker's credentials for
    /// their registries are sent to the daemon.
    pub bases: Vec<ImageRef>,
    /// Whether cached results may be used.
    pub cache: CachePolicy,
    /// Whether to look for newer base images.
    pub pull: PullPolicy,
}

/// Whether cached results may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CachePolicy {
    /// Use cached results.
    #[default]
    Use,
    /// Run every step.
    Ignore,
}

/// Whether to look for newer base images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PullPolicy {
    /// Use the daemon's image if it has one.
    #[default]
    Missing,
    /// Ask the registry each time.
    Always,
}

/// An image that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// `sha256:…`: the digest of the image's configuration, or of its manifest if the daemon uses
    /// containerd's image store.
    pub id: String,
    /// Its unpacked size in bytes, as the engine reports it.
    pub size: u64,
    /// The number of layers, including the base's.
    pub layers: usize,
}

impl Docker {
    /// Connects to any daemon, to load an image into it.
    pub fn reach(host: &Host) -> Result<Self, EngineError> {
        Ok(Self::greet(host)?.0)
    }

    fn greet(host: &Host) -> Result<(Self, SystemVersion), EngineError> {
        let not_reached = |error: bollard::errors::Error| EngineError::NotReached {
            host: Box::new(host.clone()),
            source: error::root(&error),
        };
        if let Address::Local(socket) = host.address() {
            // The client reports a socket without access as missing.
            let seen = socket.try_exists();
            seen.map_err(|source| EngineError::NotReached {
                host: Box::new(host.clone()),
                source,
            })?;
        }
        let client = client(host.address()).map_err(not_reached)?;
        let runtime = runtime()?;
        let (client, version) = runtime
            .block_on(async {
                let version = client.version().await?;
                Ok((client.negotiate_version().await?, version))
            })
            .map_err(not_reached)?;
        let docker = Self {
            client,
            host: host.clone(),
            version: version.version.clone().unwrap_or_default(),
        };
        Ok((docker, version))
    }

    /// Connects to a daemon, and checks that it can build.
    pub fn connect(host: &Host) -> Result<Self, EngineError> {
        let (docker, version) = Self::greet(host)?;
        let unsupported = |engine: String| EngineError::Unsupported {
            host: Box::new(host.clone()),
            engine,
        };
        let number = &docker.version;
        let is_podman = version
            .components
            .iter()
            .flatten()
            .any(|component| component.name.starts_with("Podman"));
        if is_podman {
            // Podman accepts the request, ignores what it does not know, and builds something else.
            return Err(unsupported(format!("Podman {number}")));
        }
        if version.os.as_deref() == Some("windows") {
            return Err(unsupported(format!(
                "Docker {number} for Windows containers"
            )));
        }
        if !speaks_buildkit(version.api_version.as_deref().unwrap_or_default()) {
            return Err(unsupported(format!("Docker {number}")));
        }
        Ok(docker)
    }

    /// An image that is there.
    pub fn inspect(&self, image: &str) -> Result<Built, EngineError> {
        runtime()?.block_on(self.inspected(image))
    }

    async fn inspected(&self, image: &str) -> Result<Built, EngineError> {
        let found = self.client.inspect_image(image).await;
        let found = found.map_err(|error| after_build("tell its size".to_owned(), &error))?;
        let size = found.size.and_then(|size| u64::try_from(size).ok());
        let layers = found.root_fs.and_then(|file_system| file_system.layers);
        Ok(Built {
            id: found.id.unwrap_or_else(|| image.to_owned()),
            size: size.unwrap_or_default(),
            layers: layers.map_or(0, |layers| layers.len()),
        })
    }

    /// The address of the daemon.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The daemon's version: `26.1.5`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether Dockerfiles may use `RUN --network=none`: BuildKit's frontend supports it since
    /// Docker 23.
    pub fn runs_steps_without_a_network(&self) -> bool {
        let major = self.version.split('.').next().unwrap_or_default();
        major.parse::<u32>().is_ok_and(|major| major >= 23)
    }

    /// Builds an image. Another thread writes the context as fast as the daemon reads it.
    ///
    /// On any error the daemon cancels the build and keeps only its cache.
    pub fn build(
        &self,
        request: &BuildRequest,
        context: ContextWriter<'_>,
        interrupt: &Interrupt,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Built, EngineError> {
        let (source, upload, body) = upload::upload();
        std::thread::scope(|scope| {
            // Dropping the runtime closes every connection: the daemon then cancels the build, and
            // the writer's next write fails. So it lives in this closure and is dropped before the
            // scope waits for the writer, even on a panic.
            let runtime = runtime()?;
            scope.spawn(move || source.run(context));
            let build = build::Build {
                docker: self,
                interrupt,
                on_event,
            };
            runtime.block_on(build.run(request, upload, body))
        })
    }
}

/// Makes a client. It connects with the first request.
fn client(address: &Address) -> Result<bollard::Docker, bollard::errors::Error> {
    let patience = TIMEOUT.as_secs();
    match address {
        Address::Local(path) => bollard::Docker::connect_with_local(
            &path.to_string_lossy(),
            patience,
            API_DEFAULT_VERSION,
        ),
        Address::Tcp(authority) => {
            bollard::Docker::connect_with_http(authority, patience, API_DEFAULT_VERSION)
        }
        Address::Tls {
            authority,
            certificates,
        } => {
            let file = |name: &str| -> Box<Path> { certificates.join(name).into() };
            bollard::Docker::connect_with_ssl(
                authority,
                &file("key.pem"),
                &file("cert.pem"),
                &file("ca.pem"),
                patience,
                API_DEFAULT_VERSION,
            )
        }
    }
}

/// One thread is enough: the daemon does the work.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, EngineError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(EngineError::Client)
}

/// `/build` supports BuildKit since API 1.39.
fn speaks_buildkit(api_version: &str) -> bool {
    let mut numbers = api_version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (1, 39),
        _ => false,
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
