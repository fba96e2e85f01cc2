//! [`Logins`]: the credentials for registries that `docker login`, `podman login` or a CI system
//! stored. One resolver serves the session, the Engine API, and the pushes without a daemon.
//!
//! Input: the environment, which names the places. Output: the credential for a registry. Nothing
//! here logs in. The places, in order: `DOCKER_AUTH_CONFIG`, the file of `REGISTRY_AUTH_FILE`,
//! Docker's `config.json`, Podman's `auth.json`. The first that knows the registry wins. Within a
//! place, the rules are those of `docker push`: a credential helper beats what is stored beside it.
//!
//! The crate `docker_credential` (1.4) was left: its error holds what a failing helper prints on
//! stdout, which is the secret; it waits for a helper without a limit; stored logins beat
//! `credsStore`, an empty `identitytoken` counts, line breaks in `auth` do not decode, and one file
//! is all that it knows. What would remain of it is one call of a program.

mod configuration;
mod helper;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::host;
use crate::model::image::{ImageRef, parts};
use crate::system::env::Env;
use crate::system::trail;

use configuration::Configuration;
use helper::Surroundings;

/// Docker Hub's registry in image names.
const HUB: &str = "docker.io";
/// Docker Hub's key in Docker's configuration.
const HUB_IN_CONFIGURATION: &str = "https://index.docker.io/v1/";
/// Other names of Docker Hub's registry. BuildKit asks by the last one.
const HUB_ALIASES: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];
/// How long a helper may take. Some ask for a password.
const HELPER_LIMIT: Duration = Duration::from_secs(60);
/// The variable with another limit, in seconds.
const LIMIT_VARIABLE: &str = "SLIMBUILD_HELPER_TIMEOUT";

/// A login at a registry.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// A user's name and password.
    Password(String, String),
    /// A token that the registry's token server exchanges.
    IdentityToken(String),
}

impl Credential {
    /// A text of a server without the password or token, which it might quote.
    pub(super) fn without_secret(&self, text: &str) -> String {
        let (Self::Password(_, secret) | Self::IdentityToken(secret)) = self;
        if secret.is_empty() {
            return text.to_owned();
        }
        text.replace(secret, "***")
    }
}

/// All stored logins.
#[derive(Clone, Default)]
pub struct Logins {
    places: Arc<Vec<Configuration>>,
    surroundings: Surroundings,
    warnings: Vec<String>,
}

/// What is known of a registry's credential.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) credential: Option<Credential>,
    /// Why configured credentials cannot be read.
    pub(super) warnings: Vec<String>,
}

/// The registry of an image: `docker.io`, `127.0.0.1:5000`.
pub(super) fn registry(image: &ImageRef) -> &str {
    parts(image.name()).0
}

/// The registry itself, but Docker Hub's by its name in images.
pub(super) fn hub(registry: &str) -> &str {
    if HUB_ALIASES.contains(&registry) {
        HUB
    } else {
        registry
    }
}

impl Logins {
    /// Reads the places that the environment names.
    pub fn of(env: &Env) -> Self {
        let mut logins = Self {
            surroundings: Surroundings {
                path: env.get("PATH").map(str::to_owned),
                limit: HELPER_LIMIT,
            },
            ..Self::default()
        };
        if let Some(seconds) = env.get(LIMIT_VARIABLE) {
            match seconds.parse() {
                Ok(seconds) => logins.surroundings.limit = Duration::from_secs(seconds),
                Err(_) => logins.warnings.push(format!(
                    "{LIMIT_VARIABLE} is `{seconds}`, which is no number of seconds: it is left aside"
                )),
            }
        }
        let mut places = Vec::new();
        if let Some(text) = env.get("DOCKER_AUTH_CONFIG") {
            let name = "the variable DOCKER_AUTH_CONFIG".to_owned();
            places.push(Configuration::parse(name, text.as_bytes()));
        }
        let named = env.get("REGISTRY_AUTH_FILE").map(PathBuf::from);
        if let Some(file) = named.as_ref().filter(|file| !file.exists()) {
            logins.warnings.push(format!(
                "REGISTRY_AUTH_FILE names `{}`, which does not exist",
                file.display()
            ));
        }
        let docker = host::configuration_directory(env).map(|dir| dir.join("config.json"));
        let files = named.into_iter().chain(docker).chain(of_podman(env));
        places.extend(files.filter_map(|file| Configuration::read(&file)));
        let mut known = Vec::new();
        for place in places {
            match place {
                Ok(place) => known.push(place),
                Err(warning) => logins.warnings.push(warning),
            }
        }
        logins.places = Arc::new(known);
        logins
    }

    /// Which places cannot be read, for the user.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The passwords and tokens that are stored in files and variables. Helpers are not asked: that
    /// takes time and may prompt for a password.
    pub fn stored_passwords(&self) -> Vec<String> {
        let places = self.places.iter();
        places.flat_map(Configuration::passwords).collect()
    }

    /// Whether a login is for a part of a registry.
    pub(super) fn differ_within(&self, registry: &str) -> bool {
        let registry = hub(registry);
        self.places
            .iter()
            .any(|place| place.differs_within(registry))
    }

    /// The credential for an image's registry.
    pub(super) async fn for_image(&self, image: &ImageRef) -> Found {
        let (registry, path) = parts(image.name());
        self.find(registry, &path).await
    }

    /// The credential for a registry. `path` is a repository in it, for logins that are for a part
    /// of a registry.
    pub(super) async fn find(&self, registry: &str, path: &str) -> Found {
        let registry = hub(registry);
        let mut found = Found::default();
        for place in self.places.iter() {
            let (credential, problem) = place.ask(registry, path, &self.surroundings).await;
            found.warnings.extend(
                problem.map(|problem| {
                    format!("cannot get the credentials of `{registry}`: {problem}")
                }),
            );
            if credential.is_some() {
                let from = place.name();
                trail::decided(|| format!("`{registry}` gets the login of {from}"));
                found.credential = credential;
                return found;
            }
        }
        trail::decided(|| format!("`{registry}` gets no login: none is stored for it"));
        found
    }
}

/// The files that `podman login` writes, the first of which is lost when the machine restarts.
fn of_podman(env: &Env) -> Vec<PathBuf> {
    let running = env.get("XDG_RUNTIME_DIR").map(PathBuf::from);
    let settings = env.get("XDG_CONFIG_HOME").map(PathBuf::from);
    let settings = settings.or_else(|| Some(PathBuf::from(env.get("HOME")?).join(".config")));
    let directories = running.into_iter().chain(settings);
    directories
        .map(|directory| directory.join("containers/auth.json"))
        .collect()
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(..) => "a password",
            Self::IdentityToken(_) => "an identity token",
        })
    }
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "logins of {} places", self.places.len())
    }
}

#[cfg(test)]
pub(crate) mod tests;
