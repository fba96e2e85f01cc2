//! Unpacks a Debian package: the files it installs, without documentation, and its metadata where
//! scanners look for it.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use fs_err::File;
use lzma_rust2::XzReader;
use tar::{Archive, EntryType};

use super::BaseError;
use crate::image::layer::{LayerEntry, LayerNode, Owner};

/// Not needed in a container: documentation, and time zones with leap seconds. Licences are kept.
const DROPPED: [&str; 7] = [
    "usr/share/bug",
    "usr/share/doc-base",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/share/zoneinfo/right",
];
/// The character sets of libc that are kept, the same that Debian 13 has in the package itself.
/// UTF-8 needs none.
const CHARACTER_SETS: [&str; 9] = [
    "ANSI_X3.110.so",
    "CP1252.so",
    "ISO8859-1.so",
    "ISO8859-15.so",
    "UNICODE.so",
    "UTF-16.so",
    "UTF-32.so",
    "UTF-7.so",
    "gconv-modules",
];
/// A package has its licence and documentation in a directory below this one.
const DOCUMENTS: &str = "usr/share/doc/";
/// Where scanners look for packages without a package manager; distroless uses it too.
const STATUS: &str = "var/lib/dpkg/status.d";

/// Entries of an image by path.
pub(super) type Entries = BTreeMap<String, LayerEntry>;

/// Adds a package's files to the entries.
pub(super) fn unpack(name: &str, file: &Path, entries: &mut Entries) -> Result<(), BaseError> {
    let read = |source| BaseError::Read {
        what: format!("the package `{name}`"),
        source,
    };
    unpack_parts(name, file, entries).map_err(read)
}

fn unpack_parts(name: &str, file: &Path, entries: &mut Entries) -> io::Result<()> {
    let mut package = ar::Archive::new(BufReader::new(File::open(file)?.into_file()));
    let mut parts = 0;
    while let Some(part) = package.next_entry() {
        let part = part?;
        let member = String::from_utf8_lossy(part.header().identifier()).into_owned();
        let (stem, extension) = member.rsplit_once('.').unwrap_or((&member, ""));
        if !matches!(stem, "data.tar" | "control.tar") {
            continue;
        }
        let part: Box<dyn Read + '_> = match extension {
            "xz" => Box::new(XzReader::new(part, true)),
            "zst" => Box::new(zstd::Decoder::new(part)?),
            "gz" => Box::new(flate2::read::GzDecoder::new(part)),
            other => return Err(invalid(format!("it is compressed as `{other}`"))),
        };
        match stem {
            "data.tar" => data(Archive::new(part), entries)?,
            _ => control(name, Archive::new(part), entries)?,
        }
        parts += 1;
    }
    if parts == 2 {
        Ok(())
    } else {
        Err(invalid("control or data is missing".to_owned()))
    }
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

fn data(mut archive: Archive<impl Read>, entries: &mut Entries) -> io::Result<()> {
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = inside(&entry.path_bytes())?;
        if path.is_empty() || is_dropped(&path) {
            continue;
        }
        let header = entry.header();
        let mode = header.mode()? & 0o7777;
        let number = |number: u64| u32::try_from(number).map_err(io::Error::other);
        let owner = Owner {
            user: number(header.uid()?)?,
            group: number(header.gid()?)?,
        };
        let node = match header.entry_type() {
            EntryType::Directory => LayerNode::Directory(mode),
            EntryType::Symlink => LayerNode::Symlink(target(&entry)?),
            EntryType::Link => {
                // A hard link to an earlier file.
                let to = inside(target(&entry)?.as_bytes())?;
                let to = entries.get(&to).ok_or_else(|| {
                    invalid(format!("`{path}` is a link to `{to}`, which is not there"))
                })?;
                to.node.clone()
            }
            EntryType::Regular | EntryType::Continuous => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                let bytes = Arc::from(bytes);
                LayerNode::Made { bytes, mode }
            }
            other => return Err(invalid(format!("`{path}` is a {other:?}"))),
        };
        // Packages share directories; the first one's entry is as good as any.
        entries.entry(path).or_insert(LayerEntry { node, owner });
    }
    Ok(())
}

fn target(entry: &tar::Entry<'_, impl Read>) -> io::Result<String> {
    let target = entry.link_name_bytes();
    let target = target.ok_or_else(|| invalid("a link has no target".to_owned()))?;
    String::from_utf8(target.into_owned()).map_err(io::Error::other)
}

/// A path in a package, relative to the image's root.
fn inside(path: &[u8]) -> io::Result<String> {
    let path = str::from_utf8(path).map_err(io::Error::other)?;
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if parts.contains(&"..") {
        return Err(invalid(format!("`{path}` leaves the image")));
    }
    Ok(parts.join("/"))
}

fn is_dropped(path: &str) -> bool {
    if let Some(document) = path.strip_prefix(DOCUMENTS) {
        return document
            .split_once('/')
            .is_some_and(|(_, file)| file != "copyright");
    }
    if let Some((_, set)) = path.split_once("/gconv/") {
        return !CHARACTER_SETS.contains(&set);
    }
    DROPPED.iter().any(|&dropped| {
        path.strip_prefix(dropped)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Adds the package's metadata and the checksums of its files.
fn control(name: &str, mut archive: Archive<impl Read>, entries: &mut Entries) -> io::Result<()> {
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = match &*inside(&entry.path_bytes())? {
            "control" => format!("{STATUS}/{name}"),
            "md5sums" => format!("{STATUS}/{name}.md5sums"),
            _ => continue,
        };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        let bytes = Arc::from(bytes);
        let mode = 0o644;
        entries.insert(path, LayerEntry::root(LayerNode::Made { bytes, mode }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_go_and_licences_stay() {
        for (path, dropped) in [
            ("usr/share/doc/libc6", false),
            ("usr/share/doc/libc6/copyright", false),
            ("usr/share/doc/libc6/NEWS.gz", true),
            ("usr/share/man", true),
            ("usr/share/man/man1/a.1.gz", true),
            ("usr/share/manual", false),
            ("usr/lib/x86_64-linux-gnu/gconv", false),
            ("usr/lib/x86_64-linux-gnu/gconv/UTF-16.so", false),
            ("usr/lib/x86_64-linux-gnu/gconv/BIG5.so", true),
            ("usr/lib/x86_64-linux-gnu/gconv/gconv-modules", false),
            ("usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache", true),
            ("usr/share/zoneinfo/Europe/Berlin", false),
        ] {
            assert_eq!(is_dropped(path), dropped, "{path}");
        }
    }

    #[test]
    fn paths_stay_in_the_image() {
        assert_eq!(inside(b"./usr/lib/").unwrap(), "usr/lib");
        assert_eq!(inside(b"/etc//x").unwrap(), "etc/x");
        assert!(inside(b"./usr/../../etc").is_err());
    }
}
