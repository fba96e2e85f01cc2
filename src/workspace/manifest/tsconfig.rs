//! `tsconfig.json`: which files the compiler reads, and where it writes.

use serde_json::Value;

use super::{ManifestError, parse_jsonc, strings};

/// The names of `paths`, each with its targets.
pub type Names = Vec<(String, Vec<String>)>;

/// One file, before its `extends` are followed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tsconfig {
    /// Configurations that this one extends: relative paths or packages.
    pub extends: Vec<String>,
    /// Referenced projects, which are built first.
    pub references: Vec<String>,
    /// `files`, where given.
    pub files: Option<Vec<String>>,
    /// `include`, where given.
    pub include: Option<Vec<String>>,
    /// `exclude`, where given.
    pub exclude: Option<Vec<String>>,
    /// `compilerOptions.outDir`
    pub out_dir: Option<String>,
    /// `compilerOptions.rootDir`
    pub root_dir: Option<String>,
    /// `compilerOptions.noEmit`
    pub no_emit: Option<bool>,
    /// `compilerOptions.composite`
    pub composite: Option<bool>,
    /// `compilerOptions.allowJs`
    pub allow_js: Option<bool>,
    /// `compilerOptions.baseUrl`
    pub base_url: Option<String>,
    /// `compilerOptions.paths`: each name with its targets, relative to `baseUrl` or to the file.
    pub paths: Names,
}

impl Tsconfig {
    /// Parses the file's text; `file` is its path in messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, ManifestError> {
        let document = parse_jsonc(file, text)?;
        let options = document.get("compilerOptions").cloned().unwrap_or_default();
        let list = |key| document.get(key).map(|list| strings(Some(list)));
        let text = |key| options.get(key).and_then(Value::as_str).map(str::to_owned);
        let flag = |key| options.get(key).and_then(Value::as_bool);
        let paths = options.get("paths").and_then(Value::as_object);
        let extends = match document.get("extends") {
            Some(Value::String(one)) => vec![one.clone()],
            other => strings(other),
        };
        let references = document
            .get("references")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        Ok(Self {
            extends,
            references: references
                .filter_map(|one| one.get("path")?.as_str().map(str::to_owned))
                .collect(),
            files: list("files"),
            include: list("include"),
            exclude: list("exclude"),
            out_dir: text("outDir"),
            root_dir: text("rootDir"),
            no_emit: flag("noEmit"),
            composite: flag("composite"),
            allow_js: flag("allowJs"),
            base_url: text("baseUrl"),
            paths: paths.map_or_else(Vec::new, |paths| {
                let paths = paths.iter();
                let path =
                    |(name, places): (&String, &Value)| (name.clone(), strings(Some(places)));
                paths.map(path).collect()
            }),
        })
    }
}
