//! Checks that the lockfile's record of each project matches its manifest.
//!
//! Mirrors pnpm's
//! [`satisfiesPackageManifest`](https://github.com/pnpm/pnpm/blob/main/lockfile/verification/src/satisfiesPackageManifest.ts).
//! pnpm compares manifests after overrides, `packageExtensions` and pnpmfiles have changed them.
//! Whatever these may change is compared by name only, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use nodejs_semver::{Range, Version};
use serde_json::{Map, Value};

use super::config::{Config, known};
use super::overrides::Overrides;
use super::specifier::same_repository;
use crate::files::glob::is_of;
use crate::lockfile::importer::BlockKind;
use crate::lockfile::{Dependency, Field, Importer, Lockfile, LockfileError};
use crate::workspace::manifest::package::Manifest;

/// Programs that `engines.runtime` and `devEngines.runtime` turn into dependencies.
const RUNTIMES: [&str; 3] = ["node", "deno", "bun"];

const PEERS: &str = "peerDependencies";

/// The parts of lockfile and configuration for the comparison, read once.
#[derive(Debug)]
pub(super) struct Projects<'p, 'a> {
    lockfile: &'p Lockfile<'a>,
    overrides: Overrides,
    /// Names of projects that `packageExtensions` changes.
    extended: Vec<String>,
    /// Whether a hook may change any manifest.
    hooked: bool,
    peers: Peers,
    exclude_links: bool,
    ignored: Vec<String>,
    major: u64,
    /// Whether pnpm turns the programs in `devEngines.runtime` into dependencies.
    runtimes: bool,
}

/// Whether peers count as dependencies of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peers {
    No,
    /// Unknown: the lockfile is older than the setting.
    Perhaps,
    Yes,
}

/// The dependencies of a manifest by name: map and specifier.
type Wanted<'m> = BTreeMap<&'m str, (Field, &'m str)>;

impl<'p, 'a> Projects<'p, 'a> {
    pub(super) fn new(
        lockfile: &'p Lockfile<'a>,
        config: &Config<'_>,
    ) -> Result<Self, LockfileError> {
        let settings: BTreeMap<_, _> = lockfile.map("settings")?.into_iter().collect();
        let setting = |name: &str| settings.get(name).map(|value| &**value);
        let overrides = lockfile.map("overrides")?.into_iter();
        let overrides =
            overrides.map(|(selector, value)| (selector.into_owned(), value.into_owned()));
        let ignored = lockfile.section("ignoredOptionalDependencies");
        let ignored = ignored.and_then(|range| parse(&lockfile.text()[range]));
        let ignored = ignored
            .as_ref()
            .and_then(|map| map.get("ignoredOptionalDependencies"));
        let ignored = ignored.and_then(Value::as_array).into_iter().flatten();
        Ok(Self {
            lockfile,
            overrides: Overrides::new(overrides),
            extended: config.extended(),
            hooked: config.changes_manifests(),
            peers: match setting("autoInstallPeers") {
                Some("true") => Peers::Yes,
                Some(_) => Peers::No,
                None => Peers::Perhaps,
            },
            exclude_links: setting("excludeLinksFromLockfile") == Some("true"),
            ignored: ignored.filter_map(known).collect(),
            major: config.major,
            runtimes: (config.major, config.minor) >= (10, 34),
        })
    }

    /// Compares a project's manifest with its importer.
    pub(super) fn check(&self, key: &str, manifest: &Manifest) -> Result<(), LockfileError> {
        let named = |names: &[String]| {
            manifest
                .name()
                .is_some_and(|name| names.iter().any(|one| one == name))
        };
        let changed = self.hooked || named(&self.extended);
        let wanted = self.wanted(manifest);
        let Some(importer) = self.lockfile.importer(key) else {
            // pnpm requires an importer only if there are dependencies to record.
            return if wanted.is_empty() || changed {
                Ok(())
            } else {
                Err(LockfileError::NoImporter(key.to_owned()))
            };
        };
        if changed {
            return Ok(());
        }
        let difference = self
            .dependencies(importer, manifest, &wanted)
            .or_else(|| self.others(importer, manifest));
        match difference {
            None => Ok(()),
            Some(problem) => Err(LockfileError::Outdated {
                manifest: manifest.file().to_owned(),
                problem,
            }),
        }
    }

    /// The dependencies of a manifest. A name in several maps counts once: as in pnpm, optional
    /// ones win over the others, and regular ones over dev ones.
    fn wanted<'m>(&self, manifest: &'m Manifest) -> Wanted<'m> {
        let optional = manifest.dependencies(Field::Optional);
        let ignored = |name: &str| optional.contains_key(name) && self.ignores(name);
        let mut wanted = BTreeMap::new();
        for field in [Field::Dev, Field::Prod, Field::Optional] {
            for (name, specifier) in manifest.dependencies(field) {
                // An ignored optional dependency is removed from `dependencies` too, but not from
                // `devDependencies`.
                if field == Field::Dev || !ignored(name) {
                    wanted.insert(name, (field, specifier));
                }
            }
        }
        if self.peers == Peers::Yes {
            for (name, specifier) in manifest.peers() {
                wanted.entry(name).or_insert((Field::Prod, specifier));
            }
        }
        if self.exclude_links {
            wanted.retain(|_, (_, specifier)| !specifier.starts_with("link:"));
        }
        wanted
    }

    fn dependencies(
        &self,
        importer: &Importer<'_>,
        manifest: &Manifest,
        wanted: &Wanted<'_>,
    ) -> Option<String> {
        let counts =
            |one: &&Dependency<'_>| !(self.exclude_links && one.specifier.starts_with("link:"));
        let recorded: Vec<&Dependency<'_>> = importer.dependencies.iter().filter(counts).collect();
        let mut by_name: BTreeMap<&str, Vec<&Dependency<'_>>> = BTreeMap::new();
        for one in &recorded {
            by_name.entry(&one.alias).or_default().push(one);
        }
        let of = |name: &str| by_name.get(name).into_iter().flatten().copied();
        let may_be_ignored = self.may_be_ignored(manifest);
        let peers = manifest.peers();
        let project = manifest.name();
        for (&name, &(field, specifier)) in wanted {
            let ignorable = may_be_ignored.contains(name);
            let mut same = of(name);
            let Some(first) = same.clone().next() else {
                if ignorable || self.overrides.may_remove(project, name) {
                    continue;
                }
                return Some(format!(
                    "`{name}` of its `{}` is not recorded",
                    self.place(manifest, name, field)
                ));
            };
            let Some(found) = same.find(|one| one.field == field) else {
                return Some(format!(
                    "it records `{name}` in `{}`, the manifest has it in `{}`",
                    first.field.key(),
                    field.key()
                ));
            };
            let peer = self.place(manifest, name, field) == PEERS;
            if !ignorable && !self.fits(project, specifier, found, peer) {
                return Some(format!(
                    "it records `{name}` as `{}`, the manifest asks for `{specifier}`",
                    found.specifier
                ));
            }
            if !satisfies(&found.version, &found.specifier) {
                return Some(format!(
                    "it records `{}` for `{name}`, which is not in the range `{}`",
                    removed_suffix(&found.version),
                    found.specifier
                ));
            }
        }
        for (key, field, name) in manifest.runtimes().filter(|_| self.runtimes) {
            let mut same = of(name);
            if !same.any(|one| one.field == field) {
                return Some(format!("`{name}` of its `{key}.runtime` is not recorded"));
            }
        }
        let extra = recorded.iter().find(|one| {
            let name = &*one.alias;
            // An override may make a dependency of a peer.
            let peer = peers.contains_key(name)
                && (self.peers == Peers::Perhaps || self.overrides.may_change(project, name));
            !wanted.contains_key(name)
                && !peer
                && !may_be_ignored.contains(name)
                && !is_runtime(manifest, one)
        });
        extra.map(|one| {
            format!(
                "it records `{}`, which the manifest does not have",
                one.alias
            )
        })
    }

    /// Whether the recorded specifier is the manifest's, or what overrides make of it. Versions of
    /// pnpm differ in whether they override peers.
    fn fits(
        &self,
        project: Option<&str>,
        specifier: &str,
        found: &Dependency<'_>,
        is_peer: bool,
    ) -> bool {
        let name = &*found.alias;
        if self.overrides.may_give(project, name, &found.specifier) {
            return true;
        }
        let equal = found.specifier == specifier
            || (self.major >= 11 && same_repository(&found.specifier, specifier));
        equal && (is_peer || !self.overrides.replace(project, name))
    }

    /// The map in which the user finds the name.
    fn place(&self, manifest: &Manifest, name: &str, field: Field) -> &'static str {
        if self.peers == Peers::Yes && !manifest.dependencies(field).contains_key(name) {
            PEERS
        } else {
            field.key()
        }
    }

    /// `publishConfig.directory` and `dependenciesMeta`.
    fn others(&self, importer: &Importer<'_>, manifest: &Manifest) -> Option<String> {
        let recorded = self.rest(importer)?;
        let was = recorded.get("publishDirectory").and_then(Value::as_str);
        let is = manifest
            .get("publishConfig")
            .and_then(|config| config.get("directory"));
        let is = is.and_then(Value::as_str);
        if was != is {
            let shown =
                |text: Option<&str>| text.map_or("none".to_owned(), |text| format!("`{text}`"));
            return Some(format!(
                "it records {} as `publishConfig.directory`, the manifest says {}",
                shown(was),
                shown(is)
            ));
        }
        let empty = Value::Object(Map::new());
        let was = recorded.get("dependenciesMeta").unwrap_or(&empty);
        let is = manifest
            .get("dependenciesMeta")
            .filter(|value| !value.is_null())
            .unwrap_or(&empty);
        (was != is).then(|| "`dependenciesMeta` is not as it is recorded".to_owned())
    }

    /// Everything in an importer but its dependencies; `None` if it cannot be parsed, which is no
    /// reason to refuse it.
    fn rest(&self, importer: &Importer<'_>) -> Option<Map<String, Value>> {
        let text = self.lockfile.text();
        let ranges = if importer.range.is_some() {
            let others = importer
                .blocks
                .iter()
                .filter(|block| block.kind == BlockKind::Other);
            others.map(|block| block.range.clone()).collect()
        } else {
            let keys = ["publishDirectory", "dependenciesMeta"];
            keys.into_iter()
                .filter_map(|key| self.lockfile.section(key))
                .collect::<Vec<_>>()
        };
        let texts: Vec<&str> = ranges.into_iter().map(|range| &text[range]).collect();
        parse(&texts.concat())
    }

    fn ignores(&self, name: &str) -> bool {
        self.ignored.iter().any(|pattern| is_of(pattern, name))
    }

    /// If a pattern excludes names again (`!name`), pnpm's versions differ in what is ignored.
    fn may_be_ignored<'m>(&self, manifest: &'m Manifest) -> BTreeSet<&'m str> {
        if self.ignored.iter().any(|pattern| pattern.starts_with('!')) {
            manifest.dependencies(Field::Optional).into_keys().collect()
        } else {
            BTreeSet::new()
        }
    }
}

/// Whether a recorded version is in the range that was asked for. Only plain versions are judged:
/// readers of ranges differ in what they make of `1.0.0-beta`.
fn satisfies(recorded: &str, specifier: &str) -> bool {
    let version = Version::parse(removed_suffix(recorded));
    let (Ok(version), Ok(range)) = (version, Range::parse(specifier)) else {
        return true;
    };
    !version.pre_release().is_empty() || range.satisfies(&version)
}

/// A version without the peers and the patch that pnpm appends.
fn removed_suffix(recorded: &str) -> &str {
    recorded.split(['(', '_']).next().unwrap_or_default()
}

/// Whether the dependency may come from `engines.runtime` or `devEngines.runtime`.
fn is_runtime(manifest: &Manifest, recorded: &Dependency<'_>) -> bool {
    let has = |key: &str| {
        manifest
            .get(key)
            .and_then(|engines| engines.get("runtime"))
            .is_some()
    };
    RUNTIMES.contains(&&*recorded.alias)
        && recorded.specifier.starts_with("runtime:")
        && (has("engines") || has("devEngines"))
}

fn parse(text: &str) -> Option<Map<String, Value>> {
    if text.trim().is_empty() {
        return Some(Map::new());
    }
    serde_saphyr::from_str(text).ok()
}
