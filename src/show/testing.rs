//! A terminal for tests.

use std::io;
use std::sync::{Arc, Mutex};

use indicatif::TermLike;

/// A terminal that remembers what stands on it, as far as indicatif's ways of writing go.
#[derive(Debug, Clone)]
pub(crate) struct Screen {
    width: u16,
    cells: Arc<Mutex<Cells>>,
}

#[derive(Debug, Default)]
struct Cells {
    lines: Vec<String>,
    row: usize,
    column: usize,
}

impl Cells {
    fn write(&mut self, text: &str, width: u16) {
        for character in text.chars() {
            if character == '\n' {
                (self.row, self.column) = (self.row + 1, 0);
                continue;
            }
            // As real terminals do: a full line breaks when the next character comes.
            if self.column == usize::from(width) {
                (self.row, self.column) = (self.row + 1, 0);
            }
            if self.lines.len() <= self.row {
                self.lines.resize(self.row + 1, String::new());
            }
            let mut line: Vec<char> = self.lines[self.row].chars().collect();
            line.resize(line.len().max(self.column + 1), ' ');
            line[self.column] = character;
            self.lines[self.row] = line.into_iter().collect();
            self.column += 1;
        }
    }
}

impl Screen {
    pub(crate) fn new(width: u16) -> Self {
        let cells = Arc::default();
        Self { width, cells }
    }

    /// What stands on it.
    pub(crate) fn text(&self) -> String {
        let cells = self.cells.lock().unwrap();
        let lines: Vec<&str> = cells.lines.iter().map(|line| line.trim_end()).collect();
        lines.join("\n").trim_end().to_owned()
    }

    fn with(&self, change: impl FnOnce(&mut Cells)) {
        change(&mut self.cells.lock().unwrap());
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.width
    }
    fn height(&self) -> u16 {
        30
    }
    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.with(|cells| cells.row = cells.row.saturating_sub(n));
        Ok(())
    }
    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.with(|cells| cells.row += n);
        Ok(())
    }
    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.with(|cells| cells.column += n);
        Ok(())
    }
    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.with(|cells| cells.column = cells.column.saturating_sub(n));
        Ok(())
    }
    fn write_line(&self, text: &str) -> io::Result<()> {
        self.with(|cells| cells.write(&format!("{text}\n"), self.width));
        Ok(())
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.with(|cells| cells.write(text, self.width));
        Ok(())
    }
    fn clear_line(&self) -> io::Result<()> {
        self.with(|cells| {
            cells.column = 0;
            if let Some(line) = cells.lines.get_mut(cells.row) {
                line.clear();
            }
        });
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}
