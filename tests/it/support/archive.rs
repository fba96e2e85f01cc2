//! Tar archives as values.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::program::slimbuild;

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) kind: tar::EntryType,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) time: u64,
    pub(crate) content: Vec<u8>,
    pub(crate) link: Option<String>,
}

impl Entry {
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.content).expect("a text")
    }

    /// The first digits of the content's SHA-256.
    pub(crate) fn digest(&self) -> String {
        let digest = Sha256::digest(&self.content);
        digest[..6]
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }
}

/// All entries in their order.
pub(crate) fn entries(bytes: &[u8]) -> Vec<Entry> {
    let mut archive = tar::Archive::new(bytes);
    let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        let link = entry.link_name().unwrap();
        Entry {
            path: entry.path().unwrap().to_str().unwrap().to_owned(),
            kind: header.entry_type(),
            mode: header.mode().unwrap(),
            owner: (header.uid().unwrap(), header.gid().unwrap()),
            time: header.mtime().unwrap(),
            link: link.map(|link| link.to_str().unwrap().to_owned()),
            content,
        }
    };
    archive.entries().unwrap().map(read).collect()
}

/// The archive that `slimbuild context APP -o -` writes.
pub(crate) fn context(root: &Path, app: &str, more: &[&str]) -> Vec<u8> {
    let arguments = ["context", app, "-o", "-"];
    slimbuild(root, &[&arguments[..], more].concat()).bytes()
}

/// The same by path.
pub(crate) fn context_files(root: &Path, app: &str, more: &[&str]) -> BTreeMap<String, Entry> {
    let entries = entries(&context(root, app, more)).into_iter();
    entries.map(|entry| (entry.path.clone(), entry)).collect()
}

/// A line an entry: mode, size, the digest's beginning, path.
pub(crate) fn listing(bytes: &[u8]) -> String {
    let mut entries = entries(bytes);
    entries.sort_by(|left, right| left.path.cmp(&right.path));
    entries.iter().fold(String::new(), |mut text, entry| {
        let (mode, size, digest) = (entry.mode, entry.content.len(), entry.digest());
        let _ = write!(text, "{mode:04o} {size:>6} {digest} {}", entry.path);
        if let Some(link) = &entry.link {
            let _ = write!(text, " -> {link}");
        }
        text + "\n"
    })
}
