//! The licences of the packages that are installed in a workspace, as their own files state them.
//!
//! Input: the workspace's directory and those of its projects. Output: [`Licences`], by name and
//! version. Lockfiles have none, so packages that are not installed have none here either. Links
//! are not followed: every package has a real directory.

use std::collections::BTreeMap;

use serde_json::Value;
use spdx::Expression;

use crate::files::tree::{FileKind, Limit, Tree, TreeError, optional};
use crate::model::path::RepoPath;

/// Where pnpm keeps the packages.
const STORE: &str = ".pnpm";
/// How the names of files with the text of a licence begin, in small letters.
const TEXTS: [&str; 4] = ["licence", "license", "copying", "notice"];
/// How deep modules of modules are followed.
const DEPTH: usize = 32;

/// The licence of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Licence {
    /// As the manifest has it: `MIT`, `(MIT OR Apache-2.0)`, `SEE LICENSE IN x`.
    pub name: String,
    /// The files with its text.
    pub texts: Vec<RepoPath>,
}

/// The licences of all installed packages.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Licences {
    found: BTreeMap<(String, String), Licence>,
}

impl Licences {
    /// Reads those of the packages below the `node_modules` of these projects.
    pub fn installed<'p>(
        tree: &Tree,
        projects: impl IntoIterator<Item = &'p RepoPath>,
    ) -> Result<Self, TreeError> {
        let mut licences = Self::default();
        for project in projects {
            let modules = RepoPath::child(project, "node_modules");
            licences.modules(tree, &modules, DEPTH)?;
        }
        Ok(licences)
    }

    /// Whether no package is installed.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The licence of a package; `None` if it is not installed, or says nothing.
    pub fn of(&self, name: &str, version: &str) -> Option<&Licence> {
        self.found.get(&(name.to_owned(), version.to_owned()))
    }

    /// Reads a `node_modules`, or what is not there.
    fn modules(&mut self, tree: &Tree, dir: &RepoPath, depth: usize) -> Result<(), TreeError> {
        if depth == 0 {
            return Ok(());
        }
        for name in directories(tree, dir)? {
            let path = RepoPath::child(dir, &name);
            if name == STORE {
                for entry in directories(tree, &path)? {
                    let entry = RepoPath::child(&path, &entry);
                    self.modules(tree, &RepoPath::child(&entry, "node_modules"), depth - 1)?;
                }
            } else if name.starts_with('@') {
                for entry in directories(tree, &path)? {
                    self.package(tree, &RepoPath::child(&path, &entry), depth)?;
                }
            } else if !name.starts_with('.') {
                self.package(tree, &path, depth)?;
            }
        }
        Ok(())
    }

    fn package(&mut self, tree: &Tree, dir: &RepoPath, depth: usize) -> Result<(), TreeError> {
        let manifest = RepoPath::child(dir, "package.json");
        let text = tree.read_text_optional(&manifest, Limit::Settings)?;
        // A directory without a manifest that can be read is no package.
        let manifest = text.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        if let Some(manifest) = manifest {
            let text = |key: &str| Some(manifest.get(key)?.as_str()?.to_owned());
            if let (Some(name), Some(version)) = (text("name"), text("version"))
                && let Some(licence) = stated(&manifest)
            {
                let texts = texts(tree, dir)?;
                let licence = Licence {
                    name: licence,
                    texts,
                };
                self.found.entry((name, version)).or_insert(licence);
            }
        }
        self.modules(tree, &RepoPath::child(dir, "node_modules"), depth - 1)
    }
}

/// The real directories in a directory, by name; none if it is not there.
fn directories(tree: &Tree, dir: &RepoPath) -> Result<Vec<String>, TreeError> {
    names(tree, dir, FileKind::Directory)
}

/// The files with a licence's text in a package.
fn texts(tree: &Tree, dir: &RepoPath) -> Result<Vec<RepoPath>, TreeError> {
    let files = names(tree, dir, FileKind::Regular)?.into_iter();
    let is_text = |name: &String| {
        let name = name.to_lowercase();
        // Not `license-checker.js`.
        let is_code = [".js", ".cjs", ".mjs", ".ts", ".json", ".map"];
        TEXTS.iter().any(|start| name.starts_with(start))
            && !is_code.iter().any(|end| name.ends_with(end))
    };
    let texts = files.filter(is_text);
    Ok(texts.map(|name| RepoPath::child(dir, &name)).collect())
}

fn names(tree: &Tree, dir: &RepoPath, wanted: FileKind) -> Result<Vec<String>, TreeError> {
    let Some(mut directory) = optional(tree.directory(dir))? else {
        return Ok(Vec::new());
    };
    let entries = directory.entries()?.into_iter();
    let entries = entries.filter(|(_, kind)| *kind == wanted);
    let mut names: Vec<String> = entries
        .filter_map(|(name, _)| name.into_string().ok())
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// What a manifest says: `license`, or the older forms of it.
fn stated(manifest: &Value) -> Option<String> {
    let one = |value: &Value| {
        let text = value.as_str().or_else(|| value.get("type")?.as_str())?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    if let Some(licence) = manifest.get("license").and_then(one) {
        return Some(licence);
    }
    let all: Vec<String> = manifest
        .get("licenses")?
        .as_array()?
        .iter()
        .filter_map(one)
        .collect();
    match &all[..] {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(format!("({})", several.join(" OR "))),
    }
}

/// Whether a licence is an expression of SPDX.
pub fn is_expression(licence: &str) -> bool {
    Expression::parse(licence).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(files: &[(&str, &str)]) -> (tempfile::TempDir, Licences) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        let tree = Tree::open(dir.path()).unwrap();
        let projects = [RepoPath::ROOT, RepoPath::new("apps/a").unwrap()];
        let licences = Licences::installed(&tree, &projects).unwrap();
        (dir, licences)
    }

    #[test]
    fn licences_of_every_layout_are_found() {
        let manifest = |name: &str, rest: &str| {
            format!("{{\"name\": \"{name}\", \"version\": \"1.0.0\"{rest}}}")
        };
        let (mit, old) = (
            manifest("a", r#", "license": "MIT""#),
            manifest("b", r#", "licenses": [{"type": "MIT"}, {"type": "ISC"}]"#),
        );
        let (scoped, none) = (
            manifest("@s/c", r#", "license": {"type": "BSD"}"#),
            manifest("d", ""),
        );
        let nested = manifest("e", r#", "license": "ISC""#);
        let (_dir, licences) = written(&[
            (
                "node_modules/.pnpm/a@1.0.0/node_modules/a/package.json",
                &mit,
            ),
            (
                "node_modules/.pnpm/a@1.0.0/node_modules/a/LICENSE.md",
                "text",
            ),
            (
                "node_modules/.pnpm/a@1.0.0/node_modules/a/license.js",
                "code",
            ),
            ("node_modules/b/package.json", &old),
            ("node_modules/b/node_modules/e/package.json", &nested),
            ("apps/a/node_modules/@s/c/package.json", &scoped),
            ("node_modules/d/package.json", &none),
            ("node_modules/broken/package.json", "{"),
        ]);
        let name = |package: &str| licences.of(package, "1.0.0").map(|licence| &*licence.name);
        assert_eq!(name("a"), Some("MIT"));
        assert_eq!(name("b"), Some("(MIT OR ISC)"));
        assert_eq!(name("@s/c"), Some("BSD"));
        assert_eq!(name("d"), None);
        assert_eq!(name("e"), Some("ISC"));
        assert_eq!(licences.of("a", "2.0.0"), None);
        let texts = &licences.of("a", "1.0.0").unwrap().texts;
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(texts[0].as_str().ends_with("/a/LICENSE.md"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let manifest = r#"{"name": "a", "version": "1.0.0", "license": "MIT"}"#;
        fs_err::write(outside.path().join("package.json"), manifest).unwrap();
        fs_err::create_dir(dir.path().join("node_modules")).unwrap();
        let link = dir.path().join("node_modules/a");
        std::os::unix::fs::symlink(outside.path(), link).unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        let licences = Licences::installed(&tree, [&RepoPath::ROOT]).unwrap();
        assert!(licences.is_empty());
    }

    #[test]
    fn an_expression_is_told_from_words() {
        assert!(is_expression("(MIT OR Apache-2.0)"));
        assert!(!is_expression("BSD"));
    }
}
