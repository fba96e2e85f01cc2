//! What a reader of sizes would ask next: several versions of a package, what is for another platform,
//! and files that programs seldom read.

use std::collections::BTreeMap;

use serde::Serialize;

use super::PackageSize;
use crate::image::contents::{Contents, File, Kind, Manifest, Weight};

/// A package in several versions.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Repeated {
    /// Its name.
    pub name: String,
    /// Its versions, the largest first.
    pub versions: Vec<String>,
    /// The bytes of all of them.
    #[serde(flatten)]
    pub weight: Weight,
}

/// What the image's platform does not load.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Twin {
    /// `name@version`
    pub package: String,
    /// What it is for: `musl`, `darwin-arm64`.
    #[serde(rename = "for")]
    pub other: Vec<String>,
    /// Its bytes.
    #[serde(flatten)]
    pub weight: Weight,
}

/// Files of packages that programs seldom read.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Spare {
    /// What they are: `source maps`.
    pub what: &'static str,
    /// Their bytes.
    #[serde(flatten)]
    pub weight: Weight,
    /// How many there are.
    pub files: usize,
    /// The package with most of it.
    pub most: String,
}

/// The packages with several versions, by the bytes of all of them.
pub(super) fn versions(packages: &[PackageSize]) -> Vec<Repeated> {
    let mut by_name: BTreeMap<&str, Repeated> = BTreeMap::new();
    for row in packages.iter().filter(|row| row.kind == Kind::Package) {
        let Some(version) = &row.version else {
            continue;
        };
        let found = by_name.entry(&row.name).or_insert_with(|| Repeated {
            name: row.name.clone(),
            versions: Vec::new(),
            weight: Weight::NONE,
        });
        found.versions.push(version.clone());
        found.weight = found.weight + row.weight;
    }
    let several = by_name.into_values().filter(|it| it.versions.len() > 1);
    let mut several: Vec<Repeated> = several.collect();
    several.sort_by_key(|it| u64::MAX - it.weight.unpacked);
    several
}

/// What is for another platform, by its bytes.
pub(super) fn twins(contents: &Contents, platform: &str) -> Vec<Twin> {
    let machine = Machine::new(platform, contents.musl);
    let mut found: BTreeMap<usize, Twin> = BTreeMap::new();
    let whole: Vec<Option<String>> = contents
        .owners
        .iter()
        .enumerate()
        .map(|(at, owner)| {
            let manifest = contents.manifests.get(&at)?;
            machine.other(&owner.name, manifest)
        })
        .collect();
    for file in &contents.files {
        let owner = &contents.owners[file.owner];
        if owner.kind != Kind::Package {
            continue;
        }
        let other = whole[file.owner].clone();
        let Some(other) = other.or_else(|| machine.prebuilt(&file.path)) else {
            continue;
        };
        let twin = found.entry(file.owner).or_insert_with(|| Twin {
            package: owner.label(),
            other: Vec::new(),
            weight: Weight::NONE,
        });
        if !twin.other.contains(&other) {
            twin.other.push(other);
        }
        twin.weight = twin.weight + file.weight;
    }
    let mut found: Vec<Twin> = found.into_values().collect();
    for twin in &mut found {
        twin.other.sort();
    }
    found.sort_by_key(|twin| u64::MAX - twin.weight.unpacked);
    found
}

/// What an image runs on, in npm's words.
struct Machine<'m> {
    cpu: &'m str,
    /// The C library that is not there.
    other_libc: Option<&'static str>,
    libc: Option<&'static str>,
}

impl<'m> Machine<'m> {
    fn new(platform: &'m str, musl: Option<bool>) -> Self {
        let cpu = match platform.split('/').nth(1).unwrap_or_default() {
            "amd64" => "x64",
            "386" => "ia32",
            other => other,
        };
        let both = musl.map(|musl| {
            if musl {
                ("musl", "glibc")
            } else {
                ("glibc", "musl")
            }
        });
        Self {
            cpu,
            libc: both.map(|(own, _)| own),
            other_libc: both.map(|(_, other)| other),
        }
    }

    /// What a package is for, if that is not this machine.
    fn other(&self, name: &str, manifest: &Manifest) -> Option<String> {
        if !allows(&manifest.os, "linux") {
            return Some(manifest.os.join(", "));
        }
        if !allows(&manifest.cpu, self.cpu) {
            return Some(manifest.cpu.join(", "));
        }
        let (own, other) = (self.libc?, self.other_libc?);
        if !manifest.libc.is_empty() {
            return (!allows(&manifest.libc, own)).then(|| manifest.libc.join(", "));
        }
        // Older packages tell it only in their names.
        let is_of_platform = !manifest.os.is_empty() || !manifest.cpu.is_empty();
        let words: &[&str] = match other {
            "musl" => &["musl", "linuxmusl", "musleabihf"],
            _ => &["gnu", "glibc", "gnueabihf"],
        };
        let is_named = name
            .split(['-', '/', '_'])
            .any(|part| words.contains(&part));
        (is_of_platform && is_named).then(|| other.to_owned())
    }

    /// What a file is for, if it is one of several prebuilt ones of its package: `prebuilds/darwin-x64/…`.
    fn prebuilt(&self, path: &str) -> Option<String> {
        let (_, rest) = path.rsplit_once("/prebuilds/")?;
        let (directory, file) = rest.split_once('/')?;
        let (system, processors) = directory.split_once('-')?;
        let is_ours = system == "linux" && processors.split('+').any(|cpu| cpu == self.cpu);
        if !is_ours {
            return Some(directory.to_owned());
        }
        let other = self.other_libc?;
        let is_other = file.split('.').any(|part| part == other);
        is_other.then(|| other.to_owned())
    }
}

/// Whether a list such as `["linux"]` or `["!win32"]` allows this. An empty one allows all.
fn allows(list: &[String], own: &str) -> bool {
    let refused = |word: &String| word.strip_prefix('!') == Some(own);
    let mut named = list.iter().filter(|word| !word.starts_with('!')).peekable();
    !list.iter().any(refused)
        && (named.peek().is_none() || named.any(|word| word == own || word == "any"))
}

/// Directories of packages with nothing for a program.
const DIRECTORIES: [&str; 8] = [
    "test",
    "tests",
    "__tests__",
    "docs",
    "doc",
    "example",
    "examples",
    ".github",
];
/// Starts of the names of documents.
const DOCUMENTS: [&str; 6] = [
    "readme",
    "changelog",
    "changes",
    "history",
    "contributing",
    "security",
];

/// What a file of a package is, if programs seldom read it.
fn seldom_read(path: &str) -> Option<&'static str> {
    let (_, inside) = path.rsplit_once("node_modules/")?;
    let lower = inside.to_lowercase();
    let name = lower.rsplit_once('/').map_or(&*lower, |(_, name)| name);
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    if ends(&[
        ".js.map", ".cjs.map", ".mjs.map", ".css.map", ".ts.map", ".mts.map", ".cts.map",
    ]) {
        return Some("source maps");
    }
    if ends(&[".d.ts", ".d.mts", ".d.cts"]) {
        return Some("type declarations");
    }
    if ends(&[".ts", ".tsx", ".mts", ".cts"]) {
        return Some("TypeScript sources");
    }
    let is_text = ends(&[".md", ".markdown"]);
    if is_text && DOCUMENTS.iter().any(|start| name.starts_with(start)) {
        return Some("documents");
    }
    // The package's own name comes first, with its scope.
    let skipped = if inside.starts_with('@') { 2 } else { 1 };
    let first = inside.split('/').nth(skipped)?;
    let is_directory = inside.split('/').count() > skipped + 1;
    (is_directory && DIRECTORIES.contains(&first)).then_some("tests, examples and documents")
}

/// Files that programs seldom read, by their bytes.
pub(super) fn spare(contents: &Contents) -> Vec<Spare> {
    let mut groups: BTreeMap<&'static str, Vec<&File>> = BTreeMap::new();
    for file in &contents.files {
        let kind = contents.owners[file.owner].kind;
        if !matches!(kind, Kind::Package | Kind::Workspace) {
            continue;
        }
        if let Some(what) = seldom_read(&file.path) {
            groups.entry(what).or_default().push(file);
        }
    }
    let mut spare: Vec<Spare> = groups
        .into_iter()
        .map(|(what, files)| {
            let mut owners: BTreeMap<usize, u64> = BTreeMap::new();
            for file in &files {
                *owners.entry(file.owner).or_default() += file.weight.unpacked;
            }
            let most = owners.into_iter().max_by_key(|(_, bytes)| *bytes);
            let most = most.map(|(owner, _)| contents.owners[owner].label());
            Spare {
                what,
                weight: files.iter().map(|file| file.weight).sum(),
                files: files.len(),
                most: most.unwrap_or_default(),
            }
        })
        .collect();
    spare.sort_by_key(|spare| u64::MAX - spare.weight.unpacked);
    spare
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(os: &[&str], cpu: &[&str], libc: &[&str]) -> Manifest {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Manifest {
            os: words(os),
            cpu: words(cpu),
            libc: words(libc),
            ..Manifest::default()
        }
    }

    #[test]
    fn packages_for_other_machines_are_told() {
        let machine = Machine::new("linux/amd64", Some(false));
        let other = |name: &str, os: &[&str], cpu: &[&str], libc: &[&str]| {
            machine.other(name, &manifest(os, cpu, libc))
        };
        assert_eq!(other("a", &[], &[], &[]), None);
        assert_eq!(other("a", &["linux"], &["x64"], &["glibc"]), None);
        assert_eq!(other("a", &["!win32"], &[], &[]), None);
        assert_eq!(other("a", &["!linux"], &[], &[]).unwrap(), "!linux");
        assert_eq!(other("a", &["darwin"], &["x64"], &[]).unwrap(), "darwin");
        assert_eq!(other("a", &["linux"], &["arm64"], &[]).unwrap(), "arm64");
        assert_eq!(other("a", &["linux"], &["x64"], &["musl"]).unwrap(), "musl");
        let named = "@img/sharp-linuxmusl-x64";
        assert_eq!(other(named, &["linux"], &["x64"], &[]).unwrap(), "musl");
        // It only has the word in its name.
        assert_eq!(other("detect-musl", &[], &[], &[]), None);
        let alpine = Machine::new("linux/arm64", Some(true));
        let gnu = alpine.other("a-linux-arm64-gnu", &manifest(&["linux"], &["arm64"], &[]));
        assert_eq!(gnu.unwrap(), "glibc");
        // Without a C library, nothing is said about it.
        let bare = Machine::new("linux/amd64", None);
        assert_eq!(
            bare.other(named, &manifest(&["linux"], &["x64"], &[])),
            None
        );
    }

    #[test]
    fn prebuilt_files_for_other_machines_are_told() {
        let machine = Machine::new("linux/amd64", Some(false));
        let other = |rest: &str| machine.prebuilt(&format!("app/node_modules/a/prebuilds/{rest}"));
        assert_eq!(other("linux-x64/a.glibc.node"), None);
        assert_eq!(other("linux-x64/a.node"), None);
        assert_eq!(other("linux-x64/a.musl.node").unwrap(), "musl");
        assert_eq!(
            other("darwin-x64+arm64/a.node").unwrap(),
            "darwin-x64+arm64"
        );
        assert_eq!(other("linux-arm64/a.node").unwrap(), "linux-arm64");
        assert_eq!(machine.prebuilt("app/a.node"), None);
    }

    #[test]
    fn files_that_are_seldom_read() {
        let what = |rest: &str| seldom_read(&format!("app/node_modules/{rest}"));
        assert_eq!(what("a/index.js"), None);
        assert_eq!(what("a/index.js.map"), Some("source maps"));
        assert_eq!(what("a/index.d.mts"), Some("type declarations"));
        assert_eq!(what("a/src/index.ts"), Some("TypeScript sources"));
        assert_eq!(what("a/README.md"), Some("documents"));
        assert_eq!(what("a/data.md"), None);
        let tests = Some("tests, examples and documents");
        assert_eq!(what("@a/b/test/index.js"), tests);
        assert_eq!(what("a/test/index.js"), tests);
        // A package of that name, and a file.
        assert_eq!(what("test/index.js"), None);
        assert_eq!(what("a/test"), None);
        assert_eq!(seldom_read("usr/share/doc/readme.md"), None);
    }
}
