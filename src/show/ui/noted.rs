//! What `-v` shows: decisions and requests, in the order in which they were noted.

use std::io::{self, Write as _};

use anstyle::AnsiColor;

use super::Ui;
use crate::show::events::Told;
use crate::system::trail::{self, Note};

impl Ui {
    /// Prints what this thread decided and asked, and nobody printed yet, if that is kept.
    pub fn trail(&mut self) {
        for note in trail::take() {
            // A note that cannot be shown is no reason to end a build.
            drop(self.noted(&note));
        }
    }

    /// Prints a decision or a request, unless only errors are wanted.
    pub fn noted(&mut self, note: &Note) -> io::Result<()> {
        if self.is_quiet() {
            return Ok(());
        }
        if self.is_json() {
            return match note {
                Note::Decision(message) => {
                    let message = &self.safe(message);
                    self.event(Told::Note { message })
                }
                Note::Request(request) => {
                    let address = &self.safe(&request.address);
                    self.event(Told::request(request, address))
                }
            };
        }
        let line = self.noted_line(note);
        writeln!(self.err, "{line}")
    }

    /// A decision or a request as text.
    pub fn noted_line(&self, note: &Note) -> String {
        let (word, text) = match note {
            Note::Decision(sentence) => ("decided:", sentence.clone()),
            Note::Request(request) => ("request:", request.to_string()),
        };
        format!("{} {}", self.label(word, AnsiColor::Blue), self.safe(&text))
    }
}
