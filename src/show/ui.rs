//! [`Ui`]: a command's two streams, and the only place that prints. Stdout is for data, stderr for
//! messages. Foreign text cannot control the terminal on either.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

use crate::show::choice;
use crate::show::seat::{Fault, Seat, State};
use crate::system::credential;
use crate::system::mask::Mask;
use crate::system::terminal::Screen;

/// A command's output streams, and the abilities of the terminal.
pub struct Ui {
    out: Screen,
    err: Screen,
    /// Whether stdout is a terminal.
    watched: bool,
    /// Whether stderr is a terminal that can be redrawn.
    pub terminal: bool,
    /// Whether only errors are printed on stderr.
    quiet: bool,
    mask: Mask,
    /// The place of the app, if several are built at once.
    seat: Option<Seat>,
}

impl Ui {
    /// The process's own streams. anstream decides about colours by `NO_COLOR`, `CLICOLOR_FORCE`
    /// and the terminal.
    pub fn of_process() -> Self {
        let terminal = io::IsTerminal::is_terminal(&io::stderr());
        let color = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
        let out_color = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        // [`Screen`] removes colours that are not wanted.
        let err = AutoStream::new(io::stderr(), ColorChoice::Always);
        Self {
            out: Screen::new(Box::new(io::stdout()), out_color),
            err: Screen::new(Box::new(err), color),
            watched: io::IsTerminal::is_terminal(&io::stdout()),
            terminal,
            quiet: false,
            mask: Mask::default(),
            seat: None,
        }
    }

    /// The given streams, without colours or a terminal: for tests and for embedding.
    pub fn plain(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self {
            out: Screen::new(out, false),
            err: Screen::new(err, false),
            watched: false,
            terminal: false,
            quiet: false,
            mask: Mask::default(),
            seat: None,
        }
    }

    /// The streams of one of several apps: messages are told to its seat, and data is dropped.
    pub fn seated(seat: Seat, color: bool, quiet: bool) -> Self {
        let mut ui = Self::plain(Box::new(io::sink()), Box::new(seat.lines()));
        ui.err.set_colors(color);
        ui.quiet = quiet;
        ui.seat = Some(seat);
        ui
    }

    /// The place of the app, if several are built at once.
    pub fn seat(&self) -> Option<&Seat> {
        self.seat.as_ref()
    }

    /// The app's state, if several are built at once.
    pub fn state(&self) -> State {
        self.seat.as_ref().map_or(State::Waiting, Seat::state)
    }

    /// Tells the app's state, if several are built at once.
    pub fn set_state(&mut self, state: State) {
        if let Some(seat) = &mut self.seat {
            seat.set_state(state);
        }
    }

    /// Colours messages on both streams, or none of them.
    pub fn set_color(&mut self, color: bool) {
        self.out.set_colors(color);
        self.err.set_colors(color);
    }

    /// Whether only errors are printed on stderr.
    pub fn set_quiet(&mut self, quiet: bool) {
        self.quiet = quiet;
    }

    /// Lets the user choose one of these rows. `None` if nobody can answer, or if the user does not
    /// choose.
    pub fn choose(&self, question: &str, rows: &[String]) -> io::Result<Option<usize>> {
        let answered = self.terminal && io::IsTerminal::is_terminal(&io::stdin());
        if !answered || self.quiet || rows.is_empty() {
            return Ok(None);
        }
        choice::choose(question, rows, self.err.colors())
    }

    /// Stdout: an answer as text or JSON.
    pub fn out(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Stdout: data for another program, unchanged, unless stdout is a terminal.
    pub fn data(&mut self) -> &mut dyn Write {
        if self.watched {
            &mut self.out
        } else {
            self.out.raw()
        }
    }

    /// Prints text on stdout, with passwords in addresses masked.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(credential::redacted(text).as_bytes())
    }

    /// A message without secrets: known ones, and those in addresses that it quotes.
    fn safe(&self, message: &str) -> String {
        credential::redacted(&self.mask.text(message))
    }

    /// Stderr: messages for people.
    pub fn err(&mut self) -> &mut dyn Write {
        &mut self.err
    }

    /// From now on, masks these secrets in warnings, errors and logs.
    pub fn hide(&mut self, mask: Mask) {
        self.mask = mask;
    }

    /// The secrets to mask.
    pub fn mask(&self) -> &Mask {
        &self.mask
    }

    /// Whether messages on stderr may be coloured.
    pub fn color(&self) -> bool {
        self.err.colors()
    }

    /// Prints a report for people on stderr, unless only errors are wanted.
    pub fn report(&mut self, text: &str) -> io::Result<()> {
        if self.quiet {
            return Ok(());
        }
        self.err.write_all(text.as_bytes())
    }

    /// Prints `warning: …` on stderr, unless only errors are wanted.
    pub fn warn(&mut self, message: &str) -> io::Result<()> {
        if self.quiet {
            return Ok(());
        }
        let label = self.label("warning:", AnsiColor::Yellow);
        writeln!(self.err, "{label} {}", self.safe(message))
    }

    /// A word in bold and colour, or plain if colours are off.
    pub fn label(&self, word: &str, color: AnsiColor) -> String {
        if !self.color() {
            return word.to_owned();
        }
        let style = Style::new().bold().fg_color(Some(color.into()));
        format!("{style}{word}{style:#}")
    }

    /// Prints an error, one line for each cause, and the hint after a blank line.
    pub fn error(&mut self, error: &dyn Error, hint: Option<&str>) {
        let label = self.label("error:", AnsiColor::Red);
        let text = format!("{label} {}", self.fault(error, hint).text);
        // If this fails, there is nowhere to report it.
        drop(self.err.write_all(text.as_bytes()));
    }

    /// An error as it is shown.
    pub fn fault(&self, error: &dyn Error, hint: Option<&str>) -> Fault {
        let first = printable(&error.to_string());
        let mut text = format!("{first}\n");
        let mut message = first;
        let mut cause = error.source();
        while let Some(error) = cause {
            let shown = printable(&error.to_string());
            let _ = writeln!(text, "  caused by: {shown}");
            let _ = write!(message, ": {shown}");
            cause = error.source();
        }
        if let Some(hint) = hint {
            let label = self.label("hint:", AnsiColor::Cyan);
            let _ = writeln!(text, "\n{label} {}", printable(hint));
        }
        Fault {
            message: self.safe(&message.replace('\n', " ")),
            hint: hint.map(|hint| self.safe(hint)),
            text: self.safe(&text),
        }
    }

    /// Writes a pending partial line.
    pub fn flush(&mut self) {
        // If this fails, there is nowhere to report it.
        drop(self.out.flush().and(self.err.flush()));
    }

    /// Prints clap's output: help and version on stdout, errors on stderr.
    pub fn clap(&mut self, error: &clap::Error) {
        let screen = if error.use_stderr() {
            &mut self.err
        } else {
            &mut self.out
        };
        let text = if screen.colors() {
            error.render().ansi().to_string()
        } else {
            error.render().to_string()
        };
        // If this fails, there is nowhere to report it.
        drop(screen.write_all(text.as_bytes()));
    }
}

/// Escapes characters that would move a terminal's cursor: the content of files may be part of a
/// message.
fn printable(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\n' | '\t' => letter.to_string(),
        _ if letter.is_control() => letter.escape_debug().to_string(),
        _ => letter.to_string(),
    };
    text.chars().map(shown).collect()
}
