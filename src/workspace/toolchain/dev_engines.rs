//! `devEngines` of a manifest: the programs and versions that developers must use.

use nodejs_semver::{Range, Version};
use serde_json::Value;

use crate::workspace::manifest::package::Manifest;

/// The version of `devEngines.runtime` or `.packageManager`.
pub(super) fn version(manifest: &Manifest, kind: &str, name: &str) -> Option<String> {
    let engine = entry(manifest, kind, name)?;
    engine.get("version")?.as_str().map(str::to_owned)
}

/// The entry of this name. `devEngines` has one object for a kind, or a list of them.
fn entry<'m>(manifest: &'m Manifest, kind: &str, name: &str) -> Option<&'m Value> {
    let engines = manifest.get("devEngines")?.get(kind)?;
    let all = engines
        .as_array()
        .map_or(std::slice::from_ref(engines), Vec::as_slice);
    all.iter()
        .find(|engine| engine.get("name").and_then(Value::as_str) == Some(name))
}

/// The version of pnpm that `devEngines` demands, exact or as a range.
pub fn pnpm(manifest: &Manifest) -> Option<String> {
    let engine = entry(manifest, "packageManager", "pnpm")?;
    let ignored = engine.get("onFail").and_then(Value::as_str) == Some("ignore");
    let version = engine.get("version").filter(|_| !ignored)?;
    version.as_str().map(str::to_owned)
}

/// The oldest major version that an exact version or a range allows, up to the newest known one.
pub fn oldest_major(pnpm: &str) -> Option<u64> {
    if let Ok(version) = Version::parse(pnpm) {
        return Some(version.major());
    }
    let range = Range::parse(pnpm).ok()?;
    let allows = |text: String| Version::parse(text).is_ok_and(|one| range.satisfies(&one));
    (1..=super::NEWEST_PNPM)
        .find(|major| allows(format!("{major}.0.0")) || allows(format!("{major}.999.999")))
}
