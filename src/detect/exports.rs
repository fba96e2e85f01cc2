//! What a package exports: whether its declared entry points are sources.

use std::collections::BTreeSet;

use crate::workspace::Workspace;

/// The files that a package's manifest names as entry points, as written.
pub fn entries(workspace: &Workspace, at: usize) -> Vec<String> {
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
pub fn uses_sources(workspace: &Workspace, at: usize, files: &BTreeSet<String>) -> bool {
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
