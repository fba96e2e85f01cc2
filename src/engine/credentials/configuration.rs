//! One place with logins, in the format of Docker's `config.json`, which Podman's `auth.json` shares.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::helper::{self, Surroundings};
use super::{Credential, HUB, HUB_IN_CONFIGURATION, hub};

/// Docker's key for a registry may have one of these paths.
const VERSIONS: [&str; 3] = ["", "v1", "v2"];
/// As in Docker, missing padding is no error.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The logins and helpers of one place.
pub(super) struct Configuration {
    /// What the place is called in messages.
    name: String,
    logins: BTreeMap<String, Login>,
    /// The helper for all registries.
    store: Option<String>,
    /// Helpers by registry. An empty one means none.
    helpers: BTreeMap<String, String>,
}

/// An entry of `auths`.
struct Login {
    credential: Result<Credential, &'static str>,
    /// Everything of it that is secret.
    secrets: Vec<String>,
}

impl Configuration {
    /// Reads a file; `None` if it does not exist.
    pub(super) fn read(file: &Path) -> Option<Result<Self, String>> {
        let name = format!("`{}`", file.display());
        match fs_err::read(file) {
            Ok(bytes) => Some(Self::parse(name, &bytes)),
            Err(error) if is_absence(error.kind()) => None,
            Err(error) => {
                let reason = io::Error::from(error.kind());
                Some(Err(format!("{name} with logins cannot be read: {reason}")))
            }
        }
    }

    /// Parses a text. No error quotes it.
    pub(super) fn parse(name: String, text: &[u8]) -> Result<Self, String> {
        let left_aside = |why: &str| format!("{name} is left aside with its logins: {why}");
        if text.trim_ascii().is_empty() {
            return Err(left_aside("it is empty"));
        }
        if text.starts_with(b"\xef\xbb\xbf") {
            return Err(left_aside(
                "it starts with a byte order mark, which Docker does not read; save it without one",
            ));
        }
        let value: Value = serde_json::from_slice(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            left_aside(&format!("it is no JSON (line {line}, column {column})"))
        })?;
        let logins = value["auths"].as_object().into_iter().flatten();
        let logins = logins.filter_map(|(key, login)| Some((key.clone(), Login::of(login)?)));
        let helpers = value["credHelpers"].as_object().into_iter().flatten();
        let helpers = helpers.filter_map(|(key, name)| Some((key.clone(), text_of(name)?)));
        Ok(Self {
            logins: logins.collect(),
            store: text_of(&value["credsStore"]).filter(|name| !name.is_empty()),
            helpers: helpers.collect(),
            name,
        })
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Everything secret in it.
    pub(super) fn passwords(&self) -> impl Iterator<Item = String> {
        let logins = self.logins.values();
        logins.flat_map(|login| login.secrets.iter().cloned())
    }

    /// The credential for a registry, and what is wrong with it. If a helper fails, the stored
    /// login counts, as in Docker.
    pub(super) async fn ask(
        &self,
        registry: &str,
        path: &str,
        surroundings: &Surroundings,
    ) -> (Option<Credential>, Option<String>) {
        let mut problem = None;
        if let Some(name) = self.helper(registry) {
            let server = key(registry);
            match helper::get(name, server, &self.name, surroundings).await {
                Ok(found) => return (found, None),
                Err(error) => problem = Some(error),
            }
        }
        match self.login(registry, path) {
            None => (None, problem),
            Some((_, Ok(credential))) => (Some(credential.clone()), problem),
            Some((key, Err(error))) => {
                let error = format!("the entry `{key}` of {} {error}", self.name);
                (None, problem.or(Some(error)))
            }
        }
    }

    /// Whether a login is for a part of the registry.
    pub(super) fn differs_within(&self, registry: &str) -> bool {
        let mut keys = self.logins.keys();
        keys.any(|key| {
            let (_, part) = split(key);
            is_host(key, registry) && !part.is_empty() && !VERSIONS.contains(&part)
        })
    }

    fn helper(&self, registry: &str) -> Option<&str> {
        let exact = self.helpers.get(key(registry));
        let mut others = self.helpers.iter();
        let named = exact.or_else(|| {
            let found = others.find(|(key, _)| is_host(key, registry))?;
            Some(found.1)
        });
        let named = named.or(self.store.as_ref());
        named.map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The login that fits best: one for a part of the registry, then one for all of it.
    fn login(&self, registry: &str, path: &str) -> Option<(&str, &Result<Credential, &str>)> {
        let logins = self.logins.iter();
        let fitting = logins.filter_map(|(key, login)| {
            let rank = rank(key, registry, path)?;
            Some((rank, key, &login.credential))
        });
        let (_, key, credential) = fitting.max_by_key(|(rank, ..)| *rank)?;
        Some((key, credential))
    }
}

/// Whether there is no such file. The home directory may be none.
fn is_absence(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The key of a registry, which helpers get too.
fn key(registry: &str) -> &str {
    if registry == HUB {
        HUB_IN_CONFIGURATION
    } else {
        registry
    }
}

/// How well a key of `auths` fits a repository; `None` if it is of another registry.
fn rank(stored: &str, registry: &str, path: &str) -> Option<usize> {
    if !is_host(stored, registry) {
        return None;
    }
    let (_, part) = split(stored);
    let is_below = path.strip_prefix(part).is_some_and(|rest| {
        let is_whole = rest.is_empty() || rest.starts_with('/');
        is_whole && !VERSIONS.contains(&part)
    });
    Some(if is_below {
        3 + part.len()
    } else if stored == key(registry) {
        2
    } else {
        // For Docker, only the host counts.
        usize::from(VERSIONS.contains(&part))
    })
}

fn is_host(stored: &str, registry: &str) -> bool {
    let (host, _) = split(stored);
    hub(host).eq_ignore_ascii_case(registry)
}

/// The host and the path of a key: `https://registry.example.com/v1/`, `registry.example.com/team`.
fn split(key: &str) -> (&str, &str) {
    let mut rest = key;
    for scheme in ["https://", "http://"] {
        rest = rest.strip_prefix(scheme).unwrap_or(rest);
    }
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    (host, path.trim_matches('/'))
}

impl Login {
    /// `None` if the entry is empty, as Docker leaves it beside a helper.
    fn of(entry: &Value) -> Option<Self> {
        let text = |key: &str| text_of(&entry[key]).filter(|text| !text.is_empty());
        let word = text("auth");
        let pair = word.as_deref().map(pair);
        let (user, password) = (text("username"), text("password"));
        let identity = text("identitytoken");
        let mut secrets: Vec<String> = [&word, &password, &identity, &text("registrytoken")]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        if let Some(Ok((_, password))) = &pair {
            secrets.push(password.clone());
        }
        let credential = match (identity, pair, user.zip(password)) {
            (Some(token), ..) => Ok(Credential::IdentityToken(token)),
            (None, Some(Ok((user, password))), _) | (None, None, Some((user, password))) => {
                Ok(Credential::Password(user, password))
            }
            (None, Some(Err(error)), _) => Err(error),
            (None, None, None) => return None,
        };
        Some(Self {
            credential,
            secrets,
        })
    }
}

/// The name and the password of `auth`.
fn pair(word: &str) -> Result<(String, String), &'static str> {
    // `base64` on a command line breaks lines.
    let word: String = word.split_whitespace().collect();
    let bytes = BASE64.decode(word).map_err(|_| "is no base64")?;
    let text = String::from_utf8(bytes).map_err(|_| "is no text")?;
    match text.split_once(':') {
        Some((user, password)) if !user.is_empty() => {
            let password = password.trim_matches('\0');
            Ok((user.to_owned(), password.to_owned()))
        }
        _ => Err("is not `USER:PASSWORD` in base64"),
    }
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
