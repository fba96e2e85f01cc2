//! [`Host`]: which Docker daemon to use.
//!
//! Input: a flag, the environment and Docker's configuration directory. Output: an address, the
//! certificates for it, and what named it. Nothing is contacted. The order is that of Docker's own
//! CLI (<https://github.com/docker/cli/blob/master/cli/command/cli.go>, `resolveContextName`).

mod context;
mod ssh;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::system::credential::redacted;
use crate::system::env::Env;
use crate::system::trail;

pub use ssh::Ssh;

/// A daemon's address, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    address: Address,
    origin: Origin,
    neighbours: Vec<PathBuf>,
}

/// How to connect to a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket, or on Windows a named pipe.
    Local(PathBuf),
    /// `host:port` over plain HTTP.
    Tcp(String),
    /// `host:port` over TLS.
    Tls {
        /// `host:port`.
        authority: String,
        /// The directory with `ca.pem`, `cert.pem` and `key.pem`.
        certificates: PathBuf,
    },
    /// The output and input of `docker system dial-stdio` on another machine, run there by ssh.
    Ssh(Ssh),
}

/// What named the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `--host`.
    Flag,
    /// `DOCKER_HOST`.
    Environment,
    /// A context named by `DOCKER_CONTEXT` or Docker's configuration.
    Context(String),
    /// Nothing.
    Default,
}

/// Why the address of a daemon cannot be used, as far as it is known without connecting.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The text is not an address.
    #[error("`{text}` (from {origin}) is not an address of a Docker daemon")]
    Malformed {
        /// The text.
        text: String,
        /// What named the daemon.
        origin: Origin,
    },
    /// The text is not an address for ssh.
    #[error(
        "`{}` (from {origin}) is not of the form `ssh://USER@HOST:PORT`",
        redacted(text)
    )]
    Ssh {
        /// The text.
        text: String,
        /// What named the daemon.
        origin: Origin,
    },
    /// A named pipe on a system other than Windows, or a Unix socket on Windows.
    #[error("`{text}` (from {origin}) does not exist on this operating system")]
    WrongSystem {
        /// The text.
        text: String,
        /// What named the daemon.
        origin: Origin,
    },
    /// TLS without a client certificate.
    #[error("`{text}` (from {origin}) needs certificates")]
    NoCertificates {
        /// The text.
        text: String,
        /// What named the daemon.
        origin: Origin,
    },
    /// The daemon's certificate is not verified.
    #[error("{origin} turns the verification of the daemon's certificate off")]
    Unverified {
        /// What says so.
        origin: Origin,
    },
    /// The context is not in Docker's context store.
    #[error("there is no Docker context `{name}`: `{}` does not exist", path.display())]
    UnknownContext {
        /// The context.
        name: String,
        /// The path of its file.
        path: PathBuf,
    },
    /// The context has no address of a Docker daemon; for example, it is for Kubernetes.
    #[error("the Docker context `{name}` in `{}` names no daemon", path.display())]
    NoEndpoint {
        /// The context.
        name: String,
        /// Its file.
        path: PathBuf,
    },
    /// A file of Docker cannot be read.
    #[error("cannot read Docker's configuration")]
    Unreadable(#[source] std::io::Error),
    /// A file of Docker is invalid.
    #[error("cannot understand Docker's `{}`", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl HostError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Malformed { .. } | Self::WrongSystem { .. } => Some(format!(
                "Write `{DEFAULT}`, or `tcp://host:2375` for a daemon that listens on the network."
            )),
            Self::Ssh { .. } => Some(
                "A path behind it names the daemon's socket there. Keys, passwords and other settings are ssh's own: `~/.ssh/config`."
                    .to_owned(),
            ),
            Self::Unverified { .. } | Self::NoCertificates { .. } => Some(
                "Put the daemon's `ca.pem`, with a client's `cert.pem` and `key.pem`, into one directory, and set `DOCKER_TLS_VERIFY=1` \
                 and `DOCKER_CERT_PATH`."
                    .to_owned(),
            ),
            Self::UnknownContext { .. } | Self::NoEndpoint { .. } => Some(
                "See `docker context ls`, and choose another with `docker context use` or `DOCKER_CONTEXT`.".to_owned(),
            ),
            Self::Unreadable(_) | Self::Corrupt { .. } => None,
        }
    }
}

/// The default address of Docker's CLI.
const DEFAULT: &str = if cfg!(windows) {
    "npipe:////./pipe/docker_engine"
} else {
    "unix:///var/run/docker.sock"
};

/// The part of Docker's `config.json` that is used.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    current_context: Option<String>,
}

/// Finds the daemon that Docker's CLI would use: `--host`, `DOCKER_HOST`, `DOCKER_CONTEXT`, the
/// current context, the default socket.
pub fn resolve(env: &Env, flag: Option<&str>) -> Result<Host, HostError> {
    let configuration = configuration_directory(env);
    let named = flag
        .map(|text| (text, Origin::Flag))
        .or_else(|| Some((env.get("DOCKER_HOST")?, Origin::Environment)));
    let (address, origin) = match named {
        Some((text, origin)) => (parse(text, &origin, certificates(env, &origin)?)?, origin),
        None => match context_name(env, configuration.as_deref())? {
            Some(name) => {
                let directory = configuration.as_deref().unwrap_or(Path::new("."));
                let address = context::load(directory, &name)?;
                (address, Origin::Context(name))
            }
            None => (parse(DEFAULT, &Origin::Default, None)?, Origin::Default),
        },
    };
    let neighbours = match (&address, &origin) {
        (Address::Local(socket), Origin::Default) if !socket.exists() => neighbours(env),
        _ => Vec::new(),
    };
    let host = Host {
        address,
        origin,
        neighbours,
    };
    trail::decided(|| format!("the Docker daemon is that of {host}"));
    Ok(host)
}

/// The daemon that buildx names as a node's: an address, a context, or `default` for the one that
/// neither flag nor context names.
pub(super) fn of_endpoint(env: &Env, endpoint: &str) -> Result<Host, HostError> {
    let configuration = configuration_directory(env);
    let (address, origin) = if endpoint.contains("://") {
        return resolve(env, Some(endpoint));
    } else if endpoint.is_empty() || endpoint == "default" {
        let named = env.get("DOCKER_HOST");
        let origin = named.map_or(Origin::Default, |_| Origin::Environment);
        let certificates = certificates(env, &origin)?;
        let address = parse(named.unwrap_or(DEFAULT), &origin, certificates)?;
        (address, origin)
    } else {
        let directory = configuration.as_deref().unwrap_or(Path::new("."));
        let address = context::load(directory, endpoint)?;
        (address, Origin::Context(endpoint.to_owned()))
    };
    Ok(Host {
        address,
        origin,
        neighbours: Vec::new(),
    })
}

impl Host {
    /// Whether nothing named a daemon.
    pub fn is_default(&self) -> bool {
        self.origin == Origin::Default
    }

    /// How to connect to it.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What named it.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Existing sockets of other daemons on this machine, if the default one does not exist.
    pub fn neighbours(&self) -> &[PathBuf] {
        &self.neighbours
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.address, self.origin)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) if cfg!(windows) => write!(f, "npipe://{}", path.display()),
            Self::Local(path) => write!(f, "unix://{}", path.display()),
            Self::Ssh(ssh) => ssh.fmt(f),
            Self::Tcp(authority) | Self::Tls { authority, .. } => write!(f, "tcp://{authority}"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("--host"),
            Self::Environment => f.write_str("DOCKER_HOST"),
            Self::Context(name) => write!(f, "context `{name}`"),
            Self::Default => f.write_str("the default socket"),
        }
    }
}

fn home(env: &Env) -> Option<PathBuf> {
    let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    env.get(name).map(PathBuf::from)
}

/// The directory of Docker's `config.json`, which may not exist.
pub(super) fn configuration_directory(env: &Env) -> Option<PathBuf> {
    env.get("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| Some(home(env)?.join(".docker")))
}

/// The active context; `default` is Docker's name for none. Without a configuration that can be
/// read there is none, as in Docker; `engine::credentials` warns of it.
fn context_name(env: &Env, configuration: Option<&Path>) -> Result<Option<String>, HostError> {
    let name = match (env.get("DOCKER_CONTEXT"), configuration) {
        (Some(name), _) => Some(name.to_owned()),
        (None, Some(directory)) => {
            match read_json::<Configuration>(&directory.join("config.json")) {
                Err(HostError::Corrupt { .. }) => None,
                configuration => configuration?.and_then(|found| found.current_context),
            }
        }
        (None, None) => None,
    };
    Ok(name.filter(|name| !name.is_empty() && name != "default"))
}

/// The certificates that the environment names, which apply to an address from the flag or the
/// environment.
fn certificates(env: &Env, origin: &Origin) -> Result<Option<PathBuf>, HostError> {
    if env.get("DOCKER_TLS_VERIFY").is_none() {
        return match env.get("DOCKER_TLS") {
            Some(_) => Err(HostError::Unverified {
                origin: origin.clone(),
            }),
            None => Ok(None),
        };
    }
    Ok(env
        .get("DOCKER_CERT_PATH")
        .map(PathBuf::from)
        .or_else(|| configuration_directory(env)))
}

/// Parses an address as Docker writes it.
fn parse(text: &str, origin: &Origin, certificates: Option<PathBuf>) -> Result<Address, HostError> {
    let malformed = || HostError::Malformed {
        text: text.to_owned(),
        origin: origin.clone(),
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(malformed)?;
    let authority = rest.split('/').next().unwrap_or_default();
    match scheme {
        "ssh" => Ssh::parse(rest)
            .map(Address::Ssh)
            .ok_or_else(|| HostError::Ssh {
                text: text.to_owned(),
                origin: origin.clone(),
            }),
        "unix" | "npipe" if rest.is_empty() => Err(malformed()),
        "unix" | "npipe" if (scheme == "npipe") != cfg!(windows) => Err(HostError::WrongSystem {
            text: text.to_owned(),
            origin: origin.clone(),
        }),
        "unix" | "npipe" => Ok(Address::Local(PathBuf::from(rest))),
        "tcp" | "http" | "https" if authority.is_empty() => Err(malformed()),
        "https" | "tcp" | "http" => {
            let secure = scheme == "https" || (scheme == "tcp" && certificates.is_some());
            let authority = with_port(authority, if secure { 2376 } else { 2375 });
            match certificates {
                Some(certificates) if secure => Ok(Address::Tls {
                    authority,
                    certificates,
                }),
                None if secure => Err(HostError::NoCertificates {
                    text: text.to_owned(),
                    origin: origin.clone(),
                }),
                _ => Ok(Address::Tcp(authority)),
            }
        }
        _ => Err(malformed()),
    }
}

fn with_port(authority: &str, port: u16) -> String {
    // The colons of a bracketed IPv6 address do not count.
    let tail = authority.rsplit(']').next().unwrap_or(authority);
    if tail.contains(':') {
        authority.to_owned()
    } else {
        format!("{authority}:{port}")
    }
}

/// Existing sockets of Docker Desktop, rootless Docker, Colima, Rancher Desktop and `OrbStack`.
fn neighbours(env: &Env) -> Vec<PathBuf> {
    let runtime = env
        .get("XDG_RUNTIME_DIR")
        .map(|directory| PathBuf::from(directory).join("docker.sock"));
    let below_home = [
        ".docker/run/docker.sock",
        ".docker/desktop/docker.sock",
        ".colima/default/docker.sock",
        ".rd/docker.sock",
        ".orbstack/run/docker.sock",
    ];
    let below_home = home(env)
        .into_iter()
        .flat_map(|home| below_home.map(|socket| home.join(socket)));
    runtime
        .into_iter()
        .chain(below_home)
        .filter(|socket| socket.exists())
        .collect()
}

/// Reads a JSON file; `None` if it does not exist.
fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, HostError> {
    match fs_err::read(path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| HostError::Corrupt {
                    path: path.to_owned(),
                    source,
                })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(HostError::Unreadable(error)),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
