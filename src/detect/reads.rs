//! What code loads and reads, judged by its text: modules by name, and files by paths that lead
//! upwards.
//!
//! Input: source text in JavaScript or TypeScript. Output: names and paths as written, each path
//! with its base directory. No code is run, and computed names are not seen.

use std::collections::BTreeSet;

use super::string_names::{Named, named};
use crate::workspace::javascript::{Token, tokens};

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
            [Word("join" | "resolve"), Sign('('), ..] => joined(rest),
            [
                Word("URL"),
                Sign('('),
                Text(path),
                Sign(','),
                Word("import"),
                ..,
            ] => Some(((*path).to_owned(), From::File, 3)),
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
            [Word("__dirname"), Sign('+'), Text(path), ..] => {
                Some(((*path).to_owned(), From::File, 3))
            }
            [Word("cwd"), Sign('('), Sign(')'), Sign('+'), Text(path), ..] => {
                Some(((*path).to_owned(), From::Started, 5))
            }
            [Filled(text), ..] => filled(text).map(|(path, from)| (path, from, 1)),
            [Text(path), ..] if !used.contains(&at) => Some(((*path).to_owned(), From::Unknown, 1)),
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

/// `join(__dirname, '..', 'x')`: the path, its base, and the number of tokens.
fn joined(tokens: &[Token<'_>]) -> Option<(String, From, usize)> {
    let mut at = 2;
    let from = match &tokens[at..] {
        [Word("__dirname"), Sign(','), ..] => {
            at += 2;
            From::File
        }
        [
            Word("import"),
            Sign('.'),
            Word("meta"),
            Sign('.'),
            Word("dirname"),
            Sign(','),
            ..,
        ] => {
            at += 6;
            From::File
        }
        [
            Word("process"),
            Sign('.'),
            Word("cwd"),
            Sign('('),
            Sign(')'),
            Sign(','),
            ..,
        ] => {
            at += 6;
            From::Started
        }
        [Text(_), ..] => From::Started,
        // Only the end of the path is known; its base may be anything.
        [Word(_), Sign(','), ..] => {
            at += 2;
            From::Unknown
        }
        // `dirname(fileURLToPath(import.meta.url))`
        [
            Word("dirname"),
            Sign('('),
            Word("fileURLToPath"),
            Sign('('),
            Word("import"),
            ..,
        ]
        | [Word("path"), Sign('.'), Word("dirname"), ..] => {
            let end = tokens[at..].iter().position(|token| *token == Sign(','))?;
            if end > 16 {
                return None;
            }
            at += end + 1;
            From::File
        }
        _ => return None,
    };
    let mut parts = Vec::new();
    while let [Text(part), more @ ..] = &tokens[at..] {
        parts.push(*part);
        at += 1;
        match more {
            [Sign(','), ..] => at += 1,
            [Sign(')'), ..] => break,
            // The rest is computed.
            _ => return None,
        }
    }
    // The computed part is somewhere below.
    (!parts.is_empty()).then(|| (parts.join("/"), from, at))
}

/// `${__dirname}/../x`: the path and its base.
fn filled(text: &str) -> Option<(String, From)> {
    let (head, path) = text.strip_prefix("${")?.split_once('}')?;
    let from = match head.trim() {
        "__dirname" | "import.meta.dirname" => From::File,
        "process.cwd()" => From::Started,
        _ => return None,
    };
    // Later substitutions are somewhere below.
    let known = path.split("${").next().unwrap_or_default();
    let known = if known.len() == path.len() {
        known
    } else {
        known.rsplit_once('/')?.0
    };
    Some((known.to_owned(), from))
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
