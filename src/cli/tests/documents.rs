//! The command lines in README.md, the book and the workflows in them are understood.

use super::{Cli, ParseError};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The lines of a text that run slimbuild, as words.
fn command_lines(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside {
            let starts = [
                "$ slimbuild ",
                "- slimbuild ",
                "run: slimbuild ",
                "$(slimbuild ",
            ];
            for start in starts {
                if let Some((_, rest)) = line.split_once(start) {
                    found.push(words(rest));
                }
            }
        }
    }
    found
}

/// The words of a command up to its end: a comment, a pipe, a redirection, a second command.
fn words(rest: &str) -> Vec<String> {
    let mut words = vec!["slimbuild".to_owned()];
    let mut word = String::new();
    let mut quote = None;
    let mut variable = false;
    for letter in rest.chars().chain([' ']) {
        if variable && (letter.is_ascii_alphanumeric() || "_{}".contains(letter)) {
            continue;
        }
        if std::mem::take(&mut variable) {
            // Any value.
            word.push('v');
        }
        match (quote, letter) {
            (Some(open), letter) if open == letter => quote = None,
            (None, '\'' | '"') => quote = Some(letter),
            (None, ')' | '|' | '>' | '<' | '&') => break,
            (None, '#') if word.is_empty() => break,
            (None, letter) if letter.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            (Some('"') | None, '$') => variable = true,
            (Some(_) | None, letter) => word.push(letter),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[test]
fn words_are_those_of_a_shell() {
    assert_eq!(
        words("apps/a --include 'x/**' # why"),
        ["slimbuild", "apps/a", "--include", "x/**"]
    );
    assert_eq!(
        words("a -t $HOST/x:${SHA} | cat"),
        ["slimbuild", "a", "-t", "v/x:v"]
    );
    assert_eq!(words("why a b) c"), ["slimbuild", "why", "a", "b"]);
}

#[test]
fn documents_run_commands_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md")];
    for entry in walkdir::WalkDir::new(root.join("docs/src")) {
        files.push(entry.unwrap().into_path());
    }
    let mut seen = 0;
    let is_text = |file: &&PathBuf| file.extension().is_some_and(|end| end == "md");
    for file in files.iter().filter(is_text) {
        let text = fs_err::read_to_string(file).unwrap();
        for words in command_lines(&text) {
            let parsed = Cli::from_args(words.iter().map(OsString::from));
            if let Err(ParseError::Clap(error)) = &parsed
                && !error.use_stderr()
            {
                continue;
            }
            assert!(parsed.is_ok(), "{}: {words:?}: {parsed:?}", file.display());
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}
