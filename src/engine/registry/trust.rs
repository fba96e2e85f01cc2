//! [`Trust`]: which registries are used without a verified connection, and which certificates count
//! beside the system's.
//!
//! Both are Docker's settings: `certs.d/HOST` with `*.crt`, `*.cert` and `*.key`
//! (<https://docs.docker.com/engine/security/certificates/>), and `insecure-registries` of
//! `daemon.json`. As in Docker, a registry on this machine needs no TLS.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use reqwest::{Certificate, Identity};
use serde_json::Value;

use super::http::Fault;
use crate::engine::credentials::registry;
use crate::model::image::ImageRef;
use crate::system::env::Env;

/// Docker's directory for all users.
const SYSTEM: &str = "/etc/docker";

/// The settings for all registries.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Directories with a directory for each registry.
    pub certificates: Vec<PathBuf>,
    /// Hosts with their ports, and networks, that need no verified connection: the user says so.
    pub insecure: Vec<String>,
    /// The same list of Docker's daemon on this machine.
    pub listed: Vec<String>,
}

/// The certificates for one registry.
#[derive(Clone, Default)]
pub(super) struct Certificates {
    pub(super) authorities: Vec<Certificate>,
    pub(super) client: Option<Identity>,
}

impl Trust {
    /// The settings of Docker's daemon on this machine, and the user's own.
    pub fn of(env: &Env, insecure: &[String]) -> Self {
        let settings = env.get("XDG_CONFIG_HOME").map(PathBuf::from);
        let settings = settings.or_else(|| Some(Path::new(env.get("HOME")?).join(".config")));
        // A daemon of a user has its settings there.
        let own = settings.map(|settings| settings.join("docker"));
        let directories = own.into_iter().chain([PathBuf::from(SYSTEM)]);
        let mut trust = Self {
            insecure: insecure.to_vec(),
            ..Self::default()
        };
        for directory in directories {
            trust.listed.extend(listed(&directory.join("daemon.json")));
            trust.certificates.push(directory.join("certs.d"));
        }
        trust
    }

    /// Whether the user wants an image's registry without a verified connection.
    pub fn covers(&self, image: &ImageRef) -> bool {
        lists(&self.insecure, registry(image))
    }

    /// Whether a registry may be used without a verified connection.
    pub(super) fn is_insecure(&self, registry: &str) -> bool {
        lists(&self.insecure, registry) || lists(&self.listed, registry)
    }

    /// The certificates for a registry.
    pub(super) fn certificates(&self, registry: &str) -> Result<Certificates, Fault> {
        let mut all = Certificates::default();
        for directory in &self.certificates {
            let directory = directory.join(registry);
            // There mostly is none.
            let Ok(files) = fs_err::read_dir(&directory) else {
                continue;
            };
            let mut files: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
            files.sort();
            for file in files {
                all.add(&file)?;
            }
        }
        Ok(all)
    }
}

impl Certificates {
    fn add(&mut self, file: &Path) -> Result<(), Fault> {
        let unusable = |file: &Path, why: &str| {
            let file = file.display();
            Fault::Certificate(format!("`{file}` {why}"))
        };
        let read = |file: &Path| fs_err::read(file).map_err(|_| unusable(file, "cannot be read"));
        match file.extension().and_then(OsStr::to_str) {
            Some("crt") => {
                let found = Certificate::from_pem_bundle(&read(file)?);
                let found = found.ok().filter(|found| !found.is_empty());
                let none = || unusable(file, "holds no certificate in PEM format");
                self.authorities.extend(found.ok_or_else(none)?);
            }
            Some("cert") => {
                let key = file.with_extension("key");
                if !key.exists() {
                    return Err(unusable(file, "has no key beside it (`.key`)"));
                }
                let both = [read(&key)?, b"\n".to_vec(), read(file)?].concat();
                let none = |_| {
                    unusable(
                        file,
                        "and its key are no client's certificate in PEM format",
                    )
                };
                self.client = Some(Identity::from_pem(&both).map_err(none)?);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether a list names a registry, or its network.
fn lists(list: &[String], registry: &str) -> bool {
    let address: Option<IpAddr> = host(registry).parse().ok();
    list.iter().any(|entry| {
        let network = entry.parse::<IpNet>().ok().zip(address);
        match network {
            Some((network, address)) => network.contains(&address),
            None => entry.eq_ignore_ascii_case(registry),
        }
    })
}

/// The `insecure-registries` of a daemon's settings.
fn listed(file: &Path) -> Vec<String> {
    let text = fs_err::read(file).unwrap_or_default();
    let settings: Value = serde_json::from_slice(&text).unwrap_or_default();
    let listed = settings["insecure-registries"].as_array();
    let listed = listed.into_iter().flatten().filter_map(Value::as_str);
    listed.map(str::to_owned).collect()
}

/// The host of a registry, without its port.
fn host(registry: &str) -> &str {
    let host = match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => registry,
    };
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Whether a registry is on this machine.
pub(super) fn is_here(registry: &str) -> bool {
    let host = host(registry);
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_of_this_machine_need_no_tls() {
        for registry in [
            "127.0.0.1:5000",
            "127.1.2.3",
            "localhost",
            "LOCALHOST:5000",
            "[::1]:5000",
        ] {
            assert!(is_here(registry), "{registry}");
        }
        for registry in [
            "docker.io",
            "registry.example.com:5000",
            "10.0.0.1:5000",
            "localhost.example",
        ] {
            assert!(!is_here(registry), "{registry}");
        }
    }

    #[test]
    fn insecure_registries_are_listed_by_the_user_and_the_daemon() {
        let home = tempfile::tempdir().unwrap();
        let docker = home.path().join("docker");
        fs_err::create_dir(&docker).unwrap();
        let settings = r#"{"insecure-registries": ["b.example:5000", "10.0.0.0/8"]}"#;
        fs_err::write(docker.join("daemon.json"), settings).unwrap();
        let env = [("XDG_CONFIG_HOME", home.path().to_str().unwrap())];
        let trust = Trust::of(&env.into_iter().collect(), &["a.example".to_owned()]);
        for (registry, expected) in [
            ("a.example", true),
            ("A.example", true),
            ("a.example:5000", false),
            ("b.example:5000", true),
            ("b.example", false),
            ("10.1.2.3:5000", true),
            ("11.1.2.3:5000", false),
            ("10.example", false),
        ] {
            assert_eq!(trust.is_insecure(registry), expected, "{registry}");
        }
    }

    #[test]
    fn a_certificate_that_cannot_be_used_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let own = directory.path().join("r.example");
        fs_err::create_dir(&own).unwrap();
        let trust = Trust {
            certificates: vec![directory.path().to_owned()],
            ..Trust::default()
        };
        assert!(trust.certificates("r.example").is_ok());
        for (file, why) in [
            ("ca.crt", "holds no certificate in PEM format"),
            ("a.cert", "has no key beside it (`.key`)"),
        ] {
            fs_err::write(own.join(file), "no PEM").unwrap();
            match trust.certificates("r.example") {
                Err(Fault::Certificate(text)) => assert!(text.ends_with(why), "{text}"),
                _ => panic!("{file}"),
            }
            fs_err::remove_file(own.join(file)).unwrap();
        }
    }
}
