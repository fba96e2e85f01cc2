//! The app under examination: what detectors can query.

use std::collections::BTreeSet;

use super::script::{Command, Scripts};
use crate::files::ignore::{Rules, Verdict};
use crate::files::tree::Limit;
use crate::lockfile::Lockfiles;
use crate::model::member::MemberId;
use crate::needs::tasks;
use crate::workspace::manifest::package::Manifest;
use crate::workspace::{Member, Workspace};

/// What a user wants node to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedStart {
    /// The file, relative to the app.
    pub entry: String,
    /// node's own flags.
    pub node_args: Vec<String>,
    /// The program's arguments.
    pub args: Vec<String>,
    /// What names it: "named by --entry".
    pub reason: String,
}

/// An app, as detectors see it.
pub struct Subject<'s> {
    /// The workspace.
    pub workspace: &'s Workspace,
    /// Its lockfiles.
    pub lockfiles: &'s Lockfiles<'s>,
    /// The app.
    pub app: MemberId,
    /// Its files, relative to its directory.
    pub files: &'s BTreeSet<String>,
    /// What the user wants node to start.
    pub entry: Option<&'s WantedStart>,
    /// The scripts that the user chose to build it.
    pub tasks: Option<&'s [String]>,
    /// node's version: a line or exact.
    pub node: &'s str,
    /// The rules that select files, for files of other places.
    pub rules: Option<&'s Rules>,
}

impl Subject<'_> {
    /// The app.
    pub fn member(&self) -> &Member {
        &self.workspace.members[self.app]
    }

    /// Whether the image gets a file, if the start command names it. The path is relative to the app.
    pub fn holds(&self, file: &str) -> bool {
        let dir = &self.member().dir;
        let Ok(path) = dir.join(file) else {
            return false;
        };
        if let Some(own) = path.strip(dir) {
            return self.files.contains(own);
        }
        let kept = |rules: &Rules| matches!(rules.file(&path), Ok(Verdict::Keep));
        self.rules.is_some_and(kept) && self.workspace.tree.is_file(&path).unwrap_or_default()
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.member().manifest
    }

    /// The scripts that build it, in order.
    pub fn build_scripts(&self) -> Vec<String> {
        match self.tasks {
            Some(tasks) => tasks.to_vec(),
            None => tasks::scripts(self.workspace, self.app),
        }
    }

    /// The commands that build it, in order.
    pub fn build(&self) -> Vec<Command> {
        self.build_scripts()
            .iter()
            .flat_map(|name| self.commands(name))
            .collect()
    }

    /// The app's scripts, with the script files that they call.
    pub fn scripts(&self) -> Scripts<'_> {
        Scripts::of(self.workspace, self.app)
    }

    /// The commands of a script, in order.
    pub fn commands(&self, script: &str) -> Vec<Command> {
        self.scripts().commands(script)
    }

    /// The text and the name of the first of these files that exists.
    pub fn text(&self, stem: &str, extensions: &[&str]) -> Option<(String, String)> {
        let name = extensions
            .iter()
            .map(|extension| format!("{stem}.{extension}"))
            .find(|name| self.files.contains(name))?;
        let path = self.member().dir.join(&name).ok()?;
        let text = self.workspace.tree.read_text(&path, Limit::Source).ok()?;
        Some((name, without_comments(&text)))
    }

    /// Whether the app itself depends on the package.
    pub fn depends_on(&self, package: &str) -> bool {
        self.manifest().depends_on(package)
    }

    /// Who depends on a tool that the app's scripts can run: the app itself, or the root project,
    /// whose programs every script can run.
    pub fn tool(&self, package: &str) -> Option<String> {
        if self.depends_on(package) {
            return Some(format!("it depends on `{package}`"));
        }
        let root = self.workspace.root_member();
        let shared = root.manifest.depends_on(package);
        shared.then(|| format!("the root project depends on `{package}`"))
    }

    /// Whether the image has the package, because it is a production dependency of the app.
    pub fn ships(&self, package: &str) -> bool {
        ["dependencies", "optionalDependencies"].iter().any(|key| {
            let map = self.manifest().get(key).and_then(|map| map.as_object());
            map.is_some_and(|map| map.contains_key(package))
        })
    }

    /// The major version of a dependency in the lockfile.
    pub fn major(&self, package: &str) -> Option<u32> {
        let (_, importer) = self.lockfiles.project(&self.member().dir)?;
        let dependency = importer
            .dependencies
            .iter()
            .find(|dependency| dependency.alias == package)?;
        dependency.version.split('.').next()?.parse().ok()
    }
}

/// Removes comments from JavaScript, precisely enough to ignore options that are commented out.
fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    let mut quote = None;
    while let Some(letter) = rest.chars().next() {
        let pair = rest.as_bytes().get(..2);
        let skip = match (quote, pair) {
            (None, Some(b"//")) => rest.find('\n').unwrap_or(rest.len()),
            (None, Some(b"/*")) => rest.find("*/").map_or(rest.len(), |end| end + 2),
            (Some(_), Some([b'\\', next])) if next.is_ascii() => {
                kept.push_str(&rest[..2]);
                2
            }
            _ => {
                match quote {
                    Some(open) if open == letter => quote = None,
                    None if matches!(letter, '"' | '\'' | '`') => quote = Some(letter),
                    _ => {}
                }
                kept.push(letter);
                letter.len_utf8()
            }
        };
        rest = &rest[skip..];
    }
    kept
}

/// The value of an option in a configuration file, if it is a plain string literal: `outDir:
/// 'build'`.
pub fn literal<'t>(text: &'t str, option: &str) -> Option<&'t str> {
    values(text, option).find_map(|value| {
        let quote = value
            .chars()
            .next()
            .filter(|letter| matches!(letter, '"' | '\'' | '`'))?;
        let (inside, _) = value[1..].split_once(quote)?;
        (!inside.contains("${")).then_some(inside)
    })
}

/// Whether an option of a configuration file is set to this word: `ssr: false`.
pub fn is_set_to(text: &str, option: &str, word: &str) -> bool {
    values(text, option).any(|value| {
        value
            .strip_prefix(word)
            .is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()))
    })
}

/// What follows each `option:` that is a key.
fn values<'t>(text: &'t str, option: &str) -> impl Iterator<Item = &'t str> {
    text.match_indices(option).filter_map(move |(at, _)| {
        let before = text[..at].chars().next_back();
        if before
            .is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '$' | '.'))
        {
            return None;
        }
        let rest = text[at + option.len()..].trim_start_matches(['"', '\'']);
        Some(rest.trim_start().strip_prefix(':')?.trim_start())
    })
}

/// A directory as a script or configuration writes it, without `./` and a slash at the end.
pub(super) fn plain_dir(dir: &str) -> String {
    dir.trim_start_matches("./")
        .trim_end_matches('/')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_configuration_files() {
        let text = without_comments(
            "// output: 'export'\nexport default { /* distDir: 'x' */ output: \"standalone\", a: 'it\\'s // x',\n 'distDir' : `build`, ssr: false }",
        );
        assert_eq!(literal(&text, "output"), Some("standalone"));
        assert_eq!(literal(&text, "distDir"), Some("build"));
        assert_eq!(literal(&text, "outDir"), None);
        assert!(is_set_to(&text, "ssr", "false"));
        assert!(!is_set_to(&text, "output", "false"));
        assert_eq!(
            literal("output: on ? 'standalone' : undefined", "output"),
            None
        );
        assert_eq!(literal("my.output: 'x'", "output"), None);
    }
}
