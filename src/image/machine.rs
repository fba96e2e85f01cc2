//! Machine code in an image: its processor, and what it needs from the C and C++ libraries of the
//! base.
//!
//! Input: the [`Layer`]s of an image, and the directory with the unpacked base. Output: what cannot
//! be loaded there, by package. Symbol versions decide: a library linked against glibc 2.38
//! requires `GLIBC_2.38` from `libc.so.6`, and the base's `libc.so.6` lists the versions it
//! provides.
//! `templates/verify.mjs` also checks binaries, in images of every engine, for missing libraries of
//! packages and of the build. This module checks only against the base: a build on this machine may
//! use newer libraries than the base has, a build in the base's own system cannot.

mod elf;
mod libraries;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use walkdir::WalkDir;

pub use elf::Elf;
pub use libraries::{Libraries, Lost, LostPart, Shared};

use crate::image::layer::{Layer, LayerNode};
use crate::model::image::Platform;

/// Where node is in the images that it comes from.
pub const NODES: [&str; 3] = ["nodejs/bin/node", "usr/local/bin/node", "usr/bin/node"];

/// Bytes of a package.json that is read.
const MANIFEST: u64 = 1 << 20;

/// A program or library in a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    pub path: String,
    /// Its path on this machine.
    pub from: PathBuf,
    /// The package it belongs to, judged by its path: the directory in the image, and
    /// `name@version`.
    pub package: Option<(String, String)>,
    /// Its header.
    pub elf: Elf,
}

impl Code {
    /// Whether node loads it directly, or whether it is node.
    fn is_module(&self) -> bool {
        self.path.ends_with(".node") || NODES.contains(&&*self.path)
    }

    fn file(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The package, or the file if it belongs to none.
    fn owner(&self) -> &str {
        self.package.as_ref().map_or(&self.path, |(_, label)| label)
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            package,
            path,
            lack,
        } = self;
        match lack {
            Lack::Older {
                library,
                needed,
                newest,
            } => write!(
                f,
                "{package} needs {needed} of {library}, and the base's is older: it has {newest} (`{path}`)"
            ),
            Lack::Musl => write!(
                f,
                "{package} was compiled for musl, and the base has glibc (`{path}`)"
            ),
        }
    }
}

/// Why a binary cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// It needs a newer library.
    Older {
        /// The library: `libc.so.6`
        library: String,
        /// The required version: `GLIBC_2.38`
        needed: String,
        /// The newest version in the base: `GLIBC_2.36`
        newest: String,
    },
    /// It was built for musl.
    Musl,
}

/// A binary that cannot be loaded on a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// `name@version`, or the file.
    pub package: String,
    /// Its path in the image.
    pub path: String,
    /// The reason.
    pub lack: Lack,
}

/// All machine code of these layers, by path.
pub fn code(layers: &[Layer]) -> Vec<Code> {
    let mut found = Vec::new();
    for layer in layers {
        for (path, entry) in &layer.entries {
            let LayerNode::File { from, mode } = &entry.node else {
                continue;
            };
            let named = path.ends_with(".node") || path.contains(".so");
            if *mode & 0o111 == 0 && !named {
                continue;
            }
            if let Some(elf) = Elf::head(from) {
                found.push(Code {
                    package: package(path, from),
                    path: path.clone(),
                    from: from.clone(),
                    elf,
                });
            }
        }
    }
    found
}

/// All machine code in these unpacked layers, by path. Links in them are not followed: the image may
/// come from elsewhere.
pub fn code_in(directories: &[PathBuf]) -> Vec<Code> {
    let mut found = Vec::new();
    for directory in directories {
        let files = WalkDir::new(directory).sort_by_file_name().into_iter();
        for file in files.filter_map(Result::ok) {
            let from = file.path();
            let path = from.strip_prefix(directory).ok().and_then(Path::to_str);
            let Some(path) = path.filter(|_| file.file_type().is_file()) else {
                continue;
            };
            if let Some(elf) = Elf::head(from) {
                found.push(Code {
                    package: package(path, from),
                    path: path.to_owned(),
                    from: from.to_owned(),
                    elf,
                });
            }
        }
    }
    found
}

/// The packages that have machine code, but none for this platform.
pub fn foreign(code: &[Code], platform: &Platform) -> BTreeSet<String> {
    let wanted = elf::machine(platform);
    let fits: BTreeSet<&str> = code
        .iter()
        .filter(|code| Some(code.elf.machine) == wanted)
        .map(Code::owner)
        .collect();
    // A package for another processor is no problem if its sibling for this platform is present,
    // judged by their names.
    let word = |word: &str| match word {
        "x64" | "amd64" | "arm64" => "#".to_owned(),
        other => other.to_owned(),
    };
    let family = |owner: &str| -> Vec<String> {
        let owner = owner.replace("x86_64", "x64").replace("aarch64", "arm64");
        owner.split(['-', '.', '@', '_', '/']).map(word).collect()
    };
    let families: BTreeSet<Vec<String>> = fits.iter().map(|owner| family(owner)).collect();
    let others = code
        .iter()
        .map(Code::owner)
        .filter(|owner| !fits.contains(owner));
    others
        .filter(|owner| !families.contains(&family(owner)))
        .map(str::to_owned)
        .collect()
}

/// The modules that node cannot load on a base with these libraries.
pub fn misfits(code: &[Code], platform: &Platform, base: &Libraries) -> Vec<Misfit> {
    let wanted = elf::machine(platform);
    let here: Vec<&Code> = code
        .iter()
        .filter(|code| Some(code.elf.machine) == wanted)
        .collect();
    let lacks = Lacks::of(&here, base);
    let modules = here.iter().filter(|code| code.is_module());
    let misfits: Vec<(&Code, Lack, &Code)> = modules
        .filter_map(|module| {
            let (lack, one) = lacks.found.get(&*module.path)?;
            Some((*module, lack.clone(), *one))
        })
        .collect();
    let dir = |code: &Code| code.path.rsplit_once('/').map(|(dir, _)| dir.to_owned());
    let failed: BTreeSet<&str> = misfits.iter().map(|(module, ..)| &*module.path).collect();
    // Packages ship several builds and load the one that fits.
    let has_other = |module: &Code| {
        let mut modules = here.iter().filter(|code| code.is_module());
        modules.any(|code| dir(code) == dir(module) && !failed.contains(&*code.path))
    };
    let told = misfits.iter().filter(|(module, lack, _)| {
        !(has_other(module) || *lack == Lack::Musl && is_for_musl(module))
    });
    told.map(|(module, lack, one)| Misfit {
        package: module.owner().to_owned(),
        path: one.path.clone(),
        lack: lack.clone(),
    })
    .collect()
}

/// The modules that need something of these libraries, which are on one base and not, or not
/// wholly, on another. What the layers bring along themselves counts as there.
pub fn needing(code: &[Code], platform: &Platform, lost: &[Lost]) -> Vec<(String, String)> {
    let wanted = elf::machine(platform);
    let here = code.iter().filter(|code| Some(code.elf.machine) == wanted);
    let here: Vec<&Code> = here.collect();
    let gone = lost.iter().filter(|lost| match lost.what {
        LostPart::All | LostPart::Symbols(_) => {
            !here.iter().any(|code| code.file() == lost.library)
        }
        // The symbol versions are compared one by one.
        LostPart::Versions(_) => false,
    });
    let gone: BTreeSet<&str> = gone.map(|lost| &*lost.library).collect();
    let mut found = BTreeSet::new();
    if gone.is_empty() {
        return Vec::new();
    }
    for code in here {
        let needs = Elf::needs(&code.from).libraries;
        if let Some(library) = needs.iter().find(|name| gone.contains(&***name)) {
            found.insert((code.owner().to_owned(), library.clone()));
        }
    }
    found.into_iter().collect()
}

/// Why modules, and the libraries they ship with, cannot be loaded.
struct Lacks<'c> {
    /// By path: what is missing, and in which binary.
    found: BTreeMap<&'c str, (Lack, &'c Code)>,
}

impl<'c> Lacks<'c> {
    /// Checks all modules and what they need from each other. Several packages may ship a library
    /// of the same name, each for another system. The loader takes the one next to the binary that
    /// needs it, which a path alone does not show; so a library counts as missing only if none of
    /// that name can be loaded.
    fn of(here: &[&'c Code], base: &Libraries) -> Self {
        let mut by_name: BTreeMap<&str, Vec<&Code>> = BTreeMap::new();
        for code in here {
            by_name.entry(code.file()).or_default().push(code);
        }
        let mut found = BTreeMap::new();
        let mut needs: BTreeMap<&str, Vec<&[&Code]>> = BTreeMap::new();
        let mut asked = Vec::new();
        let mut open: Vec<&Code> = here
            .iter()
            .copied()
            .filter(|code| code.is_module())
            .collect();
        while let Some(code) = open.pop() {
            if needs.contains_key(&*code.path) {
                continue;
            }
            let of_code = Elf::needs(&code.from);
            if let Some(lack) = base.lack(&of_code) {
                found.insert(&*code.path, (lack, code));
            }
            let libraries = of_code.libraries.iter();
            let inside = libraries.filter_map(|name| by_name.get(&**name));
            let inside: Vec<&[&Code]> = inside.map(Vec::as_slice).collect();
            open.extend(inside.iter().copied().flatten());
            needs.insert(&code.path, inside);
            asked.push(code);
        }
        // Repeats until nothing changes: a binary that needs an unloadable library cannot be loaded
        // either.
        loop {
            let before = found.len();
            for code in &asked {
                if found.contains_key(&*code.path) {
                    continue;
                }
                let missing = needs[&*code.path].iter().find_map(|ones| {
                    let mut lacks = ones.iter().map(|one| found.get(&*one.path));
                    let first = lacks.next().flatten()?;
                    lacks.all(|lack| lack.is_some()).then(|| first.clone())
                });
                if let Some(missing) = missing {
                    found.insert(&code.path, missing);
                }
            }
            if found.len() == before {
                return Self { found };
            }
        }
    }
}

/// Whether the package's manifest says that it is for musl alone; then a sibling package for glibc
/// exists.
fn is_for_musl(code: &Code) -> bool {
    let manifest = manifest(&code.path, &code.from);
    let libc = manifest.map(|(_, manifest)| manifest["libc"].clone());
    let Some(Value::Array(libc)) = libc else {
        return false;
    };
    !libc.is_empty() && libc.iter().all(|libc| libc == "musl")
}

fn package(path: &str, from: &Path) -> Option<(String, String)> {
    let (dir, manifest) = manifest(path, from)?;
    let name = manifest["name"].as_str()?;
    let label = match manifest["version"].as_str() {
        Some(version) => format!("{name}@{version}"),
        None => name.to_owned(),
    };
    Some((dir, label))
}

/// The nearest manifest above a file that names a package, and its directory in the image.
fn manifest(path: &str, from: &Path) -> Option<(String, Value)> {
    let ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
    for (above, end) in from.ancestors().skip(1).zip(ends.into_iter().rev()) {
        let file = above.join("package.json");
        let is_small = |of: std::fs::Metadata| of.is_file() && of.len() <= MANIFEST;
        if !fs_err::symlink_metadata(&file).is_ok_and(is_small) {
            continue;
        }
        let Ok(text) = fs_err::read(file) else {
            continue;
        };
        let manifest: Value = serde_json::from_slice(&text).unwrap_or_default();
        if manifest["name"].is_string() {
            return Some((path[..end].to_owned(), manifest));
        }
    }
    None
}

#[cfg(test)]
mod tests;
