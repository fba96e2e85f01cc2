//! Packages of an npm registry: the newest version in a range, and its archive, checked by the
//! registry's integrity value.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nodejs_semver::{Range, Version};
use serde::{Deserialize, Serialize};

use super::{FetchError, Net};
use crate::model::digest::Digest;
use crate::store::cache::Cache;

/// The media type of the registry's short answer, without the parts that only people read.
const SHORT_ANSWER: &str = "application/vnd.npm.install-v1+json";

/// The kind of the cache's notes about versions.
const NOTE_KIND: &str = "npm";
/// How long the answer for a range is reused, as with Debian's mirrors.
const REUSED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// One version of a package, pinned to its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// npm's version.
    pub version: String,
    /// The digest of its archive, as npm writes it.
    pub integrity: String,
}

/// Why a package cannot be downloaded.
#[derive(Debug, thiserror::Error)]
pub enum NpmError {
    /// The download failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The registry's answer cannot be used.
    #[error("cannot read what `{url}` answers: {reason}")]
    Answer {
        /// The address that was asked.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// No published version matches.
    #[error("npm has no {package}@{version}")]
    Missing {
        /// The package.
        package: String,
        /// The requested version or range.
        version: String,
    },
}

impl NpmError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fetch(error) => error.hint(),
            Self::Answer { .. } | Self::Missing { .. } => None,
        }
    }
}

/// The part of a registry's answer that is used.
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

/// A cached answer.
#[derive(Serialize, Deserialize)]
struct Asked {
    at: u64,
    published: Published,
}

/// The newest version in a range. An exact version never changes, so the registry is asked for it
/// once; for a range, once a day or when the caller wants a `fresh` answer.
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
    if let Some(asked) = cache.note::<Asked>(NOTE_KIND, &key)
        && (is_exact || (!fresh && at.saturating_sub(asked.at) < REUSED_FOR.as_secs()))
    {
        return Ok(asked.published);
    }
    let published = newest(package, wanted, registry, net)?;
    let asked = Asked { at, published };
    cache.write_note(NOTE_KIND, &key, &asked);
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
    let answer = net.bytes(&url, SHORT_ANSWER)?;
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
    /// Downloads the archive to the cache.
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
