//! A report, line by line: foreign text cannot leave its line.

use std::fmt::Arguments;

use crate::system::terminal::one_line;

/// The text so far.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    /// Adds a line. Control characters in it are escaped.
    pub(super) fn line(&mut self, line: Arguments<'_>) {
        self.0.push_str(&one_line(&line.to_string()));
        self.0.push('\n');
    }

    /// Adds an empty line.
    pub(super) fn gap(&mut self) {
        self.0.push('\n');
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}
