//! What code loads and reads, judged by its text: modules by name, and files by paths that lead
//! upwards.
//!
//! Input: source text in JavaScript or TypeScript. Output: names and paths as written, each path
//! with its base directory. No code is run, and computed names are not seen.

mod directory;

use std::collections::BTreeSet;

use super::string_names::{Named, named};
use crate::workspace::javascript::{Token, tokens};
use directory::Places;

/// What a file loads and reads.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Modules in `import` and `require`, without those imported only for types.
    pub modules: BTreeSet<String>,
    /// Modules that are loaded whenever the file is, by `import` and `export … from`. Modules
    /// imported only for types count too, since node removes only `import type`.
    pub imported: BTreeSet<String>,
    /// Likewise, by `require` in a plain statement at the top level.
    pub required: BTreeSet<String>,
    /// Paths with a `..` in them, or through a directory, in order.
    pub paths: BTreeSet<Path>,
    /// Modules that strings name, for a library to load.
    pub named: BTreeSet<Named>,
    /// Globs of code below `src`, for a library to read: `apis: ['./src/routes/*.ts']`.
    pub globs: BTreeSet<String>,
}

/// A path that may lead to another package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// The path as written; the parts of a `join` are joined by slashes.
    pub path: String,
    /// Its base.
    pub from: From,
}

/// The base of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum From {
    /// The directory of the file itself: `__dirname`, `import.meta.url`.
    File,
    /// The working directory: `process.cwd()`.
    Started,
    /// Unknown.
    Unknown,
}

use Token::{Filled, Sign, Text, Word};

/// Reads a source.
pub fn reads(text: &str) -> Reads {
    let tokens = tokens(text);
    let mut found = Reads {
        named: named(&tokens).into_iter().collect(),
        ..Reads::default()
    };
    let places = Places::declared(&tokens);
    // Tokens that have been used.
    let mut used = BTreeSet::new();
    let mut types = false;
    let mut depth = 0_usize;
    for at in 0..tokens.len() {
        let rest = &tokens[at..];
        let before = at.checked_sub(1).map(|before| tokens[before]);
        match rest[0] {
            Sign('{' | '(' | '[') => depth += 1,
            Sign('}' | ')' | ']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        match rest {
            [Word("import" | "export"), Word("type"), next, ..] => {
                types = !matches!(next, Word("from") | Sign('=' | ','));
            }
            [Word("import" | "export"), ..] => types = false,
            _ => {}
        }
        if let Some((place, name)) = module(rest, before) {
            let is_from = rest[0] == Word("from");
            let of_types = (is_from && types) || before == Some(Word("typeof"));
            if !of_types {
                found.modules.insert(name.to_owned());
                match rest {
                    [Word("import" | "from"), Text(_), ..] if depth == 0 => {
                        found.imported.insert(name.to_owned());
                    }
                    [Word("require"), Sign('('), ..]
                        if depth == 0 && matches!(before, None | Some(Sign('=' | ';'))) =>
                    {
                        found.required.insert(name.to_owned());
                    }
                    _ => {}
                }
            }
            used.insert(at + place);
            continue;
        }
        if let [Text(text), ..] = rest
            && is_glob_of_code(text)
            && before_glob(&tokens[..at]) != Some("entitiesTs")
        {
            found.globs.insert((*text).to_owned());
        }
        let path = match rest {
            // What starts or reads a file takes a path from the working directory.
            [
                Word(
                    "fork" | "Worker" | "readFileSync" | "readFile" | "createReadStream"
                    | "readdirSync" | "readdir",
                ),
                Sign('('),
                Text(path),
                ..,
            ] if !path.starts_with('/') => Some(((*path).to_owned(), From::Started, 3)),
            [Text(path), ..] if !used.contains(&at) => Some(((*path).to_owned(), From::Unknown, 1)),
            // A member of that name (`this.root`) is not the variable.
            [Word(_) | Filled(_), ..] if before != Some(Sign('.')) || is_call(rest) => places
                .of(rest, 0)
                .map(|(place, length)| (place.path, place.from, length)),
            _ => None,
        };
        let Some((path, from, length)) = path else {
            continue;
        };
        let leads = leads_up(&path) || (from != From::Unknown && leads_down(&path));
        if !used.contains(&at) && leads {
            found.paths.insert(Path { path, from });
        }
        used.extend(at..at + length);
    }
    found
}

/// The module loaded here, and the offset of its name.
fn module<'t>(rest: &[Token<'t>], before: Option<Token<'_>>) -> Option<(usize, &'t str)> {
    if before == Some(Sign('.')) {
        return None;
    }
    match *rest {
        [Word("require" | "import"), Sign('('), Text(name), ..] => Some((2, name)),
        [
            Word("require"),
            Sign('.'),
            Word("resolve"),
            Sign('('),
            Text(name),
            ..,
        ] => Some((4, name)),
        [Word("import" | "from"), Text(name), ..] => Some((1, name)),
        _ => None,
    }
}

/// Whether a path is joined or a directory asked for here: `path.join(`.
fn is_call(tokens: &[Token<'_>]) -> bool {
    matches!(
        tokens,
        [
            Word("join" | "resolve" | "dirname" | "fileURLToPath"),
            Sign('('),
            ..
        ]
    )
}

fn is_glob_of_code(text: &str) -> bool {
    let inside = text.trim_start_matches("./");
    let ends = [
        ".ts", ".js", ".mts", "{ts,js}", "{js,ts}", "(ts|js)", "(js|ts)",
    ];
    inside.starts_with("src/") && text.contains('*') && ends.iter().any(|end| text.ends_with(end))
}

/// The key of a list or value that begins here. `MikroORM` reads `entitiesTs` only where TypeScript
/// runs.
fn before_glob<'t>(before: &[Token<'t>]) -> Option<&'t str> {
    match before {
        [.., Word(key), Sign(':')] | [.., Word(key), Sign(':'), Sign('[')] => Some(key),
        _ => None,
    }
}

/// Whether a path goes up, and then somewhere.
fn leads_up(path: &str) -> bool {
    let mut parts = parts(path);
    is_path(path)
        && parts.clone().any(|part| part == "..")
        && parts.next_back().is_some_and(|part| part != "..")
}

/// Whether it is a path through a directory, as that of a package in a workspace is from its root.
fn leads_down(path: &str) -> bool {
    is_path(path) && parts(path).count() > 1 && parts(path).all(|part| part != "..")
}

fn is_path(path: &str) -> bool {
    let letters = |letter: char| !letter.is_control() && !" *?{}<>|\"'`$;,()".contains(letter);
    path.len() < 512 && path.chars().all(letters) && !path.contains("://")
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> + Clone {
    path.split('/').filter(|part| !matches!(*part, "" | "."))
}

#[cfg(test)]
mod tests;
