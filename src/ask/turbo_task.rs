//! The scripts and the tasks with which turbo builds images.
//!
//! Input: a workspace and an app. Output: the files that change, with their new texts. Nothing that is
//! there is changed.

use serde_json::{Value, json};

use crate::files::tree::Limit;
use crate::lockfile::Field;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::plan::{Content, Place, Plan};
use crate::workspace::Workspace;
use crate::workspace::manifest::ManifestError;
use crate::workspace::manifest::insert::insert;

/// The script and the task that build an image from sources.
pub const TASK: &str = "image";

/// Those that make it of what is built already.
const PREBUILT: &str = "image:prebuilt";

/// Files at the root that decide about images: globs from there.
const ROOT_FILES: [&str; 9] = [
    ".dockerignore",
    ".node-version",
    ".npmrc",
    ".nvmrc",
    ".pnpmfile.cjs",
    "package.json",
    "pnpm-workspace.yaml",
    "slimbuild.json",
    "tsconfig*.json",
];

/// Variables that decide what an image is, and where it goes.
const DECIDING: [&str; 5] = [
    "BUILDKIT_HOST",
    "BUILDX_BUILDER",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "SOURCE_DATE_EPOCH",
];

/// Variables that slimbuild reads besides: where things are, logins, proxies, and the pipeline's.
const PASSED: [&str; 19] = [
    "ACTIONS_*",
    "BUILDX_CONFIG",
    "CI_*",
    "CLICOLOR_FORCE",
    "DOCKER_*",
    "GITHUB_*",
    "GITLAB_CI",
    "HOME",
    "NODE_AUTH_TOKEN",
    "NODE_EXTRA_CA_CERTS",
    "NO_COLOR",
    "NPM_*",
    "REGISTRY_AUTH_FILE",
    "SLIMBUILD_*",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "TMPDIR",
    "XDG_*",
    "*_PROXY",
];

/// Proxies are named in small letters too.
const PROXIES: [&str; 4] = ["all_proxy", "http_proxy", "https_proxy", "no_proxy"];

/// A file and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Its path.
    pub file: RepoPath,
    /// Its text.
    pub before: String,
    /// Its text with what is added.
    pub after: String,
    /// What was to be added and is there already.
    pub kept: Vec<String>,
}

/// Why turbo cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum TurboTaskError {
    /// The workspace does not use turbo.
    #[error("there is no turbo.json in this workspace")]
    NoTurbo,
    /// Its tasks are not in a file of JSON.
    #[error("the tasks of `{0}` cannot be added to")]
    NoTasks(String),
    /// turbo is too old.
    #[error("the task needs turbo 2.5, and package.json has `{0}`")]
    Old(String),
    /// The app's manifest is no JSON.
    #[error("`{0}` is no JSON, and cannot be added to")]
    Format(String),
    /// A file cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl TurboTaskError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoTurbo => Some("leave `--turbo` out: `slimbuild APP` needs no turbo".to_owned()),
            Self::NoTasks(_) => Some(
                "slimbuild adds to `tasks` of a turbo.json: turbo 1 calls them `pipeline`, and `npx @turbo/codemod migrate` renames them"
                    .to_owned(),
            ),
            Self::Old(_) => Some(
                "only turbo 2.5 knows `$TURBO_ROOT$`, without which a change of a file at the root would go unnoticed"
                    .to_owned(),
            ),
            Self::Format(_) => Some(format!(
                "add the script yourself: `{TASK}: slimbuild . -q`"
            )),
            Self::Manifest(error) => error.hint(),
        }
    }
}

/// The edits of the app's manifest and of turbo.json. `plan` tells which files at the root the app's
/// build reads.
pub fn edits(
    workspace: &Workspace,
    app: MemberId,
    plan: Option<&Plan>,
) -> Result<[Edit; 2], TurboTaskError> {
    let turbo = workspace.turbo.as_ref().ok_or(TurboTaskError::NoTurbo)?;
    let root = &workspace.members[MemberId::ROOT].manifest;
    let fields = [Field::Dev, Field::Prod, Field::Optional];
    let range = fields.into_iter().find_map(|field| {
        let dependencies = root.dependencies(field);
        dependencies.get("turbo").map(|range| (*range).to_owned())
    });
    if let Some(range) = range.filter(|range| is_old(range)) {
        return Err(TurboTaskError::Old(range));
    }
    let manifest = workspace.members[app].manifest.file();
    if !manifest.ends_with(".json") {
        return Err(TurboTaskError::Format(manifest.to_owned()));
    }
    let scripts = [
        (TASK, json!("slimbuild . -q")),
        (PREBUILT, json!("slimbuild . --prebuilt -q")),
    ];
    let inputs = inputs(plan);
    let task = |depends_on: &[&str]| {
        json!({
            "dependsOn": depends_on,
            "inputs": inputs,
            "outputs": [],
            "env": DECIDING,
            "passThroughEnv": PASSED.iter().chain(&PROXIES).collect::<Vec<_>>(),
        })
    };
    // The task of a package without this script does nothing, and its hash has the package's files. So a
    // change in a library is one of the apps that use it.
    let tasks = [
        (TASK, task(&["^image"])),
        (PREBUILT, task(&["build", "^image:prebuilt"])),
    ];
    Ok([
        edit(workspace, manifest, "scripts", &scripts)?,
        edit(workspace, &turbo.file, "tasks", &tasks)?,
    ])
}

fn edit(
    workspace: &Workspace,
    file: &str,
    map: &str,
    keys: &[(&str, Value)],
) -> Result<Edit, TurboTaskError> {
    let no_tasks = || TurboTaskError::NoTasks(file.to_owned());
    let path = RepoPath::new(file).map_err(|_| no_tasks())?;
    if !file.ends_with(".json") && !file.ends_with(".jsonc") {
        return Err(no_tasks());
    }
    let text = workspace
        .tree
        .read_text(&path, Limit::Settings)
        .map_err(ManifestError::from)?;
    if map == "tasks" && !text.contains("\"tasks\"") && text.contains("\"pipeline\"") {
        return Err(no_tasks());
    }
    let inserted = insert(file, &text, map, keys)?;
    Ok(Edit {
        file: path,
        before: text,
        after: inserted.text,
        kept: inserted.kept,
    })
}

/// The globs of files that decide about an image: those of the package, and some at the root.
fn inputs(plan: Option<&Plan>) -> Vec<String> {
    let mut globs = vec!["$TURBO_DEFAULT$".to_owned()];
    let at_root = |path: &str| format!("$TURBO_ROOT$/{path}");
    globs.extend(ROOT_FILES.map(at_root));
    let read = plan.into_iter().flat_map(Plan::context);
    let read = read.filter(|entry| entry.place == Place::Root);
    globs.extend(read.filter_map(|entry| match &entry.content {
        Content::Source { path, .. } if !is_of_root_files(path.as_str()) => {
            Some(at_root(path.as_str()))
        }
        _ => None,
    }));
    globs
}

fn is_of_root_files(path: &str) -> bool {
    let is_tsconfig = path.starts_with("tsconfig") && path.ends_with(".json");
    ROOT_FILES.contains(&path) || (is_tsconfig && !path.contains('/'))
}

/// Whether a range of versions begins before turbo 2.5.
fn is_old(range: &str) -> bool {
    let digits = range.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let mut numbers = digits.split('.').map(|part| part.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) < (2, 5),
        (Some(major), None) => major < 2,
        // `latest`, `catalog:`
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, workspace};

    #[test]
    fn ranges_of_old_versions_are_known() {
        for range in ["1.13.4", "^2.4.0", "~2.0", "1", ">=1.10"] {
            assert!(is_old(range), "{range}");
        }
        for range in ["^2.5.0", "2.11.11", "3", "latest", "catalog:", "2"] {
            assert!(!is_old(range), "{range}");
        }
    }

    #[test]
    fn scripts_and_tasks_are_added() {
        let (_dir, workspace) = workspace(&[
            (
                "turbo.json",
                "{\n  // tasks\n  \"tasks\": { \"build\": {} }\n}\n",
            ),
            (
                "apps/api/package.json",
                "{\n  \"name\": \"api\",\n  \"scripts\": {\n    \"image\": \"mine\"\n  }\n}\n",
            ),
        ]);
        let [manifest, turbo] = edits(&workspace, at(&workspace, "apps/api"), None).unwrap();
        assert_eq!(manifest.kept, ["image"]);
        assert_eq!(
            manifest.after,
            "{\n  \"name\": \"api\",\n  \"scripts\": {\n    \"image\": \"mine\",\n    \"image:prebuilt\": \"slimbuild . --prebuilt -q\"\n  }\n}\n"
        );
        assert_eq!(turbo.kept, [""; 0]);
        assert!(
            turbo.after.starts_with("{\n  // tasks\n"),
            "{}",
            turbo.after
        );
        assert!(
            turbo
                .after
                .contains("\"dependsOn\": [\"build\", \"^image:prebuilt\"]")
        );
    }

    #[test]
    fn what_cannot_be_added_to_is_told() {
        let told = |files: &[(&str, &str)]| {
            let app = ("apps/api/package.json", "{\"name\": \"api\"}");
            let mut all = vec![app];
            all.extend(files);
            let (_dir, workspace) = workspace(&all);
            let error = edits(&workspace, at(&workspace, "apps/api"), None).unwrap_err();
            assert!(error.hint().is_some());
            error.to_string()
        };
        assert_eq!(told(&[]), "there is no turbo.json in this workspace");
        assert_eq!(
            told(&[("turbo.json", "{\"pipeline\": {}}")]),
            "the tasks of `turbo.json` cannot be added to"
        );
        let old = "{\"devDependencies\": {\"turbo\": \"^2.3.0\"}}";
        assert_eq!(
            told(&[("turbo.json", "{\"tasks\": {}}"), ("package.json", old)]),
            "the task needs turbo 2.5, and package.json has `^2.3.0`"
        );
    }
}
