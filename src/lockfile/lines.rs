//! The lines of a lockfile: offset, indentation and text.

use std::ops::Range;

use super::LockfileError;

/// A line that is not blank.
pub(super) struct Line<'a> {
    pub(super) start: usize,
    /// Where the next line begins.
    pub(super) end: usize,
    pub(super) indent: usize,
    pub(super) text: &'a str,
}

/// The lines of `range` without blank lines and line ends.
///
/// js-yaml writes a key of more than 1,024 characters as `? key`, with the value after a `:` on the
/// next line. That value belongs two columns further in, and is returned so.
pub(super) fn lines(text: &str, range: Range<usize>) -> impl Iterator<Item = Line<'_>> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        while at < range.end {
            let start = at;
            let line = &text[start..line_end(text, start, range.end)];
            at += line.len();
            let end = at;
            let line = without_break(line);
            let indent = spaces(line);
            let body = &line[indent..];
            let is_blank = !body.starts_with(|first: char| first.is_ascii_graphic())
                && body.trim_end().is_empty();
            if is_blank {
                continue;
            }
            return Some(match body.strip_prefix(": ") {
                Some(value) => Line {
                    start,
                    end,
                    indent: indent + 2,
                    text: value,
                },
                None => Line {
                    start,
                    end,
                    indent,
                    text: body,
                },
            });
        }
        None
    })
}

/// A line without its line break.
fn without_break(line: &str) -> &str {
    let breaks = line.bytes().rev();
    let breaks = breaks
        .take_while(|byte| matches!(byte, b'\n' | b'\r'))
        .count();
    &line[..line.len() - breaks]
}

/// The number of spaces that a line begins with.
fn spaces(line: &str) -> usize {
    line.bytes().take_while(|&byte| byte == b' ').count()
}

/// Where the line that begins at `start` ends, including its line break.
pub(super) fn line_end(text: &str, start: usize, limit: usize) -> usize {
    memchr::memchr(b'\n', &text.as_bytes()[start..limit]).map_or(limit, |at| start + at + 1)
}

/// The start of each line of `range` that does not begin with a space, and is not blank.
pub(super) fn outer_lines(text: &str, range: Range<usize>) -> impl Iterator<Item = usize> {
    let bytes = &text.as_bytes()[range.clone()];
    let breaks = memchr::memchr_iter(b'\n', bytes).map(|at| at + 1);
    let starts = std::iter::once(0).chain(breaks);
    starts
        .filter(|&at| !matches!(bytes.get(at), None | Some(b' ' | b'\n' | b'\r')))
        .map(move |at| range.start + at)
}

pub(super) fn unreadable(text: &str, at: usize, problem: impl Into<String>) -> LockfileError {
    LockfileError::Unreadable {
        line: text[..at].matches('\n').count() + 1,
        problem: problem.into(),
    }
}

pub(super) fn indentation(text: &str, line: &Line<'_>) -> LockfileError {
    let problem = format!(
        "a line is indented by {} spaces, where pnpm writes none so",
        line.indent
    );
    unreadable(text, line.start, problem)
}
