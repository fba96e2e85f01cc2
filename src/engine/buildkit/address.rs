//! [`Builder`]: where a BuildKit listens, and which certificates it takes.
//!
//! Input: the text of an address, and of a flag that names certificates. Output: how to connect.
//! Nothing is contacted.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::BuildkitError;
use super::buildx::{self, parameter};
use super::nodes::Nodes;
use super::stdio::DIAL;
use crate::engine::host::{self, Address, Host};
use crate::system::credential::redacted;
use crate::system::env::Env;
use crate::system::trail;

/// The port of buildkitd in its documentation.
const DEFAULT_PORT: &str = "1234";

/// The address of a builder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Builder {
    pub(super) way: Way,
    pub(super) origin: String,
}

/// How to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// A Unix socket.
    Local(PathBuf),
    /// `host:port` without TLS.
    Tcp(String),
    /// `host:port` over TLS.
    Tls(String, Certificates),
    /// A Docker daemon, which has a BuildKit inside.
    Daemon(Address),
    /// A container of a Docker daemon with a BuildKit in it.
    Container {
        /// The daemon.
        daemon: Host,
        /// The container.
        name: String,
    },
    /// A program of this machine over whose input and output a BuildKit is reached.
    Command {
        /// The program and its arguments.
        words: Vec<String>,
        /// The address that it stands for.
        shown: String,
    },
}

/// Files for TLS in PEM format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// The authority that signed the builder's certificate.
    pub(super) authority: PathBuf,
    /// The client's certificate and its key, for builders that ask who connects.
    pub(super) client: Option<(PathBuf, PathBuf)>,
    /// The name in the builder's certificate, if it is not that of the address.
    pub(super) server_name: Option<String>,
}

impl Way {
    /// Reached by these words, to which the program that connects is added.
    pub(super) fn command(mut words: Vec<String>, shown: String) -> Self {
        words.push("--".to_owned());
        words.extend(DIAL.map(str::to_owned));
        Self::Command { words, shown }
    }
}

impl FromStr for Certificates {
    type Err = String;

    /// A directory with `ca.pem`, `cert.pem` and `key.pem`, as `buildctl --tlsdir` has it, or the
    /// files themselves, as `docker buildx create --driver-opt` has them.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("name a directory".to_owned());
        }
        if !text.contains('=') {
            return Ok(Self::of_directory(Path::new(text)));
        }
        let (mut directory, mut server_name) = (None, None);
        let (mut authority, mut certificate, mut key) = (None, None, None);
        for part in text.split(',') {
            let place = match part.split_once('=') {
                Some(("dir", value)) => (&mut directory, value),
                Some(("cacert", value)) => (&mut authority, value),
                Some(("cert", value)) => (&mut certificate, value),
                Some(("key", value)) => (&mut key, value),
                Some(("servername", value)) => (&mut server_name, value),
                _ => {
                    return Err(format!(
                        "`{part}` is none of dir=DIR, cacert=FILE, cert=FILE, key=FILE, servername=NAME"
                    ));
                }
            };
            let (place, value) = place;
            if value.is_empty() {
                return Err(format!("`{part}` has no value"));
            }
            *place = Some(value.to_owned());
        }
        if let Some(directory) = directory {
            if authority.or(certificate).or(key).is_some() {
                return Err("dir=DIR names all three files already".to_owned());
            }
            return Ok(Self {
                server_name,
                ..Self::of_directory(Path::new(&directory))
            });
        }
        let client = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            (None, None) => None,
            _ => return Err("cert=FILE and key=FILE belong together".to_owned()),
        };
        Ok(Self {
            authority: authority.ok_or("cacert=FILE is missing")?.into(),
            client,
            server_name,
        })
    }
}

impl Certificates {
    pub(super) fn of_directory(directory: &Path) -> Self {
        Self {
            authority: directory.join("ca.pem"),
            client: Some((directory.join("cert.pem"), directory.join("key.pem"))),
            server_name: None,
        }
    }

    /// The same with paths resolved against a directory.
    #[must_use]
    pub fn below(&self, directory: &Path) -> Self {
        let client = self.client.as_ref();
        Self {
            authority: directory.join(&self.authority),
            client: client.map(|(cert, key)| (directory.join(cert), directory.join(key))),
            server_name: self.server_name.clone(),
        }
    }
}

impl Builder {
    /// Whether it is inside a Docker daemon.
    pub(super) fn is_daemon(&self) -> bool {
        matches!(self.way, Way::Daemon(_))
    }

    /// Whether a program connects to it.
    pub(super) fn is_by_program(&self) -> bool {
        matches!(self.way, Way::Container { .. } | Way::Command { .. })
    }

    /// Whether it is a socket of this machine.
    pub(super) fn is_here(&self) -> bool {
        matches!(self.way, Way::Local(_) | Way::Daemon(Address::Local(_)))
    }

    /// The BuildKit inside a Docker daemon.
    pub fn of_daemon(host: &Host) -> Self {
        Self {
            way: Way::Daemon(host.address().clone()),
            origin: host.origin().to_string(),
        }
    }

    /// The builder that an address names, or a name of buildx's. `origin` is what named it:
    /// `--builder`.
    pub fn named(
        text: &str,
        origin: &'static str,
        certificates: Option<Certificates>,
        env: &Env,
    ) -> Result<Nodes, BuildkitError> {
        trail::decided(|| format!("the builder is `{}`, named by {origin}", redacted(text)));
        if text.contains("://") {
            return Self::parse(text, origin, certificates, env).map(Nodes::from);
        }
        let stored = buildx::find(text, origin, env)?;
        let stored = stored.ok_or_else(|| BuildkitError::NotStored {
            name: text.to_owned(),
            origin,
            is_context: buildx::is_context(text, env),
        })?;
        match certificates {
            Some(_) => Err(BuildkitError::Stored {
                name: text.to_owned(),
                problem: "buildx knows its certificates: leave `--builder-tls` out".to_owned(),
            }),
            None => Ok(stored),
        }
    }

    /// The builder of buildx's variable `BUILDX_BUILDER`. `None` where that names a Docker context,
    /// which buildx takes for a builder too.
    pub fn of_variable(name: &str, env: &Env) -> Result<Option<Nodes>, BuildkitError> {
        match Self::named(name, "BUILDX_BUILDER", None, env) {
            Err(BuildkitError::NotStored {
                is_context: true, ..
            }) => Ok(None),
            named => named.map(Some),
        }
    }

    /// Parses an address: `tcp://host:port`, `tls://host:port`, `unix:///path`,
    /// `docker-container://name` or `kube-pod://name`.
    pub(super) fn parse(
        text: &str,
        origin: &'static str,
        certificates: Option<Certificates>,
        env: &Env,
    ) -> Result<Self, BuildkitError> {
        let wrong = |problem: &str| BuildkitError::Address {
            text: text.to_owned(),
            origin,
            problem: problem.to_owned(),
        };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| wrong("it has no scheme like `tcp://`"))?;
        let way = match scheme {
            "unix" if rest.is_empty() => return Err(wrong("it names no socket")),
            "unix" if cfg!(not(unix)) => {
                return Err(wrong("this operating system has no such sockets"));
            }
            "unix" if certificates.is_some() => {
                return Err(wrong("a socket on this machine takes no certificates"));
            }
            "unix" => Way::Local(PathBuf::from(rest)),
            "tcp" | "tls" => {
                let authority = authority(rest).ok_or_else(|| {
                    wrong("it is not of the form `HOST:PORT`, with a port from 1 to 65535")
                })?;
                match certificates {
                    Some(certificates) => Way::Tls(authority, certificates),
                    None if scheme == "tls" => {
                        return Err(BuildkitError::NoCertificates {
                            text: text.to_owned(),
                            origin,
                        });
                    }
                    None => Way::Tcp(authority),
                }
            }
            "docker-container" | "kube-pod" if certificates.is_some() => {
                return Err(wrong(
                    "a program connects there, which takes no certificates",
                ));
            }
            "docker-container" | "kube-pod" if !is_plain(named(rest)) => {
                return Err(wrong("it names no container or pod"));
            }
            "docker-container" => Way::Container {
                daemon: host::resolve(env, None)?,
                name: named(rest).to_owned(),
            },
            "kube-pod" => {
                let mut words = vec!["kubectl".to_owned()];
                for key in ["context", "namespace"] {
                    words.extend(parameter(text, key).map(|value| format!("--{key}={value}")));
                }
                words.extend(["exec", "--stdin"].map(str::to_owned));
                words
                    .extend(parameter(text, "container").map(|name| format!("--container={name}")));
                words.push(format!("pod/{}", named(rest)));
                Way::command(words, text.to_owned())
            }
            "ssh" | "npipe" | "podman-container" | "nerdctl-container" => {
                return Err(wrong(
                    "slimbuild reaches builders over tcp://, tls://, unix://, docker-container:// and kube-pod:// only",
                ));
            }
            _ => return Err(wrong("slimbuild does not know this kind of address")),
        };
        let origin = origin.to_owned();
        Ok(Self { way, origin })
    }
}

/// The name in `name?parameters`.
fn named(rest: &str) -> &str {
    rest.split('?').next().unwrap_or(rest).trim_end_matches('/')
}

/// Whether it can be the name of a container or a pod, and is no option of a program.
fn is_plain(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.chars().all(plain)
}

/// `host:port`, with the usual port if none is given. `None` if it is not of this form.
fn authority(rest: &str) -> Option<String> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.strip_prefix('[') {
        Some(bracketed) => {
            let (host, tail) = bracketed.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            let port = match tail {
                "" => DEFAULT_PORT,
                tail => tail.strip_prefix(':')?,
            };
            (format!("[{host}]"), port)
        }
        None => match rest.split_once(':') {
            Some((host, port)) => (host.to_owned(), port),
            None => (rest.to_owned(), DEFAULT_PORT),
        },
    };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-._[]:".contains(letter);
    let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
    (!host.is_empty() && host.chars().all(plain)).then(|| format!("{host}:{port}"))
}

impl Builder {
    /// Its address as it is shown.
    pub(super) fn address(&self) -> String {
        match &self.way {
            Way::Local(path) => format!("unix://{}", path.display()),
            Way::Tcp(authority) | Way::Tls(authority, _) => format!("tcp://{authority}"),
            Way::Container { name, .. } => format!("docker-container://{name}"),
            Way::Command { shown, .. } => shown.clone(),
            Way::Daemon(address) => address.to_string(),
        }
    }
}

impl fmt::Display for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.way {
            Way::Daemon(_) => "the Docker daemon",
            _ => "the builder",
        };
        write!(f, "{what} at `{}` ({})", self.address(), self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(text: &str, certificates: Option<&str>) -> Result<Way, String> {
        let certificates = certificates.map(|text| text.parse().unwrap());
        let builder = Builder::parse(text, "--builder", certificates, &Env::default());
        builder
            .map(|builder| builder.way)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn addresses_are_understood() {
        let tcp = |authority: &str| Ok(Way::Tcp(authority.to_owned()));
        assert_eq!(way("tcp://builder:9000", None), tcp("builder:9000"));
        assert_eq!(way("tcp://builder", None), tcp("builder:1234"));
        assert_eq!(way("tcp://[::1]:9000/", None), tcp("[::1]:9000"));
        assert_eq!(way("tcp://[::1]", None), tcp("[::1]:1234"));
        assert_eq!(
            way("unix:///run/buildkit/buildkitd.sock", None),
            Ok(Way::Local("/run/buildkit/buildkitd.sock".into()))
        );
        for scheme in ["tcp", "tls"] {
            let text = format!("{scheme}://builder:9000");
            let Ok(Way::Tls(authority, certificates)) = way(&text, Some("certs")) else {
                panic!("{text} is not over TLS");
            };
            assert_eq!(authority, "builder:9000");
            assert_eq!(certificates.authority, Path::new("certs/ca.pem"));
        }
    }

    #[test]
    fn programs_connect_to_containers_and_pods() {
        let Ok(Way::Container { name, .. }) = way("docker-container://buildkit", None) else {
            panic!("it is no container");
        };
        assert_eq!(name, "buildkit");
        let text = "kube-pod://buildkit-0?namespace=ci&container=buildkitd&context=prod";
        let Ok(Way::Command { words, .. }) = way(text, None) else {
            panic!("it is no pod");
        };
        assert_eq!(
            words.join(" "),
            "kubectl --context=prod --namespace=ci exec --stdin --container=buildkitd pod/buildkit-0 -- buildctl dial-stdio"
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "builder:9000",
            "tcp://",
            "tcp://builder:0",
            "tcp://builder:99999",
            "tcp://a b:1",
            "tcp://user@builder:1",
            "tcp://[::1",
            "tls://builder:9000",
            "unix://",
            "docker-container://",
            "docker-container://-x",
            "kube-pod://?namespace=ci",
            "ssh://builder",
            "http://builder",
        ] {
            let error = way(text, None).unwrap_err();
            assert!(
                error.contains(&format!("`{text}` (from --builder)")),
                "{error}"
            );
        }
        let error = way("unix:///run/x.sock", Some("certs")).unwrap_err();
        assert!(error.contains("takes no certificates"), "{error}");
    }

    #[test]
    fn certificates_are_a_directory_or_files() {
        let parse = |text: &str| text.parse::<Certificates>();
        let directory = parse("certs").unwrap();
        assert_eq!(parse("dir=certs"), Ok(directory.clone()));
        let files = "cacert=certs/ca.pem,cert=certs/cert.pem,key=certs/key.pem";
        assert_eq!(parse(files), Ok(directory.clone()));
        let named = parse(&format!("{files},servername=builder")).unwrap();
        assert_eq!(named.server_name.as_deref(), Some("builder"));
        assert_eq!(parse("cacert=ca.pem").unwrap().client, None);
        let below = directory.below(Path::new("/etc"));
        assert_eq!(below.authority, Path::new("/etc/certs/ca.pem"));
        for wrong in [
            "",
            "cert=a,key=b",
            "cacert=a,cert=b",
            "cacert=a,key=b",
            "cacert=",
            "dir=a,cacert=b",
            "ca=x",
            "cacert=a,x",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
