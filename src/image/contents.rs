//! What is in an image: every byte of its layers, and who it belongs to.
//!
//! Input: the layers of an image, read ([`ReadLayer`]), and how the image is run. Output:
//! [`Contents`]: files with their owners. Nothing here reads a disk or a network.
//!
//! ```text
//! entries of all layers ─► which of them a container sees                           stack
//! manifests of packages, dpkg's and apk's lists, directories ─► whose is a path?     owner, system
//! both ─► Contents                                                                  contents
//! ```
//!
//! **It adds up.** The bytes of an image are those of its layers: tars, and the blobs in which they are
//! sent. The content of each file has one owner. The rest of a tar (headers, padding, the end) is a row of
//! its own ([`Kind::Archive`]), and so are files that a later layer replaces or removes ([`Kind::Hidden`]).

mod owner;
mod stack;
mod system;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::iter::Sum;
use std::ops::Add;

use serde::Serialize;

use crate::model::digest::Digest;
use owner::Owners;
pub use owner::Places;
use system::System;
pub(in crate::image) use system::is_list;

/// A number of bytes: unpacked, and as they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Weight {
    /// The bytes in the layers' tars.
    pub unpacked: u64,
    /// The bytes that a pull transfers; `null` where the image is kept uncompressed.
    pub compressed: Option<u64>,
}

impl Weight {
    /// No bytes at all.
    pub const NONE: Self = Self {
        unpacked: 0,
        compressed: Some(0),
    };

    /// What is left without a part of it.
    #[must_use]
    pub fn without(self, part: Self) -> Self {
        let both = self.compressed.zip(part.compressed);
        Self {
            unpacked: self.unpacked.saturating_sub(part.unpacked),
            compressed: both.map(|(all, part)| all.saturating_sub(part)),
        }
    }
}

impl Add for Weight {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let both = self.compressed.zip(other.compressed);
        Self {
            unpacked: self.unpacked.saturating_add(other.unpacked),
            compressed: both.map(|(one, other)| one.saturating_add(other)),
        }
    }
}

impl Sum for Weight {
    fn sum<I: Iterator<Item = Self>>(weights: I) -> Self {
        weights.fold(Self::NONE, Add::add)
    }
}

/// A layer, read to its end.
#[derive(Debug, Clone)]
pub struct ReadLayer {
    /// The digest of its tar.
    pub diff_id: Digest,
    /// The whole tar, and the whole blob.
    pub weight: Weight,
    /// In the order of the tar.
    pub entries: Vec<Entry>,
}

/// An entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path from the root of the image, without `/` at its ends. Of a whiteout, the path that it hides.
    pub path: String,
    pub kind: EntryKind,
    /// Its content, as far as the tar has it.
    pub weight: Weight,
    /// What it says, if it tells of packages.
    pub said: Option<Said>,
    /// The digest of its content, unless it belongs to modules, which have versions.
    pub digest: Option<Digest>,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Directory,
    /// A symlink, a hard link, a device: nothing with content.
    Other,
    /// It removes a path of lower layers.
    Whiteout,
    /// It removes everything that lower layers have below a directory.
    Opaque,
}

/// The content of a file that tells of packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A package.json.
    Manifest(Box<Manifest>),
    /// A list of the system's package manager.
    Text(String),
}

/// What a package.json says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    pub name: Option<String>,
    pub version: Option<String>,
    /// The systems, processors and C libraries that it is for; empty means all.
    pub os: Vec<String>,
    pub cpu: Vec<String>,
    pub libc: Vec<String>,
}

/// Whose a file is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    pub kind: Kind,
    /// The package's name. A directory, if it has none.
    pub name: String,
    pub version: Option<String>,
}

/// The kinds of owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A package of a registry.
    Package,
    /// A package of the workspace.
    Workspace,
    /// The app itself.
    App,
    /// Node, and what is installed with it.
    Node,
    /// A package of the system: Debian's or Alpine's.
    System,
    /// A file that no package tells of.
    Other,
    /// Files that a later layer replaces or removes: they are sent, and nobody sees them.
    Hidden,
    /// What a tar adds to files: names, padding, its end.
    Archive,
}

/// A file of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub path: String,
    /// The position of its layer.
    pub layer: usize,
    /// The position of its owner.
    pub owner: usize,
    pub weight: Weight,
    pub digest: Option<Digest>,
}

/// A layer of [`Contents`].
#[derive(Debug, Clone)]
pub struct Layer {
    pub diff_id: Digest,
    pub weight: Weight,
    /// The part of it that is no file's content.
    pub archive: Weight,
    /// How many files it has.
    pub files: usize,
}

/// Everything in an image.
#[derive(Debug, Clone)]
pub struct Contents {
    /// The lowest first.
    pub layers: Vec<Layer>,
    pub owners: Vec<Owner>,
    /// The platform that each owner is for, if its manifest tells.
    pub manifests: BTreeMap<usize, Manifest>,
    /// In the order of the layers.
    pub files: Vec<File>,
    /// Whether its programs load musl instead of glibc; `None` if neither is there.
    pub musl: Option<bool>,
}

impl Contents {
    /// Finds the owners of all files.
    pub fn new(layers: &[ReadLayer], places: &Places) -> Self {
        let seen = stack::seen(layers);
        let owners = Owners::new(layers, &seen, places);
        let mut contents = Self {
            layers: Vec::new(),
            owners: Vec::new(),
            manifests: BTreeMap::new(),
            files: Vec::new(),
            musl: None,
        };
        let mut known: BTreeMap<Owner, usize> = BTreeMap::new();
        for (layer, (read, seen)) in layers.iter().zip(&seen).enumerate() {
            let (mut inside, mut files) = (Weight::NONE, 0);
            if read.weight.compressed.is_none() {
                inside.compressed = None;
            }
            for (entry, seen) in read.entries.iter().zip(seen) {
                contents.note_libc(&entry.path);
                if entry.kind != EntryKind::File {
                    continue;
                }
                files += 1;
                inside = inside + entry.weight;
                let (found, manifest) = if *seen {
                    owners.of(&entry.path)
                } else {
                    (Owner::plain(Kind::Hidden), None)
                };
                let next = known.len();
                let owner = *known.entry(found.clone()).or_insert(next);
                if owner == contents.owners.len() {
                    contents.owners.push(found);
                }
                if let Some(manifest) = manifest {
                    let known = contents.manifests.entry(owner);
                    known.or_insert_with(|| manifest.clone());
                }
                contents.files.push(File {
                    path: entry.path.clone(),
                    layer,
                    owner,
                    weight: entry.weight,
                    digest: entry.digest.clone(),
                });
            }
            contents.layers.push(Layer {
                diff_id: read.diff_id.clone(),
                weight: read.weight,
                archive: read.weight.without(inside),
                files,
            });
        }
        contents
    }

    /// The bytes of all layers.
    pub fn weight(&self) -> Weight {
        self.layers.iter().map(|layer| layer.weight).sum()
    }

    fn note_libc(&mut self, path: &str) {
        match libc_of(path) {
            Some(Libc::Musl) => self.musl = self.musl.or(Some(true)),
            Some(Libc::Glibc) => self.musl = Some(false),
            None => {}
        }
    }
}

/// A C library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Libc {
    Glibc,
    Musl,
}

/// The C library whose loader a file is: loaders have fixed names.
pub fn libc_of(path: &str) -> Option<Libc> {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    if name.starts_with("ld-musl-") {
        Some(Libc::Musl)
    } else if name.starts_with("ld-linux-") {
        Some(Libc::Glibc)
    } else {
        None
    }
}

/// The packages of the system that a container sees, from all layers of an image.
pub fn system_list(layers: &[ReadLayer]) -> SystemList {
    let seen = stack::seen(layers);
    let mut lists = SystemList::default();
    let (mut debian, mut alpine) = (System::default(), System::default());
    for (layer, seen) in layers.iter().zip(&seen) {
        let entries = layer.entries.iter().zip(seen);
        for (entry, _) in entries.filter(|(_, seen)| **seen) {
            match &entry.said {
                Some(Said::Text(text)) if is_release(&entry.path) => lists.release(text),
                Some(Said::Text(text)) if system::is_of_apk(&entry.path) => {
                    alpine.read(&entry.path, text);
                }
                Some(Said::Text(text)) => debian.read(&entry.path, text),
                _ => {}
            }
        }
    }
    for (manager, system) in [(Manager::Dpkg, debian), (Manager::Apk, alpine)] {
        let known = system
            .packages()
            .filter_map(|(name, version)| Some((name, version?)));
        lists
            .packages
            .extend(known.map(|(name, version)| SystemPackage {
                name,
                version,
                manager,
            }));
    }
    lists.packages.sort();
    lists
}

/// Whether a file names the distribution.
pub(in crate::image) fn is_release(path: &str) -> bool {
    matches!(path, "etc/os-release" | "usr/lib/os-release")
}

/// The packages of the system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SystemList {
    /// `debian`, if a file tells.
    pub distribution: Option<String>,
    /// Its version: `12`
    pub release: Option<String>,
    /// By name.
    pub packages: Vec<SystemPackage>,
}

/// A package of the system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SystemPackage {
    pub name: String,
    pub version: String,
    pub manager: Manager,
}

/// Who has installed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manager {
    Dpkg,
    Apk,
}

impl SystemList {
    /// Takes in a file with lines such as `ID=debian`.
    fn release(&mut self, text: &str) {
        let value = |key: &str| {
            let mut lines = text.lines();
            let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
            let value = value.trim().trim_matches(['"', '\'']);
            (!value.is_empty()).then(|| value.to_owned())
        };
        self.distribution = value("ID").or(self.distribution.take());
        self.release = value("VERSION_ID").or(self.release.take());
    }
}

/// The system's packages by name, with their versions, from the lists at these paths.
pub fn packages<'l>(
    lists: impl IntoIterator<Item = (&'l str, &'l str)>,
) -> BTreeMap<String, Option<String>> {
    let mut system = System::default();
    for (path, text) in lists {
        system.read(path, text);
    }
    system.packages().collect()
}

impl Owner {
    /// The one owner of a kind that has no names.
    pub fn plain(kind: Kind) -> Self {
        let name = match kind {
            Kind::App => "the app",
            Kind::Hidden => "replaced or removed by a later layer",
            Kind::Archive => "names and padding of the tars",
            _ => "files of no package",
        };
        Self {
            kind,
            name: name.to_owned(),
            version: None,
        }
    }

    /// `name@version`, as far as it is known.
    pub fn label(&self) -> String {
        match &self.version {
            Some(version) => format!("{}@{version}", self.name),
            None => self.name.clone(),
        }
    }
}
