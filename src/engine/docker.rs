//! [`Docker`]: what is asked of a Docker daemon beside a build, which its BuildKit does
//! (`engine::buildkit`).
//!
//! A daemon says what it is and which images it has. On request, it tags an image, pushes it, or
//! starts it to see whether it comes up. An image made without a daemon can be loaded into one. All
//! functions block; async code stays below them.

mod credentials;
mod digest;
pub(super) mod error;
mod images;
mod load;
mod push;
mod save;
mod smoke;
mod transport;

use std::path::Path;
use std::time::Duration;

use bollard::API_DEFAULT_VERSION;
use bollard::models::SystemVersion;

use crate::engine::host::{Address, Host};
use crate::system::trail;
pub use error::{EngineError, EngineErrorKind};
pub use images::Labelled;
pub use load::Loaded;

/// The timeout for simple requests. Docker Desktop takes a while to wake up.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The timeout for what may take long: a load, a push. The user can interrupt it.
const LONG_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// A daemon that answers.
#[derive(Debug)]
pub struct Docker {
    client: bollard::Docker,
    host: Host,
    version: String,
    /// Whether it is Podman, which speaks the same language.
    is_podman: bool,
}

/// An image that the daemon has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// `sha256:…`: the digest of the image's configuration, or of its manifest if the daemon uses
    /// containerd's image store.
    pub id: String,
    /// The bytes that it takes where it runs: its layers, unpacked.
    pub unpacked: u64,
    /// The bytes of its compressed layers, configuration and manifest, which a pull transfers.
    /// Only containerd's image store keeps them.
    pub packed: Option<u64>,
    /// Whether it is in containerd's image store, where `id` is the digest by which registries
    /// find it.
    pub in_containerd: bool,
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
        let client = client(host).map_err(not_reached)?;
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
            is_podman: version
                .components
                .iter()
                .flatten()
                .any(|component| component.name.starts_with(error::PODMAN)),
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
        if docker.is_podman {
            // Podman accepts the request, ignores what it does not know, and builds something else.
            return Err(unsupported(docker.engine()));
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

    /// An image that the daemon has, by name or digest.
    pub fn inspect(&self, image: &str) -> Result<StoredImage, EngineError> {
        runtime()?.block_on(self.inspected(image))
    }

    async fn inspected(&self, image: &str) -> Result<StoredImage, EngineError> {
        let found = self.client.inspect_image(image).await;
        let found =
            found.map_err(|error| error::after_build("tell its size".to_owned(), &error))?;
        let size = found.size.and_then(|size| u64::try_from(size).ok());
        let layers = found.root_fs.and_then(|file_system| file_system.layers);
        let id = found.id.unwrap_or_else(|| image.to_owned());
        // Older daemons than 28 do not name the descriptor, but the image by its own digest.
        let names = found.repo_digests.unwrap_or_default();
        let own = |name: &String| name.ends_with(&format!("@{id}"));
        let in_containerd = found.descriptor.is_some() || names.iter().any(own);
        let (mut unpacked, mut packed) = (size.unwrap_or_default(), None);
        if in_containerd {
            // There, the size is that of the compressed layers, and the history has the other one.
            packed = size;
            let history = self.client.image_history(&id).await;
            let history =
                history.map_err(|error| error::after_build("tell its size".to_owned(), &error))?;
            let sizes = history.iter().map(|layer| layer.size);
            unpacked = sizes.filter_map(|size| u64::try_from(size).ok()).sum();
        }
        Ok(StoredImage {
            id,
            unpacked,
            packed,
            in_containerd,
            layers: layers.map_or(0, |layers| layers.len()),
        })
    }

    /// The address of the daemon.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What it is: `Docker 26.1.5`, or `Podman 4.3.1`.
    pub fn engine(&self) -> String {
        let name = if self.is_podman {
            error::PODMAN
        } else {
            "Docker"
        };
        format!("{name} {}", self.version)
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
}

/// Makes a client. It connects with the first request.
pub(super) fn client(host: &Host) -> Result<bollard::Docker, bollard::errors::Error> {
    let patience = TIMEOUT.as_secs();
    let trail = trail::own();
    match host.address() {
        Address::Ssh(_) => transport::client(host, patience, trail),
        _ if trail.is_kept() => transport::client(host, patience, trail),
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

/// Daemons have a BuildKit since API 1.39.
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
