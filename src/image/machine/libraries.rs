//! The libraries of a base and the symbol versions of each.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::Lack;
use super::elf::{Elf, Needs};
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
        for place in PLACES.map(Path::new) {
            // A linked directory leads to another of these.
            if !image.is_dir(place) || image.real(place)? != place {
                continue;
            }
            let mut dirs: Vec<PathBuf> = vec![place.to_path_buf()];
            for (name, is_dir) in image.read_dir(place)? {
                if is_dir && name.to_string_lossy().contains("-linux-") {
                    dirs.push(place.join(name));
                }
            }
            for dir in dirs {
                for name in SYSTEM {
                    if let Ok(file) = image.file(dir.join(name)) {
                        found
                            .entry(name.to_owned())
                            .or_insert_with(|| Elf::defines(file));
                    }
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
