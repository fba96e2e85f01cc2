//! Packages of a closure that depend on the machine: those that compile at install time, and those
//! with a binary package for each machine.
//!
//! Lockfile formats before 9.0 mark packages with install scripts, 9.0 does not. Packages that
//! compile can still be recognised by their dependencies: headers, and programs that look for a
//! prebuilt binary before they compile one. A package that loads its binary with `node-gyp-build`
//! or the like ships it, or has it as optional packages, and does not compile if one fits.

use std::collections::BTreeSet;

use crate::detect::prisma;
use crate::lockfile::keys::{Format, name_and_version};
use crate::lockfile::{Lockfile, LockfileError, Traits};
use crate::needs::closure::Closure;

/// Headers for compiling addons.
const HEADERS: [&str; 2] = ["nan", "node-addon-api"];

/// Programs that look for a prebuilt binary at install time, and compile one if there is none.
const FETCHERS: [&str; 2] = ["prebuild-install", "install-artifact-from-github"];

/// Programs that find a binary shipped in the package, or in an optional one of its own.
const LOADERS: [&str; 5] = [
    "node-gyp-build",
    "node-gyp-build-optional-packages",
    "pkg-prebuilds",
    "require-addon",
    "cmake-ts",
];

/// Finds the binary at run time. Without another of these, it has been compiled.
const BINDINGS: &str = "bindings";

/// Compiles with `CMake`.
const CMAKE: &str = "cmake-js";

/// These compile, but have none of these dependencies.
const COMPILED_WITHOUT_SIGN: [&str; 1] = ["iconv"];

/// These download a binary, and could only compile one with uncommon libraries.
const FETCHED: [&str; 4] = ["canvas", "gl", "keytar", "sharp"];

/// These try to compile, and work without if that fails.
const COMPILED_IF_POSSIBLE: [&str; 3] = ["bigint-buffer", "dtrace-provider", "ssh2"];

/// The usual processors of images.
const CPUS: [&str; 2] = ["x64", "arm64"];

/// The target machine of an image.
#[derive(Debug, Clone, Copy, Default)]
pub struct Target<'t> {
    /// The processors in node's terms; none if the engine decides.
    pub cpus: &'t [&'t str],
    /// `glibc` or `musl`, if known.
    pub libc: Option<&'t str>,
}

/// A package, by name and version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NativePackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl std::fmt::Display for NativePackage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// The packages of a closure that depend on the machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Natives {
    /// Packages that compile at install time, or may have to.
    pub compiled: BTreeSet<NativePackage>,
    /// Whether one of these needs `CMake`.
    pub cmake: bool,
    /// Packages that download a binary at install time, and cannot compile one.
    pub fetched: BTreeSet<NativePackage>,
    /// Packages with an optional package for each machine.
    pub families: BTreeSet<NativePackage>,
    /// Those for which the C library matters.
    pub bound: BTreeSet<NativePackage>,
    /// Those without a package for the target in the lockfile.
    pub missing: BTreeSet<NativePackage>,
    /// Prisma's client and command.
    pub prisma: BTreeSet<NativePackage>,
}

impl Natives {
    /// The packages that have machine code, or get it when they are installed: `sharp@0.34.5 has
    /// machine code`.
    pub fn with_machine_code(&self) -> Option<String> {
        let all = [
            &self.compiled,
            &self.fetched,
            &self.families,
            &self.bound,
            &self.prisma,
        ];
        let names: BTreeSet<String> = all.into_iter().flatten().map(ToString::to_string).collect();
        let first = names.first()?;
        Some(match names.len() {
            1 => format!("{first} has machine code"),
            more => format!("{first} and {} more packages have machine code", more - 1),
        })
    }

    /// Examines a closure.
    pub fn of(closure: &Closure<'_, '_>, target: Target<'_>) -> Result<Self, LockfileError> {
        let mut natives = Self::default();
        let asked = closure.asked_optional();
        for (lockfile, key, optional) in closure.entries() {
            let traits = lockfile.traits(key);
            let (name, version) = name_and_version(lockfile.format(), key);
            let package = NativePackage {
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
            // pnpm continues without an optional package that it cannot build. What a member asks
            // for itself, its author has on a laptop.
            let expected = !optional || asked.contains(key);
            let needs: Vec<_> = lockfile
                .needs(key)?
                .into_iter()
                .map(|need| need.0)
                .collect();
            let has = |name: &str| needs.iter().any(|need| need == name);
            let told = lockfile.format() == Format::V9 || traits.requires_build;
            let on_linux = CPUS.iter().any(|cpu| traits.fits("linux", cpu, None));
            if told && on_linux && expected && family.is_empty() && compiles(name, has) {
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

    /// Adds the packages of another closure.
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

/// Whether a package with these dependencies compiles at install time.
fn compiles(name: &str, has: impl Fn(&str) -> bool) -> bool {
    let any = |names: &[&str]| names.iter().any(|name| has(name));
    if COMPILED_IF_POSSIBLE.contains(&name) || any(&LOADERS) {
        return false;
    }
    COMPILED_WITHOUT_SIGN.contains(&name)
        || any(&HEADERS)
        || any(&FETCHERS)
        || has(BINDINGS)
        || has(CMAKE)
}

/// The optional packages of one package, each for one machine: `@esbuild/linux-x64`,
/// `@img/sharp-darwin-arm64`.
struct Family<'a>(Vec<Traits<'a>>);

impl<'a> Family<'a> {
    fn of(lockfile: &Lockfile<'a>, key: &str, own: &Traits<'a>) -> Result<Self, LockfileError> {
        let mut members = Vec::new();
        if own.is_bound() {
            // It is such a package itself, with a library of its own.
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
            // A single one is an extra for some machine.
            members.clear();
        }
        Ok(Self(members))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a member is for a specific C library.
    fn is_bound(&self) -> bool {
        self.0.iter().any(|traits| !traits.libc.is_empty())
    }

    /// Whether a processor of the target has no member. If the engine decides on the processor, any
    /// of the usual ones is enough.
    fn lacks(&self, target: Target<'_>) -> bool {
        let has = |cpu: &&str| {
            let mut members = self.0.iter();
            members.any(|traits| traits.fits("linux", cpu, target.libc))
        };
        let fits = if target.cpus.is_empty() {
            CPUS.iter().any(has)
        } else {
            target.cpus.iter().all(has)
        };
        !self.is_empty() && !fits
    }
}

/// Whether a package's name contains a machine. `fsevents` is for one system too, but has no
/// siblings for others.
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
        // As in the registry.
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
            // Libraries that only trace or run others.
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
