//! The parts of an installed package's manifest that the walk reads.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::ModulesError;
use crate::files::tree::{Limit, Tree};
use crate::model::path::RepoPath;

/// The parts of a manifest that the walk reads.
#[derive(Debug, Clone, Default)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// Its dependencies; `true` marks optional ones.
    pub(super) needs: BTreeMap<String, bool>,
    /// Its peer dependencies.
    pub(super) peers: Vec<String>,
    /// The files of its programs by name.
    pub(super) programs: BTreeMap<String, String>,
    pub(super) bundles: bool,
}

impl Package {
    /// Reads the manifest in a directory; `None` if there is none.
    pub(super) fn read(tree: &Tree, dir: &RepoPath) -> Result<Option<Self>, ModulesError> {
        Ok(document(tree, dir)?.as_ref().map(Self::of))
    }

    /// The names of a project's dependencies that only development needs; `None` if there is no
    /// manifest.
    pub(super) fn development(
        tree: &Tree,
        dir: &RepoPath,
    ) -> Result<Option<BTreeSet<String>>, ModulesError> {
        let document = document(tree, dir)?;
        Ok(document.map(|document| {
            let map = document["devDependencies"].as_object();
            map.into_iter().flat_map(Map::keys).cloned().collect()
        }))
    }

    fn of(document: &Value) -> Self {
        let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
        let names = |key: &str| {
            let map = document[key].as_object();
            map.into_iter().flat_map(Map::keys).cloned()
        };
        let mut needs: BTreeMap<String, bool> =
            names("dependencies").map(|name| (name, false)).collect();
        // npm and pnpm treat a name in both maps as optional.
        needs.extend(names("optionalDependencies").map(|name| (name, true)));
        let bundles =
            ["bundleDependencies", "bundledDependencies"]
                .iter()
                .any(|key| match &document[*key] {
                    Value::Bool(all) => *all,
                    Value::Array(names) => !names.is_empty(),
                    _ => false,
                });
        let name = text("name");
        Self {
            version: text("version"),
            needs,
            peers: names("peerDependencies").collect(),
            programs: programs(document, &name),
            bundles,
            name,
        }
    }
}

fn document(tree: &Tree, dir: &RepoPath) -> Result<Option<Value>, ModulesError> {
    let file = dir.join("package.json").unwrap_or_default();
    let Some(text) = tree.read_optional(&file, Limit::Settings)? else {
        return Ok(None);
    };
    // Some packages have a byte order mark, which node accepts too.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let document = serde_json::from_slice(text).map_err(|error| ModulesError::Manifest {
        file,
        problem: error.to_string(),
    })?;
    Ok(Some(document))
}

/// The programs of a manifest. A single string is named after the package, without its scope.
fn programs(document: &Value, name: &str) -> BTreeMap<String, String> {
    match &document["bin"] {
        Value::String(file) => {
            let name = name.rsplit('/').next().unwrap_or_default();
            BTreeMap::from([(name.to_owned(), file.clone())])
        }
        Value::Object(map) => map
            .iter()
            .filter_map(|(name, file)| Some((name.clone(), file.as_str()?.to_owned())))
            .collect(),
        _ => BTreeMap::new(),
    }
}
