//! Checks that the settings recorded in the lockfile are those of the workspace.
//!
//! Mirrors pnpm's
//! [`getOutdatedLockfileSetting`](https://github.com/pnpm/pnpm/blob/main/lockfile/settings-checker/src/getOutdatedLockfileSetting.ts),
//! in its order, so that the setting named here is the one that pnpm would name.

mod switches;

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::config::{Config, Known, Reading, known};
use super::object_hash;
use super::specifier::same_repository;
use crate::lockfile::{CatalogEntry, Lockfile, LockfileError};
use crate::model::digest::hex;
use crate::model::path::RepoPath;
use crate::workspace::manifest::workspace as workspace_file;
use crate::workspace::pnpmfile;

/// Compares the settings. Nothing is compared if code of the workspace may change them first.
pub(super) fn check(lockfile: &Lockfile<'_>, config: &Config<'_>) -> Result<(), LockfileError> {
    let check = Check { lockfile, config };
    if config.is_computed() {
        // The effect of a pnpmfile is unknown, but its recorded checksum can be compared.
        return if config.has_plugins() {
            Ok(())
        } else {
            check.pnpmfile()
        };
    }
    check.catalogs()?;
    check.overrides()?;
    check.build_lists()?;
    check.extensions()?;
    check.ignored()?;
    check.patches()?;
    switches::check(&check)?;
    check.pnpmfile()
}

struct Check<'c, 'l, 'w> {
    lockfile: &'c Lockfile<'l>,
    config: &'c Config<'w>,
}

fn mismatch(setting: &'static str, file: &str, problem: String) -> LockfileError {
    LockfileError::Setting {
        setting,
        file: file.to_owned(),
        problem,
    }
}

impl Check<'_, '_, '_> {
    /// A top-level key of the lockfile; `None` if it cannot be parsed, which is no reason to refuse
    /// it.
    fn recorded(&self, key: &str) -> Option<Value> {
        let document: Value =
            serde_saphyr::from_str(&self.lockfile.text()[self.lockfile.section(key)?]).ok()?;
        document.get(key).cloned()
    }

    /// Every catalog entry that the lockfile uses must be unchanged. pnpm compares them since
    /// 10.24.
    fn catalogs(&self) -> Result<(), LockfileError> {
        let Config { major, minor, .. } = *self.config;
        if (major, minor) < (10, 24) {
            return Ok(());
        }
        let configured = self.config.catalogs();
        for (catalog, package, was) in self.recorded_catalogs() {
            let problem = match configured.get(&(catalog.clone(), package.clone())) {
                None => {
                    format!("it records `{package}` of the catalog `{catalog}`, which is not there")
                }
                Some(Some(is)) if *is != was && !same_repository(&was, is) => {
                    format!(
                        "it records `{package}` of the catalog `{catalog}` as `{was}`, the file says `{is}`"
                    )
                }
                Some(_) => continue,
            };
            return Err(mismatch("catalogs", workspace_file::FILE, problem));
        }
        Ok(())
    }

    /// Catalog, package and specifier of each recorded entry whose specifier is known.
    fn recorded_catalogs(&self) -> Vec<(String, String, String)> {
        if let Some(entries) = self.lockfile.catalogs() {
            let all = entries.into_iter();
            let all = all.filter(|entry| !entry.specifier.contains("${"));
            return all
                .map(|entry| {
                    let CatalogEntry {
                        catalog,
                        package,
                        specifier,
                    } = entry;
                    (
                        catalog.into_owned(),
                        package.into_owned(),
                        specifier.into_owned(),
                    )
                })
                .collect();
        }
        let recorded = self.recorded("catalogs");
        let catalogs = recorded.as_ref().and_then(Value::as_object);
        let mut all = Vec::new();
        for (catalog, entries) in catalogs.into_iter().flatten() {
            for (package, entry) in entries.as_object().into_iter().flatten() {
                if let Some(was) = entry.get("specifier").and_then(known) {
                    all.push((catalog.clone(), package.clone(), was));
                }
            }
        }
        all
    }

    fn overrides(&self) -> Result<(), LockfileError> {
        let recorded = as_map(self.recorded("overrides").as_ref());
        let difference =
            |reading: &Reading<BTreeMap<String, Known>>| difference(&recorded, &reading.value);
        none_fits("overrides", &self.config.overrides(), difference)
    }

    /// pnpm 8 records which packages may run scripts.
    fn build_lists(&self) -> Result<(), LockfileError> {
        if self.config.major != 8 {
            return Ok(());
        }
        for setting in ["neverBuiltDependencies", "onlyBuiltDependencies"] {
            self.list(setting)?;
        }
        Ok(())
    }

    fn list(&self, setting: &'static str) -> Result<(), LockfileError> {
        let recorded = self.recorded(setting);
        let mut recorded: Vec<String> = recorded
            .as_ref()
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(known)
            .collect();
        recorded.sort();
        let difference = |reading: &Reading<Vec<String>>| {
            (recorded != reading.value).then(|| {
                format!(
                    "it records {}, the file says {}",
                    shown(&recorded),
                    shown(&reading.value)
                )
            })
        };
        none_fits(setting, &self.config.lists(setting), difference)
    }

    /// pnpm up to 9 records another checksum: there, only whether there are any is compared.
    fn extensions(&self) -> Result<(), LockfileError> {
        let setting = "packageExtensionsChecksum";
        let recorded = self.recorded(setting);
        let difference = |reading: &Reading<Value>| match (&recorded, &reading.value) {
            (Some(_), Value::Null) => Some("it records some, and the file has none".to_owned()),
            (None, Value::Null) => None,
            (None, _) => Some("it records none, and the file has some".to_owned()),
            (Some(was), is) => {
                let was = was
                    .as_str()
                    .filter(|was| was.starts_with(object_hash::PREFIX))?;
                (was != object_hash::of_value(is)).then(|| "they have changed since".to_owned())
            }
        };
        none_fits(
            setting,
            &self.config.values("packageExtensions"),
            difference,
        )
    }

    fn ignored(&self) -> Result<(), LockfileError> {
        if self.config.major < 9 {
            return Ok(());
        }
        self.list("ignoredOptionalDependencies")
    }

    fn patches(&self) -> Result<(), LockfileError> {
        let recorded = self.recorded("patchedDependencies");
        let recorded: BTreeMap<&str, Patch<'_>> = recorded
            .as_ref()
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), Patch::of(value)))
            .collect();
        let difference = |reading: &Reading<BTreeMap<String, Known>>| {
            if let Some((key, _)) = recorded
                .iter()
                .find(|(key, _)| !reading.value.contains_key(**key))
            {
                return Some(format!("it records a patch of `{key}`, which is not there"));
            }
            reading.value.iter().find_map(|(key, path)| {
                self.patch_difference(key, recorded.get(key.as_str()), path.as_deref()?)
            })
        };
        none_fits(
            "patchedDependencies",
            &self.config.maps("patchedDependencies"),
            difference,
        )
    }

    fn patch_difference(&self, key: &str, was: Option<&Patch<'_>>, path: &str) -> Option<String> {
        let Some(was) = was else {
            return Some(format!("the patch of `{key}` is not recorded"));
        };
        // pnpm writes the path relative to the lockfile. Paths outside the workspace are refused
        // elsewhere.
        let is = RepoPath::new(path).ok()?;
        let own = self.lockfile.resolve(path).ok();
        let recorded = |path| self.lockfile.resolve(path).ok();
        let fits = |was: &Option<RepoPath>| was.as_ref() == Some(&is) || *was == own;
        if self.config.major <= 10 {
            match was.path {
                Some(was) if !fits(&recorded(was)) => {
                    return Some(format!(
                        "it records the patch of `{key}` as `{was}`, the file says `{is}`"
                    ));
                }
                None => return Some(format!("it records the patch of `{key}` as pnpm 11 does")),
                Some(_) => {}
            }
        }
        if self.config.major < 10 {
            // Older hashes are MD5.
            return None;
        }
        // A missing or invalid patch is refused elsewhere.
        let is = was.path.and_then(recorded).unwrap_or(is);
        let text = self.config.text(&is).filter(|text| text.contains("@@ "))?;
        let hash = hex(&Sha256::digest(text));
        (was.hash != Some(&*hash)).then(|| format!("`{is}` has changed since"))
    }

    /// If no checksum is recorded, a file whose text certainly exports hooks is an error. For a
    /// member's own lockfile nothing is compared, because versions differ in which files count.
    fn pnpmfile(&self) -> Result<(), LockfileError> {
        if self.config.major < 9 || self.config.is_of_a_member() {
            return Ok(());
        }
        let Config { major, minor, .. } = *self.config;
        if (major, minor) > (12, 4) && self.config.ignores_pnpmfiles() {
            // pnpm 12.10 compares nothing then; 12.4 and earlier miss the file.
            return Ok(());
        }
        let files = self.config.pnpmfiles();
        let setting = "pnpmfileChecksum";
        let recorded = self.recorded(setting);
        let Some(was) = recorded.as_ref().and_then(Value::as_str) else {
            let new = files.iter().find(|(_, text)| pnpmfile::exports_hooks(text));
            let problem = || "it records none, so the file came after it".to_owned();
            return new.map_or(Ok(()), |(file, _)| Err(mismatch(setting, file, problem())));
        };
        let Some((first, _)) = files.first() else {
            let file = if self.config.major >= 10 {
                workspace_file::FILE
            } else {
                ".npmrc"
            };
            let problem =
                "it records a pnpmfile, and there is none that pnpm would read".to_owned();
            return Err(mismatch(setting, file, problem));
        };
        // Older hashes are MD5; and anything that pnpm treats as a pnpmfile mentions hooks.
        if self.config.major < 10 || !files.iter().any(|(_, text)| text.contains("hooks")) {
            return Ok(());
        }
        let mut hashes: Vec<String> = files
            .iter()
            .map(|(_, text)| object_hash::of_text(text))
            .collect();
        let is = if hashes.len() == 1 {
            hashes.remove(0)
        } else {
            object_hash::of_text(&hashes.join(","))
        };
        if was == is {
            return Ok(());
        }
        Err(mismatch(
            setting,
            first,
            "the file has changed since".to_owned(),
        ))
    }
}

/// A patch in a lockfile: an object up to pnpm 10, only its hash since.
struct Patch<'v> {
    hash: Option<&'v str>,
    path: Option<&'v str>,
}

impl<'v> Patch<'v> {
    fn of(value: &'v Value) -> Self {
        let text = |key| value.get(key).and_then(Value::as_str);
        Self {
            hash: value.as_str().or_else(|| text("hash")),
            path: text("path"),
        }
    }
}

/// Fails if no reading matches, with the problem of the first.
fn none_fits<T>(
    setting: &'static str,
    readings: &[Reading<T>],
    difference: impl Fn(&Reading<T>) -> Option<String>,
) -> Result<(), LockfileError> {
    let mut first = None;
    for reading in readings {
        match difference(reading) {
            None => return Ok(()),
            Some(problem) => first = first.or(Some(mismatch(setting, reading.file, problem))),
        }
    }
    first.map_or(Ok(()), Err)
}

fn as_map(value: Option<&Value>) -> BTreeMap<String, Known> {
    let map = value.and_then(Value::as_object);
    let entries = map.into_iter().flatten();
    entries
        .map(|(key, value)| (key.clone(), known(value)))
        .collect()
}

/// The first entry in which two maps differ; an unknown value matches anything.
fn difference(was: &BTreeMap<String, Known>, is: &BTreeMap<String, Known>) -> Option<String> {
    for (key, was) in was {
        match (was, is.get(key)) {
            (_, None) => return Some(format!("it records `{key}`, which is not there")),
            (Some(was), Some(Some(is))) if was != is => {
                return Some(format!(
                    "it records `{key}` as `{was}`, the file says `{is}`"
                ));
            }
            _ => {}
        }
    }
    let added = is.keys().find(|key| !was.contains_key(*key))?;
    Some(format!("`{added}` is not recorded"))
}

fn shown(list: &[String]) -> String {
    if list.is_empty() {
        return "none".to_owned();
    }
    let ticked: Vec<String> = list.iter().map(|one| format!("`{one}`")).collect();
    ticked.join(", ")
}
