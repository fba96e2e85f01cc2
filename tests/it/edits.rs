//! Edits to a workspace after its lockfile was written: would an install stop?
//!
//! `testdata/edits/table.yaml` has one row for each edit. For each version of pnpm, the real pnpm
//! writes the lockfile, the edit is made, and two programs say whether the lockfile still fits:
//! `slimbuild plan` and `pnpm install --frozen-lockfile`. Both must say what the row says. Packages
//! come from a registry in this process.

mod registry;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

use serde::Deserialize;
use serde_json::Value;

use crate::support::daemon::skipped;
use crate::support::pnpm::{Pnpm, reachable};
use crate::support::program::slimbuild;
use crate::support::tree::{Tree, repository};
use registry::Registry;

/// The versions, by their major.
const PNPM: [(&str, &str); 3] = [("10", "10.34.8"), ("11", "11.22.0"), ("12", "12.21.0")];

/// Files by path.
type Changes = BTreeMap<String, Change>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    packages: BTreeMap<String, BTreeMap<String, Value>>,
    base: Changes,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    /// Changes to the base before the lockfile is written.
    #[serde(default)]
    before: Changes,
    /// The edit.
    #[serde(default)]
    after: Changes,
    /// A word of both refusals; `*` if they have none in common. Nothing: it is accepted.
    refused: Option<Refused>,
    /// Majors whose pnpm differs from slimbuild on purpose, with the reason.
    #[serde(default)]
    differs: BTreeMap<String, String>,
    /// Whether pnpm says so only when it installs modules too.
    #[serde(default)]
    whole: bool,
    /// Whether CI checks it.
    #[serde(default)]
    quick: bool,
}

/// What is done to a file.
#[derive(Deserialize, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[serde(untagged)]
enum Change {
    /// It is written.
    Text(String),
    /// Texts in it, each followed by its replacement.
    Replaced(Vec<String>),
    /// It is removed.
    Removed(()),
}

/// The word of refusals by all versions, or by some majors.
#[derive(Deserialize)]
#[serde(untagged)]
enum Refused {
    ByAll(String),
    ByMajor(BTreeMap<String, String>),
}

impl Row {
    fn refused(&self, major: &str) -> Option<&str> {
        match self.refused.as_ref()? {
            Refused::ByAll(word) => Some(word),
            Refused::ByMajor(words) => words.get(major).map(String::as_str),
        }
    }
}

#[test]
fn slimbuild_and_pnpm_agree_on_ten_edits() {
    let test = "slimbuild_and_pnpm_agree_on_ten_edits";
    if let Err(why) = reachable() {
        return skipped(&why, test);
    }
    let checked = check(&[PNPM[2]], |row| row.quick);
    assert!(checked >= 10, "{checked} rows");
}

#[test]
#[ignore = "takes minutes: just test-edits"]
fn slimbuild_and_pnpm_agree_on_all_edits() {
    let only = std::env::var_os("SLIMBUILD_EDIT").unwrap_or_default();
    let only = only.to_string_lossy();
    let checked = check(&PNPM, |row| row.name.contains(&*only));
    assert!(checked >= 120 || !only.is_empty(), "{checked} rows");
}

/// Checks these rows with these versions. Returns how many verdicts were compared.
fn check(versions: &[(&str, &str)], takes: impl Fn(&Row) -> bool) -> usize {
    let text = fs_err::read_to_string(repository().join("testdata/edits/table.yaml")).unwrap();
    let table: Table = serde_saphyr::from_str(&text).unwrap();
    let registry = Registry::start(&table.packages);
    let home = crate::support::temporary();
    let mut checked = 0;
    let mut problems = Vec::new();
    for &(major, version) in versions {
        let start = Instant::now();
        let side = Side {
            table: &table,
            version,
            pnpm: Pnpm::new("22", version).unwrap(),
            settings: registry.settings(home.path()),
        };
        let mut lockfiles: BTreeMap<&Changes, String> = BTreeMap::new();
        for row in table.rows.iter().filter(|row| takes(row)) {
            let lockfile = lockfiles
                .entry(&row.before)
                .or_insert_with(|| side.lockfile(&row.before));
            if let Err(problem) = side.compare(row, major, lockfile) {
                problems.push(format!("{}, pnpm {version}: {problem}", row.name));
            }
            checked += 1;
        }
        let seconds = start.elapsed().as_secs();
        eprintln!("pnpm {version}: {seconds} s");
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n\n"));
    checked
}

/// One version of pnpm, and what it installs.
struct Side<'t> {
    table: &'t Table,
    version: &'t str,
    pnpm: Pnpm,
    settings: Vec<(&'static str, OsString)>,
}

impl Side<'_> {
    /// The base with these changes.
    fn tree(&self, before: &Changes) -> Tree {
        let tree = Tree::new(&[]);
        self.change(&tree, &self.table.base);
        self.change(&tree, before);
        tree
    }

    fn change(&self, tree: &Tree, changes: &Changes) {
        for (path, change) in changes {
            match change {
                Change::Text(text) => tree.write(path, &text.replace("VERSION", self.version)),
                Change::Removed(()) => tree.remove(path),
                Change::Replaced(texts) => {
                    for pair in texts.chunks(2) {
                        tree.replace(path, &pair[0], &pair[1]);
                    }
                }
            }
        }
    }

    /// The lockfile that pnpm writes for the base with these changes.
    fn lockfile(&self, before: &Changes) -> String {
        let tree = self.tree(before);
        let arguments = ["install", "--lockfile-only", "--no-frozen-lockfile"];
        self.pnpm(tree.root(), &arguments).unwrap();
        tree.read("pnpm-lock.yaml")
    }

    /// Compares both verdicts with the row's.
    fn compare(&self, row: &Row, major: &str, lockfile: &str) -> Result<(), String> {
        let tree = self.tree(&row.before);
        tree.write("pnpm-lock.yaml", lockfile);
        self.change(&tree, &row.after);
        // pnpm may change the lockfile, so slimbuild goes first.
        let planned = slimbuild(tree.root(), &["plan", "apps/a"]);
        let ours = if planned.code == 0 {
            Ok(())
        } else {
            Err(planned.stderr)
        };
        let mut arguments = vec!["install", "--frozen-lockfile", "--ignore-scripts"];
        arguments.extend((!row.whole).then_some("--lockfile-only"));
        let theirs = self.pnpm(tree.root(), &arguments);
        let expected = row.refused(major);
        agrees(&theirs, expected).map_err(|problem| format!("pnpm {problem}"))?;
        let differs = row.differs.contains_key(major);
        match (agrees(&ours, expected), differs) {
            (Ok(()), false) | (Err(_), true) => Ok(()),
            (Err(problem), false) => Err(format!("slimbuild {problem}")),
            (Ok(()), true) => {
                Err("slimbuild agrees with pnpm: the row says that it differs".into())
            }
        }
    }

    fn pnpm(&self, dir: &Path, arguments: &[&str]) -> Result<(), String> {
        self.pnpm.verdict(dir, arguments, &self.settings)
    }
}

/// Whether a verdict is the expected one.
fn agrees(verdict: &Result<(), String>, expected: Option<&str>) -> Result<(), String> {
    match (verdict, expected) {
        (Ok(()), None) | (Err(_), Some("*")) => Ok(()),
        (Err(words), Some(word)) if words.contains(word) => Ok(()),
        (Err(words), Some(word)) => Err(format!("refuses it without the word `{word}`: {words}")),
        (Err(words), None) => Err(format!("refuses it: {words}")),
        (Ok(()), Some(_)) => Err("accepts it".to_owned()),
    }
}
