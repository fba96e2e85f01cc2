//! `tasks` of `pnpm-workspace.yaml`: tasks as pnpm 12.15 and later run them, as a source beside
//! `turbo.json`.
//!
//! Tried with pnpm 12.21: `pnpm --recursive run build` runs what `dependsOn` of `build` names first
//! (`generate`, `^build`, `web#build`), whether or not `tasks` defines it, and builds dependencies
//! first in any case. Commands that name one package run only that package's part. `pipelines`
//! names sets of tasks for `pnpm pipeline`; their order comes from `tasks`, so it adds nothing here.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{BUILD, TurboManifest};
use crate::workspace::manifest::ManifestError;
use crate::workspace::manifest::workspace::FILE;

/// The tasks that the settings define; `None` if they say nothing about builds.
pub fn tasks(all: &Map<String, Value>) -> Result<Option<TurboManifest>, ManifestError> {
    let Some(Value::Object(mut tasks)) = all.get("tasks").cloned() else {
        return Ok(None);
    };
    if !tasks.get(BUILD).is_some_and(Value::is_object) {
        return Ok(None);
    }
    if let Some(build) = tasks.get_mut(BUILD).and_then(Value::as_object_mut) {
        let first = build
            .entry("dependsOn")
            .or_insert_with(|| Value::Array(Vec::new()));
        let dependencies = json!("^build");
        if let Some(first) = first
            .as_array_mut()
            .filter(|list| !list.contains(&dependencies))
        {
            first.push(dependencies);
        }
    }
    let named: BTreeSet<String> = tasks.values().flat_map(named).collect();
    for name in named {
        tasks
            .entry(name)
            .or_insert_with(|| Value::Object(Map::new()));
    }
    let document = Value::Object(Map::from_iter([("tasks".to_owned(), Value::Object(tasks))]));
    let mut manifest = TurboManifest::parse(FILE, &document.to_string())?;
    // Scripts see the whole environment.
    manifest.strict = false;
    Ok(Some(manifest))
}

/// The names of the tasks that a definition waits for.
fn named(task: &Value) -> Vec<String> {
    let first = task.get("dependsOn").and_then(Value::as_array);
    let names = first.into_iter().flatten().filter_map(Value::as_str);
    names
        .map(|name| name.trim_start_matches('^').to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::manifest::workspace::settings;

    #[test]
    fn tasks_are_those_of_turbo_with_all_that_they_name() {
        let text =
            "packages: ['a']\ntasks:\n  build:\n    dependsOn: [generate]\n    cache: false\n";
        let manifest = tasks(&settings(text).unwrap()).unwrap().unwrap();
        assert_eq!(manifest.file, FILE);
        assert!(!manifest.strict);
        let first = manifest.tasks["build"].depends_on.as_ref().unwrap();
        assert_eq!(first.values, ["generate", "^build"]);
        assert!(manifest.tasks.contains_key("generate"));
    }

    #[test]
    fn nothing_about_builds_is_nothing() {
        for text in [
            "",
            "packages: ['a']\n",
            "tasks:\n  test: {}\n",
            "tasks: 3\n",
        ] {
            assert_eq!(tasks(&settings(text).unwrap()).unwrap(), None, "{text}");
        }
    }
}
