//! The workspace's values of the settings that a lockfile records, as one version of pnpm reads
//! them.
//!
//! | pnpm | maps and lists | switches |
//! |---|---|---|
//! | up to 9 | `pnpm` and `resolutions` of the root `package.json` | `.npmrc` |
//! | 10 | the same, or `pnpm-workspace.yaml` (since 10.5) | `pnpm-workspace.yaml`, else `.npmrc` |
//! | 11 and later | `pnpm-workspace.yaml` | `pnpm-workspace.yaml` |
//!
//! If each project has a lockfile, `package.json` and `.npmrc` are the project's own. Later
//! versions of pnpm 10 fall back to the root's `package.json`, and all to the root's `.npmrc`.

use std::collections::{BTreeMap, BTreeSet};

use nodejs_semver::Version;
use serde_json::{Map, Value};

use super::specifier::selected_name;
use crate::files::tree::Limit;
use crate::lockfile::LockfileError;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::workspace::Workspace;
use crate::workspace::manifest::package::Manifest;
use crate::workspace::manifest::workspace as workspace_file;

/// A text; `None` if it is unknown what pnpm makes of it.
pub(super) type Known = Option<String>;

/// One way in which pnpm may combine a setting, and the file to fix.
#[derive(Debug, Clone)]
pub(super) struct Reading<T> {
    pub(super) file: &'static str,
    pub(super) value: T,
}

/// The workspace's configuration.
#[derive(Debug)]
pub(super) struct Config<'w> {
    workspace: &'w Workspace,
    /// The project of the lockfile: the root's, if one lockfile serves all.
    project: MemberId,
    settings: &'w Map<String, Value>,
    pub(super) major: u64,
    pub(super) minor: u64,
}

const MANIFEST: &str = "package.json";
const NPMRC: &str = ".npmrc";

impl<'w> Config<'w> {
    /// Reads the configuration for the lockfile in `dir` as this version of pnpm does.
    pub(super) fn new(
        workspace: &'w Workspace,
        dir: &RepoPath,
        pnpm: &Version,
    ) -> Result<Self, LockfileError> {
        let all = workspace.settings.all.as_ref();
        let settings = all.ok_or_else(|| LockfileError::Unreadable {
            line: 1,
            problem: format!("the settings in `{}` are no map", workspace_file::FILE),
        })?;
        Ok(Self {
            workspace,
            project: workspace.member_in(dir).unwrap_or(MemberId::ROOT),
            settings,
            major: pnpm.major(),
            minor: pnpm.minor(),
        })
    }

    fn manifest(&self) -> &'w Manifest {
        &self.workspace.members[self.project].manifest
    }

    /// Whether it is a member's own lockfile.
    pub(super) fn is_of_a_member(&self) -> bool {
        !self.project.is_root()
    }

    /// Whether code of the workspace may change settings before pnpm compares them: plugins, and
    /// hooks named `updateConfig`.
    pub(super) fn is_computed(&self) -> bool {
        self.has_plugins()
            || self
                .pnpmfiles()
                .iter()
                .any(|(_, text)| text.contains("updateConfig") || loads_more(text))
    }

    /// Whether config dependencies may contribute hooks.
    pub(super) fn has_plugins(&self) -> bool {
        let own = |map: Option<&Value>| {
            map.and_then(Value::as_object)
                .is_some_and(|map| !map.is_empty())
        };
        self.major >= 10
            && (own(self.settings.get("configDependencies"))
                || own(pnpm_key(
                    &self.workspace.root_member().manifest,
                    "configDependencies",
                )))
    }

    /// Whether a hook may change manifests before pnpm compares them.
    pub(super) fn changes_manifests(&self) -> bool {
        self.has_plugins()
            || self
                .pnpmfiles()
                .iter()
                .any(|(_, text)| text.contains("readPackage") || loads_more(text))
    }

    /// The values in the manifest and in `pnpm-workspace.yaml`, as this version may combine them.
    fn readings(&self, name: &str, of: impl Fn(&Manifest) -> Option<Value>) -> Vec<Reading<Value>> {
        let mut readings = self.readings_with(name, of(self.manifest()));
        if self.is_of_a_member() && self.major == 10 {
            let root = &self.workspace.root_member().manifest;
            readings.extend(self.readings_with(name, of(root)));
        }
        readings
    }

    fn readings_with(&self, name: &str, manifest: Option<Value>) -> Vec<Reading<Value>> {
        let filled = |value: &Value| match value {
            Value::Object(map) => !map.is_empty(),
            Value::Array(list) => !list.is_empty(),
            other => !other.is_null(),
        };
        let reading = |file, value| Reading { file, value };
        let manifest = manifest.filter(|value| self.major <= 10 && filled(value));
        let settings = self
            .settings
            .get(name)
            .filter(|value| self.major >= 10 && filled(value))
            .cloned();
        match (manifest, settings) {
            (None, None) if self.major <= 9 => vec![reading(MANIFEST, Value::Null)],
            (None, None) => vec![reading(workspace_file::FILE, Value::Null)],
            // Every pnpm 10 takes the manifest's alone (tried with 10.5, 10.13, 10.20, 10.28, 10.34).
            (Some(manifest), _) => vec![reading(MANIFEST, manifest)],
            (None, Some(settings)) if self.major > 10 || self.minor >= 5 => {
                vec![reading(workspace_file::FILE, settings)]
            }
            (None, Some(settings)) => {
                vec![
                    reading(workspace_file::FILE, settings),
                    reading(MANIFEST, Value::Null),
                ]
            }
        }
    }

    /// A map of texts, such as `patchedDependencies`.
    pub(super) fn maps(&self, name: &str) -> Vec<Reading<BTreeMap<String, Known>>> {
        let readings = self.values(name);
        readings.iter().map(as_texts).collect()
    }

    /// A list of texts, sorted.
    pub(super) fn lists(&self, name: &str) -> Vec<Reading<Vec<String>>> {
        let readings = self.values(name);
        let sorted = |reading: Reading<Value>| {
            let mut list: Vec<String> = texts(&reading.value);
            list.sort();
            Reading {
                file: reading.file,
                value: list,
            }
        };
        readings.into_iter().map(sorted).collect()
    }

    /// The values of a setting of any type.
    pub(super) fn values(&self, name: &str) -> Vec<Reading<Value>> {
        self.readings(name, |manifest| pnpm_key(manifest, name).cloned())
    }

    /// Whether a map of any type has entries.
    pub(super) fn has(&self, name: &str) -> Vec<Reading<bool>> {
        let readings = self.values(name);
        let filled = |reading: Reading<Value>| Reading {
            file: reading.file,
            value: !reading.value.is_null(),
        };
        readings.into_iter().map(filled).collect()
    }

    /// `overrides` with yarn's `resolutions`, references (`$name`, `catalog:`) resolved.
    pub(super) fn overrides(&self) -> Vec<Reading<BTreeMap<String, Known>>> {
        let both = |manifest: &Manifest| {
            let maps = [manifest.get("resolutions"), pnpm_key(manifest, "overrides")];
            let maps = maps.into_iter().flatten().filter_map(Value::as_object);
            Some(Value::Object(maps.flat_map(Map::clone).collect()))
        };
        let readings = self.readings("overrides", both);
        let resolve = |reading: &Reading<Value>| {
            let mut reading = as_texts(reading);
            for (selector, value) in &mut reading.value {
                *value = value.take().and_then(|text| self.resolve(selector, text));
            }
            reading
        };
        readings.iter().map(resolve).collect()
    }

    /// The meaning of an override. pnpm replaces `$name` first, then looks up the result in the
    /// catalogs.
    fn resolve(&self, selector: &str, text: String) -> Known {
        let text = match text.strip_prefix('$') {
            Some(name) => self.manifest().referred(name)?.to_owned(),
            None => text,
        };
        match text.strip_prefix("catalog:") {
            Some(catalog) => {
                let catalog = catalog_name(catalog).to_owned();
                let package = selected_name(selector).to_owned();
                self.catalogs().remove(&(catalog, package)).flatten()
            }
            None => Some(text),
        }
    }

    /// All catalog entries, by the names of catalog and package.
    pub(super) fn catalogs(&self) -> BTreeMap<(String, String), Known> {
        let mut all = BTreeMap::new();
        let mut add = |name: &str, entries: Option<&Value>| {
            for (package, specifier) in entries.and_then(Value::as_object).into_iter().flatten() {
                all.insert((name.to_owned(), package.clone()), known(specifier));
            }
        };
        add("default", self.settings.get("catalog"));
        for (name, entries) in self
            .settings
            .get("catalogs")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            add(name, Some(entries));
        }
        all
    }

    /// What `packageExtensions` adds to packages, members among them, by the package's name.
    pub(super) fn extended(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut extended: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let readings = self.values("packageExtensions");
        let maps = readings
            .iter()
            .filter_map(|reading| reading.value.as_object());
        for (selector, extension) in maps.flatten() {
            let names = extended
                .entry(selected_name(selector).to_owned())
                .or_default();
            let maps = extension.as_object().into_iter().flatten();
            let maps = maps.filter_map(|(_, map)| map.as_object());
            names.extend(maps.flat_map(|map| map.keys().cloned()));
        }
        extended
    }

    /// A switch or number, such as `autoInstallPeers`, which is `auto-install-peers` in `.npmrc`.
    /// `None` if no file sets it.
    pub(super) fn switch(&self, name: &str, npmrc: &str) -> Option<Reading<Known>> {
        if self.major >= 10
            && let Some(value) = self.settings.get(name)
        {
            return Some(Reading {
                file: workspace_file::FILE,
                value: known(value),
            });
        }
        if self.major >= 11 {
            return None;
        }
        let own = self.workspace.members[self.project].npmrc.get(npmrc);
        let text = own.or_else(|| self.workspace.npmrc.get(npmrc))?;
        let value = (!text.contains("${")).then(|| text.trim_matches(['"', '\'']).to_owned());
        Some(Reading { file: NPMRC, value })
    }

    /// Whether pnpm is told to record, and to compare, switches of the resolution
    /// (`lockfile.includeResolutionSettings` of pnpm 12).
    pub(super) fn records_resolution(&self) -> bool {
        let lockfile = self.settings.get("lockfile");
        let on = lockfile.and_then(|map| map.get("includeResolutionSettings"));
        on == Some(&Value::Bool(true))
    }

    /// Whether pnpm is told to ignore pnpmfiles.
    pub(super) fn ignores_pnpmfiles(&self) -> bool {
        let ignored = self.switch("ignorePnpmfile", "ignore-pnpmfile");
        ignored.is_some_and(|reading| reading.value.as_deref() == Some("true"))
    }

    /// The pnpmfiles that pnpm would load, with their texts; empty if it is told to ignore them.
    pub(super) fn pnpmfiles(&self) -> Vec<(String, String)> {
        if self.ignores_pnpmfiles() {
            return Vec::new();
        }
        let mut found: Vec<(String, String)> = Vec::new();
        for path in self.pnpmfile_paths() {
            let Ok(path) = RepoPath::new(&path) else {
                continue;
            };
            if let Some(text) = self.text(&path) {
                found.push((path.as_str().to_owned(), text));
                if found
                    .last()
                    .is_some_and(|(path, _)| path == ".pnpmfile.mjs")
                {
                    break;
                }
            }
        }
        found.sort();
        found.dedup();
        found
    }

    fn pnpmfile_paths(&self) -> Vec<String> {
        let set = if self.major >= 10 {
            self.settings.get("pnpmfile").map(texts)
        } else {
            None
        };
        let set = set.or_else(|| {
            let path = self.workspace.npmrc.get("pnpmfile")?;
            (self.major <= 10).then(|| vec![path.to_owned()])
        });
        let mut paths = set.unwrap_or_else(|| {
            let module = (self.major >= 11).then(|| ".pnpmfile.mjs".to_owned());
            module
                .into_iter()
                .chain([".pnpmfile.cjs".to_owned()])
                .collect()
        });
        if self.is_of_a_member() {
            let dir = &self.workspace.members[self.project].dir;
            paths.push(format!("{dir}/.pnpmfile.cjs"));
        }
        paths
    }

    /// The text of a file of the workspace, as pnpm hashes it. An unreadable file is reported
    /// elsewhere: patches and pnpmfiles enter the context.
    pub(super) fn text(&self, path: &RepoPath) -> Option<String> {
        let bytes = self.workspace.tree.read(path, Limit::Source).ok()?;
        Some(normalized(&bytes))
    }
}

fn pnpm_key<'m>(manifest: &'m Manifest, name: &str) -> Option<&'m Value> {
    manifest.get("pnpm")?.get(name)
}

/// `default` for `catalog:` without a name.
fn catalog_name(text: &str) -> &str {
    match text.trim() {
        "" => "default",
        name => name,
    }
}

fn normalized(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "\n")
}

/// Whether a pnpmfile takes hooks from other files, which are not read.
fn loads_more(text: &str) -> bool {
    ["require(", "import ", "import("]
        .iter()
        .any(|load| text.contains(load))
}

fn as_texts(reading: &Reading<Value>) -> Reading<BTreeMap<String, Known>> {
    let map = reading.value.as_object();
    let entries = map.into_iter().flatten();
    Reading {
        file: reading.file,
        value: entries
            .map(|(key, value)| (key.clone(), known(value)))
            .collect(),
    }
}

/// A scalar as text; `None` for other values, and for text in which pnpm would replace a
/// `${VARIABLE}`.
pub(super) fn known(value: &Value) -> Known {
    match value {
        Value::String(text) if text.contains("${") => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(on) => Some(on.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A list of texts, or a single text.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().filter_map(known).collect(),
        other => known(other).into_iter().collect(),
    }
}
