//! Machine code of an image: which processor it is for, and what it needs of the C and C++ libraries below it.
//!
//! Goes in: the [`Layer`]s of an image, and the directory that its base is unpacked in. Comes out: what cannot run there, by package. Symbol versions
//! are what tells: a library that was linked against glibc 2.38 says that it needs `GLIBC_2.38` of `libc.so.6`, and a base's `libc.so.6` says which
//! it has.
//!
//! `templates/verify.mjs` looks at binaries too, in images of every engine: for libraries that come in packages, and that a build left behind. Here
//! only what a base has counts, which a build on this machine may go past, and one in the base's own system cannot.

mod elf;
mod libraries;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub use elf::Elf;
pub use libraries::Libraries;

use crate::image::layer::{Layer, Node};
use crate::model::image::Platform;

/// A program or library of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Its path in the image.
    pub path: String,
    /// Where it lies here.
    pub from: PathBuf,
    /// The package that it belongs to, as far as its path tells: the directory in the image, and `name@version`.
    pub package: Option<(String, String)>,
    /// What it is.
    pub elf: Elf,
}

impl Code {
    /// Whether node loads it by itself.
    fn is_module(&self) -> bool {
        self.path.ends_with(".node")
    }

    fn file(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The package, or the file where it belongs to none.
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

/// What keeps a binary from being loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// A newer library is needed.
    Older {
        /// Its name: libc.so.6
        library: String,
        /// The version that is needed: `GLIBC_2.38`
        needed: String,
        /// The newest that the base has: `GLIBC_2.36`
        newest: String,
    },
    /// It was made for musl.
    Musl,
}

/// A binary that cannot be loaded on a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// `name@version`, or the file.
    pub package: String,
    /// Its path in the image.
    pub path: String,
    /// Why.
    pub lack: Lack,
}

/// All machine code of these layers, by path.
pub fn code(layers: &[Layer]) -> Vec<Code> {
    let mut found = Vec::new();
    for layer in layers {
        for (path, entry) in &layer.entries {
            let Node::File { from, mode } = &entry.node else {
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

/// The packages that have machine code, and none of it for this platform.
pub fn foreign(code: &[Code], platform: &Platform) -> BTreeSet<String> {
    let wanted = elf::machine(platform);
    let fits: BTreeSet<&str> = code
        .iter()
        .filter(|code| Some(code.elf.machine) == wanted)
        .map(Code::owner)
        .collect();
    // One that is for another processor by its name is not missed where its sibling is there.
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

/// The modules that node could not load on a base with these libraries.
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
    // Packages bring several along, and load the one that fits.
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

/// What keeps modules, and the libraries that they come with, from being loaded.
struct Lacks<'c> {
    /// By path: what is missing, and to whom.
    found: BTreeMap<&'c str, (Lack, &'c Code)>,
}

impl<'c> Lacks<'c> {
    /// Looks at all modules, and at what they need of each other. Several packages may bring a library of one name, each for another system:
    /// the loader takes the one that lies beside who asks, which a path does not tell. So a library is missing where none of them can be loaded.
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
        // Until nothing is added: who needs what cannot be loaded cannot be loaded.
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

/// Whether a package says that it is for musl: then another one is there for glibc.
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
        let Ok(text) = fs_err::read(above.join("package.json")) else {
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
