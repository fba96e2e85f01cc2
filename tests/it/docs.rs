//! README.md and the book in `docs/`: their console blocks are run, their links lead somewhere, and
//! their examples of `slimbuild.json` are valid.
//!
//! A console block is run line by line in a copy of the sample workspace, unless the line before it is
//! `<!-- not run: REASON -->`. A line `…` in its output stands for any lines.
//! `SLIMBUILD_ACCEPT=1` writes the current output into blocks without such a line.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use slimbuild::Env;
use walkdir::WalkDir;

use crate::support::golden::difference;
use crate::support::program::{PROGRAM, slimbuild};
use crate::support::schema::{DOCUMENTS as WITH_SCHEMA, schema};
use crate::support::tree::{Tree, repository};

/// The documents outside of the book.
const DOCUMENTS: [&str; 4] = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
];

const BOOK: &str = "docs/src";

/// The pages of the book, relative to the repository.
pub(crate) fn pages() -> Vec<PathBuf> {
    let walk = WalkDir::new(repository().join(BOOK)).sort_by_file_name();
    let files = walk.into_iter().map(|entry| entry.unwrap().into_path());
    let pages = files.filter(|path| path.extension().is_some_and(|end| end == "md"));
    pages
        .map(|path| path.strip_prefix(repository()).unwrap().to_path_buf())
        .collect()
}

pub(crate) fn read(path: &Path) -> String {
    fs_err::read_to_string(repository().join(path)).unwrap()
}

/// A fenced block of a document.
pub(crate) struct Block {
    /// The word after the fence.
    pub(crate) language: String,
    /// The number of its first line, from zero.
    start: usize,
    pub(crate) lines: Vec<String>,
    /// Why it is not run, if the line before it says so.
    pub(crate) not_run: Option<String>,
}

pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    let mut before = "";
    for (number, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(language) => {
                open = true;
                let reason = before.strip_prefix("<!-- not run: ");
                blocks.push(Block {
                    language: language.to_owned(),
                    start: number + 1,
                    lines: Vec::new(),
                    not_run: reason.and_then(|rest| Some(rest.strip_suffix(" -->")?.to_owned())),
                });
            }
            None if open => {
                let block = blocks.last_mut().expect("a fence was opened");
                block.lines.push(line.to_owned());
            }
            None => {}
        }
        before = line;
    }
    assert!(!open, "a fence is never closed");
    blocks
}

/// What one line of a shell prints, in a workspace.
fn shell(tree: &Tree, line: &str) -> Vec<String> {
    let programs = Path::new(PROGRAM).parent().unwrap().display();
    let output = Command::new("bash")
        .arg("-c")
        .arg(format!("exec 2>&1; {line}"))
        .current_dir(tree.root())
        .env_clear()
        .env("PATH", format!("{programs}:/usr/bin:/bin"))
        .env("HOME", tree.root().join("home"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim_end().lines().map(str::to_owned).collect()
}

/// Whether the lines are those that are expected, where `…` stands for any lines.
fn fits(expected: &[String], actual: &[String]) -> bool {
    match expected {
        [] => actual.is_empty(),
        [first, rest @ ..] if first.trim() == "…" => {
            (0..=actual.len()).any(|skipped| fits(rest, &actual[skipped..]))
        }
        [first, rest @ ..] => actual
            .split_first()
            .is_some_and(|(line, others)| line.trim_end() == first && fits(rest, others)),
    }
}

/// The document with the current output of its console blocks, and what differs.
fn run_blocks(path: &Path) -> (String, Vec<String>) {
    let text = read(path);
    let tree = Tree::shop();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut wrong = Vec::new();
    let run = blocks(&text);
    let run = run
        .iter()
        .filter(|block| block.language == "console" && block.not_run.is_none());
    let mut now = Vec::new();
    for block in run {
        let commands = block.lines.iter().filter(|line| line.starts_with("$ "));
        let mut printed = Vec::new();
        for command in commands {
            let output = shell(&tree, &command[2..]);
            printed.push((command.clone(), output));
        }
        let mut expected = block.lines.split(|line| line.starts_with("$ "));
        assert!(
            expected.next().is_some_and(<[String]>::is_empty),
            "{}: a console block begins with a command",
            path.display()
        );
        for (expected, (command, output)) in expected.zip(&printed) {
            if !fits(expected, output) {
                let difference =
                    difference("document", &expected.join("\n"), "now", &output.join("\n"));
                wrong.push(format!("{}: {command}\n{difference}", path.display()));
            }
        }
        if !block.lines.iter().any(|line| line.trim() == "…") {
            let all = printed.into_iter().flat_map(|(command, output)| {
                std::iter::once(command).chain(output).collect::<Vec<_>>()
            });
            now.push((block.start, block.lines.len(), all.collect::<Vec<_>>()));
        }
    }
    for (start, length, new) in now.into_iter().rev() {
        lines.splice(start..start + length, new);
    }
    (lines.join("\n") + "\n", wrong)
}

#[test]
fn console_blocks_show_what_the_program_prints() {
    let accept = Env::of_process().get("SLIMBUILD_ACCEPT") == Some("1");
    let documents = pages().into_iter().chain(["README.md".into()]);
    let mut wrong = Vec::new();
    for path in documents {
        let (now, differs) = run_blocks(&path);
        if accept {
            fs_err::write(repository().join(&path), now).unwrap();
        } else {
            wrong.extend(differs);
        }
    }
    assert!(
        wrong.is_empty(),
        "`just accept` writes the output of blocks without `…`\n{}",
        wrong.join("\n")
    );
}

#[test]
fn an_omission_stands_for_any_lines() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let actual = lines("a\nb\nc");
    for expected in ["a\nb\nc", "a\n…", "…\nc", "a\n…\nc", "…", "a\nb\nc\n…"] {
        assert!(fits(&lines(expected), &actual), "{expected}");
    }
    for expected in ["", "a", "a\nc", "…\nb", "b\n…", "…\nd\n…"] {
        assert!(!fits(&lines(expected), &actual), "{expected}");
    }
}

#[test]
fn examples_of_slimbuild_json_are_valid() {
    let mut seen = 0;
    for path in pages() {
        for block in blocks(&read(&path)) {
            let file = block
                .lines
                .first()
                .and_then(|line| line.strip_prefix("// "));
            let Some(file) = file.filter(|file| file.ends_with("slimbuild.json")) else {
                continue;
            };
            let tree = Tree::shop();
            tree.write(file, &block.lines.join("\n"));
            slimbuild(tree.root(), &["plan", "apps/server"]).text();
            seen += 1;
        }
    }
    assert!(seen > 0);
}

/// The anchor that GitHub and mdBook give a heading.
fn anchor(heading: &str) -> String {
    let letters = heading.trim_start_matches('#').trim().chars();
    letters
        .filter_map(|letter| match letter {
            ' ' => Some('-'),
            '-' | '_' => Some(letter),
            letter if letter.is_alphanumeric() => Some(letter.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

/// The text outside of fenced blocks.
fn prose(text: &str) -> String {
    let parts = text.split("\n```");
    // Every second part is the inside of a block.
    parts.step_by(2).collect::<Vec<_>>().join("\n")
}

/// The targets of a document's links.
fn targets(text: &str) -> Vec<String> {
    let prose = prose(text).replace('\n', " ");
    let links = prose.split("](").skip(1);
    let targets = links.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()));
    targets.collect()
}

#[test]
fn links_lead_to_files_and_headings() {
    let mut dead = Vec::new();
    let mut seen = 0;
    for path in pages().into_iter().chain(DOCUMENTS.map(PathBuf::from)) {
        for target in targets(&read(&path)) {
            if target.starts_with("https://") {
                continue;
            }
            seen += 1;
            let (file, heading) = target.split_once('#').unwrap_or((&target, ""));
            let file = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            let whole = repository().join(&file);
            let leaves = path.starts_with(BOOK)
                && !fs_err::canonicalize(&whole)
                    .is_ok_and(|whole| whole.starts_with(repository().join(BOOK)));
            let has_heading = || {
                let text = prose(&fs_err::read_to_string(&whole).unwrap());
                text.lines()
                    .any(|line| line.starts_with('#') && anchor(line) == heading)
            };
            if leaves || !whole.is_file() || (!heading.is_empty() && !has_heading()) {
                dead.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(seen > 50, "{seen}");
    assert!(dead.is_empty(), "dead links, or out of the book: {dead:#?}");
}

#[test]
fn the_table_of_contents_has_every_page() {
    let summary = Path::new(BOOK).join("SUMMARY.md");
    let listed: BTreeSet<PathBuf> = targets(&read(&summary))
        .iter()
        .map(|target| Path::new(BOOK).join(target))
        .collect();
    let there: BTreeSet<PathBuf> = pages()
        .into_iter()
        .filter(|path| *path != summary)
        .collect();
    assert_eq!(listed, there);
}

/// Whoever looks for an error must find it: the words of each heading are in the sources.
#[test]
fn troubleshooting_has_the_words_of_errors() {
    let mut sources = String::new();
    for folder in ["src", "templates"] {
        for entry in WalkDir::new(repository().join(folder)) {
            let entry = entry.unwrap();
            let end = entry.path().extension().unwrap_or_default();
            if end == "rs" || end == "mjs" {
                sources += &fs_err::read_to_string(entry.path()).unwrap();
            }
        }
    }
    let text = read(&Path::new(BOOK).join("troubleshooting.md"));
    let headings = text.lines().filter_map(|line| line.strip_prefix("### "));
    let mut unknown = Vec::new();
    let mut seen = 0;
    for heading in headings {
        let outside = heading.split('`').step_by(2);
        let words = outside.flat_map(|part| part.split('…'));
        let words = words.map(str::trim).filter(|words| words.len() > 5);
        for words in words {
            seen += 1;
            if !sources.contains(words) {
                unknown.push(words.to_owned());
            }
        }
    }
    assert!(seen > 20, "{seen}");
    assert!(unknown.is_empty(), "no error says {unknown:?}");
}

#[test]
fn the_readme_is_short() {
    let lines = read(Path::new("README.md")).lines().count();
    assert!(lines <= 150, "README.md has {lines} lines");
}

#[test]
fn the_picture_of_a_run_is_small() {
    let picture = read("docs/src/run.svg".as_ref());
    assert!(picture.len() <= 100_000, "{} bytes", picture.len());
    // It follows the reader's colours.
    assert!(picture.contains("prefers-color-scheme:dark"));
    for page in ["README.md", "docs/src/introduction.md"] {
        assert!(read(page.as_ref()).contains("run.svg)"), "{page}");
    }
}

#[test]
fn reports_of_faults_bring_the_plan() {
    let forms = repository().join(".github/ISSUE_TEMPLATE");
    let mut asked = 0;
    for entry in fs_err::read_dir(forms).unwrap() {
        let text = fs_err::read_to_string(entry.unwrap().path()).unwrap();
        let form: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let fields = form["body"].as_array().into_iter().flatten();
        asked += fields
            .filter(|field| field["id"] == "plan")
            .filter(|field| field.to_string().contains("`slimbuild plan APP --json`"))
            .count();
    }
    assert_eq!(asked, 3);
}

/// All keys of the metadata file, and all events of the stream with their keys.
#[test]
fn the_reference_of_json_is_complete() {
    let page = read(&Path::new(BOOK).join("reference/json.md"));
    let mut names = BTreeSet::new();
    for name in ["metadata", "events"] {
        words(&schema(name), &mut names);
    }
    assert!(names.len() > 40, "{names:?}");
    for name in names.iter().filter(|name| **name != "event") {
        assert!(page.contains(&format!("`{name}`")), "json.md lacks {name}");
    }
    for name in WITH_SCHEMA {
        assert!(page.contains(&format!("](schemas/{name}.json)")), "{name}");
    }
}

/// The keys of a schema's objects, and the values that tell variants apart.
fn words(schema: &Value, found: &mut BTreeSet<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        found.extend(properties.keys().cloned());
    }
    found.extend(schema["const"].as_str().map(str::to_owned));
    for inner in schema
        .as_object()
        .into_iter()
        .flat_map(|object| object.values())
    {
        words(inner, found);
    }
    for inner in schema.as_array().into_iter().flatten() {
        words(inner, found);
    }
}
