//! Packages of a closure that depend on the machine: those that compile when they are installed, and those that come as a binary for each machine.
//!
//! Formats before 9.0 tell which packages run something when they are installed, 9.0 does not. What compiles shows itself by its dependencies all
//! the same: the headers that it is compiled with, and the programs that look for a finished binary on another host before they compile one. Who
//! loads its binary with `node-gyp-build` or the like brings it along, or as optional packages, and compiles nothing where that fits.

use std::collections::BTreeSet;

use crate::detect::prisma;
use crate::lockfile::keys::{Format, name_and_version};
use crate::lockfile::{Lockfile, LockfileError, Traits};
use crate::needs::closure::Closure;

/// What an addon is compiled with.
const HEADERS: [&str; 2] = ["nan", "node-addon-api"];

/// What looks for a binary on another host when the package is installed, and compiles one where it finds none.
const FETCHERS: [&str; 2] = ["prebuild-install", "install-artifact-from-github"];

/// What finds a binary that the package itself, or an optional one of its own, brings along.
const LOADERS: [&str; 5] = [
    "node-gyp-build",
    "node-gyp-build-optional-packages",
    "pkg-prebuilds",
    "require-addon",
    "cmake-ts",
];

/// Finds the binary at run time where nothing is brought along: alone, it has been compiled.
const BINDINGS: &str = "bindings";

/// Compiles with `CMake`.
const CMAKE: &str = "cmake-js";

/// Compile, and have none of these dependencies.
const SILENT: [&str; 1] = ["iconv"];

/// Fetch a binary, and could compile one only with libraries that nobody has by chance.
const FETCHED: [&str; 4] = ["canvas", "gl", "keytar", "sharp"];

/// Try to compile, and go on without where that fails.
const TOLERANT: [&str; 3] = ["bigint-buffer", "dtrace-provider", "ssh2"];

/// The processors that images are usually made for.
const CPUS: [&str; 2] = ["x64", "arm64"];

/// The machine that an image is for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Target<'t> {
    /// The processor as node names it; nothing where the engine decides.
    pub cpu: Option<&'t str>,
    /// `glibc` or `musl`, where it is known.
    pub libc: Option<&'t str>,
}

/// A package, by name and version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl std::fmt::Display for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// What of a closure depends on the machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Natives {
    /// Compile when they are installed, or may have to.
    pub compiled: BTreeSet<Package>,
    /// Whether one of these needs `CMake`.
    pub cmake: bool,
    /// Fetch a binary when they are installed, and cannot compile one.
    pub fetched: BTreeSet<Package>,
    /// Come as a package for each machine.
    pub families: BTreeSet<Package>,
    /// Of these, where the C library counts.
    pub bound: BTreeSet<Package>,
    /// Of these, where the lockfile has none for the target.
    pub missing: BTreeSet<Package>,
    /// Prisma's client and its command.
    pub prisma: BTreeSet<Package>,
}

impl Natives {
    /// Looks through a closure.
    pub fn of(closure: &Closure<'_, '_>, target: Target<'_>) -> Result<Self, LockfileError> {
        let mut natives = Self::default();
        for (lockfile, key, optional) in closure.entries() {
            let traits = lockfile.traits(key);
            let (name, version) = name_and_version(lockfile.format(), key);
            let package = Package {
                name: name.to_owned(),
                version: version.to_owned(),
            };
            let family = Family::of(lockfile, key, &traits)?;
            if !family.is_empty() {
                natives.families.insert(package.clone());
            }
            if prisma::PACKAGES.contains(&name) {
                natives.prisma.insert(package.clone());
            }
            if family.is_bound() {
                natives.bound.insert(package.clone());
            }
            if family.lacks(target) {
                natives.missing.insert(package.clone());
            }
            // pnpm goes on without an optional package that it cannot build.
            let needs: Vec<_> = lockfile
                .needs(key)?
                .into_iter()
                .map(|need| need.0)
                .collect();
            let has = |name: &str| needs.iter().any(|need| need == name);
            let told = lockfile.format() == Format::V9 || traits.requires_build;
            let on_linux = CPUS.iter().any(|cpu| traits.fits("linux", cpu, None));
            if told && on_linux && !optional && family.is_empty() && compiles(name, has) {
                if FETCHED.contains(&name) {
                    natives.fetched.insert(package);
                    continue;
                }
                natives.cmake |= has(CMAKE);
                natives.compiled.insert(package);
            }
        }
        Ok(natives)
    }

    /// Adds those of another closure.
    pub fn add(&mut self, other: Self) {
        self.compiled.extend(other.compiled);
        self.cmake |= other.cmake;
        self.fetched.extend(other.fetched);
        self.families.extend(other.families);
        self.bound.extend(other.bound);
        self.missing.extend(other.missing);
        self.prisma.extend(other.prisma);
    }
}

/// Whether a package with these dependencies compiles when it is installed.
fn compiles(name: &str, has: impl Fn(&str) -> bool) -> bool {
    let any = |names: &[&str]| names.iter().any(|name| has(name));
    if TOLERANT.contains(&name) || any(&LOADERS) {
        return false;
    }
    SILENT.contains(&name) || any(&HEADERS) || any(&FETCHERS) || has(BINDINGS) || has(CMAKE)
}

/// The optional packages of one package that are each for one machine: `@esbuild/linux-x64`, `@img/sharp-darwin-arm64`.
struct Family<'a>(Vec<Traits<'a>>);

impl<'a> Family<'a> {
    fn of(lockfile: &Lockfile<'a>, key: &str, own: &Traits<'a>) -> Result<Self, LockfileError> {
        let mut members = Vec::new();
        if own.is_bound() {
            // It is such a package itself, and brings a library along.
            return Ok(Self(members));
        }
        for key in lockfile.optional_entries(key)? {
            let (name, _) = name_and_version(lockfile.format(), &key);
            let traits = lockfile.traits(&key);
            if traits.is_bound() && names_a_machine(name) {
                members.push(traits);
            }
        }
        if members.len() == 1 {
            // One alone is an extra for some machine.
            members.clear();
        }
        Ok(Self(members))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a member is for one C library.
    fn is_bound(&self) -> bool {
        self.0.iter().any(|traits| !traits.libc.is_empty())
    }

    /// Whether no member is for the target. Where the engine decides on the processor, one for any of the usual ones will do.
    fn lacks(&self, target: Target<'_>) -> bool {
        let cpus = match &target.cpu {
            Some(cpu) => std::slice::from_ref(cpu),
            None => &CPUS[..],
        };
        let fits = |traits: &Traits<'_>| {
            let mut cpus = cpus.iter();
            cpus.any(|cpu| traits.fits("linux", cpu, target.libc))
        };
        !self.is_empty() && !self.0.iter().any(fits)
    }
}

/// Whether a package's name is that of one for a machine. `fsevents` is for one system too, but has no siblings for others.
fn names_a_machine(name: &str) -> bool {
    let system = ["linux", "darwin", "win32", "windows", "freebsd"];
    let processor = [
        "x64",
        "x86",
        "arm64",
        "aarch64",
        "amd64",
        "64",
        "arm",
        "ia32",
        "universal",
    ];
    let has = |words: &[&str]| {
        name.split(['-', '/', '.', '_'])
            .any(|part| words.contains(&part))
    };
    // `linuxmusl-x64`
    (has(&system) || name.contains("linux")) && has(&processor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_compiles_is_told_by_its_dependencies() {
        // As the registry has them.
        for (name, needs, expected) in [
            ("better-sqlite3", "bindings prebuild-install", true),
            ("better-sqlite3", "node-addon-api", true),
            ("bcrypt", "node-addon-api @mapbox/node-pre-gyp", true),
            ("bcrypt", "node-gyp-build node-addon-api", false),
            ("argon2", "@phc/format node-gyp-build node-addon-api", false),
            ("canvas", "nan @mapbox/node-pre-gyp simple-get", true),
            ("re2", "nan node-gyp install-artifact-from-github", true),
            ("node-pty", "node-addon-api", true),
            ("iconv", "", true),
            ("ssh2", "nan cpu-features", false),
            ("bigint-buffer", "bindings", false),
            ("@newrelic/native-metrics", "node-gyp-build nan", false),
            (
                "msgpackr-extract",
                "node-gyp-build-optional-packages",
                false,
            ),
            (
                "@julusian/jpeg-turbo",
                "node-addon-api cmake-js pkg-prebuilds",
                false,
            ),
            // Libraries that trace or run others.
            (
                "@vercel/nft",
                "@mapbox/node-pre-gyp bindings node-gyp-build",
                false,
            ),
            ("@npmcli/run-script", "node-gyp", false),
        ] {
            let has = |need: &str| needs.split(' ').any(|one| one == need);
            assert_eq!(compiles(name, has), expected, "{name}: {needs}");
        }
    }

    #[test]
    fn names_of_machines() {
        for name in [
            "@esbuild/linux-x64",
            "@img/sharp-linuxmusl-arm64",
            "turbo-windows-64",
            "@next/swc-darwin-arm64",
        ] {
            assert!(names_a_machine(name), "{name}");
        }
        for name in ["fsevents", "@img/sharp-wasm32", "node-mac-permissions"] {
            assert!(!names_a_machine(name), "{name}");
        }
    }
}
