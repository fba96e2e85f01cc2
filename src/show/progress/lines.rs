//! Turns the output of a program, which may have written for a terminal, into lines of text.

use crate::system::terminal;

/// How many bytes of an unfinished line are kept.
const MAX_UNFINISHED: usize = 1 << 20;

/// Splits bytes into lines across chunks.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
    colors: bool,
}

impl Lines {
    /// `colors`: whether colours are kept in lines.
    pub(super) fn new(colors: bool) -> Self {
        Self {
            pending: Vec::new(),
            colors,
        }
    }

    /// The lines that `bytes` complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        self.pending.extend_from_slice(bytes);
        let Some(last) = self.pending.iter().rposition(|byte| *byte == b'\n') else {
            self.forget_overwritten();
            self.pending.truncate(MAX_UNFINISHED);
            return Vec::new();
        };
        let rest = self.pending.split_off(last + 1);
        let complete = std::mem::replace(&mut self.pending, rest);
        self.forget_overwritten();
        complete[..last]
            .split(|byte| *byte == b'\n')
            .map(|line| text(line, self.colors))
            .collect()
    }

    /// The last line, if it has no line break.
    pub(super) fn end(&mut self) -> Option<String> {
        let pending = std::mem::take(&mut self.pending);
        let line = text(&pending, self.colors);
        (!line.is_empty()).then_some(line)
    }

    /// A progress bar that is redrawn for minutes is one line that never ends.
    fn forget_overwritten(&mut self) {
        let end = self.pending.len().saturating_sub(1);
        if let Some(carriage_return) = self.pending[..end].iter().rposition(|byte| *byte == b'\r') {
            self.pending.drain(..=carriage_return);
        }
    }
}

/// A line as a terminal shows it in the end: a carriage return discards what came before it.
fn text(line: &[u8], colors: bool) -> String {
    let line = String::from_utf8_lossy(line);
    let shown = line
        .trim_end_matches('\r')
        .rsplit('\r')
        .next()
        .unwrap_or_default();
    clean(shown, colors).trim_end().to_owned()
}

/// The text without escape sequences, except colours if they are wanted.
pub(super) fn clean(text: &str, colors: bool) -> String {
    // Tab stops of a terminal do not fit indented text.
    terminal::clean(&text.replace('\t', "    "), colors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_across_chunks() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"one\ntw"), ["one"]);
        assert_eq!(lines.push("o ü".as_bytes().split_at(3).0), [""; 0]);
        assert_eq!(lines.push(b"\xbc\n\nthree"), ["two ü", ""]);
        assert_eq!(lines.end().as_deref(), Some("three"));
        assert_eq!(lines.end(), None);
    }

    #[test]
    fn what_a_bar_overwrites_is_forgotten() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"10%\r20%"), [""; 0]);
        assert_eq!(lines.push(b"\r100%\r\nnext\r\n"), ["100%", "next"]);
        for percent in 0..1000 {
            lines.push(format!("{percent}\r").as_bytes());
        }
        assert!(lines.pending.len() < 10);
        assert_eq!(lines.end().as_deref(), Some("999"));
    }

    #[test]
    fn escapes_are_removed() {
        let coloured = b"\x1b[1;31mred\x1b[0m \x1b]8;;https://x\x07link\x1b]8;;\x1b\\ \x1b(Bplain\x07\x08 \x1b[2K\xff\n";
        assert_eq!(Lines::default().push(coloured), ["red link plain \u{fffd}"]);
        assert_eq!(clean("a\tb\u{1b}", false), "a    b");
        assert_eq!(
            Lines::new(true).push(b"\x1b[31mred\x1b[2J\n"),
            ["\u{1b}[31mred\u{1b}[0m"]
        );
    }
}
