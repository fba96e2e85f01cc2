//! A report, line by line: what a stranger wrote stays in the line that it is told in.

use std::fmt::Arguments;

use crate::system::terminal::one_line;

/// What was said by now.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    /// Says a line. Control characters in it are shown, and do nothing.
    pub(super) fn line(&mut self, line: Arguments<'_>) {
        self.0.push_str(&one_line(&line.to_string()));
        self.0.push('\n');
    }

    /// Leaves a line empty.
    pub(super) fn gap(&mut self) {
        self.0.push('\n');
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}
