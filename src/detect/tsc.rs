//! Predicts what the TypeScript compiler writes, from `tsconfig.json` and the list of files.
//!
//! The path of `dist/main.js` depends on every file that the compiler reads: one configuration file
//! beside `src/` that `include` does not leave out moves it to `dist/src/main.js`. The rule is the
//! compiler's: an output is below `outDir`, at the input's path below `rootDir`, which is by
//! default the deepest directory that contains all inputs
//! ([`getCommonSourceDirectory`](https://github.com/microsoft/TypeScript/blob/main/src/compiler/emitter.ts)).

mod extends;

use std::collections::BTreeSet;

use super::script::Command;
use crate::files::glob::{Globs, with_all_below};
use crate::files::tree::Limit;
use crate::model::path::RepoPath;
use crate::workspace::Workspace;
use crate::workspace::manifest::{ManifestError, parse_jsonc};
pub use extends::{Resolved, extended, resolve};

/// What a build writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writes {
    /// The compiler's output: these files, relative to the package.
    Known(BTreeSet<String>),
    /// Unknown output: of a bundler or a script.
    Unknown,
}

impl Writes {
    /// The possible files, as the continuation of a message; empty if they are unknown.
    pub(super) fn named(&self) -> String {
        const MAX_NAMED: usize = 5;
        let Self::Known(outputs) = self else {
            return String::new();
        };
        // Files that start a program are usually at the top.
        let mut files: Vec<&String> = outputs.iter().collect();
        files.sort_by_key(|file| (file.matches('/').count(), *file));
        let more = files.len().saturating_sub(MAX_NAMED);
        files.truncate(MAX_NAMED);
        let files: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
        match (files.is_empty(), more) {
            (true, _) => String::new(),
            (_, 0) => format!("; it writes {}", files.join(", ")),
            _ => format!("; it writes {} and {more} more", files.join(", ")),
        }
    }
}

/// Predicts what the commands of a package's build write.
pub fn writes(
    workspace: &Workspace,
    dir: &RepoPath,
    commands: &[Command],
    files: &BTreeSet<String>,
) -> Result<Writes, ManifestError> {
    let mut known = BTreeSet::new();
    let mut compiled = false;
    for command in commands {
        let project = match command.program() {
            "tsc" if command.words.iter().any(|word| word == "--noEmit") => continue,
            "tsc" => {
                let named = command
                    .flag(&["-p", "--project", "-b", "--build"])
                    .filter(|name| !name.starts_with('-'));
                named.unwrap_or("tsconfig.json").to_owned()
            }
            "nest" if command.words.get(1).is_some_and(|word| word == "build") => {
                match nest_project(workspace, dir, files)? {
                    Some(project) => command
                        .flag(&["-p", "--path"])
                        .map_or(project, str::to_owned),
                    None => return Ok(Writes::Unknown),
                }
            }
            // These write nothing that can be started.
            "rimraf" | "rm" | "mkdir" | "prisma" | "eslint" | "prettier" | "echo" | "tsc-alias"
            | "cp" | "copyfiles" | "node" => continue,
            _ => return Ok(Writes::Unknown),
        };
        let project = if files.contains(&project) {
            project
        } else {
            format!("{}/tsconfig.json", project.trim_end_matches('/'))
        };
        let Some(outputs) = outputs(workspace, dir, &project, files)? else {
            continue;
        };
        known.extend(outputs);
        compiled = true;
    }
    Ok(if compiled {
        Writes::Known(known)
    } else {
        Writes::Unknown
    })
}

/// The configuration that `nest build` compiles with; `None` if it uses webpack or swc.
fn nest_project(
    workspace: &Workspace,
    dir: &RepoPath,
    files: &BTreeSet<String>,
) -> Result<Option<String>, ManifestError> {
    let path = dir.prefix() + "nest-cli.json";
    let file = RepoPath::new(&path).unwrap_or_default();
    let text = workspace.tree.read_text_optional(&file, Limit::Settings)?;
    let text = text.unwrap_or_else(|| "{}".to_owned());
    let document = parse_jsonc(&path, &text)?;
    let options = document.get("compilerOptions").cloned().unwrap_or_default();
    let builder = options
        .get("builder")
        .map(|builder| builder.get("type").unwrap_or(builder));
    let other = builder
        .and_then(|name| name.as_str())
        .is_some_and(|name| name != "tsc");
    if other || options.get("webpack").and_then(serde_json::Value::as_bool) == Some(true) {
        return Ok(None);
    }
    let named = options.get("tsConfigPath").and_then(|path| path.as_str());
    let default = if files.contains("tsconfig.build.json") {
        "tsconfig.build.json"
    } else {
        "tsconfig.json"
    };
    Ok(Some(
        named.unwrap_or(default).trim_start_matches("./").to_owned(),
    ))
}

/// The files that one project writes; `None` if it emits nothing.
fn outputs(
    workspace: &Workspace,
    dir: &RepoPath,
    project: &str,
    files: &BTreeSet<String>,
) -> Result<Option<BTreeSet<String>>, ManifestError> {
    let Ok(path) = dir.join(project) else {
        return Ok(None);
    };
    let Some(config) = resolve(workspace, &path)? else {
        return Ok(None);
    };
    let Some(out_dir) = config
        .out_dir
        .as_ref()
        .and_then(|out| out.strip(dir))
        .filter(|out| !out.is_empty())
    else {
        return Ok(None);
    };
    if config.options.no_emit == Some(true) {
        return Ok(None);
    }
    let base = path.parent().unwrap_or_default();
    let base = base.strip(dir).unwrap_or_default().to_owned();
    let prefix = if base.is_empty() {
        String::new()
    } else {
        format!("{base}/")
    };
    let sources = inputs(&config, &prefix, out_dir, files);
    if sources.is_empty() {
        return Ok(None);
    }
    let root = match (&config.root_dir, config.options.composite) {
        (Some(root), _) => root.strip(dir).unwrap_or_default().to_owned(),
        (None, Some(true)) => base,
        (None, _) => common_directory(&sources),
    };
    let below = |source: &str| match root.as_str() {
        "" => Some(source.to_owned()),
        root => source
            .strip_prefix(root)?
            .strip_prefix('/')
            .map(str::to_owned),
    };
    let written = sources
        .iter()
        .filter_map(|source| Some(format!("{out_dir}/{}", emitted(&below(source)?)?)));
    Ok(Some(written.collect()))
}

/// The name of a source's output.
fn emitted(source: &str) -> Option<String> {
    let (stem, extension) = source.rsplit_once('.')?;
    let extension = match extension {
        "ts" | "tsx" | "js" | "jsx" => "js",
        "mts" | "mjs" => "mjs",
        "cts" | "cjs" => "cjs",
        _ => return None,
    };
    Some(format!("{stem}.{extension}"))
}

/// The files that the compiler starts from: `files`, and `include` without `exclude`.
fn inputs<'f>(
    config: &Resolved,
    prefix: &str,
    out_dir: &str,
    files: &'f BTreeSet<String>,
) -> Vec<&'f str> {
    let js = config.options.allow_js == Some(true);
    let compiled = |file: &str| {
        let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
        let declaration = [".d.ts", ".d.mts", ".d.cts"]
            .iter()
            .any(|end| file.ends_with(end));
        !declaration
            && (matches!(extension, "ts" | "tsx" | "mts" | "cts")
                || (js && matches!(extension, "js" | "jsx" | "mjs" | "cjs")))
    };
    let listed: Vec<String> = config
        .options
        .files
        .iter()
        .flatten()
        .map(|file| join(prefix, file))
        .collect();
    let default = if config.options.files.is_some() {
        Vec::new()
    } else {
        vec!["**/*".to_owned()]
    };
    let include = set(prefix, config.options.include.as_ref().unwrap_or(&default));
    let mut excluded = config.options.exclude.clone().unwrap_or_else(|| {
        ["node_modules", "bower_components", "jspm_packages"]
            .map(str::to_owned)
            .to_vec()
    });
    if config.options.exclude.is_none() {
        excluded.push(out_dir.strip_prefix(prefix).unwrap_or(out_dir).to_owned());
    }
    let exclude = set(prefix, &excluded);
    let taken = |file: &&String| {
        compiled(file)
            && (listed.contains(file) || (include.is_match(file) && !exclude.is_match(file)))
    };
    files.iter().filter(taken).map(String::as_str).collect()
}

fn join(prefix: &str, path: &str) -> String {
    RepoPath::new(&format!("{prefix}{path}"))
        .map_or_else(|_| path.to_owned(), |path| path.as_str().to_owned())
}

/// TypeScript's patterns: a directory means everything below it, `*` does not match slashes.
fn set(prefix: &str, patterns: &[String]) -> Globs {
    let both = |pattern: &String| {
        let pattern = join(prefix, pattern);
        if pattern.is_empty() {
            [pattern, "**".to_owned()]
        } else {
            with_all_below(&pattern)
        }
    };
    let globs: Vec<String> = patterns.iter().flat_map(both).collect();
    Globs::lenient(globs.iter().map(String::as_str))
}

fn common_directory(sources: &[&str]) -> String {
    let parents = sources
        .iter()
        .map(|source| source.rsplit_once('/').map_or("", |(dir, _)| dir));
    let common = parents
        .map(|dir| {
            dir.split('/')
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
        })
        .reduce(|left, right| {
            left.into_iter()
                .zip(right)
                .take_while(|(left, right)| left == right)
                .map(|(left, _)| left)
                .collect()
        });
    common.unwrap_or_default().join("/")
}

#[cfg(test)]
mod tests;
