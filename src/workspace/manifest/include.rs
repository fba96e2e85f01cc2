//! `include` of `pnpm-workspace.yaml`: merges settings from other files.
//!
//! Input: the text of the file, and a way to read others. Output: an equivalent text without
//! includes, merged as [pnpm 12.15 and later](https://pnpm.io/config-includes) does. Each setting
//! may come from one file only. A relative path counts from its own file, so it is rewritten.
//! Config dependencies are left as they are. (Tried with pnpm 12.21.)

use serde_json::{Map, Value};

use super::workspace::{FILE, settings};
use super::{ManifestError, parse_yaml};
use crate::model::path::RepoPath;

/// The text with its includes merged; unchanged if it has none.
pub fn merged(
    text: &str,
    read: impl Fn(&RepoPath) -> Result<Option<String>, ManifestError>,
) -> Result<String, ManifestError> {
    let Some(mut all) = settings(text) else {
        return Ok(text.to_owned());
    };
    let Some(Value::Object(include)) = all.get("include").cloned() else {
        return Ok(text.to_owned());
    };
    let (files, others): (Map<_, _>, Map<_, _>) = include
        .into_iter()
        .partition(|(source, _)| source.starts_with("./") || source.starts_with("../"));
    if files.is_empty() {
        return Ok(text.to_owned());
    }
    all.shift_remove("include");
    if !others.is_empty() {
        all.insert("include".to_owned(), Value::Object(others));
    }
    for (source, delegated) in files {
        let outside = || {
            include_error(
                FILE,
                format!("`include` names `{source}`, which lies outside of the workspace"),
            )
        };
        let path = RepoPath::new(&source).map_err(|_| outside())?;
        let own = read(&path)?.ok_or_else(|| {
            include_error(
                FILE,
                format!("`include` names `{source}`, which is not there"),
            )
        })?;
        let own = match parse_yaml(path.as_str(), &own) {
            Ok(Value::Object(own)) => own,
            Ok(Value::Null) => Map::new(),
            Err(_) if own.trim().is_empty() => Map::new(),
            Ok(_) => {
                return Err(include_error(
                    path.as_str(),
                    "the settings are no map".to_owned(),
                ));
            }
            Err(error) => return Err(error),
        };
        for (key, value) in own {
            let is_delegated = delegated == "*"
                || delegated
                    .as_array()
                    .is_some_and(|list| list.iter().any(|one| *one == key));
            if !is_delegated || key == "include" {
                let problem = format!("`include` in {FILE} does not delegate `{key}` to this file");
                return Err(include_error(path.as_str(), problem));
            }
            if all.contains_key(&key) {
                let problem = format!("`{key}` is set elsewhere too: each setting has one owner");
                return Err(include_error(path.as_str(), problem));
            }
            let dir = path.parent().unwrap_or_default();
            let value = rebased(&key, value, &dir);
            let value = value.map_err(|path| {
                include_error(
                    FILE,
                    format!("`{path}` in `{source}` leads out of the workspace"),
                )
            })?;
            all.insert(key, value);
        }
    }
    let text = serde_json::to_string_pretty(&Value::Object(all));
    Ok(text.unwrap_or_default() + "\n")
}

fn include_error(file: &str, problem: String) -> ManifestError {
    ManifestError::Meaning {
        file: file.to_owned(),
        problem,
    }
}

/// A setting with its relative paths rewritten from the root, or the path that leads out of the
/// workspace.
fn rebased(key: &str, mut value: Value, dir: &RepoPath) -> Result<Value, String> {
    let inside = |path: &str| {
        dir.join(path)
            .map(|path| path.to_string())
            .map_err(|_| path.to_owned())
    };
    let local = |text: &str| {
        for protocol in ["link:", "file:"] {
            if let Some(path) = text
                .strip_prefix(protocol)
                .filter(|path| !path.starts_with(['/', '~']))
            {
                // A path out of the workspace is refused with the lockfile, if something needs it.
                return Ok(inside(path).map_or(text.to_owned(), |path| format!("{protocol}{path}")));
            }
        }
        Ok(text.to_owned())
    };
    match key {
        "packages" => each(&mut value, &|glob| match glob.strip_prefix('!') {
            Some(glob) => Ok(format!("!{}", inside(glob)?)),
            None => inside(glob),
        })?,
        "pnpmfile" | "patchedDependencies" => each(&mut value, &inside)?,
        "overrides" | "catalog" | "catalogs" => each(&mut value, &local)?,
        _ => {}
    }
    Ok(value)
}

/// Changes every string of a value.
fn each(value: &mut Value, change: &dyn Fn(&str) -> Result<String, String>) -> Result<(), String> {
    match value {
        Value::String(text) => *text = change(text)?,
        Value::Array(list) => {
            for one in list {
                each(one, change)?;
            }
        }
        Value::Object(map) => {
            for one in map.values_mut() {
                each(one, change)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, files: &[(&str, &str)]) -> Result<Value, String> {
        let read = |path: &RepoPath| {
            let found = files.iter().find(|(name, _)| *name == path.as_str());
            Ok(found.map(|(_, text)| (*text).to_owned()))
        };
        let text = merged(text, read).map_err(|error| error.to_string())?;
        Ok(settings(&text).map_or(Value::Null, Value::Object))
    }

    #[test]
    fn settings_of_other_files_come_to_their_place() {
        let config =
            "packages: ['../apps/*', '!../apps/x']\noverrides: {a: 'link:./p', b: 1.0.0}\n";
        let catalogs =
            "catalogs: {old: {c: 'file:../../c.tgz'}}\npatchedDependencies: {d: d.patch}\n";
        let text = "include:\n  ./config/a.yaml: '*'\n  ./config/deep/b.yml: [catalogs, patchedDependencies]\n  '@x/y': [trustPolicy]\nnodeLinker: hoisted\n";
        let files = [("config/a.yaml", config), ("config/deep/b.yml", catalogs)];
        assert_eq!(
            with(text, &files).unwrap(),
            serde_json::json!({
                "nodeLinker": "hoisted",
                "include": {"@x/y": ["trustPolicy"]},
                "packages": ["apps/*", "!apps/x"],
                "overrides": {"a": "link:config/p", "b": "1.0.0"},
                "catalogs": {"old": {"c": "file:c.tgz"}},
                "patchedDependencies": {"d": "config/deep/d.patch"},
            })
        );
        // Without includes the text is unchanged.
        for text in [
            "# ours\npackages: []\n",
            "include:\n  '@x/y': [a]\n",
            "",
            "- a",
        ] {
            assert_eq!(merged(text, |_| Ok(None)).unwrap(), text);
        }
    }

    #[test]
    fn what_pnpm_refuses_is_refused_by_name() {
        let include = |what: &str| format!("packages: []\ninclude:\n  ./a.yaml: {what}\n");
        let files = [("a.yaml", "catalog: {b: 1.0.0}\n")];
        for (text, says) in [
            (
                include("[overrides]"),
                "`a.yaml`: `include` in pnpm-workspace.yaml does not delegate `catalog` to this file",
            ),
            (
                include("'*'") + "catalog: {}\n",
                "`a.yaml`: `catalog` is set elsewhere too: each setting has one owner",
            ),
            (
                "include:\n  ./gone.yaml: '*'\n".to_owned(),
                "`pnpm-workspace.yaml`: `include` names `./gone.yaml`, which is not there",
            ),
            (
                "include:\n  ../x.yaml: '*'\n".to_owned(),
                "`pnpm-workspace.yaml`: `include` names `../x.yaml`, which lies outside of the workspace",
            ),
        ] {
            assert_eq!(with(&text, &files).unwrap_err(), says);
        }
    }
}
