//! `pnpm-workspace.yaml`: the globs of members, and the file rewritten with the exact members of a
//! closure.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ManifestError, yaml_syntax};
use crate::lockfile::prune::apply;

/// The file's name; it marks the workspace root.
pub const FILE: &str = "pnpm-workspace.yaml";

/// What slimbuild reads of the file.
#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceManifest {
    /// Globs of member directories.
    #[serde(default)]
    pub packages: Option<Vec<String>>,
    /// Patches by package; pnpm 10 and later read them here.
    #[serde(default)]
    pub patched_dependencies: Option<std::collections::BTreeMap<String, String>>,
    /// Whether each branch has a lockfile of its own.
    #[serde(default)]
    pub git_branch_lockfile: Option<bool>,
    /// Whether one lockfile at the root serves all members; each has its own otherwise.
    #[serde(default)]
    pub shared_workspace_lockfile: Option<bool>,
    /// Whether scripts of packages and projects are not run.
    #[serde(default)]
    pub ignore_scripts: Option<bool>,
    /// Pnpmfiles under other names.
    #[serde(default, deserialize_with = "one_or_more")]
    pub pnpmfile: Vec<String>,
    /// All settings by key; `None` if the file is not a map.
    #[serde(skip)]
    pub all: Option<Map<String, Value>>,
}

/// A string or a list of strings.
fn one_or_more<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Texts {
        None,
        One(String),
        More(Vec<String>),
    }
    Ok(match Texts::deserialize(reader)? {
        Texts::None => Vec::new(),
        Texts::One(text) => vec![text],
        Texts::More(texts) => texts,
    })
}

impl WorkspaceManifest {
    /// Parses the file's text.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let all = settings(text).map(Value::Object);
        let manifest = match all.as_ref().map(Self::deserialize) {
            Some(Ok(manifest)) => manifest,
            // Of the text, for the place of an error.
            _ => serde_saphyr::from_str::<Option<Self>>(text)
                .map(Option::unwrap_or_default)
                .map_err(|error| yaml_syntax(FILE, &error))?,
        };
        let all = match all {
            Some(Value::Object(all)) => Some(all),
            _ => None,
        };
        Ok(Self { all, ..manifest })
    }
}

/// All settings of the file by key; `None` if it is not a map.
pub fn settings(text: &str) -> Option<Map<String, Value>> {
    let text = text.trim_start_matches('\u{feff}');
    match serde_saphyr::from_str::<Option<Value>>(text) {
        Ok(Some(Value::Object(map))) => Some(map),
        Ok(None) => Some(Map::new()),
        _ if text.trim().is_empty() => Some(Map::new()),
        Ok(Some(_)) | Err(_) => None,
    }
}

/// The text with exactly `members` (directories) in `packages:`, everything else unchanged. `all`
/// are its [`settings`].
pub fn with_members<'a>(
    text: &str,
    all: Option<&Map<String, Value>>,
    members: impl Iterator<Item = &'a str>,
) -> String {
    let members: Vec<String> = members.map(literal).collect();
    let edited = with_list(text, &members);
    let Some(mut wanted) = all.cloned() else {
        return edited;
    };
    let list = members.into_iter().map(Value::from).collect();
    wanted.insert("packages".to_owned(), Value::Array(list));
    written(edited, &wanted)
}

/// The edited text, if it parses to what is wanted. Line-based edits fail on some layouts (a map in
/// braces, a removed anchor); then the whole file is rewritten as JSON, which is valid YAML.
fn written(edited: String, wanted: &Map<String, Value>) -> String {
    if settings(&edited).as_ref() == Some(wanted) {
        return edited;
    }
    serde_json::to_string_pretty(wanted).map_or(edited, |text| text + "\n")
}

/// A glob that matches only this directory in every pnpm. Up to 11, pnpm reads globs as micromatch
/// does, where a backslash before an ordinary letter is not an escape. pnpm 12 reads them as the
/// crate wax does, which also gives `$`, `:`, `<` and `>` a meaning. Both know classes. (Tried with
/// 9.15, 10.34, 11.22 and 12.21.)
fn literal(dir: &str) -> String {
    let mut glob = String::with_capacity(dir.len());
    for (at, letter) in dir.char_indices() {
        match letter {
            // `!` must not come first in a class, so a range before it includes it.
            '!' if at == 0 => glob.push_str("[ -!]"),
            '[' | ']' => glob.extend(['[', '\\', letter, ']']),
            '*' | '?' | '{' | '}' | '(' | ')' | '|' | '$' | ':' | '<' | '>' | ',' => {
                glob.extend(['[', letter, ']']);
            }
            _ => glob.push(letter),
        }
    }
    glob
}

fn with_list(text: &str, members: &[String]) -> String {
    let entries: Vec<String> = members
        .iter()
        .map(|member| format!("  - '{}'\n", member.replace('\'', "''")))
        .collect();
    let block = match entries.concat() {
        none if none.is_empty() => "packages: []\n".to_owned(),
        some => format!("packages:\n{some}"),
    };
    let mut start = None;
    // Comments and blank lines after the list belong to the next key.
    let mut end = 0;
    // After the byte order mark and the document start line.
    let mut head = text.len() - text.trim_start_matches('\u{feff}').len();
    let mut at = head;
    let mut keys = false;
    for line in text[head..].split_inclusive('\n') {
        let body = line.trim_end();
        let is_key = !body.is_empty() && !line.starts_with([' ', '\t', '#', '-', '%']);
        if !keys && body.split(' ').next() == Some("---") {
            head = at + line.len();
        }
        keys |= is_key;
        match start {
            None if is_key && body.split(':').next().is_some_and(is_packages) => {
                start = Some(at);
                end = at + line.len();
            }
            Some(_) if is_key => break,
            Some(_) if !body.is_empty() && !line.starts_with('#') => end = at + line.len(),
            _ => {}
        }
        at += line.len();
    }
    if let Some(start) = start {
        return apply(text, vec![(start..end, block)]);
    }
    let (before, after) = text.split_at(head);
    let end = if before.ends_with("---") { "\n" } else { "" };
    format!("{before}{end}{block}{after}")
}

/// The text with `$name` in `overrides:` replaced where `written_out` knows the name. `$name` means
/// a direct dependency of the root project, and pnpm fails if the root's manifest does not have it.
pub fn with_references<'a>(text: &str, written_out: impl Fn(&str) -> Option<&'a str>) -> String {
    if !text.contains('$') {
        return text.to_owned();
    }
    let mut changes = Vec::new();
    let (mut at, mut inside) = (0, false);
    for line in text.split_inclusive('\n') {
        if !line.trim().is_empty() && !line.starts_with([' ', '\t', '#']) {
            let key = line.trim_start_matches('\u{feff}').split(':').next();
            inside = key.is_some_and(|key| key.trim_matches(['\'', '"', ' ']) == "overrides");
        }
        for (dollar, _) in line.match_indices('$').filter(|_| inside) {
            let before = &line[..dollar];
            let quote = before.ends_with(['\'', '"']).then(|| &before[dollar - 1..]);
            let before = &before[..dollar - quote.map_or(0, str::len)];
            let is_value = before.trim_end_matches(' ').ends_with(':') && before.ends_with(' ');
            let name = &line[dollar + 1..];
            let end = name.find([' ', '\'', '"', ',', '}', '\r', '\n']);
            let name = &name[..end.unwrap_or(name.len())];
            let closed =
                quote.is_none_or(|quote| line[dollar + 1 + name.len()..].starts_with(quote));
            if let Some(range) = written_out(name).filter(|_| is_value && closed) {
                let quoted = quote.map_or(0, str::len);
                let span = at + dollar - quoted..at + dollar + 1 + name.len() + quoted;
                changes.push((span, format!("'{}'", range.replace('\'', "''"))));
            }
        }
        at += line.len();
    }
    let edited = apply(text, changes);
    match settings(text) {
        Some(mut wanted) => {
            let overrides = wanted.get_mut("overrides").and_then(Value::as_object_mut);
            for value in overrides.into_iter().flat_map(Map::values_mut) {
                let name = value.as_str().and_then(|value| value.strip_prefix('$'));
                if let Some(range) = name.and_then(&written_out) {
                    *value = range.into();
                }
            }
            written(edited, &wanted)
        }
        None => edited,
    }
}

fn is_packages(key: &str) -> bool {
    matches!(key.trim_end(), "packages" | "'packages'" | "\"packages\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members_of<'a>(text: &str, members: impl Iterator<Item = &'a str>) -> String {
        with_members(text, settings(text).as_ref(), members)
    }

    #[test]
    fn replaces_the_list_alone() {
        let text = "# ours\npackages:\n  - 'apps/*'   # all\n\n  - '!packages/x'\n# built\nonlyBuiltDependencies:\n  - esbuild\n";
        assert_eq!(
            members_of(text, ["apps/a", "packages/it's"].into_iter()),
            "# ours\npackages:\n  - 'apps/a'\n  - 'packages/it''s'\n# built\nonlyBuiltDependencies:\n  - esbuild\n"
        );
        assert_eq!(
            members_of("packages:\n- a/*\n", [].into_iter()),
            "packages: []\n"
        );
        assert_eq!(
            members_of("catalog:\n  a: 1\n", ["a"].into_iter()),
            "packages:\n  - 'a'\ncatalog:\n  a: 1\n"
        );
        assert_eq!(
            members_of("packages: ['a/*']\nb: 1\n", ["a"].into_iter()),
            "packages:\n  - 'a'\nb: 1\n"
        );
    }

    #[test]
    fn directories_are_no_globs() {
        for (dir, glob) in [
            ("packages/@scope+a", "packages/@scope+a"),
            ("app/(group)/[...id]", "app/[(]group[)]/[\\[]...id[\\]]"),
            ("a: {b,c}", "a[:] [{]b[,]c[}]"),
            ("!a/!b|*?", "[ -!]a/!b[|][*][?]"),
            ("$a<b>", "[$]a[<]b[>]"),
        ] {
            let text = members_of("", [dir].into_iter());
            assert_eq!(text, format!("packages:\n  - '{glob}'\n"), "{dir}");
        }
    }

    #[test]
    fn a_list_that_was_not_there_comes_behind_what_begins_the_document() {
        let with = |text: &str| members_of(text, ["a"].into_iter());
        let list = "packages:\n  - 'a'\n";
        for (head, rest) in [
            ("\u{feff}", "catalog:\n  b: 1\n"),
            ("---\n", "catalog:\n  b: 1\n"),
            (
                "\u{feff}# ours\r\n--- # settings\r\n",
                "catalog:\r\n  b: 1\r\n",
            ),
            ("%YAML 1.2\n---\n", "# the catalog\ncatalog:\n  b: 1\n"),
            ("\u{feff}", ""),
        ] {
            let text = with(&format!("{head}{rest}"));
            assert_eq!(text, format!("{head}{list}{rest}"));
            let parsed = WorkspaceManifest::parse(&text).unwrap();
            assert_eq!(parsed.packages, Some(vec!["a".to_owned()]));
        }
        assert_eq!(with("---"), format!("---\n{list}"));
        // What is there keeps its place, and the mark too.
        assert_eq!(
            with("\u{feff}packages: ['b']\nc: 1\n"),
            format!("\u{feff}{list}c: 1\n")
        );
    }

    #[test]
    fn references_of_overrides_are_written_out() {
        let written =
            |text| with_references(text, |name| (name == "a" || name == "@s/b").then_some("^1"));
        assert_eq!(
            written(
                "x: $a\noverrides: # $a\n  a: $a # as the root\n  'c>a': '$a'\n\n  d: \"$@s/b\"\n  e: $e\n  f: npm:$a\ny: $a\n"
            ),
            "x: $a\noverrides: # $a\n  a: '^1' # as the root\n  'c>a': '^1'\n\n  d: '^1'\n  e: $e\n  f: npm:$a\ny: $a\n"
        );
        assert_eq!(
            written("overrides: {a: $a, b: '$@s/b'}\r\n"),
            "overrides: {a: '^1', b: '^1'}\r\n"
        );
    }

    #[test]
    fn what_lines_do_not_show_is_written_anew() {
        for text in [
            "{packages: [a/*], overrides: {a: $a}}\n",
            "  packages: [a/*]\n  overrides:\n    a: $a\n",
            "---\noverrides:\n  a: $a\n",
            "packages: &p [a/*]\nother: *p\noverrides:\n  a: $a\n",
            "packages: [x,\n\ny]\noverrides: {a:\n  $a}\n",
        ] {
            let text = members_of(text, ["b"].into_iter());
            let text = with_references(&text, |name| (name == "a").then_some("^1"));
            let found = settings(&text).unwrap();
            assert_eq!(found["packages"], serde_json::json!(["b"]), "{text}");
            assert_eq!(found["overrides"], serde_json::json!({"a": "^1"}), "{text}");
        }
    }

    #[test]
    fn names_the_line() {
        let error = WorkspaceManifest::parse("packages:\n  - 'a\n").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot read `pnpm-workspace.yaml`, line "),
            "{error}"
        );
    }
}
