//! The values of a build's secrets: read here and passed to the engine only.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cli::{SecretArg, SecretSource};
use crate::commands::error::Error;
use crate::engine::{Logins, Secret};
use crate::files::tree::{Limit, Tree};
use crate::needs::tasks::looks_secret;
use crate::plan::{NPMRC, Plan, SecretPlan};
use crate::system::credential;
use crate::system::env::Env;
use crate::system::mask::{self, Mask};
use crate::workspace::manifest::npmrc::Npmrc;

/// Variables that hold addresses of proxies.
const PROXIES: [&str; 6] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
];

/// The values of a plan's secrets by id, and warnings for the user.
pub(super) fn values(
    plan: &Plan,
    given: &[SecretArg],
    root: &Path,
    cwd: &Path,
    env: &Env,
) -> Result<(BTreeMap<String, Secret>, Vec<String>), Error> {
    let source = Source { given, cwd, env };
    let (mut found, mut warnings) = (BTreeMap::new(), Vec::new());
    for secret in &plan.secrets().secrets {
        let value = if secret.id == NPMRC {
            let text = source.npmrc(plan, secret, root, &mut warnings)?;
            Some(text).filter(|text| !text.is_empty() || secret.required)
        } else {
            Some(source.value(secret)?)
        };
        let Some(value) = value else { continue };
        if value.len() > Secret::MAX {
            return Err(Error::Usage {
                message: format!("the secret `{}` is larger than 500 kB", secret.id),
                hint: None,
            });
        }
        found.insert(secret.id.clone(), Secret::from(value));
    }
    Ok((found, warnings))
}

/// What logs must not show: the build's secrets, arguments with names like secrets, tokens for
/// caches, passwords in proxies' addresses, stored passwords of registries.
pub(super) fn mask<'t>(
    plan: &Plan,
    secrets: &BTreeMap<String, Secret>,
    arguments: &BTreeMap<String, String>,
    tokens: impl Iterator<Item = &'t str>,
    logins: &Logins,
    env: &Env,
) -> Mask {
    let mut values: Vec<Vec<u8>> = tokens.map(|token| token.as_bytes().to_vec()).collect();
    for (id, secret) in secrets {
        if id == NPMRC {
            let text = String::from_utf8_lossy(secret.bytes());
            let found = Npmrc::parse(&text).credentials.values();
            values.extend(found.into_iter().map(String::into_bytes));
        } else {
            values.push(secret.bytes().to_vec());
        }
    }
    values.extend(plan.exposed().map(|found| found.secret.as_bytes().to_vec()));
    for (name, value) in arguments {
        if looks_secret(name) {
            values.push(value.clone().into_bytes());
        }
        let found = credential::all(value).into_iter();
        values.extend(found.map(|found| found.secret.as_bytes().to_vec()));
    }
    for name in PROXIES {
        let found = credential::in_proxy(env.get(name).unwrap_or_default());
        values.extend(found.iter().map(|found| found.secret.as_bytes().to_vec()));
    }
    let stored = logins.stored_passwords().into_iter();
    values.extend(stored.map(String::into_bytes));
    Mask::new(values.iter().map(Vec::as_slice))
}

/// The secrets that are too short to mask.
pub(super) fn too_short(secrets: &BTreeMap<String, Secret>) -> Vec<String> {
    let short = secrets
        .iter()
        .filter(|(_, secret)| secret.bytes().trim_ascii().len() < mask::MIN_LENGTH);
    let warning = |(id, _): (&String, &Secret)| {
        format!(
            "the secret `{id}` has fewer than {} bytes: logs may show it",
            mask::MIN_LENGTH
        )
    };
    short.map(warning).collect()
}

/// Warnings for users whose own tools pass the secrets.
pub(super) fn left_to_others(plan: &Plan) -> Vec<String> {
    let secrets = plan.secrets().secrets.iter();
    let warning = |secret: &SecretPlan| {
        let (id, reason) = (&secret.id, &secret.reason);
        let how = if id == NPMRC {
            "id=npmrc,src=FILE"
        } else {
            &*format!("id={id}")
        };
        format!(
            "the build reads the secret `{id}` ({reason}): hand it over with `docker buildx build --secret {how}`"
        )
    };
    secrets.map(warning).collect()
}

/// Where values come from.
struct Source<'s> {
    given: &'s [SecretArg],
    cwd: &'s Path,
    env: &'s Env,
}

impl Source<'_> {
    fn argument(&self, id: &str) -> Option<&SecretSource> {
        let last = self.given.iter().rfind(|arg| arg.id == id);
        last.map(|arg| &arg.from)
    }

    /// The value of a secret that is a variable.
    fn value(&self, secret: &SecretPlan) -> Result<Vec<u8>, Error> {
        let (id, reason) = (&secret.id, &secret.reason);
        match self.argument(id) {
            Some(SecretSource::File(file)) => self.file(id, file),
            Some(SecretSource::Variable(name)) => self.env.get(name).map_or_else(
                || {
                    Err(unset(
                        format!(
                            "`--secret id={id},env={name}` asks for a variable that is not set here"
                        ),
                        id,
                    ))
                },
                |value| Ok(value.as_bytes().to_vec()),
            ),
            Some(SecretSource::Own) | None => self.env.get(id).map_or_else(
                || {
                    Err(unset(
                        format!("the secret `{id}` ({reason}) is not set here"),
                        id,
                    ))
                },
                |value| Ok(value.as_bytes().to_vec()),
            ),
        }
    }

    fn file(&self, id: &str, file: &Path) -> Result<Vec<u8>, Error> {
        let doing = format!("cannot read the secret `{id}` from `{}`", file.display());
        fs_err::read(self.cwd.join(file)).map_err(Error::io(doing))
    }

    /// Registry credentials: from the user's own file on request, then those removed from the
    /// workspace's files, which win as in pnpm. Variables are filled in, so that no step needs
    /// them: all in the user's file, but in the workspace's only those named as secrets. Otherwise
    /// a repository could send anything in the environment to a registry of its choice, which is
    /// why later versions of pnpm fill in none.
    fn npmrc(
        &self,
        plan: &Plan,
        secret: &SecretPlan,
        root: &Path,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<u8>, Error> {
        let named = |name: &str| {
            let secret = plan.secrets().secrets.iter().find(|one| one.id == name)?;
            let value = String::from_utf8(self.value(secret).ok()?).ok()?;
            Some(value.trim_end().to_owned())
        };
        let mut all = String::new();
        if secret.required {
            let own = match self.argument(NPMRC) {
                Some(SecretSource::File(file)) => self.file(NPMRC, file)?,
                Some(SecretSource::Variable(_)) => self.value(secret)?,
                Some(SecretSource::Own) => {
                    let named = self.env.get("NPM_CONFIG_USERCONFIG").map(str::to_owned);
                    let home = || Some(format!("{}/.npmrc", self.env.get("HOME")?));
                    let file = named.or_else(home).unwrap_or_default();
                    self.file(NPMRC, Path::new(&file))?
                }
                None => {
                    let reason = &secret.reason;
                    return Err(Error::Usage {
                        message: format!("the secret `npmrc` ({reason}) is not given"),
                        hint: Some("`--secret id=npmrc` hands over your own ~/.npmrc, `--secret id=npmrc,src=FILE` another one".to_owned()),
                    });
                }
            };
            let (text, unset) = Npmrc::whole(&String::from_utf8_lossy(&own))
                .fill_in(|name| self.env.get(name).map(str::to_owned));
            all.push_str(&text);
            warnings.extend(unset.into_iter().map(|(key, name)| {
                format!("`{key}` of the secret `npmrc` is left out: `{name}` is not set here")
            }));
        }
        for path in &secret.files {
            let text = Tree::open(root)?.read_text(path, Limit::Settings)?;
            let (text, unset) = Npmrc::parse(&text).credentials.fill_in(named);
            all.push_str(&text);
            warnings.extend(unset.into_iter().map(|(key, name)| {
                format!("`{key}` of {path} stays behind: `--secret id={name}`, or `secrets` in slimbuild.json, hands `{name}` to installs")
            }));
        }
        Ok(all.into_bytes())
    }
}

fn unset(message: String, id: &str) -> Error {
    Error::Usage {
        message,
        hint: Some(format!(
            "set the variable, or say where the value is: `--secret id={id},src=FILE`"
        )),
    }
}
