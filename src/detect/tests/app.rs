//! A small app, and what is found of it.

use crate::detect::{AppKind, Delivery, DetectError, Detection, Subject, detect};
use crate::lockfile::Lockfiles;
use crate::testing::{at, workspace};

/// An app: its scripts, its dependencies (those for developers begin with `-`), and its files.
pub(super) struct App<'a> {
    pub(super) scripts: &'a [(&'a str, &'a str)],
    pub(super) packages: &'a [&'a str],
    pub(super) files: &'a [(&'a str, &'a str)],
}

/// The kind of an app, with what its image starts or serves.
pub(super) fn of(app: &App<'_>, kind: Option<AppKind>) -> String {
    shown(detected(app, kind))
}

/// The same of what was found.
pub(super) fn shown(found: Result<Detection, DetectError>) -> String {
    match found {
        Ok(found) => {
            let runs = match &found.delivery {
                Delivery::Site(site) => format!("serves {}", site.dir),
                delivery => delivery.start().unwrap().command(),
            };
            format!("{}: {runs}", found.detected.label())
        }
        Err(error) => error.to_string(),
    }
}

/// What an app's image starts: variables and node's words, or the shell's line; and what it takes beside them.
pub(super) fn started(app: &App<'_>) -> String {
    let found = match detected(app, None) {
        Ok(found) => found,
        Err(error) => return error.to_string(),
    };
    let start = found.delivery.start().unwrap();
    let env = start
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value} "));
    let line = match start.line() {
        Some(line) => format!("sh: {} (entry {})", line.text(None), start.entry),
        None => start.command(),
    };
    let programs: Vec<&str> = start.programs().collect();
    let shell = start.shell.as_ref().filter(|_| start.line().is_none());
    let calls = shell.map_or("", |_| ", with a shell");
    let programs = if programs.is_empty() {
        String::new()
    } else {
        format!(" [{}{calls}]", programs.join(" "))
    };
    let warnings = start.warnings.iter().map(|text| format!("; {text}"));
    env.chain([line, programs]).chain(warnings).collect()
}

fn detected(app: &App<'_>, kind: Option<AppKind>) -> Result<Detection, DetectError> {
    let map = |dev: bool| -> serde_json::Map<String, serde_json::Value> {
        let all = app
            .packages
            .iter()
            .filter(|name| name.starts_with('-') == dev);
        all.map(|name| (name.trim_start_matches('-').to_owned(), "1".into()))
            .collect()
    };
    let scripts: serde_json::Map<String, serde_json::Value> = app
        .scripts
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).into()))
        .collect();
    let manifest = serde_json::json!({"name": "@w/a", "scripts": scripts, "dependencies": map(false), "devDependencies": map(true)});
    let manifest = manifest.to_string();
    look(&manifest, app.files, kind)
}

/// What is found of an app with this manifest and these files.
pub(super) fn look(
    manifest: &str,
    files: &[(&str, &str)],
    kind: Option<AppKind>,
) -> Result<Detection, DetectError> {
    look_below("{}", manifest, files, kind)
}

/// The same below a root project with this manifest.
pub(super) fn look_below(
    root: &str,
    manifest: &str,
    files: &[(&str, &str)],
    kind: Option<AppKind>,
) -> Result<Detection, DetectError> {
    let placed: Vec<(String, &str)> = files
        .iter()
        .map(|(path, text)| (format!("apps/a/{path}"), *text))
        .collect();
    let mut all: Vec<(&str, &str)> = placed
        .iter()
        .map(|(path, text)| (path.as_str(), *text))
        .collect();
    all.push(("apps/a/package.json", manifest));
    all.push(("package.json", root));
    let (_dir, workspace) = workspace(&all);
    let lockfiles = Lockfiles::parse(&workspace.lockfiles).unwrap();
    let subject = Subject {
        workspace: &workspace,
        lockfiles: &lockfiles,
        app: at(&workspace, "apps/a"),
        files: &files.iter().map(|(path, _)| (*path).to_owned()).collect(),
        entry: None,
        tasks: None,
        node: "24",
        rules: None,
    };
    detect(&subject, kind)
}
