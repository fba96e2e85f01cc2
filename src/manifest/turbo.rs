//! `turbo.json`: the tasks, with comments and trailing commas, in turbo 2's shape (`tasks`) and turbo 1's (`pipeline`).

pub mod prune;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{ManifestError, parse_jsonc, strings};

/// The file's name, at the root and beside a package.
pub const FILE: &str = "turbo.json";

/// The names that the file may have; where both are there, the first counts.
pub const FILES: [&str; 2] = [FILE, "turbo.jsonc"];

/// What slimbuild reads of the file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct TurboManifest {
    /// By name: `build`, or `web#build`.
    pub tasks: BTreeMap<String, Task>,
    /// Globs of root files that every task depends on.
    pub global_dependencies: Vec<String>,
    /// What a package's own file builds on: `//` is the root's, anything else the package of that name.
    pub extends: Vec<String>,
}

/// One task's definition.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Task {
    /// `build`, `^build`, `pkg#build`; absent where the definition does not say.
    pub depends_on: Option<Vec<String>>,
    /// Globs of the files that the task reads.
    pub inputs: Option<Vec<String>>,
}

impl TurboManifest {
    /// Parses the file's text; `file` is its path in messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, ManifestError> {
        let document = parse_jsonc(file, text)?;
        let mut tasks = BTreeMap::new();
        for key in ["pipeline", "tasks"] {
            match document.get(key) {
                None => {}
                Some(Value::Object(map)) => {
                    tasks.extend(
                        map.iter()
                            .map(|(name, task)| (name.clone(), Task::from_value(task))),
                    );
                }
                Some(_) => {
                    let problem = format!("`{key}` is not an object");
                    return Err(ManifestError::Meaning {
                        file: file.to_owned(),
                        problem,
                    });
                }
            }
        }
        Ok(Self {
            tasks,
            global_dependencies: strings(document.get("globalDependencies")),
            extends: strings(document.get("extends")),
        })
    }
}

impl Task {
    fn from_value(value: &Value) -> Self {
        let list = |key| value.get(key).map(|list| strings(Some(list)));
        Self {
            depends_on: list("dependsOn"),
            inputs: list("inputs"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_comments_and_trailing_commas() {
        let text = "{\n // tasks\n \"tasks\": {\"build\": {\"dependsOn\": [\"^build\"],},},\n}";
        let turbo = TurboManifest::parse("turbo.json", text).unwrap();
        assert_eq!(
            turbo.tasks["build"].depends_on,
            Some(vec!["^build".to_owned()])
        );
        let error = TurboManifest::parse("turbo.json", "{\n \"tasks\": }").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot read `turbo.json`, line 2, column "),
            "{error}"
        );
    }
}
