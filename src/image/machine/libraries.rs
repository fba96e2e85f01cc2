//! The libraries of a base and the symbol versions of each.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::Lack;
use super::elf::{Elf, Gives, Needs};
use crate::files::rooted::ImageTree;

/// The directories that the loader searches. Directories named after a processor lie in these.
const PLACES: [&str; 6] = [
    "lib",
    "lib64",
    "usr/lib",
    "usr/lib64",
    "usr/local/lib",
    "usr/local/lib64",
];
/// The libraries whose symbol versions show whether a binary fits an older system.
const SYSTEM: [&str; 6] = [
    "libc.so.6",
    "libm.so.6",
    "libpthread.so.0",
    "libdl.so.2",
    "libstdc++.so.6",
    "libgcc_s.so.1",
];

/// Symbol versions by library. Libraries that the base lacks have no entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Libraries(BTreeMap<String, BTreeSet<String>>);

impl Libraries {
    /// Reads them from an unpacked image. Its links may lead anywhere in it.
    pub fn of(image: &ImageTree) -> io::Result<Self> {
        let mut found = BTreeMap::new();
        for dir in places(image)? {
            for name in SYSTEM {
                if let Ok(file) = image.file(dir.join(name)) {
                    found
                        .entry(name.to_owned())
                        .or_insert_with(|| Elf::defines(file));
                }
            }
        }
        Ok(Self(found))
    }

    /// The first missing version. `None` if the base's glibc is not known.
    pub(super) fn lack(&self, needs: &Needs) -> Option<Lack> {
        self.0
            .get("libc.so.6")
            .filter(|versions| !versions.is_empty())?;
        if needs
            .libraries
            .iter()
            .any(|name| name.starts_with("libc.musl-"))
        {
            return Some(Lack::Musl);
        }
        for (library, versions) in &needs.versions {
            let Some(has) = self.0.get(library).filter(|has| !has.is_empty()) else {
                continue;
            };
            let missing = versions.iter().filter(|version| !has.contains(*version));
            // Private versions belong to one build of the library and say nothing about its age.
            let newest = missing
                .filter(|version| number(version).is_some())
                .max_by(|left, right| compare(left, right));
            if let Some(needed) = newest {
                let stem = stem(needed);
                let same = has
                    .iter()
                    .filter(|one| self::stem(one) == stem && number(one).is_some());
                let newest = same.max_by(|left, right| compare(left, right));
                let newest = newest.map_or_else(|| "none".to_owned(), Clone::clone);
                return Some(Lack::Older {
                    library: library.clone(),
                    needed: needed.clone(),
                    newest,
                });
            }
        }
        None
    }
}

/// The directories of an image in which the loader searches, each once.
fn places(image: &ImageTree) -> io::Result<Vec<PathBuf>> {
    let mut dirs = Vec::new();
    for place in PLACES.map(Path::new) {
        // A linked directory leads to another of these.
        if !image.is_dir(place) || image.real(place)? != place {
            continue;
        }
        dirs.push(place.to_path_buf());
        for (name, is_dir) in image.read_dir(place)? {
            if is_dir && name.to_string_lossy().contains("-linux-") {
                dirs.push(place.join(name));
            }
        }
    }
    Ok(dirs)
}

/// All libraries of a base that its programs and modules can be linked to, by the names by which
/// they are needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shared(BTreeMap<String, Gives>);

/// What one base gives and another does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The library: `libssl.so.3`
    pub library: String,
    pub what: LostPart,
}

/// How much of a library is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LostPart {
    /// All of it.
    All,
    /// Symbol versions, the newest of them.
    Versions(String),
    /// Symbols of a library without versions, one of them.
    Symbols(String),
}

impl Shared {
    /// Reads them from an unpacked image.
    pub fn of(image: &ImageTree) -> io::Result<Self> {
        let mut found = BTreeMap::new();
        for dir in places(image)? {
            for (name, is_dir) in image.read_dir(&dir)? {
                let name = name.to_string_lossy().into_owned();
                if is_dir || !name.contains(".so") || found.contains_key(&name) {
                    continue;
                }
                if let Ok(file) = image.file(dir.join(&name)) {
                    let gives = Elf::gives(file);
                    // Other names of the file are for compilers.
                    if gives.name.as_deref() == Some(&name) {
                        found.insert(name, gives);
                    }
                }
            }
        }
        Ok(Self(found))
    }

    /// What this base gives and the other does not. If that is nothing, all that can be loaded on
    /// this base can be loaded on the other.
    pub fn lost_on(&self, other: &Self) -> Vec<Lost> {
        let lost = self.0.iter().filter_map(|(library, gives)| {
            let what = match other.0.get(library) {
                None => LostPart::All,
                Some(now) => lost_part(gives, now)?,
            };
            let library = library.clone();
            Some(Lost { library, what })
        });
        lost.collect()
    }
}

fn lost_part(before: &Gives, now: &Gives) -> Option<LostPart> {
    if before.versions.is_empty() {
        let mut symbols = before.symbols.difference(&now.symbols);
        return symbols.next().cloned().map(LostPart::Symbols);
    }
    // Private versions belong to one build of the library.
    let versions = before.versions.difference(&now.versions);
    let versions = versions.filter(|version| !version.ends_with("_PRIVATE"));
    let newest = versions.max_by(|left, right| compare(left, right));
    newest.cloned().map(LostPart::Versions)
}

/// `GLIBCXX` of `GLIBCXX_3.4.30`
fn stem(version: &str) -> &str {
    version.rsplit_once('_').map_or(version, |(stem, _)| stem)
}

/// The numbers of `GLIBC_2.36`; `None` for `GLIBC_PRIVATE`.
fn number(version: &str) -> Option<Vec<u32>> {
    let (_, number) = version.rsplit_once('_')?;
    number.split('.').map(|part| part.parse().ok()).collect()
}

fn compare(left: &str, right: &str) -> Ordering {
    number(left).cmp(&number(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gives(versions: &[&str], symbols: &[&str]) -> Gives {
        let set = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Gives {
            name: None,
            versions: set(versions),
            symbols: set(symbols),
        }
    }

    fn shared(libraries: &[(&str, Gives)]) -> Shared {
        let named = |(name, gives): &(&str, Gives)| ((*name).to_owned(), gives.clone());
        Shared(libraries.iter().map(named).collect())
    }

    #[test]
    fn what_a_base_loses() {
        let old = shared(&[
            (
                "libc.so.6",
                gives(&["GLIBC_2.9", "GLIBC_2.36", "GLIBC_PRIVATE"], &[]),
            ),
            ("libz.so.1", gives(&[], &["inflate", "deflate"])),
        ]);
        assert_eq!(old.lost_on(&old), []);
        let newer = shared(&[
            (
                "libc.so.6",
                gives(&["GLIBC_2.9", "GLIBC_2.36", "GLIBC_2.41"], &[]),
            ),
            ("libz.so.1", gives(&[], &["inflate", "deflate", "crc32"])),
            ("libssl.so.3", gives(&["OPENSSL_3.0.0"], &[])),
        ]);
        assert_eq!(old.lost_on(&newer), []);
        let lost = |library: &str, what| Lost {
            library: library.to_owned(),
            what,
        };
        let older = shared(&[
            ("libc.so.6", gives(&["GLIBC_2.9"], &[])),
            ("libz.so.1", gives(&[], &["inflate"])),
        ]);
        assert_eq!(
            newer.lost_on(&older),
            [
                lost("libc.so.6", LostPart::Versions("GLIBC_2.41".to_owned())),
                lost("libssl.so.3", LostPart::All),
                lost("libz.so.1", LostPart::Symbols("crc32".to_owned())),
            ]
        );
    }
}
