//! [`Ui`]: a command's two streams, and the only place that prints. Stdout is for data, stderr for
//! messages. Foreign text cannot control the terminal on either.

mod noted;

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

use crate::engine::fault::Place;
use crate::show::choice;
use crate::show::ci::Ci;
use crate::show::events::{self, Line, Told};
use crate::show::seat::{Fault, Seat, State};
use crate::system::credential;
use crate::system::mask::Mask;
use crate::system::terminal::Screen;

/// How much is printed on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Volume {
    /// Only errors.
    Quiet,
    /// What a user should know.
    #[default]
    Normal,
    /// Decisions and requests too.
    Verbose,
}

/// How messages on stderr look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Manner {
    /// Whether they have colours.
    pub color: bool,
    /// How much is printed.
    pub volume: Volume,
    /// Whether each is a JSON object on a line of its own.
    pub json: bool,
}

/// What messages on stderr are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Text for people.
    Text,
    /// A JSON object on each line.
    Json,
}

/// A command's output streams, and the abilities of the terminal.
pub struct Ui {
    out: Screen,
    err: Screen,
    /// Whether stdout is a terminal.
    watched: bool,
    /// Whether stderr is a terminal that can be redrawn.
    pub terminal: bool,
    volume: Volume,
    form: Form,
    /// The pipeline that stderr is the log of.
    ci: Ci,
    mask: Mask,
    /// The directory of the app that messages are about, if one is known.
    app: Option<String>,
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
            volume: Volume::Normal,
            form: Form::Text,
            ci: Ci::None,
            mask: Mask::default(),
            app: None,
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
            volume: Volume::Normal,
            form: Form::Text,
            ci: Ci::None,
            mask: Mask::default(),
            app: None,
            seat: None,
        }
    }

    /// The streams of one of several apps: messages are told to its seat, and data is dropped.
    pub fn seated(seat: Seat, manner: Manner) -> Self {
        let mut ui = Self::plain(Box::new(io::sink()), Box::new(seat.lines()));
        ui.err.set_colors(manner.color);
        ui.volume = manner.volume;
        ui.set_json(manner.json);
        ui.seat = Some(seat);
        ui
    }

    /// How messages look.
    pub fn manner(&self) -> Manner {
        Manner {
            color: self.color(),
            volume: self.volume,
            json: self.is_json(),
        }
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

    /// How much is printed on stderr.
    pub fn set_volume(&mut self, volume: Volume) {
        self.volume = volume;
    }

    /// Whether only errors are printed on stderr.
    fn is_quiet(&self) -> bool {
        self.volume == Volume::Quiet
    }

    /// Whether decisions and requests are printed.
    pub fn is_verbose(&self) -> bool {
        self.volume == Volume::Verbose
    }

    /// Whether each message is a JSON object, on a line of its own.
    pub fn set_json(&mut self, json: bool) {
        self.form = if json { Form::Json } else { Form::Text };
    }

    fn is_json(&self) -> bool {
        self.form == Form::Json
    }

    /// Writes for the log of a pipeline.
    pub fn set_ci(&mut self, ci: Ci) {
        self.ci = ci;
    }

    /// Whether the log has sections.
    pub fn has_sections(&self) -> bool {
        self.ci != Ci::None && !self.is_quiet() && !self.is_json()
    }

    /// The directory of the app that messages are about, if one is known.
    pub fn app(&self) -> Option<&str> {
        self.app.as_deref()
    }

    /// From now on, errors are about the app in this directory.
    pub fn set_app(&mut self, dir: String) {
        self.app = Some(dir);
    }

    /// Lets the user choose one of these rows. `None` if nobody can answer, or if the user does not
    /// choose.
    pub fn choose(&self, question: &str, rows: &[String]) -> io::Result<Option<usize>> {
        let answered = self.terminal && io::IsTerminal::is_terminal(&io::stdin());
        if !answered || self.is_quiet() || rows.is_empty() {
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
        self.trail();
        match text.trim() {
            _ if self.is_quiet() => Ok(()),
            "" if self.is_json() => Ok(()),
            message if self.is_json() => self.event(Told::Note { message }),
            _ => self.err.write_all(text.as_bytes()),
        }
    }

    /// Prints a line about what happens now, unless only errors are wanted.
    pub fn note(&mut self, message: &str) -> io::Result<()> {
        let message = self.safe(message);
        self.report(&(message + "\n"))
    }

    /// Prints a line that a program wrote which did not come up.
    pub fn quote(&mut self, line: &str) -> io::Result<()> {
        let line = &self.mask.text(line);
        if self.is_json() {
            return self.event(Told::ProgramLog { line });
        }
        writeln!(self.err, "  │ {line}")
    }

    /// Prints an event, where messages are JSON objects.
    pub fn event(&mut self, event: Told<'_>) -> io::Result<()> {
        events::write(&mut self.err, event)
    }

    /// Prints `warning: …` on stderr, unless only errors are wanted.
    pub fn warn(&mut self, message: &str) -> io::Result<()> {
        self.trail();
        if self.is_quiet() {
            return Ok(());
        }
        let message = &self.safe(message);
        if self.is_json() {
            return self.event(Told::Warning { message });
        }
        let label = self.label("warning:", AnsiColor::Yellow);
        writeln!(self.err, "{label} {message}")
    }

    /// A word in bold and colour, or plain if colours are off.
    pub fn label(&self, word: &str, color: AnsiColor) -> String {
        if !self.color() {
            return word.to_owned();
        }
        let style = Style::new().bold().fg_color(Some(color.into()));
        format!("{style}{word}{style:#}")
    }

    /// Prints the error that ends the command: one line for each cause, and the hint after a blank
    /// line.
    pub fn error(&mut self, fault: &Fault) {
        self.trail();
        let shown = if self.is_json() {
            let (app, event) = (self.app.as_deref(), Told::error(fault));
            events::line(&Line { app, event }).and_then(|line| writeln!(self.err, "{line}"))
        } else {
            let label = self.label("error:", AnsiColor::Red);
            self.err
                .write_all(format!("{label} {}", fault.text).as_bytes())
        };
        // If this fails, there is nowhere to report it.
        drop(shown);
    }

    /// Shows an error beside the files that it is about, where a pipeline can do that. `app` is the
    /// app of several; of one, it is known.
    pub fn annotate(&mut self, app: Option<&str>, fault: &Fault) {
        let text = self.ci.annotations(app.or(self.app.as_deref()), fault);
        self.command(&text);
    }

    /// Begins a part of the log that a pipeline folds.
    pub fn begin_section(&mut self, title: &str) {
        let text = self.ci.begin(title);
        self.command(&text);
    }

    /// Ends it.
    pub fn end_section(&mut self, title: &str) {
        let text = self.ci.end(title);
        self.command(&text);
    }

    /// Writes for a pipeline, which no other text on this stream may do.
    fn command(&mut self, text: &str) {
        if !text.is_empty() {
            let raw = self.err.raw();
            // If this fails, there is nowhere to report it.
            drop(raw.write_all(text.as_bytes()).and_then(|()| raw.flush()));
        }
    }

    /// An error as it is shown. `code` is its exit code.
    pub fn fault(&self, error: &dyn Error, hint: Option<&str>, code: u8) -> Fault {
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
            code,
            places: Vec::new(),
        }
    }

    /// The same with the places in files that it is about.
    pub fn fault_at(&self, fault: Fault, places: &[Place]) -> Fault {
        let places = places.iter().map(|place| Place {
            message: self.safe(&place.message),
            ..place.clone()
        });
        let places = places.collect();
        Fault { places, ..fault }
    }

    /// Writes a pending partial line.
    pub fn flush(&mut self) {
        self.trail();
        // If this fails, there is nowhere to report it.
        drop(self.out.flush().and(self.err.flush()));
    }

    /// Prints clap's output: help and version on stdout, errors on stderr.
    pub fn clap(&mut self, error: &clap::Error) {
        if self.is_json() && error.use_stderr() {
            let text = error.render().to_string();
            let message = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
            let code = u8::try_from(error.exit_code()).unwrap_or_default();
            // If this fails, there is nowhere to report it.
            drop(self.event(Told::Error {
                message,
                hint: None,
                code,
                places: &[],
            }));
            return;
        }
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
