//! The root's `.dockerignore`, as Docker reads and applies it.
//!
//! Goes in: the text of the file; then, from the root downwards, paths. Comes out: the line that drops a path, if one does. It walks
//! nothing, and `<Dockerfile>.dockerignore` is not read: slimbuild's Dockerfile is not one that the user wrote.
//!
//! Reading follows moby's `ignorefile.ReadAll`, judging its `MatchesUsingParentResults`, which is what BuildKit and Docker's own tar of a
//! context go by (<https://github.com/moby/patternmatcher>). It differs from `MatchesOrParentMatches` where an exception names a
//! directory that was not dropped itself: with `d/x` and then `!d`, Docker drops `d/x`.

use super::pattern::{Malformed, Pattern, clean};

/// The lines of a `.dockerignore`, in order. The last one that matches a path decides.
#[derive(Debug, Default)]
pub(super) struct DockerIgnore {
    lines: Vec<Line>,
}

/// A line that holds a pattern.
#[derive(Debug)]
pub(super) struct Line {
    /// Counted from one.
    pub(super) number: usize,
    /// As written, without the space around it.
    pub(super) text: String,
    exception: bool,
    pattern: Pattern,
}

/// Which lines matched a directory or one of its parents: what its children inherit.
#[derive(Debug, Default, Clone)]
pub(super) struct Inherited(Vec<bool>);

impl DockerIgnore {
    /// Reads the file's text; a line that is no pattern comes back with its number.
    pub(super) fn parse(text: &str) -> Result<Self, (usize, String, Malformed)> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = Vec::new();
        for (index, raw) in text.split('\n').enumerate() {
            // only at the very start: a `#` behind a space is part of a pattern
            if raw.starts_with('#') {
                continue;
            }
            let number = index + 1;
            let written = raw.trim();
            let malformed = |malformed| (number, written.to_owned(), malformed);
            if let Some((exception, cleaned)) = normalise(written).map_err(malformed)? {
                let pattern = Pattern::compile(&cleaned).map_err(malformed)?;
                lines.push(Line {
                    number,
                    text: written.to_owned(),
                    exception,
                    pattern,
                });
            }
        }
        Ok(Self { lines })
    }

    /// Judges one path, given what its directory inherits to it. The line is the one that drops the path.
    pub(super) fn judge(&self, path: &str, parent: &Inherited) -> (Option<&Line>, Inherited) {
        let mut dropped_by: Option<&Line> = None;
        let mut inherited = Vec::with_capacity(self.lines.len());
        for (index, line) in self.lines.iter().enumerate() {
            // A line that could not change the outcome is not evaluated, and then counts as unmatched for all that lies below. This is
            // no optimisation but moby's rule, and it shows: see the module's docs.
            let matches = parent.0.get(index).copied().unwrap_or(false)
                || (line.exception == dropped_by.is_some() && line.pattern.matches(path));
            inherited.push(matches);
            if matches {
                dropped_by = match dropped_by {
                    _ if line.exception => None,
                    None => Some(line),
                    earlier => earlier,
                };
            }
        }
        (dropped_by, Inherited(inherited))
    }

    /// Whether an exception may keep a path below a directory that is dropped itself.
    pub(super) fn may_keep_below(&self, dir: &str) -> bool {
        self.lines
            .iter()
            .any(|line| line.exception && line.pattern.may_match_below(dir))
    }

    /// Whether there is nothing to judge by.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// Brings a trimmed line into the form that is compiled, as moby does in two passes: the reader cleans what is behind the `!` and strips
/// a leading slash; then the matcher trims, cleans, and looks for a `!` once more. So `/!x` is an exception, and `!/` an error.
fn normalise(written: &str) -> Result<Option<(bool, String)>, Malformed> {
    if written.is_empty() {
        return Ok(None);
    }
    let (bang, rest) = written
        .strip_prefix('!')
        .map_or(("", written), |rest| ("!", rest.trim()));
    let rest = if rest.is_empty() {
        String::new()
    } else {
        clean(rest)
    };
    let rest = if rest.len() > 1 {
        rest.strip_prefix('/').unwrap_or(&rest)
    } else {
        &rest
    };
    let read = format!("{bang}{rest}");
    let read = read.trim();
    if read.is_empty() {
        return Ok(None);
    }
    let cleaned = clean(read);
    Ok(match cleaned.strip_prefix('!') {
        Some("") => return Err(Malformed::BareException),
        Some(pattern) => Some((true, pattern.to_owned())),
        None => Some((false, cleaned)),
    })
}
