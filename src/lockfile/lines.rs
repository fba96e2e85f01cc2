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
            let line = line.trim_end_matches(['\n', '\r']);
            let body = line.trim_start_matches(' ');
            if body.trim_end().is_empty() {
                continue;
            }
            let indent = line.len() - body.len();
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

/// Where the line that begins at `start` ends, including its line break.
pub(super) fn line_end(text: &str, start: usize, limit: usize) -> usize {
    memchr::memchr(b'\n', &text.as_bytes()[start..limit]).map_or(limit, |at| start + at + 1)
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
