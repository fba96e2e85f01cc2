//! Env files that the app or its framework reads on a developer's disk, but that enter neither the
//! build nor the image: which variables are missing, and how to provide them.
//!
//! Input: the dropped files, and those that the start scripts name. Output: a warning for each of
//! these files that git does not ignore. A warning has names of variables, never values.

use std::collections::BTreeSet;

use super::{PlanOptions, config};
use crate::detect::start::START_SCRIPTS;
use crate::files::Dropped;
use crate::files::ignore::{IgnoreError, Reason, Rules, Verdict};
use crate::files::tree::Limit;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::workspace::Workspace;

/// The files that are read in production. Files for developers, tests or as examples are not missed
/// in an image.
const READ: [&str; 4] = [".env", ".env.production", ".env.prod", ".env.defaults"];

/// The number of names in a warning.
const MAX_NAMED: usize = 12;

/// A warning for each file whose variables are missing.
pub(super) fn warnings(
    workspace: &Workspace,
    app: MemberId,
    dropped: &[Dropped],
    rules: &Rules,
    options: &PlanOptions,
) -> Result<Vec<String>, IgnoreError> {
    let mut warnings = Vec::new();
    let by_name = dropped.iter().map(|one| one.path.clone());
    let by_name = by_name.filter(|path| READ.contains(&path.file_name().unwrap_or_default()));
    // Next to the app's own, tools read those of the workspace's root.
    let of_root = READ.iter().map(|name| RepoPath::file(name));
    let all: BTreeSet<RepoPath> = by_name
        .chain(of_root)
        .chain(named(workspace, app))
        .collect();
    for path in &all {
        let is_barred = matches!(rules.file(path)?, Verdict::Drop(Reason::Never { .. }))
            && workspace.tree.is_file(path).unwrap_or_default();
        // A file that `include` names gets another warning.
        if !is_barred || rules.included_by(path).is_some() || rules.git_ignores(path)? {
            continue;
        }
        let text = workspace.tree.read_text(path, Limit::Settings);
        let given =
            |name: &String| options.env.contains_key(name) || options.build_args.contains_key(name);
        let mut missing = names(&text.unwrap_or_default());
        missing.retain(|name| !given(name));
        if missing.is_empty() {
            continue;
        }
        let home = &workspace.members[app].dir;
        let (named, file) = match path.strip(home) {
            Some(inside) => (
                inside,
                home.join(config::FILE).unwrap_or_default().to_string(),
            ),
            None => (
                path.as_str(),
                format!("{} of the workspace's root", config::FILE),
            ),
        };
        warnings.push(format!(
            "{path}, which git does not ignore, enters neither the build nor the image, so these variables are missing there: {}. Give them to the build with `--build-arg NAME`, to the image with `env` in slimbuild.json, or to the container with `--env-file`. If the file holds no secret, `\"publicEnvFiles\": [\"{named}\"]` in {file} takes it along",
            listed(&missing)
        ));
    }
    Ok(warnings)
}

/// The env files that the app's start scripts name: `node --env-file=config/.env.api`.
fn named(workspace: &Workspace, app: MemberId) -> BTreeSet<RepoPath> {
    let member = &workspace.members[app];
    let scripts = START_SCRIPTS.iter();
    let texts = scripts.filter_map(|name| member.manifest.script(name));
    let words = texts.flat_map(|text| text.split(|letter: char| " =;&'\"".contains(letter)));
    let words = words.filter(|word| word.contains(".env"));
    words
        .filter_map(|word| member.dir.join(word).ok())
        .collect()
}

fn listed(names: &BTreeSet<String>) -> String {
    let some: Vec<&str> = names.iter().take(MAX_NAMED).map(String::as_str).collect();
    let some = some.join(", ");
    match names.len().saturating_sub(MAX_NAMED) {
        0 => some,
        more => format!("{some} and {more} more"),
    }
}

/// The variables that a file sets. A quoted value may have several lines, and one of them may look
/// like another variable. Only names in capitals count, so that no part of a key is shown.
fn names(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = None;
    for line in text.lines() {
        if let Some(quote) = open {
            if line.contains(quote) {
                open = None;
            }
            continue;
        }
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let value = value.trim();
        let quote = value.chars().next();
        let quote = quote.filter(|first| matches!(first, '"' | '\'' | '`'));
        open = quote.filter(|quote| !value[1..].contains(*quote));
        let name = name.trim_end();
        let is_name = name.starts_with(|letter: char| letter.is_ascii_uppercase() || letter == '_')
            && name.len() <= 64
            && name
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if is_name {
            found.insert(name.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Content, Plan, PlanOptions};
    use crate::testing::{at, workspace};

    #[test]
    fn names_are_shown_and_no_part_of_a_value_is() {
        let text = "# A=1\nB=2\n export C = \"x\ny\nMIIEvQIBADANBg==\nFAKE=1\n\"\nD='one' # E=2\nlower=3\nMIIEvQIBADANBgkq=\n9X=1\nF=`a\nG=1`\nH=\n";
        let names: Vec<String> = names(text).into_iter().collect();
        assert_eq!(names, ["B", "C", "D", "F", "H"]);
    }

    /// The plan of an app with such files.
    fn plan(public: &[&str]) -> Plan {
        planned("node index.js", public, &[])
    }

    /// The plan of such an app with this start script and more files.
    fn planned(start: &str, public: &[&str], more: &[(&str, &str)]) -> Plan {
        let app = serde_json::json!({"name": "a", "scripts": {"start": start}}).to_string();
        let files = [
            (
                "package.json",
                r#"{"name":"r","packageManager":"pnpm@10.34.8"}"#,
            ),
            (
                "pnpm-lock.yaml",
                "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n\n  apps/a: {}\n",
            ),
            (".gitignore", ".env\n.env.local\n"),
            ("apps/a/package.json", &app),
            ("apps/a/index.js", ""),
            ("apps/a/.env", "IGNORED=hunter2"),
            ("apps/a/.env.local", "LOCAL=hunter2"),
            ("apps/a/.env.example", "EXAMPLE="),
            ("apps/a/.env.production", "API_URL=hunter2\nSITE=hunter2\n"),
        ];
        let (_dir, workspace) = workspace(&[&files[..], more].concat());
        let options = PlanOptions {
            public_env_files: public.iter().map(|glob| (*glob).to_owned()).collect(),
            ..PlanOptions::default()
        };
        Plan::new(&workspace, at(&workspace, "apps/a"), &options).unwrap()
    }

    #[test]
    fn a_file_that_git_tracks_is_not_dropped_in_silence() {
        let warnings = plan(&[]).warnings;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let told = "apps/a/.env.production, which git does not ignore, enters neither the build nor the image, so these variables are missing there: API_URL, SITE. ";
        assert!(warnings[0].starts_with(told), "{warnings:?}");
        let key = "`\"publicEnvFiles\": [\".env.production\"]` in apps/a/slimbuild.json";
        assert!(warnings[0].contains(key), "{warnings:?}");
        assert!(!warnings[0].contains("hunter2"));
    }

    /// turbo, Next and dotenv read those of the root too.
    #[test]
    fn files_of_the_root_are_not_dropped_in_silence() {
        let root = [
            (".env.production", "ROOT_URL=hunter2"),
            (".env", "IGNORED=hunter2"),
        ];
        let warnings = planned("node index.js", &["apps/a/.env*"], &root).warnings;
        let told = ".env.production, which git does not ignore, enters neither the build nor the image, so these variables are missing there: ROOT_URL. ";
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with(told), "{warnings:?}");
        let key =
            "`\"publicEnvFiles\": [\".env.production\"]` in slimbuild.json of the workspace's root";
        assert!(warnings[0].contains(key), "{warnings:?}");
        assert!(!warnings[0].contains("hunter2"));
    }

    /// node ends where `--env-file` names no file, so the flag is there only with its file.
    #[test]
    fn an_env_file_of_the_start_script_is_left_out_or_comes_along() {
        let more = [
            ("apps/a/config/.env.api", "PORT=1"),
            (".env.shared", "SHARED=hunter2"),
        ];
        for file in [".env", "config/.env.api", "../../.env.shared"] {
            for flag in [
                format!("--env-file={file}"),
                format!("--env-file {file}"),
                format!("--env-file-if-exists={file}"),
            ] {
                for line in [
                    format!("node {flag} index.js"),
                    format!("true && node {flag} index.js"),
                ] {
                    let without = planned(&line, &["apps/a/.env.production"], &more);
                    let command = without.delivery.start().unwrap().command();
                    assert!(!command.contains("env"), "{line}: {command}");
                    let said = format!(
                        "the `start` script reads `{file}`, an env file that the image does not hold"
                    );
                    assert!(
                        without.warnings.iter().any(|one| one.contains(&said)),
                        "{:?}",
                        without.warnings
                    );
                    let names = without.warnings.iter().any(|one| {
                        one.contains("missing there: PORT") || one.contains("missing there: SHARED")
                    });
                    assert_eq!(names, file != ".env", "{:?}", without.warnings);
                }
            }
        }
        let public = [
            "apps/a/.env.production",
            "apps/a/config/.env.api",
            ".env.shared",
        ];
        for (file, place) in [
            ("config/.env.api", "run/apps/a/config/.env.api"),
            ("../../.env.shared", "beside/.env.shared"),
        ] {
            for line in [
                format!("node --env-file={file} index.js"),
                format!("true && node --env-file {file} index.js"),
            ] {
                let plan = planned(&line, &public, &more);
                let command = plan.delivery.start().unwrap().command();
                assert!(command.contains(file), "{command}");
                assert_eq!(plan.warnings, [] as [String; 0]);
                let mut entries = plan.recipe().unwrap().context.iter();
                assert!(entries.any(|entry| entry.full_path() == place), "{place}");
            }
        }
    }

    #[test]
    fn what_is_no_secret_comes_along_and_what_git_ignores_does_not() {
        let plan = plan(&["apps/a/.env*"]);
        assert_eq!(plan.warnings, [] as [String; 0]);
        let context = &plan.recipe().unwrap().context;
        let sources = context.iter().filter_map(|entry| match &entry.content {
            Content::Source { path, .. } => Some(path.to_string()),
            _ => None,
        });
        let files: Vec<String> = sources.filter(|path| path.contains(".env")).collect();
        assert_eq!(files, ["apps/a/.env.example", "apps/a/.env.production"]);
        let mut entries = context.iter();
        assert!(entries.any(|entry| entry.full_path() == "run/apps/a/.env.production"));
    }
}
