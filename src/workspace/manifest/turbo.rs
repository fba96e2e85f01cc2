//! `turbo.json`: tasks and global settings, with comments and trailing commas, in the shape of
//! turbo 2 (`tasks`) and turbo 1 (`pipeline`).

pub mod pnpm;
pub mod prune;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{ManifestError, parse_jsonc, strings};

/// The file's name, at the root and beside a package.
pub const FILE: &str = "turbo.json";
/// The task that builds an app or a library.
pub const BUILD: &str = "build";

/// The possible file names. If both exist, the first counts.
pub const FILES: [&str; 2] = [FILE, "turbo.jsonc"];

/// In a list of a package's own file: the list adds to the inherited one.
const EXTENDS: &str = "$TURBO_EXTENDS$";

/// What slimbuild reads of the file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct TurboManifest {
    /// The path for messages.
    pub file: String,
    /// By name: `build`, or `web#build`.
    pub tasks: BTreeMap<String, Task>,
    /// Globs of root files that every task depends on.
    pub global_dependencies: Vec<String>,
    /// Variables that every task reads: names and patterns.
    pub global_env: Vec<String>,
    /// What a package's own file extends: `//` is the root's file, anything else the package of
    /// that name.
    pub extends: Vec<String>,
    /// Whether a task sees only declared variables. turbo 2 does this by default, turbo 1 on
    /// request.
    pub strict: bool,
}

/// One task's definition. Absent keys are inherited from the definition it extends.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Task {
    /// `build`, `^build`, `pkg#build`.
    pub depends_on: Option<List>,
    /// Tasks that run alongside this one.
    pub with: Option<List>,
    /// Globs of the files that the task reads.
    pub inputs: Option<List>,
    /// Globs of the files that the task writes.
    pub outputs: Option<List>,
    /// Variables that it reads: names and patterns.
    pub env: Option<List>,
    /// Variables that it sees although they are not in turbo's cache key.
    pub pass_through_env: Option<List>,
    /// Whether it runs until it is stopped.
    pub persistent: Option<bool>,
    /// `extends: false`: the definition inherits nothing. If it has no other key, it removes the
    /// task.
    pub alone: bool,
    /// Whether it has a key besides `extends`.
    pub says_something: bool,
}

/// A list of a definition.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct List {
    /// Its entries.
    pub values: Vec<String>,
    /// Whether they are added to the inherited entries instead of replacing them.
    pub extends: bool,
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
                    for (name, task) in map {
                        let task = Task::parse(task).map_err(|problem| {
                            meaning(file, &format!("`{key}.{name}`"), problem)
                        })?;
                        tasks.insert(name.clone(), task);
                    }
                }
                Some(_) => return Err(meaning(file, &format!("`{key}`"), "is not an object")),
            }
        }
        // With `futureFlags.globalConfiguration`, global settings are in a block of their own.
        let global = |key: &str, in_block: &str| {
            let block = document.get("global");
            let mut both = strings(document.get(key));
            both.extend(strings(block.and_then(|block| block.get(in_block))));
            both
        };
        let (variables, global_dependencies) = global("globalDependencies", "inputs")
            .into_iter()
            .partition(|entry| entry.starts_with('$') && !entry.starts_with("$TURBO_"));
        let mut global_env = global("globalEnv", "env");
        global_env.extend(global("globalPassThroughEnv", "passThroughEnv"));
        global_env.extend(old_style(variables));
        let loose = |value: Option<&Value>| value.and_then(Value::as_str) == Some("loose");
        Ok(Self {
            file: file.to_owned(),
            tasks,
            global_dependencies,
            global_env,
            extends: strings(document.get("extends")),
            strict: !loose(document.get("envMode"))
                && !loose(
                    document
                        .get("global")
                        .and_then(|block| block.get("envMode")),
                )
                && document.get("pipeline").is_none(),
        })
    }
}

impl Task {
    fn parse(value: &Value) -> Result<Self, &'static str> {
        let map = value.as_object().ok_or("is not an object")?;
        let (mut depends_on, mut env) = (list(map, "dependsOn")?, list(map, "env")?);
        if let Some(needs) = &mut depends_on {
            let (variables, tasks): (Vec<_>, Vec<_>) = std::mem::take(&mut needs.values)
                .into_iter()
                .partition(|entry| entry.starts_with('$'));
            needs.values = tasks;
            if !variables.is_empty() {
                let env = env.get_or_insert_default();
                env.values.extend(old_style(variables));
            }
        }
        Ok(Self {
            depends_on,
            with: list(map, "with")?,
            inputs: list(map, "inputs")?,
            outputs: list(map, "outputs")?,
            env,
            pass_through_env: list(map, "passThroughEnv")?,
            persistent: map.get("persistent").and_then(Value::as_bool),
            alone: map.get("extends") == Some(&Value::Bool(false)),
            says_something: map.keys().any(|key| key != "extends"),
        })
    }
}

/// turbo 1 wrote names of variables into other lists, as `$NAME`.
fn old_style(variables: Vec<String>) -> impl Iterator<Item = String> {
    variables
        .into_iter()
        .map(|name| name.trim_start_matches('$').to_owned())
}

fn list(map: &Map<String, Value>, key: &str) -> Result<Option<List>, &'static str> {
    let entries = match map.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(entries)) => entries,
        Some(_) => {
            return Err(match key {
                "dependsOn" => "has a `dependsOn` that is not a list",
                "env" => "has an `env` that is not a list",
                "passThroughEnv" => "has a `passThroughEnv` that is not a list",
                "with" => "has a `with` that is not a list",
                "inputs" => "has `inputs` that are not a list",
                _ => "has `outputs` that are not a list",
            });
        }
    };
    let mut list = List::default();
    for entry in entries {
        match entry {
            Value::String(text) if text == EXTENDS => list.extends = true,
            Value::String(text) => list.values.push(text.clone()),
            // `{"mode": …, "globs": […]}` among the inputs.
            other => list.values.extend(strings(other.get("globs"))),
        }
    }
    Ok(Some(list))
}

fn meaning(file: &str, what: &str, problem: &str) -> ManifestError {
    ManifestError::Meaning {
        file: file.to_owned(),
        problem: format!("{what} {problem}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> TurboManifest {
        TurboManifest::parse("turbo.json", text).unwrap()
    }

    fn values(list: Option<&List>) -> String {
        list.map(|list| list.values.join(" ")).unwrap_or_default()
    }

    #[test]
    fn reads_comments_and_trailing_commas() {
        let turbo =
            parse("{\n // tasks\n \"tasks\": {\"build\": {\"dependsOn\": [\"^build\"],},},\n}");
        assert_eq!(values(turbo.tasks["build"].depends_on.as_ref()), "^build");
        assert!(turbo.strict);
        let error = TurboManifest::parse("turbo.json", "{\n \"tasks\": }").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot read `turbo.json`, line 2, column "),
            "{error}"
        );
    }

    #[test]
    fn variables_stood_elsewhere_in_turbo_1() {
        let turbo = parse(
            r#"{"globalDependencies": ["$CI", "tsconfig.json"], "pipeline": {"build": {"dependsOn": ["$API", "^build"], "env": ["HOST"]}}}"#,
        );
        assert_eq!(turbo.global_env, ["CI"]);
        assert_eq!(turbo.global_dependencies, ["tsconfig.json"]);
        assert_eq!(values(turbo.tasks["build"].depends_on.as_ref()), "^build");
        assert_eq!(values(turbo.tasks["build"].env.as_ref()), "HOST API");
        assert!(!turbo.strict);
    }

    #[test]
    fn global_settings_may_have_a_block_of_their_own() {
        let turbo = parse(
            r#"{"global": {"env": ["A"], "passThroughEnv": ["B"], "inputs": ["x.json"], "envMode": "loose"},
                "tasks": {"build": {"inputs": ["$TURBO_EXTENDS$", {"mode": "jit", "globs": ["a/**"]}], "extends": false}}}"#,
        );
        assert_eq!(turbo.global_env, ["A", "B"]);
        assert_eq!(turbo.global_dependencies, ["x.json"]);
        assert!(!turbo.strict);
        let build = &turbo.tasks["build"];
        assert!(build.alone && build.says_something);
        let inputs = build.inputs.as_ref().unwrap();
        assert!(inputs.extends && inputs.values == ["a/**"]);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let error =
            TurboManifest::parse("turbo.json", r#"{"tasks": {"build": {"dependsOn": "x"}}}"#);
        assert_eq!(
            error.unwrap_err().to_string(),
            "`turbo.json`: `tasks.build` has a `dependsOn` that is not a list"
        );
    }
}
