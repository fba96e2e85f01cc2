//! Finds known errors in the log of a failed step.

use crate::model::module;
use crate::system::terminal;

/// The end of a log, without terminal escapes.
pub(super) struct Log {
    text: String,
}

/// A module that was not found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Module {
    /// A package, by its name.
    Package(String),
    /// A file.
    File(String),
}

/// Texts before the name of a missing module.
const NOT_FOUND: [&str; 8] = [
    "Cannot find module ",
    "Cannot find package ",
    "Could not resolve ",
    "Can't resolve ",
    "Failed to resolve import ",
    "failed to resolve import ",
    "Unable to resolve ",
    "Could not find module ",
];

/// Texts that say that something required is missing.
const WANTED: [&str; 13] = [
    "is required",
    "required environment variable",
    "missing env",
    "is missing",
    "missing required",
    "is not set",
    "is not defined",
    "must be set",
    "must be defined",
    "environment variable",
    "environment variables",
    "expected string, received undefined",
    // SvelteKit makes a module of the variables that are there.
    "is not exported by \"virtual:env/static",
];

impl Log {
    pub(super) fn new(text: &str) -> Self {
        let lines = text.lines().map(|line| terminal::clean(line, false));
        Self {
            text: lines.collect::<Vec<_>>().join("\n"),
        }
    }

    /// All of it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn has(&self, parts: &[&str]) -> bool {
        parts.iter().any(|part| self.text.contains(part))
    }

    /// The words that follow a text, wherever it occurs.
    pub(super) fn after(&self, before: &str) -> Vec<String> {
        let parts = self.text.split(before).skip(1);
        parts.map(word).filter(|word| !word.is_empty()).collect()
    }

    /// The first module that was not found.
    pub(super) fn module(&self) -> Option<Module> {
        let line = self.text.lines().find_map(|line| {
            let rest = NOT_FOUND
                .iter()
                .find_map(|before| Some(line.split_once(before)?.1))?;
            quoted(rest)
        })?;
        // `@/x` and `~/x` are aliases for a directory in the package.
        Some(
            if line.starts_with(['.', '/', '~', '#']) || line.starts_with("@/") {
                Module::File(line.to_owned())
            } else {
                Module::Package(module::split(line).0.to_owned())
            },
        )
    }

    /// A program that a shell or node did not find.
    pub(super) fn program(&self) -> Option<String> {
        self.text.lines().find_map(|line| {
            let line = line.trim();
            let by_shell = [": not found", ": command not found"]
                .iter()
                .find_map(|end| line.strip_suffix(end));
            let by_shell = by_shell.and_then(|line| line.rsplit(' ').next());
            let by_node = || {
                let rest = line.split_once("spawn ")?.1;
                rest.split_once(" ENOENT").map(|(name, _)| name)
            };
            let name = by_shell.or_else(by_node)?.trim_matches('`');
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "@/_.+-".contains(letter);
            (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
        })
    }

    /// Names of variables in lines that say that something is missing, and in the list that may
    /// follow such a line.
    pub(super) fn variables(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut listing = 0;
        for line in self.text.lines() {
            let lower = line.to_lowercase();
            let wanted = WANTED.iter().any(|words| lower.contains(words));
            if wanted {
                // Schema validators list errors below a headline.
                listing = if lower.contains("environment variable") || lower.contains("missing") {
                    12
                } else {
                    listing
                };
            }
            if wanted || listing > 0 {
                found.extend(
                    line.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
                        .filter(|word| looks_like_a_variable(word))
                        .map(str::to_owned),
                );
            }
            listing = if wanted {
                listing
            } else {
                usize::saturating_sub(listing, 1)
            };
        }
        found.sort();
        found.dedup();
        found.truncate(5);
        found
    }

    /// Whether a test runner says that tests failed.
    pub(super) fn has_failed_tests(&self) -> bool {
        let runners = ["Test Files ", "Tests:", "Tests  ", "# fail ", "ℹ fail "];
        self.text.lines().any(|line| {
            let line = line.trim();
            let of_runner = runners.iter().any(|start| line.starts_with(start));
            let none = line.ends_with("fail 0");
            of_runner && line.contains("fail") && !none || line.starts_with("not ok ")
        })
    }
}

/// The first word of a text, without quotes.
fn word(text: &str) -> String {
    let end = |letter: char| letter.is_whitespace() || "\"'`,;)".contains(letter);
    let word = text.trim_start().split(end).next().unwrap_or_default();
    word.trim_end_matches(['.', ':']).to_owned()
}

/// The content of the quotes that a text begins with.
fn quoted(text: &str) -> Option<&str> {
    let quote = text
        .chars()
        .next()
        .filter(|letter| "\"'`".contains(*letter))?;
    let inner = text.get(1..)?.split(quote).next()?;
    (!inner.is_empty()).then_some(inner)
}

/// Whether a word looks like an environment variable: `DATABASE_URL`. A word without a `_` may be
/// anything.
fn looks_like_a_variable(word: &str) -> bool {
    const NOT: [&str; 6] = [
        "ERR_",
        "ERR_PNPM_",
        "MODULE_NOT_FOUND",
        "ELIFECYCLE",
        "UND_ERR",
        "TS_",
    ];
    let letters =
        |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
    word.len() > 3
        && word.contains('_')
        && word.starts_with(|letter: char| letter.is_ascii_uppercase())
        && word.chars().all(letters)
        && !NOT.iter().any(|start| word.starts_with(start))
}
