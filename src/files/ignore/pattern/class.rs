//! The `[…]` of a pattern.
//!
//! Input: a pattern that has been read past a `[`. Output: the class as a [`Step`]. Go parses a
//! class by two sets of rules: the syntax check of `filepath.Match`
//! (<https://pkg.go.dev/path/filepath#Match>) is strict, but usually stops before the second star;
//! after it only the more lenient regular expression applies.

use std::iter::Peekable;
use std::str::Chars;

use super::{Malformed, Step};

/// Reads a class of the pattern `cleaned`; `chars` is the rest after the `[`.
pub(super) fn read(cleaned: &str, chars: &mut Peekable<Chars>) -> Result<Step, Malformed> {
    let rest: usize = chars.clone().map(char::len_utf8).sum();
    if cleaned.len() - rest <= checked_by_go(cleaned) {
        strict_class(chars)
    } else {
        lenient_class(chars)
    }
}

/// Reads the character after a `\`.
pub(super) fn escaped(chars: &mut Peekable<Chars>) -> Result<char, Malformed> {
    match chars.next() {
        None => Err(Malformed::TrailingEscape),
        Some(char) if char.is_ascii() && !char.is_ascii_alphanumeric() => Ok(char),
        Some(char) => Err(Malformed::UnclearEscape(char)),
    }
}

/// How many bytes of a pattern Go's `filepath.Match(pattern, ".")`, moby's syntax check, looks at
/// before it stops: up to the first star after something other than a star, or up to the second if
/// what is before it could match `.`.
fn checked_by_go(pattern: &str) -> usize {
    let mut rest = pattern;
    for _ in 0..2 {
        rest = rest.trim_start_matches('*');
        let mut end = rest.len();
        let (mut escaped, mut in_class) = (false, false);
        for (index, char) in rest.char_indices() {
            match char {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '[' => in_class = true,
                ']' => in_class = false,
                '*' if !in_class => {
                    end = index;
                    break;
                }
                _ => {}
            }
        }
        let chunk = &rest[..end];
        rest = &rest[end..];
        if !matches!(chunk, "." | "?" | "\\.") && !chunk.starts_with('[') {
            break;
        }
    }
    pattern.len() - rest.len()
}

/// Reads a class after its `[` where `filepath.Match` checks it: `-` and `]` must be escaped.
fn strict_class(chars: &mut Peekable<Chars>) -> Result<Step, Malformed> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while ranges.is_empty() || chars.next_if_eq(&']').is_none() {
        let end = |chars: &mut Peekable<Chars>| match chars.peek() {
            Some('-' | ']') => Err(Malformed::BadClass),
            _ => class_char(chars),
        };
        let low = end(chars)?;
        let high = if chars.next_if_eq(&'-').is_some() {
            end(chars)?
        } else {
            low
        };
        ranges.push(range(low, high)?);
    }
    Ok(Step::Class { negated, ranges })
}

/// Reads a class after its `[` where only the regular expression applies: a leading `]` and a `-`
/// at either end are ordinary characters.
fn lenient_class(chars: &mut Peekable<Chars>) -> Result<Step, Malformed> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while ranges.is_empty() || chars.next_if_eq(&']').is_none() {
        let low = class_char(chars)?;
        let is_range = chars.peek() == Some(&'-') && chars.clone().nth(1) != Some(']');
        let high = if is_range && chars.next().is_some() {
            class_char(chars)?
        } else {
            low
        };
        ranges.push(range(low, high)?);
    }
    Ok(Step::Class { negated, ranges })
}

fn range(low: char, high: char) -> Result<(char, char), Malformed> {
    if low <= high {
        Ok((low, high))
    } else {
        Err(Malformed::BadClass)
    }
}

fn class_char(chars: &mut Peekable<Chars>) -> Result<char, Malformed> {
    match chars.next() {
        None => Err(Malformed::UnclosedClass),
        Some('*') => Err(Malformed::UnclearClass("*")),
        Some('?') => Err(Malformed::UnclearClass("?")),
        Some('[') if chars.peek() == Some(&':') => Err(Malformed::UnclearClass("[:")),
        Some('\\') => escaped(chars),
        Some(char) => Ok(char),
    }
}
