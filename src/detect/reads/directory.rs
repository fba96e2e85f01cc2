//! Expressions that lead to a directory or a file: `dirname(fileURLToPath(import.meta.url))`,
//! `path.resolve(__dirname, '../..')`, and the variables that hold one.
//!
//! Input: tokens. Output: a path with its base. What is computed in another way is unknown.

use std::collections::BTreeMap;

use super::From;
use crate::workspace::javascript::Token;

use Token::{Filled, Sign, Text, Word};

/// Limits how deep expressions are nested.
const MAX_DEPTH: usize = 16;

/// Limits how many tokens an expression may have that is not understood.
const MAX_UNKNOWN_LENGTH: usize = 16;

/// A path that an expression gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The path as written; the parts of a `join` are joined by slashes. Empty for the base itself.
    pub(super) path: String,
    /// Its base.
    pub(super) from: From,
}

impl Place {
    fn base(from: From) -> Self {
        let path = String::new();
        Self { path, from }
    }

    /// The path with another part below it.
    fn with(mut self, part: &str) -> Self {
        if !self.path.is_empty() && !self.path.ends_with('/') && !part.is_empty() {
            self.path.push('/');
        }
        self.path.push_str(part);
        self
    }

    /// The directory that holds it.
    fn parent(self) -> Self {
        let path = self.path.trim_end_matches('/');
        let (above, last) = path.rsplit_once('/').unwrap_or(("", path));
        if matches!(last, "" | "." | "..") {
            return self.with("..");
        }
        let path = above.to_owned();
        Self { path, ..self }
    }
}

/// The variables of a file that hold a place, by name.
#[derive(Debug, Default)]
pub(super) struct Places<'t>(BTreeMap<&'t str, Place>);

/// The name that stands for the file itself until `dirname` takes it away.
const ITSELF: &str = "file";

impl<'t> Places<'t> {
    /// The variables that are declared once, or always with the same place.
    pub(super) fn declared(tokens: &[Token<'t>]) -> Self {
        let mut found = Self::default();
        let mut unknown = Vec::new();
        for at in 0..tokens.len() {
            let [Word("const" | "let" | "var"), Word(name), rest @ ..] = &tokens[at..] else {
                continue;
            };
            let ([Sign('='), rest @ ..] | [Sign(':'), Word(_), Sign('='), rest @ ..]) = rest else {
                continue;
            };
            let place = found.whole(rest);
            match (place, found.0.get(name)) {
                (Some(place), None) => {
                    found.0.insert(name, place);
                }
                (Some(place), Some(known)) if place == *known => {}
                _ => unknown.push(*name),
            }
        }
        for name in unknown {
            found.0.remove(name);
        }
        found
    }

    /// The place of an expression that nothing follows.
    fn whole(&self, tokens: &[Token<'_>]) -> Option<Place> {
        let (place, length) = self.of(tokens, 0)?;
        let goes_on = |next: &Token<'_>| {
            matches!(
                next,
                Sign('.' | '+' | '?' | '(' | '[' | '|' | '&' | ',' | ')') | Filled(_)
            )
        };
        (!tokens.get(length).is_some_and(goes_on)).then_some(place)
    }

    /// The place that an expression at the beginning of `tokens` gives, and its number of tokens.
    /// After a `join`, parts at its end that are computed are left out: they are somewhere below.
    pub(super) fn of(&self, tokens: &[Token<'_>], depth: usize) -> Option<(Place, usize)> {
        if depth > MAX_DEPTH {
            return None;
        }
        let (place, length) = self.term(tokens, depth)?;
        match &tokens[length..] {
            [Sign('+'), Text(more), ..] if !matches!(place.from, From::Unknown) => {
                Some((place.with(more.trim_start_matches('/')), length + 2))
            }
            _ => Some((place, length)),
        }
    }

    fn term(&self, tokens: &[Token<'_>], depth: usize) -> Option<(Place, usize)> {
        match tokens {
            [Word("__dirname"), ..] => Some((Place::base(From::File), 1)),
            [Word("__filename"), ..] => Some((Place::base(From::File).with(ITSELF), 1)),
            [
                Word("import"),
                Sign('.'),
                Word("meta"),
                Sign('.'),
                Word(name),
                ..,
            ] => {
                let base = Place::base(From::File);
                match *name {
                    "dirname" => Some((base, 5)),
                    "url" | "filename" => Some((base.with(ITSELF), 5)),
                    _ => None,
                }
            }
            [
                Word("process"),
                Sign('.'),
                Word("cwd"),
                Sign('('),
                Sign(')'),
                ..,
            ] => Some((Place::base(From::Started), 5)),
            [
                Word("new"),
                Word("URL"),
                Sign('('),
                Text(path),
                Sign(','),
                rest @ ..,
            ] => {
                let (base, length) = self.of(rest, depth + 1)?;
                // An address that ends with a slash is that of a directory.
                let base = if base.path.is_empty() || base.path.ends_with('/') {
                    base
                } else {
                    base.parent()
                };
                Some((base.with(path), closed(rest, length)? + 5))
            }
            [Word("fileURLToPath"), Sign('('), rest @ ..] => {
                let (place, length) = self.of(rest, depth + 1)?;
                Some((place, closed(rest, length)? + 2))
            }
            [Word("dirname"), Sign('('), rest @ ..] => {
                let (place, length) = self.of(rest, depth + 1)?;
                Some((place.parent(), closed(rest, length)? + 2))
            }
            [Word("join" | "resolve"), Sign('('), rest @ ..] => {
                let (place, length) = self.joined(rest, depth + 1)?;
                Some((place, length + 2))
            }
            [Word("path" | "url" | "node_path"), Sign('.'), rest @ ..] => {
                let called = matches!(
                    rest,
                    [Word("join" | "resolve" | "dirname" | "fileURLToPath"), ..]
                );
                let (place, length) = called.then(|| self.term(rest, depth + 1))??;
                Some((place, length + 2))
            }
            [Word(name), ..] => Some((self.0.get(name)?.clone(), 1)),
            [Filled(text), ..] => Some((self.filled(text)?, 1)),
            _ => None,
        }
    }

    /// The arguments of a `join`, and their number of tokens with the bracket.
    fn joined(&self, tokens: &[Token<'_>], depth: usize) -> Option<(Place, usize)> {
        let (mut place, mut at) = match tokens {
            [Text(_), ..] => (Place::base(From::Started), 0),
            _ => match self.of(tokens, depth) {
                Some((place, length)) => (place, after_comma(tokens, length)?),
                None => unknown(tokens)?,
            },
        };
        let mut parts = 0;
        while let [Text(part), more @ ..] = &tokens[at..] {
            place = place.with(part);
            parts += 1;
            at += 1;
            match more {
                [Sign(','), ..] => at += 1,
                [Sign(')'), ..] => return Some((place, at + 1)),
                // The rest is computed.
                _ => return None,
            }
        }
        match tokens.get(at) {
            // A comma may stand after the last part.
            Some(Sign(')')) => Some((place, at + 1)),
            // The computed part is somewhere below.
            _ => (parts > 0).then_some((place, at)),
        }
    }

    /// `${__dirname}/../x`.
    fn filled(&self, text: &str) -> Option<Place> {
        let (head, path) = text.strip_prefix("${")?.split_once('}')?;
        let place = match head.trim() {
            "__dirname" | "import.meta.dirname" => Place::base(From::File),
            "process.cwd()" => Place::base(From::Started),
            name => self.0.get(name)?.clone(),
        };
        // Later substitutions are somewhere below.
        let known = path.split("${").next().unwrap_or_default();
        let known = if known.len() == path.len() {
            known
        } else {
            known.rsplit_once('/')?.0
        };
        Some(place.with(known.trim_start_matches('/')))
    }
}

/// A first part of a `join` that is not known: its tokens with the comma.
fn unknown(tokens: &[Token<'_>]) -> Option<(Place, usize)> {
    match tokens {
        // Only the end of the path is known; its base may be anything.
        [Word(_), Sign(','), ..] => Some((Place::base(From::Unknown), 2)),
        // A directory of some file, most likely of this one.
        [Word("dirname"), Sign('('), ..] | [Word("path"), Sign('.'), Word("dirname"), ..] => {
            let end = tokens.iter().position(|token| *token == Sign(','))?;
            (end <= MAX_UNKNOWN_LENGTH).then(|| (Place::base(From::File), end + 1))
        }
        _ => None,
    }
}

/// The offset behind the bracket at `at`, or behind a comma and that bracket.
fn closed(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    match &tokens[at..] {
        [Sign(')'), ..] => Some(at + 1),
        [Sign(','), Sign(')'), ..] => Some(at + 2),
        _ => None,
    }
}

/// The offset behind the comma at `at`, or of the bracket there.
fn after_comma(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    match tokens.get(at)? {
        Sign(',') => Some(at + 1),
        Sign(')') => Some(at),
        _ => None,
    }
}
