//! [`Docker`]: a Docker daemon as a function that builds.
//!
//! A request and a writer of the context go in; [`Event`]s come out while the daemon's BuildKit works, and at the end an image or an error.
//! The functions block; what is asynchronous below them is not seen. An image is pushed where that is asked for, and run only to see whether it comes
//! up. What slimbuild made without a daemon can be handed to one.

mod build;
mod credentials;
mod digest;
mod error;
mod load;
mod named;
mod push;
mod session;
mod smoke;
mod trace;
mod upload;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bollard::API_DEFAULT_VERSION;
use bollard::models::SystemVersion;

use crate::engine::host::{Address, Host};
use crate::engine::{Event, Interrupt, Secret};
use crate::model::image::{ImageRef, Platform};

pub use error::{EngineError, EngineErrorKind};
pub use load::Loaded;
pub use upload::ContextWriter;

/// For requests that a daemon answers at once. Docker Desktop takes its time while it wakes up.
const PATIENCE: Duration = Duration::from_secs(30);
/// For a build's first byte: none comes before the daemon has found out about the base images. Interrupting is the person's business.
const PATIENCE_WITH_BUILDS: Duration = Duration::from_secs(24 * 60 * 60);

/// A daemon that answered.
#[derive(Debug)]
pub struct Docker {
    client: bollard::Docker,
    host: Host,
    version: String,
}

/// What to build, the context aside.
#[derive(Debug, Clone, Default)]
pub struct BuildRequest {
    /// What to call the image; without a name it can only be found by its id.
    pub tags: Vec<ImageRef>,
    /// The Dockerfile's path in the context.
    pub dockerfile: String,
    /// Values of the Dockerfile's `ARG`s.
    pub build_args: BTreeMap<String, String>,
    /// What steps may ask for by `--mount=type=secret`, by id.
    pub secrets: BTreeMap<String, Secret>,
    /// The image's labels.
    pub labels: BTreeMap<String, String>,
    /// The stage to build, the last one by default.
    pub target: Option<String>,
    /// What the image is to run on, the daemon's own platform by default.
    pub platform: Option<Platform>,
    /// Every image that the Dockerfile pulls, its frontend included: Docker's credentials for their registries are handed to the daemon.
    pub bases: Vec<ImageRef>,
    /// Whether earlier results may be used.
    pub cache: CachePolicy,
    /// Whether to look for newer base images.
    pub pull: PullPolicy,
}

/// Whether earlier results may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CachePolicy {
    /// They may.
    #[default]
    Use,
    /// Every step runs.
    Ignore,
}

/// Whether to look for newer base images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PullPolicy {
    /// What the daemon has is good enough.
    #[default]
    Missing,
    /// Ask the registry each time.
    Always,
}

/// An image that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// `sha256:…`: of the image's configuration, or of its manifest where the daemon keeps images in containerd's store.
    pub id: String,
    /// Bytes, unpacked, as the engine reports them.
    pub size: u64,
    /// How many layers the image has, those of its base included.
    pub layers: usize,
}

impl Docker {
    /// Reaches out for a daemon that is to be given an image: any will do.
    pub fn reach(host: &Host) -> Result<Self, EngineError> {
        Ok(Self::greet(host)?.0)
    }

    fn greet(host: &Host) -> Result<(Self, SystemVersion), EngineError> {
        let not_reached = |error: bollard::errors::Error| EngineError::NotReached {
            host: Box::new(host.clone()),
            source: error::root(&error),
        };
        if let Address::Local(socket) = host.address() {
            // The client takes a socket that it may not see for one that is not there.
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

    /// Reaches out for a daemon, and finds out whether it can build.
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
            // It accepts the request, ignores what it does not know, and builds something else.
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

    /// Where the daemon is.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The daemon's version: `26.1.5`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether Dockerfiles may say `RUN --network=none`: BuildKit's frontend does since Docker 23.
    pub fn runs_steps_without_a_network(&self) -> bool {
        let major = self.version.split('.').next().unwrap_or_default();
        major.parse::<u32>().is_ok_and(|major| major >= 23)
    }

    /// Builds an image. The context is written by another thread, no faster than the daemon takes it.
    ///
    /// Whatever the reason for an error, the daemon gives the build up and keeps nothing but its cache.
    pub fn build(
        &self,
        request: &BuildRequest,
        context: ContextWriter<'_>,
        interrupt: &Interrupt,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Built, EngineError> {
        let (source, upload, body) = upload::upload();
        std::thread::scope(|scope| {
            // To drop the runtime is to close every connection: the daemon then cancels the build, and the writer's next write fails. So it
            // must go before the scope waits for the writer, in a panic too, and lives in this closure.
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

/// Makes a client; of the addresses only a socket is looked at.
fn client(address: &Address) -> Result<bollard::Docker, bollard::errors::Error> {
    let patience = PATIENCE.as_secs();
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
fn runtime() -> Result<tokio::runtime::Runtime, EngineError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(EngineError::Client)
}

/// BuildKit came to `/build` with API 1.39.
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
