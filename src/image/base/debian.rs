//! Finds packages in Debian's archive: signed lists of checksums, and the package lists they refer
//! to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use fs_err::File;
use lzma_rust2::XzReader;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::version::compare;
use super::{BaseError, Sources};
use crate::model::digest::Digest;
use crate::store::cache::Cache;
use crate::store::fetch::Net;

/// What a node program needs, and the files that identify the system.
const PACKAGES: [&str; 9] = [
    "base-files",
    "ca-certificates",
    "gcc-12-base",
    "libc6",
    "libgcc-s1",
    "libssl3",
    "libstdc++6",
    "netbase",
    "tzdata",
];

/// What nginx links against and reads. Left out: perl, debconf and iproute2, which only its scripts
/// use.
const NGINX: [&str; 5] = [
    "libcrypt1",
    "libpcre2-8-0",
    "nginx",
    "nginx-common",
    "zlib1g",
];

/// The archives of Debian 12 and the codenames in their lists: the release, updates that cannot
/// wait for the next point release (time zones), and security.
const ARCHIVES: [(&str, &str); 3] = [
    ("debian", "bookworm"),
    ("debian", "bookworm-updates"),
    ("debian-security", "bookworm-security"),
];

/// One package, pinned to the byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DebianPackage {
    /// Debian's version.
    pub version: String,
    /// Its path on the mirror: `debian/pool/main/…`.
    pub path: String,
    /// The SHA-256 of the file.
    pub sha256: String,
}

impl DebianPackage {
    pub(super) fn download(
        &self,
        sources: &Sources,
        net: &Net<'_>,
        cache: &Cache,
    ) -> Result<PathBuf, BaseError> {
        let url = format!("{}/{}", sources.debian.trim_end_matches('/'), self.path);
        let digest = checksum(&self.sha256, &url)?;
        net.file(&url, &digest, cache).map_err(|error| {
            if !error.is_missing() {
                return error.into();
            }
            let name = self.path.rsplit('/').next().unwrap_or_default();
            BaseError::Superseded {
                name: name.split('_').next().unwrap_or_default().to_owned(),
                version: self.version.clone(),
            }
        })
    }
}

/// Packages by name.
pub(super) type Packages = BTreeMap<String, DebianPackage>;

/// The newest version of each package in the archives: those of every base, and those of nginx.
pub(super) fn resolve(
    architecture: &str,
    nginx: bool,
    sources: &Sources,
    now: u64,
    net: &Net<'_>,
    cache: &Cache,
) -> Result<(Packages, Packages), BaseError> {
    let mirror = sources.debian.trim_end_matches('/');
    let nginx: &[&str] = if nginx { &NGINX } else { &[] };
    let wanted = [&PACKAGES, nginx].concat();
    let mut newest = Packages::new();
    for (archive, codename) in ARCHIVES {
        let release = format!("{mirror}/{archive}/dists/{codename}/InRelease");
        let message = net.bytes(&release, "*/*")?;
        let signed = sources.keys.signed(&message, now);
        let text = signed.map_err(|reason| BaseError::Signature {
            url: release.clone(),
            reason,
        })?;
        let list = format!("main/binary-{architecture}/Packages.xz");
        let sha256 = listed(&text, codename, &list, now);
        let sha256 = sha256.map_err(|reason| BaseError::Release {
            url: release.clone(),
            reason,
        })?;
        // By checksum: the file of the plain name may be replaced between two requests.
        let url = format!(
            "{mirror}/{archive}/dists/{codename}/main/binary-{architecture}/by-hash/SHA256/{sha256}"
        );
        let file = net.file(&url, &checksum(&sha256, &release)?, cache)?;
        let read = packages(&file, archive, &wanted, &mut newest);
        read.map_err(|source| BaseError::Read {
            what: format!("the packages of {codename}"),
            source,
        })?;
    }
    for name in wanted {
        if !newest.contains_key(name) {
            return Err(BaseError::NoPackage {
                mirror: mirror.to_owned(),
                name: name.to_owned(),
            });
        }
    }
    let found = newest.into_iter();
    Ok(found.partition(|(name, _)| PACKAGES.contains(&&**name)))
}

fn checksum(sha256: &str, url: &str) -> Result<Digest, BaseError> {
    Digest::sha256_hex(sha256).map_err(|error| BaseError::Release {
        url: url.to_owned(),
        reason: error.to_string(),
    })
}

/// The SHA-256 of a list in a `Release` file. Fails if the file is of another archive or out of
/// date.
fn listed(text: &str, codename: &str, list: &str, now: u64) -> Result<String, String> {
    let field = |name: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    let called = field("Codename").unwrap_or_default();
    if called != codename {
        return Err(format!("it calls itself `{called}`"));
    }
    if let Some(until) = field("Valid-Until") {
        // RFC 2822 does not know the zone `UTC`, which Debian writes.
        let parsed = OffsetDateTime::parse(&until.replace("UTC", "+0000"), &Rfc2822);
        let parsed = parsed.map_err(|_| format!("`{until}` is no date"))?;
        if parsed.unix_timestamp() < i64::try_from(now).unwrap_or(i64::MAX) {
            return Err(format!("it was valid until {until}"));
        }
    }
    let sums = text.lines().skip_while(|line| *line != "SHA256:").skip(1);
    let mut sums = sums.take_while(|line| line.starts_with(' '));
    let sum = sums.find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let sum = words.next()?;
        (words.nth(1) == Some(list)).then(|| sum.to_owned())
    });
    sum.ok_or_else(|| format!("it does not name `{list}`"))
}

/// Adds the wanted packages of a list, if they are newer than those found so far.
fn packages(
    file: &Path,
    archive: &str,
    wanted: &[&str],
    newest: &mut Packages,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(XzReader::new(BufReader::new(File::open(file)?), true));
    let mut stanza: BTreeMap<&'static str, String> = BTreeMap::new();
    let mut line = String::new();
    loop {
        line.clear();
        let end = lines.read_line(&mut line)? == 0;
        if end || line == "\n" {
            let mut take = |name| stanza.remove(name).unwrap_or_default();
            let (name, version) = (take("Package"), take("Version"));
            let found = DebianPackage {
                path: format!("{archive}/{}", take("Filename")),
                sha256: take("SHA256"),
                version,
            };
            let known = newest.get(&name);
            let newer = |known: &DebianPackage| compare(&found.version, &known.version).is_gt();
            if wanted.contains(&&*name) && known.is_none_or(newer) {
                newest.insert(name, found);
            }
            if end {
                return Ok(());
            }
            stanza.clear();
        }
        for name in ["Package", "Version", "Filename", "SHA256"] {
            let value = line
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix(": "));
            if let Some(value) = value {
                stanza.insert(name, value.trim_end().to_owned());
            }
        }
    }
}
