//! [`Ui`]: the two streams a command talks to. It alone prints: stdout is data, stderr is talk. What a stranger wrote does nothing on either.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::system::credential;
use crate::system::mask::Mask;
use crate::system::terminal::Screen;

/// Where a command's output goes, and what the reader's terminal can show.
pub struct Ui {
    out: Screen,
    err: Screen,
    /// Whether stdout is a terminal.
    watched: bool,
    /// Whether stderr is a terminal that can be drawn on.
    pub terminal: bool,
    color: bool,
    mask: Mask,
}

impl Ui {
    /// The process's own streams. Colours follow `NO_COLOR`, `CLICOLOR_FORCE` and the terminal, by anstream.
    pub fn of_process() -> Self {
        let terminal = io::IsTerminal::is_terminal(&io::stderr());
        let color = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
        Self {
            out: Screen::new(Box::new(io::stdout()), color),
            err: Screen::new(Box::new(anstream::stderr()), color),
            watched: io::IsTerminal::is_terminal(&io::stdout()),
            terminal,
            color,
            mask: Mask::default(),
        }
    }

    /// Streams of one's own, without colours or a terminal: for tests and for embedding.
    pub fn plain(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self {
            out: Screen::new(out, false),
            err: Screen::new(err, false),
            watched: false,
            terminal: false,
            color: false,
            mask: Mask::default(),
        }
    }

    /// Stdout: an answer, in words or as JSON.
    pub fn out(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Stdout: data for another program, which gets every byte. A terminal is no program.
    pub fn data(&mut self) -> &mut dyn Write {
        if self.watched {
            &mut self.out
        } else {
            self.out.raw()
        }
    }

    /// Prints a text on stdout. Addresses in it are shown without passwords.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(credential::redacted(text).as_bytes())
    }

    /// A message without secrets: those that are known, and those in addresses that it quotes.
    fn safe(&self, message: &str) -> String {
        credential::redacted(&self.mask.text(message))
    }

    /// Stderr: words for a person.
    pub fn err(&mut self) -> &mut dyn Write {
        &mut self.err
    }

    /// From here on, these secrets are `***` in warnings, errors and logs.
    pub fn hide(&mut self, mask: Mask) {
        self.mask = mask;
    }

    /// What is hidden.
    pub fn mask(&self) -> &Mask {
        &self.mask
    }

    /// Whether words on stderr may be coloured.
    pub fn color(&self) -> bool {
        self.color
    }

    /// Prints `warning: …` on stderr.
    pub fn warn(&mut self, message: &str) -> io::Result<()> {
        let label = self.label("warning:", AnsiColor::Yellow);
        writeln!(self.err, "{label} {}", self.safe(message))
    }

    /// Prints a word in bold and colour, plain where colours are off.
    pub fn label(&self, word: &str, color: AnsiColor) -> String {
        if !self.color {
            return word.to_owned();
        }
        let style = Style::new().bold().fg_color(Some(color.into()));
        format!("{style}{word}{style:#}")
    }

    /// Prints an error, one line for each cause, and the hint after a blank line.
    pub fn error(&mut self, error: &dyn Error, hint: Option<&str>) {
        let label = self.label("error:", AnsiColor::Red);
        let mut text = format!("{label} {}\n", printable(&error.to_string()));
        let mut cause = error.source();
        while let Some(error) = cause {
            let _ = writeln!(text, "  caused by: {}", printable(&error.to_string()));
            cause = error.source();
        }
        if let Some(hint) = hint {
            let label = self.label("hint:", AnsiColor::Cyan);
            let _ = writeln!(text, "\n{label} {}", printable(hint));
        }
        // There is nobody left to tell.
        drop(self.err.write_all(self.safe(&text).as_bytes()));
    }

    /// Writes what was printed and is no whole line.
    pub fn flush(&mut self) {
        // There is nobody left to tell.
        drop(self.out.flush().and(self.err.flush()));
    }

    /// Prints what clap has to say: help and version on stdout, mistakes on stderr.
    pub fn clap(&mut self, error: &clap::Error) {
        let text = if self.color {
            error.render().ansi().to_string()
        } else {
            error.render().to_string()
        };
        if error.use_stderr() {
            drop(self.err.write_all(text.as_bytes()));
        } else {
            drop(self.out.write_all(text.as_bytes()));
        }
    }
}

/// What files hold may reach a message; what would move a terminal's cursor is shown as an escape.
fn printable(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\n' | '\t' => letter.to_string(),
        _ if letter.is_control() => letter.escape_debug().to_string(),
        _ => letter.to_string(),
    };
    text.chars().map(shown).collect()
}
