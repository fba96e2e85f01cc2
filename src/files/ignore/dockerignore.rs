//! The root's `.dockerignore`, as Docker reads and applies it.
//!
//! Input: the text of the file, then paths from the root downwards. Output: the line that drops a
//! path, if one does. It does not walk. `<Dockerfile>.dockerignore` is not read, since slimbuild's
//! Dockerfile is not the user's.
//!
//! Parsing follows moby's `ignorefile.ReadAll`. Matching follows its `MatchesUsingParentResults`,
//! which BuildKit and Docker's own context tar use (<https://github.com/moby/patternmatcher>). It
//! differs from `MatchesOrParentMatches` if an exception names a directory that is not dropped
//! itself: with `d/x` and then `!d`, Docker drops `d/x`.

use super::pattern::{Malformed, Pattern, clean};

/// The lines of a `.dockerignore`, in order. The last one that matches a path decides.
#[derive(Debug, Default)]
pub(super) struct DockerIgnore {
    lines: Vec<Line>,
}

/// A line with a pattern.
#[derive(Debug)]
pub(super) struct Line {
    /// Counted from 1.
    pub(super) number: usize,
    /// The text as written, trimmed.
    pub(super) text: String,
    exception: bool,
    pattern: Pattern,
}

/// Which lines matched a directory or one of its parents. Its children inherit this.
#[derive(Debug, Default, Clone)]
pub(super) struct Inherited(Vec<bool>);

impl DockerIgnore {
    /// Parses the file's text. A line that is not a pattern is returned with its number.
    pub(super) fn parse(text: &str) -> Result<Self, (usize, String, Malformed)> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = Vec::new();
        for (index, raw) in text.split('\n').enumerate() {
            // Only at the very start: a `#` after a space is part of a pattern.
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

    /// Judges one path, given what it inherits from its directory. Returns the line that drops it.
    pub(super) fn judge(&self, path: &str, parent: &Inherited) -> (Option<&Line>, Inherited) {
        let mut dropped_by: Option<&Line> = None;
        let mut inherited = Vec::with_capacity(self.lines.len());
        for (index, line) in self.lines.iter().enumerate() {
            // A line that cannot change the outcome is not evaluated, and so counts as unmatched
            // for everything below. This is moby's rule, not an optimisation, and has visible
            // effects: see the module's docs.
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

    /// Whether an exception may keep a path below a dropped directory.
    pub(super) fn may_keep_below(&self, dir: &str) -> bool {
        self.lines
            .iter()
            .any(|line| line.exception && line.pattern.may_match_below(dir))
    }

    /// Whether there are no patterns.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// Normalises a trimmed line as moby does in two passes: the reader cleans what follows the `!` and
/// strips a leading slash; then the matcher trims, cleans, and looks for a `!` again. So `/!x` is
/// an exception, and `!/` an error.
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
