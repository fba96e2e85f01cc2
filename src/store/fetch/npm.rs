//! Packages of an npm registry: the newest version that fits, and its archive, by the integrity that the registry gives.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nodejs_semver::{Range, Version};
use serde::{Deserialize, Serialize};

use super::{FetchError, Net};
use crate::model::digest::Digest;
use crate::store::cache::Cache;

/// The answer of a registry without what only people read.
const SHORT: &str = "application/vnd.npm.install-v1+json";

/// The notes of the cache about versions.
const NOTES: &str = "npm";
/// How long it is not asked again which version fits a range: as with Debian's mirrors.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// One version of a package, to the byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Its version.
    pub version: String,
    /// The digest of its archive, as npm writes it.
    pub integrity: String,
}

/// Why a package cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum NpmError {
    /// The network.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// An answer that is none.
    #[error("cannot read what `{url}` answers: {reason}")]
    Answer {
        /// The question.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No version fits.
    #[error("npm has no {package}@{version}")]
    Missing {
        /// The package.
        package: String,
        /// What was asked for.
        version: String,
    },
}

impl NpmError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fetch(error) => error.hint(),
            Self::Answer { .. } | Self::Missing { .. } => None,
        }
    }
}

/// What a registry says about a package, as far as it matters.
#[derive(Deserialize)]
struct Packument {
    versions: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    dist: Dist,
}

#[derive(Deserialize)]
struct Dist {
    integrity: Option<String>,
}

/// What was found out before.
#[derive(Serialize, Deserialize)]
struct Asked {
    at: u64,
    published: Published,
}

/// The newest version that fits a range. What an exact version is never changes, so the registry is asked for it once; for a range, once a day,
/// and where somebody wants a `fresh` answer.
pub fn published(
    package: &str,
    wanted: &str,
    registry: &str,
    fresh: bool,
    net: &Net<'_>,
    cache: &Cache,
) -> Result<Published, NpmError> {
    let key = Digest::of(format!("{registry} {package} {wanted}").as_bytes());
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let at = now.unwrap_or_default().as_secs();
    let is_exact = Version::parse(wanted).is_ok();
    if let Some(asked) = cache.note::<Asked>(NOTES, &key)
        && (is_exact || (!fresh && at.saturating_sub(asked.at) < FRESH.as_secs()))
    {
        return Ok(asked.published);
    }
    let published = newest(package, wanted, registry, net)?;
    let asked = Asked { at, published };
    cache.write_note(NOTES, &key, &asked);
    Ok(asked.published)
}

/// The newest version that fits a range: `22`, `22.11`, `^10.1.0`.
fn newest(
    package: &str,
    wanted: &str,
    registry: &str,
    net: &Net<'_>,
) -> Result<Published, NpmError> {
    let url = format!("{}/{package}", registry.trim_end_matches('/'));
    let answer = net.bytes(&url, SHORT)?;
    let broken = |reason: String| NpmError::Answer {
        url: url.clone(),
        reason,
    };
    let packument: Packument =
        serde_json::from_slice(&answer).map_err(|error| broken(error.to_string()))?;
    let missing = || NpmError::Missing {
        package: package.to_owned(),
        version: wanted.to_owned(),
    };
    let range = Range::parse(wanted).map_err(|_| missing())?;
    let fitting = packument.versions.into_iter().filter_map(|(text, entry)| {
        let version = Version::parse(&text).ok()?;
        range.satisfies(&version).then_some((version, entry.dist))
    });
    let newest = fitting.max_by(|(left, _), (right, _)| left.cmp(right));
    let (version, dist) = newest.ok_or_else(missing)?;
    let no_digest = || broken(format!("{version} has no `integrity`"));
    Ok(Published {
        integrity: dist.integrity.ok_or_else(no_digest)?,
        version: version.to_string(),
    })
}

impl Published {
    /// The archive, in the cache.
    pub fn download(
        &self,
        package: &str,
        registry: &str,
        net: &Net<'_>,
        cache: &Cache,
    ) -> Result<PathBuf, NpmError> {
        let registry = registry.trim_end_matches('/');
        let file = package.rsplit('/').next().unwrap_or(package);
        let url = format!("{registry}/{package}/-/{file}-{}.tgz", self.version);
        let digest = Digest::from_integrity(&self.integrity);
        let digest = digest.map_err(|error| NpmError::Answer {
            url: url.clone(),
            reason: error.to_string(),
        })?;
        Ok(net.file(&url, &digest, cache)?)
    }
}
