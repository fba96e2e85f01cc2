//! The frozen check: would `pnpm install --frozen-lockfile` find the lockfile in step with a manifest?
//!
//! Mirrors the part of pnpm's `satisfiesPackageManifest` that people meet: every dependency recorded, with the specifier that the manifest
//! has now, in the same map. Specifiers that an override or a pnpmfile may have changed are compared by name only.

use std::collections::BTreeMap;

use super::{Field, Lockfile, LockfileError};
use crate::manifest::package::Manifest;

/// What in the lockfile makes specifiers differ from manifests, read once.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of the lockfile, and any may be on"
)]
pub struct Frozen {
    /// Names that an override changes.
    overridden: Vec<String>,
    /// A hook may change anything.
    hooked: bool,
    auto_install_peers: bool,
    exclude_links: bool,
    ignored_optional: bool,
}

impl Frozen {
    /// Reads the settings that the comparison needs.
    pub fn of(lockfile: &Lockfile<'_>) -> Result<Self, LockfileError> {
        let settings = lockfile.map("settings")?;
        let on = |name: &str| {
            settings
                .iter()
                .any(|(key, value)| key == name && value == "true")
        };
        let overridden = lockfile
            .map("overrides")?
            .into_iter()
            .map(|(selector, _)| overridden_name(&selector))
            .collect();
        Ok(Self {
            overridden,
            hooked: lockfile.section("pnpmfileChecksum").is_some()
                || lockfile.section("packageExtensionsChecksum").is_some(),
            auto_install_peers: on("autoInstallPeers"),
            exclude_links: on("excludeLinksFromLockfile"),
            ignored_optional: lockfile.section("ignoredOptionalDependencies").is_some(),
        })
    }

    /// Compares a member's manifest with its importer.
    pub fn check(
        &self,
        lockfile: &Lockfile<'_>,
        key: &str,
        manifest: &Manifest,
    ) -> Result<(), LockfileError> {
        let wanted = wanted(manifest);
        let Some(importer) = lockfile.importer(key) else {
            return if wanted.is_empty() {
                Ok(())
            } else {
                Err(LockfileError::NoImporter(key.to_owned()))
            };
        };
        let outdated = |problem| {
            Err(LockfileError::Outdated {
                manifest: manifest.file().to_owned(),
                problem,
            })
        };
        let recorded: BTreeMap<&str, _> = importer
            .dependencies
            .iter()
            .map(|one| (&*one.alias, one))
            .collect();
        for (name, (field, specifier)) in &wanted {
            let Some(found) = recorded.get(name) else {
                let excused = self.hooked
                    || (self.exclude_links && specifier.starts_with("link:"))
                    || (self.ignored_optional && *field == Field::Optional)
                    || self.overridden.iter().any(|one| one == name);
                if excused {
                    continue;
                }
                return outdated(format!("`{name}` of its `{}` is not recorded", field.key()));
            };
            if found.field != *field && !self.hooked {
                return outdated(format!(
                    "it records `{name}` in `{}`, the manifest has it in `{}`",
                    found.field.key(),
                    field.key()
                ));
            }
            if found.specifier != *specifier
                && !self.hooked
                && !self.overridden.iter().any(|one| one == name)
            {
                return outdated(format!(
                    "it records `{name}` as `{}`, the manifest asks for `{specifier}`",
                    found.specifier
                ));
            }
        }
        for name in recorded.keys() {
            let peer = self.auto_install_peers && manifest.peers().contains_key(name);
            if !wanted.contains_key(name) && !peer && !self.hooked {
                return outdated(format!(
                    "it records `{name}`, which the manifest does not have"
                ));
            }
        }
        Ok(())
    }
}

/// What a manifest asks for. A name in several maps counts once: pnpm lets optional ones win over the others, and regular ones over dev.
fn wanted(manifest: &Manifest) -> BTreeMap<&str, (Field, &str)> {
    let mut wanted = BTreeMap::new();
    for field in [Field::Dev, Field::Prod, Field::Optional] {
        wanted.extend(
            manifest
                .dependencies(field)
                .into_iter()
                .map(|(name, specifier)| (name, (field, specifier))),
        );
    }
    wanted
}

/// `bar` of `foo@1>bar@^2`: the package whose specifier an override's selector changes. A `>` parts parent and child unless a space, `|` or
/// `@` stands before it: then it belongs to a range, as in `bar@>=1` (pnpm's
/// [`parseOverrides`](https://github.com/pnpm/pnpm/blob/main/config/parse-overrides/src/index.ts)).
fn overridden_name(selector: &str) -> String {
    let bytes = selector.as_bytes();
    let delimiter =
        (1..bytes.len()).find(|&at| bytes[at] == b'>' && !b" |@".contains(&bytes[at - 1]));
    let target = delimiter.map_or(selector, |at| &selector[at + 1..]).trim();
    let end = target
        .get(1..)
        .and_then(|rest| rest.find('@'))
        .map_or(target.len(), |at| at + 1);
    target[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "lockfileVersion: '9.0'\n\nsettings:\n  autoInstallPeers: true\n\noverrides:\n  z@1: 1.2.0\n  a>'@s/q': 2.0.0\n\n\
        importers:\n\n  a:\n    dependencies:\n      x:\n        specifier: ^1.0.0\n        version: link:../x\n";

    fn check(manifest: &str) -> String {
        let text = TEXT.replace("  a>'@s/q'", "  'a>@s/q'");
        let lockfile = Lockfile::parse(&text).unwrap();
        let manifest = Manifest::parse("a/package.json", manifest).unwrap();
        let frozen = Frozen::of(&lockfile).unwrap();
        frozen
            .check(&lockfile, "a", &manifest)
            .map_or_else(|error| error.to_string(), |()| "fits".to_owned())
    }

    #[test]
    fn compares_names_specifiers_and_maps() {
        assert_eq!(check(r#"{"dependencies": {"x": "^1.0.0"}}"#), "fits");
        assert_eq!(
            check(r#"{"dependencies": {"x": "^1.0.0"}, "peerDependencies": {"p": "1"}}"#),
            "fits"
        );
        assert_eq!(
            check(r#"{"dependencies": {"x": "^1.1.0"}}"#),
            "`pnpm-lock.yaml` is older than `a/package.json`: it records `x` as `^1.0.0`, the manifest asks for `^1.1.0`"
        );
        assert_eq!(
            check(r#"{"dependencies": {"x": "^1.0.0", "y": "1"}}"#),
            "`pnpm-lock.yaml` is older than `a/package.json`: `y` of its `dependencies` is not recorded"
        );
        assert_eq!(
            check(r#"{"devDependencies": {"x": "^1.0.0"}}"#),
            "`pnpm-lock.yaml` is older than `a/package.json`: it records `x` in `dependencies`, the manifest has it in `devDependencies`"
        );
        assert_eq!(
            check("{}"),
            "`pnpm-lock.yaml` is older than `a/package.json`: it records `x`, which the manifest does not have"
        );
    }

    #[test]
    fn overrides_excuse_specifiers() {
        assert_eq!(overridden_name("a@1>@s/q@^2"), "@s/q");
        assert_eq!(overridden_name("z@1"), "z");
        assert_eq!(overridden_name("defu@>=6 <6.1.5"), "defu");
        assert_eq!(overridden_name("a@1 || >=2>b@<=3"), "b");
        assert_eq!(overridden_name("@s/z"), "@s/z");
    }
}
