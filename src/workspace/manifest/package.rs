//! `package.json`: the manifest of a member or of the root, and its skeleton.

pub mod strip;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{ManifestError, parse_json, parse_json5, parse_yaml};
use crate::lockfile::Field;

/// The file names of a manifest, the first that exists wins, as in pnpm's
/// [`readProjectManifest`](https://github.com/pnpm/pnpm/blob/main/workspace/project-manifest-reader/src/index.ts).
pub const FILES: [&str; 3] = ["package.json", "package.json5", "package.yaml"];

/// A manifest: the whole document with typed accessors.
#[derive(Debug, Clone)]
pub struct Manifest {
    file: String,
    document: Map<String, Value>,
}

/// The keys that can change what `pnpm install` does with a project; a skeleton has only these.
/// Scripts are not among them: the files that they run are not in the install layers yet.
const SKELETON: [&str; 22] = [
    "name",
    "version",
    "private",
    "packageManager",
    "devEngines",
    "engines",
    "os",
    "cpu",
    "libc",
    "bin",
    "directories",
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "dependenciesMeta",
    "bundledDependencies",
    "bundleDependencies",
    "publishConfig",
    "pnpm",
    "resolutions",
];

/// Scripts that `pnpm install` runs for a project of the workspace, in this order. The first runs
/// only for the root, before everything else.
pub const LIFECYCLE: [&str; 7] = [
    "pnpm:devPreinstall",
    "preinstall",
    "install",
    "postinstall",
    "preprepare",
    "prepare",
    "postprepare",
];

impl Manifest {
    /// Parses a manifest. The extension of `file`, its path, decides the format.
    pub fn parse(file: &str, text: &str) -> Result<Self, ManifestError> {
        let document = match file.rsplit_once('.') {
            Some((_, "json5")) => parse_json5(file, text)?,
            Some((_, "yaml")) => parse_yaml(file, text)?,
            _ => parse_json(file, text)?,
        };
        match document {
            Value::Object(document) => {
                let manifest = Self {
                    file: file.to_owned(),
                    document,
                };
                for field in [Field::Prod, Field::Optional, Field::Dev] {
                    manifest.check_map(field.key())?;
                }
                manifest.check_map("peerDependencies")?;
                manifest.check_map("scripts")?;
                Ok(manifest)
            }
            _ => Err(ManifestError::Meaning {
                file: file.to_owned(),
                problem: "expected an object".to_owned(),
            }),
        }
    }

    fn check_map(&self, key: &str) -> Result<(), ManifestError> {
        let fail = |problem| {
            Err(ManifestError::Meaning {
                file: self.file.clone(),
                problem,
            })
        };
        match self.document.get(key) {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Object(map)) => match map.iter().find(|(_, value)| !value.is_string()) {
                Some((name, _)) => fail(format!("`{key}.{name}` is not a text")),
                None => Ok(()),
            },
            Some(_) => fail(format!("`{key}` is not an object")),
        }
    }

    /// Its path in the workspace. All formats accept JSON, so a rewritten manifest can keep its
    /// path.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The package's name.
    pub fn name(&self) -> Option<&str> {
        self.text("name").filter(|name| !name.is_empty())
    }

    /// The value of a key, if it is a string.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.document.get(key).and_then(Value::as_str)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.document.get(key)
    }

    /// A script's text.
    pub fn script(&self, name: &str) -> Option<&str> {
        self.document.get("scripts")?.get(name)?.as_str()
    }

    /// The lifecycle scripts that an install of the whole workspace would run here.
    pub fn lifecycle_scripts(&self) -> impl Iterator<Item = &'static str> {
        LIFECYCLE
            .into_iter()
            .filter(|name| self.script(name).is_some())
    }

    /// The dependencies of one map, by name.
    pub fn dependencies(&self, field: Field) -> BTreeMap<&str, &str> {
        self.map(field.key())
    }

    /// `peerDependencies`, by name.
    pub fn peers(&self) -> BTreeMap<&str, &str> {
        self.map("peerDependencies")
    }

    /// The meaning of `$name` in `overrides`: the range of a direct dependency, as in pnpm's
    /// `createVersionReferencesReplacer`.
    pub fn referred(&self, name: &str) -> Option<&str> {
        [Field::Optional, Field::Prod, Field::Dev]
            .into_iter()
            .find_map(|field| self.document.get(field.key())?.get(name)?.as_str())
    }

    /// Whether any of the maps, including peers, contains the name.
    pub fn depends_on(&self, name: &str) -> bool {
        self.referred(name).is_some()
    }

    /// Whether any of its maps has an entry.
    pub fn has_dependencies(&self) -> bool {
        let any = |field| !self.dependencies(field).is_empty();
        Field::ALL.into_iter().any(any)
    }

    fn map(&self, key: &str) -> BTreeMap<&str, &str> {
        let map = self.document.get(key).and_then(Value::as_object);
        map.into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
            .collect()
    }

    /// The manifest reduced to what an install reads, so that editing a script or `exports` keeps
    /// the install layers cached (the idea of cargo-chef's recipe). Dependencies for which `keep`
    /// is false are left out. A peer with the same name as a left-out dev dependency goes too: pnpm
    /// would otherwise look for it among the other dependencies.
    pub fn skeleton(&self, keep: impl Fn(Field, &str) -> bool) -> String {
        let keys = SKELETON
            .iter()
            .filter_map(|key| Some((*key, self.document.get(*key)?)));
        self.reduced(keys, keep)
    }

    /// The whole manifest without the dependencies that are left out.
    fn whole(&self, keep: impl Fn(Field, &str) -> bool) -> String {
        let keys = self.document.iter();
        self.reduced(keys.map(|(key, value)| (key.as_str(), value)), keep)
    }

    /// Like [`Self::whole`], without the scripts.
    pub fn without(&self, keep: impl Fn(Field, &str) -> bool) -> String {
        let keys = self
            .document
            .iter()
            .map(|(key, value)| (key.as_str(), value));
        self.reduced(keys.filter(|(key, _)| *key != "scripts"), keep)
    }

    /// Runtimes that pnpm 10 and later turn into dependencies: the key that requests them, the map
    /// that pnpm puts them in, and their names.
    pub fn runtimes(&self) -> impl Iterator<Item = (&'static str, Field, &str)> {
        let maps = [("engines", Field::Prod), ("devEngines", Field::Dev)];
        maps.into_iter().flat_map(move |(key, field)| {
            let runtime = self.get(key).and_then(|engines| engines.get("runtime"));
            let all = runtime.into_iter().flat_map(|runtime| {
                runtime
                    .as_array()
                    .map_or(std::slice::from_ref(runtime), Vec::as_slice)
            });
            all.filter_map(move |one| {
                let text = |key| one.get(key).and_then(Value::as_str);
                let name = text("name").filter(|name| ["node", "deno", "bun"].contains(name))?;
                let own = self.dependencies(field).contains_key(name);
                (text("onFail") == Some("download") && !own).then_some((key, field, name))
            })
        })
    }

    fn reduced<'m>(
        &'m self,
        keys: impl Iterator<Item = (&'m str, &'m Value)>,
        keep: impl Fn(Field, &str) -> bool,
    ) -> String {
        let mut reduced = Map::new();
        let mut gone = Vec::new();
        for (key, value) in keys {
            let mut value = value.clone();
            let field = [Field::Prod, Field::Optional, Field::Dev]
                .into_iter()
                .find(|field| field.key() == key);
            if let (Some(field), Some(map)) = (field, value.as_object_mut()) {
                map.retain(|name, _| {
                    let stays = keep(field, name);
                    if !stays {
                        gone.push(name.clone());
                    }
                    stays
                });
                if map.is_empty() {
                    continue;
                }
            }
            reduced.insert(key.to_owned(), value);
        }
        if let Some(peers) = reduced
            .get_mut("peerDependencies")
            .and_then(Value::as_object_mut)
        {
            // A peer that is in no other map counts as a regular dependency if pnpm installs peers
            // automatically.
            peers.retain(|name, _| {
                !gone.contains(name) && (self.depends_on(name) || keep(Field::Prod, name))
            });
        }
        // pnpm turns a runtime into a dependency, which the lockfile no longer has.
        for (key, ..) in self
            .runtimes()
            .filter(|(_, field, name)| !keep(*field, name))
        {
            if let Some(engines) = reduced.get_mut(key).and_then(Value::as_object_mut) {
                engines.shift_remove("runtime");
            }
        }
        // An override may refer to a removed dependency.
        for map in overrides(&mut reduced) {
            for value in map.values_mut() {
                let name = value.as_str().and_then(|value| value.strip_prefix('$'));
                let Some(name) = name.filter(|name| gone.iter().any(|gone| gone == name)) else {
                    continue;
                };
                if let Some(range) = self.referred(name) {
                    *value = range.into();
                }
            }
        }
        let mut text = serde_json::to_string_pretty(&Value::Object(reduced)).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// The maps of overrides in a manifest: `pnpm.overrides` and `resolutions`.
fn overrides(document: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    document.iter_mut().filter_map(|(key, value)| match &**key {
        "pnpm" => value.get_mut("overrides")?.as_object_mut(),
        "resolutions" => value.as_object_mut(),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_file_and_line() {
        let error = Manifest::parse("apps/a/package.json", "{\n  \"name\": \"a\",\n}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read `apps/a/package.json`, line 3, column 1: trailing comma"
        );
        let error = Manifest::parse("package.json", r#"{"dependencies": {"a": 1}}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`package.json`: `dependencies.a` is not a text"
        );
    }

    #[test]
    fn a_manifest_may_be_json5_or_yaml() {
        let json5 = "// ours\n{name: '@x/l', dependencies: {ms: '2.1.3',},}";
        let yaml = "# ours\nname: '@x/l'\ndependencies:\n  ms: 2.1.3\n";
        for (file, text) in [("l/package.json5", json5), ("l/package.yaml", yaml)] {
            let manifest = Manifest::parse(file, text).unwrap();
            assert_eq!(manifest.name(), Some("@x/l"));
            assert_eq!(manifest.dependencies(Field::Prod)["ms"], "2.1.3");
            // What is written anew is read again under the same name.
            let skeleton = manifest.skeleton(|_, _| true);
            assert!(Manifest::parse(file, &skeleton).unwrap().depends_on("ms"));
            let stripped = strip::strip(file, text, |_, _| false).unwrap();
            let stripped = Manifest::parse(file, &stripped).unwrap();
            assert_eq!(
                (stripped.name(), stripped.has_dependencies()),
                (Some("@x/l"), false)
            );
        }
        for (file, text, says) in [
            (
                "package.json5",
                "{name: }",
                "cannot read `package.json5`, line 1",
            ),
            (
                "package.yaml",
                "a: b: c",
                "cannot read `package.yaml`, line 1",
            ),
            ("package.yaml", "- a", "`package.yaml`: expected an object"),
        ] {
            let error = Manifest::parse(file, text).unwrap_err().to_string();
            assert!(error.starts_with(says), "{error}");
        }
    }

    #[test]
    fn skeletons_hold_what_an_install_reads() {
        let text = r#"{"name": "a", "description": "d", "scripts": {"build": "tsc"}, "exports": {}, "type": "module",
            "dependencies": {"x": "1"}, "devDependencies": {"y": "2", "z": "3"}, "peerDependencies": {"y": "*", "x": "1"}}"#;
        let manifest = Manifest::parse("package.json", text).unwrap();
        let shown = |text: String| serde_json::from_str::<Value>(&text).unwrap().to_string();
        assert_eq!(
            shown(manifest.skeleton(|_, _| true)),
            r#"{"name":"a","dependencies":{"x":"1"},"devDependencies":{"y":"2","z":"3"},"peerDependencies":{"y":"*","x":"1"}}"#
        );
        assert_eq!(
            shown(manifest.skeleton(|field, _| field != Field::Dev)),
            r#"{"name":"a","dependencies":{"x":"1"},"peerDependencies":{"x":"1"}}"#
        );
    }

    #[test]
    fn overrides_do_not_refer_to_what_is_gone() {
        let text = r#"{"dependencies": {"x": "1"}, "devDependencies": {"y": "2"},
            "pnpm": {"overrides": {"a": "$x", "b": "$y", "c": "$z"}}, "resolutions": {"y": "$y"}}"#;
        let manifest = Manifest::parse("package.json", text).unwrap();
        let skeleton = manifest.skeleton(|field, _| field != Field::Dev);
        assert_eq!(
            serde_json::from_str::<Value>(&skeleton)
                .unwrap()
                .to_string(),
            r#"{"dependencies":{"x":"1"},"pnpm":{"overrides":{"a":"$x","b":"2","c":"$z"}},"resolutions":{"y":"2"}}"#
        );
        let stripped = strip::strip("package.json", text, |field, _| field != Field::Dev).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&stripped)
                .unwrap()
                .to_string(),
            r#"{"dependencies":{"x":"1"},"pnpm":{"overrides":{"a":"$x","b":"2","c":"$z"}},"resolutions":{"y":"2"}}"#
        );
    }
}
