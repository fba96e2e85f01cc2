//! Env files that the app's framework reads on a developer's disk, but that enter neither the build
//! nor the image: which variables are missing, and how to provide them.
//!
//! Input: the dropped files. Output: a warning for each of these files that git does not ignore. A
//! warning has names of variables, never values.

use std::collections::BTreeSet;

use super::{PlanOptions, config};
use crate::files::Dropped;
use crate::files::ignore::{IgnoreError, Reason, Rules};
use crate::files::tree::Limit;
use crate::model::member::MemberId;
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
    for Dropped { path, reason } in dropped {
        let name = path.file_name().unwrap_or_default();
        let is_barred = matches!(reason, Reason::Never { .. }) && READ.contains(&name);
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
        let (_dir, workspace) = workspace(&[
            (
                "package.json",
                r#"{"name":"r","packageManager":"pnpm@10.34.8"}"#,
            ),
            (
                "pnpm-lock.yaml",
                "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n\n  apps/a: {}\n",
            ),
            (".gitignore", ".env\n.env.local\n"),
            (
                "apps/a/package.json",
                r#"{"name":"a","scripts":{"start":"node index.js"}}"#,
            ),
            ("apps/a/index.js", ""),
            ("apps/a/.env", "IGNORED=hunter2"),
            ("apps/a/.env.local", "LOCAL=hunter2"),
            ("apps/a/.env.example", "EXAMPLE="),
            ("apps/a/.env.production", "API_URL=hunter2\nSITE=hunter2\n"),
        ]);
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
