//! The syntax: JSON with a comma after every entry, one entry a line.

use std::borrow::Cow;
use std::ops::Range;

use crate::lockfile::LockfileError;
use crate::lockfile::lines::unreadable;
use crate::lockfile::scalar::shorten;

/// pnpm nests 8 deep.
const MAX_DEPTH: usize = 32;

/// A value, with its place where that matters.
#[derive(Debug)]
pub(super) enum Value<'t> {
    Map(Vec<Pair<'t>>),
    List(Vec<Item<'t>>),
    Text(Cow<'t, str>),
    /// A number, `true`, `false` or `null`.
    Word(&'t str),
}

/// An entry of a map.
#[derive(Debug)]
pub(super) struct Pair<'t> {
    pub(super) key: Cow<'t, str>,
    pub(super) value: Value<'t>,
    /// From the key to the comma, inclusive.
    pub(super) range: Range<usize>,
}

/// An entry of a list.
#[derive(Debug)]
pub(super) struct Item<'t> {
    pub(super) value: Value<'t>,
    /// From the value to the comma, inclusive.
    pub(super) range: Range<usize>,
}

impl<'t> Value<'t> {
    pub(super) fn map(&self) -> Option<&[Pair<'t>]> {
        match self {
            Self::Map(pairs) => Some(pairs),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Item<'t>]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_true(&self) -> bool {
        matches!(self, Self::Word("true"))
    }

    /// The value of a key of a map.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.pair(key).map(|pair| &pair.value)
    }

    /// The entry with a key of a map.
    pub(super) fn pair(&self, key: &str) -> Option<&Pair<'t>> {
        self.map()?.iter().find(|pair| pair.key == key)
    }
}

/// Parses the map that begins at `start` and is followed by nothing.
pub(super) fn parse(text: &str, start: usize) -> Result<Value<'_>, LockfileError> {
    let mut parser = Parser { text, at: start };
    parser.skip_space();
    let value = parser.value(0)?;
    parser.skip_space();
    if parser.at < text.len() {
        return Err(parser.unexpected());
    }
    Ok(value)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self
            .peek()
            .is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
        {
            self.at += 1;
        }
    }

    fn fail(&self, problem: impl Into<String>) -> LockfileError {
        unreadable(self.text, self.at, problem)
    }

    fn unexpected(&self) -> LockfileError {
        match self.text[self.at..].lines().next() {
            None | Some("") => self.fail("the file ends too early"),
            Some(rest) => self.fail(format!(
                "`{}` is not what pnpm writes there",
                shorten(rest.trim_end())
            )),
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), LockfileError> {
        if self.peek() != Some(byte) {
            return Err(self.unexpected());
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Value<'t>, LockfileError> {
        if depth > MAX_DEPTH {
            return Err(self.fail("it is nested deeper than pnpm nests"));
        }
        match self.peek() {
            Some(b'{') => {
                let mut pairs: Vec<Pair<'t>> = Vec::new();
                self.entries(b'}', |parser| {
                    let start = parser.at;
                    let key = parser.string()?;
                    parser.skip_space();
                    parser.expect(b':')?;
                    parser.skip_space();
                    let value = parser.value(depth + 1)?;
                    let end = parser.end_of_entry();
                    pairs.push(Pair {
                        key,
                        value,
                        range: start..end,
                    });
                    Ok(())
                })?;
                self.refuse_twins(&pairs)?;
                Ok(Value::Map(pairs))
            }
            Some(b'[') => {
                let mut items = Vec::new();
                self.entries(b']', |parser| {
                    let start = parser.at;
                    let value = parser.value(depth + 1)?;
                    let end = parser.end_of_entry();
                    items.push(Item {
                        value,
                        range: start..end,
                    });
                    Ok(())
                })?;
                Ok(Value::List(items))
            }
            Some(b'"') => Ok(Value::Text(self.string()?)),
            _ => {
                let rest = &self.text[self.at..];
                let end = rest
                    .find(|letter: char| {
                        !(letter.is_ascii_alphanumeric() || "+-.".contains(letter))
                    })
                    .unwrap_or(rest.len());
                if end == 0 {
                    return Err(self.unexpected());
                }
                self.at += end;
                Ok(Value::Word(&rest[..end]))
            }
        }
    }

    /// Reads entries up to the closing bracket.
    fn entries(
        &mut self,
        close: u8,
        mut entry: impl FnMut(&mut Self) -> Result<(), LockfileError>,
    ) -> Result<(), LockfileError> {
        self.at += 1;
        loop {
            self.skip_space();
            if self.peek() == Some(close) {
                self.at += 1;
                return Ok(());
            }
            entry(self)?;
            let had_comma = self.text.as_bytes()[self.at - 1] == b',';
            self.skip_space();
            if !had_comma && self.peek() != Some(close) {
                return Err(self.unexpected());
            }
        }
    }

    /// Takes the comma after an entry, if there is one. Returns where the entry ends.
    fn end_of_entry(&mut self) -> usize {
        let end = self.at;
        self.skip_space();
        if self.peek() == Some(b',') {
            self.at += 1;
        } else {
            self.at = end;
        }
        self.at
    }

    fn string(&mut self) -> Result<Cow<'t, str>, LockfileError> {
        let start = self.at;
        self.expect(b'"')?;
        let mut has_escapes = false;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    has_escapes = true;
                    self.at += 2;
                }
                Some(b'\n') | None => {
                    self.at = start;
                    return Err(self.fail("a quoted text does not end on its line"));
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let whole = &self.text[start..self.at];
        if !has_escapes {
            return Ok(Cow::Borrowed(&whole[1..whole.len() - 1]));
        }
        serde_json::from_str(whole).map(Cow::Owned).map_err(|_| {
            unreadable(
                self.text,
                start,
                format!("cannot read the quoted text `{}`", shorten(whole)),
            )
        })
    }

    fn refuse_twins(&self, pairs: &[Pair<'t>]) -> Result<(), LockfileError> {
        let mut keys: Vec<(&str, usize)> = pairs
            .iter()
            .map(|pair| (&*pair.key, pair.range.start))
            .collect();
        keys.sort_unstable();
        match keys.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(unreadable(
                self.text,
                pair[1].1,
                format!("`{}` is there twice", pair[0].0),
            )),
            None => Ok(()),
        }
    }
}

/// The entries of a map.
pub(super) fn pairs<'v, 't>(value: Option<&'v Value<'t>>) -> &'v [Pair<'t>] {
    value.and_then(Value::map).unwrap_or_default()
}

/// A specifier, and the version where the file has one of its own.
pub(super) fn recorded<'v>(value: &'v Value<'_>) -> (&'v str, Option<&'v str>) {
    let part = |key| value.get(key).and_then(Value::text);
    match value {
        Value::Text(text) => (text, None),
        _ => (part("specifier").unwrap_or_default(), part("version")),
    }
}

/// The lines of an entry. Fails if it shares a line with something else.
pub(super) fn own_lines(text: &str, range: &Range<usize>) -> Result<Range<usize>, LockfileError> {
    let start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[range.end..]
        .find('\n')
        .map_or(text.len(), |at| range.end + at + 1);
    let (before, after) = (&text[start..range.start], &text[range.end..end]);
    if before.trim().is_empty() && after.trim().is_empty() {
        return Ok(start..end);
    }
    Err(unreadable(
        text,
        range.start,
        "the entry does not have its lines for itself, as pnpm writes it",
    ))
}
