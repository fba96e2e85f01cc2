//! What a package exports: whether its declared entry points are sources.

use std::collections::BTreeSet;

use crate::model::member::MemberId;
use crate::workspace::Workspace;
use crate::workspace::manifest::package::Manifest;

/// The files that a package's manifest names as entry points, as written.
pub fn entries(workspace: &Workspace, at: MemberId) -> Vec<String> {
    let manifest = &workspace.members[at].manifest;
    let mut named: Vec<String> = Vec::new();
    for key in ["main", "module", "exports", "bin"] {
        if let Some(value) = manifest.get(key) {
            leaves(value, &mut named);
        }
    }
    named
}

/// Whether one of a package's declared entry points is a source: then its sources are used at run
/// time.
pub fn uses_sources(workspace: &Workspace, at: MemberId, files: &BTreeSet<String>) -> bool {
    let mut named = entries(workspace, at);
    if named.is_empty() {
        named.push("index.js".to_owned());
    }
    let member = &workspace.members[at].dir;
    let path = |name: &str| {
        member
            .join(name)
            .ok()
            .and_then(|path| path.strip(member).map(str::to_owned))
    };
    named.iter().any(|name| match name.split_once('*') {
        // `./*` names every file; a pattern with a directory names the files below it.
        Some((dir, _)) => {
            let dir = path(dir).filter(|dir| !dir.is_empty());
            dir.is_some_and(|dir| {
                files
                    .iter()
                    .any(|file| file.starts_with(&format!("{dir}/")) && is_code(file))
            })
        }
        None => path(name).is_some_and(|name| files.contains(&name) && is_code(&name)),
    })
}

/// The file in a package that node finds by the manifest under these conditions. `path` is the part
/// of the import that follows the package's name.
pub fn resolved(manifest: &Manifest, path: &str, conditions: &[&str]) -> Option<String> {
    let plain = |text: &str| Some(text.trim_start_matches("./").to_owned());
    let Some(exports) = manifest.get("exports").filter(|value| !value.is_null()) else {
        return match path {
            "" => plain(manifest.text("main").unwrap_or("index.js")),
            path => plain(path),
        };
    };
    let subpaths = exports
        .as_object()
        .filter(|map| map.keys().any(|key| key.starts_with('.')));
    let Some(subpaths) = subpaths else {
        let own = (path.is_empty()).then_some(exports)?;
        return plain(target(own, conditions)?);
    };
    let key = if path.is_empty() {
        ".".to_owned()
    } else {
        format!("./{path}")
    };
    if let Some(value) = subpaths.get(&key) {
        return plain(target(value, conditions)?);
    }
    let fitting = subpaths.iter().filter_map(|(pattern, value)| {
        let (head, tail) = pattern.split_once('*')?;
        let star = key.strip_prefix(head)?.strip_suffix(tail)?;
        Some((head.len(), star, value))
    });
    let (_, star, value) = fitting.max_by_key(|(length, ..)| *length)?;
    plain(&target(value, conditions)?.replace('*', star))
}

fn target<'v>(value: &'v serde_json::Value, conditions: &[&str]) -> Option<&'v str> {
    match value {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Array(list) => list.iter().find_map(|one| target(one, conditions)),
        serde_json::Value::Object(map) => map
            .iter()
            .filter(|(key, _)| key.as_str() == "default" || conditions.contains(&key.as_str()))
            .find_map(|(_, one)| target(one, conditions)),
        _ => None,
    }
}

fn leaves(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => found.push(text.clone()),
        serde_json::Value::Array(list) => list.iter().for_each(|one| leaves(one, found)),
        // `types` is for the compiler.
        serde_json::Value::Object(map) => map
            .iter()
            .filter(|(key, _)| *key != "types")
            .for_each(|(_, one)| leaves(one, found)),
        _ => {}
    }
}

/// Whether a file's name is that of a program.
pub fn is_code(file: &str) -> bool {
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    matches!(
        extension,
        "js" | "mjs" | "cjs" | "jsx" | "ts" | "mts" | "cts" | "tsx" | "vue" | "svelte" | "astro"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_packages_lead_where_node_finds_them() {
        for (manifest, path, expected) in [
            (r"{}", "", Some("index.js")),
            (r#"{"main":"./src/index.ts"}"#, "", Some("src/index.ts")),
            (r#"{"main":"x"}"#, "lib/y.js", Some("lib/y.js")),
            (r#"{"exports":"./a.ts"}"#, "", Some("a.ts")),
            (r#"{"exports":"./a.ts"}"#, "b", None),
            (
                r#"{"exports":{"types":"./a.d.ts","require":"./a.cjs","import":"./a.mjs"}}"#,
                "",
                Some("a.mjs"),
            ),
            (
                r#"{"exports":{".":{"default":"./a.ts"},"./b":["./b.ts"]}}"#,
                "b",
                Some("b.ts"),
            ),
            (
                r#"{"exports":{"./*":"./src/*.ts","./x/*":null,"./y/*":"./z/*.js"}}"#,
                "a/b",
                Some("src/a/b.ts"),
            ),
            (
                r#"{"exports":{"./*":"./src/*.ts","./x/*":null,"./y/*":"./z/*.js"}}"#,
                "x/b",
                None,
            ),
            (
                r#"{"exports":{"./*":"./src/*.ts","./x/*":null,"./y/*":"./z/*.js"}}"#,
                "y/b",
                Some("z/b.js"),
            ),
            (r#"{"exports":null,"main":"m.js"}"#, "", Some("m.js")),
        ] {
            let manifest = Manifest::parse("package.json", manifest).unwrap();
            let found = resolved(&manifest, path, &["node", "import"]);
            assert_eq!(found.as_deref(), expected, "{path}");
        }
    }
}
