//! Makes foreign text safe for terminals and CI logs: it is shown, but cannot act.
//!
//! Names, errors of libraries, answers of registries and logs of build steps may contain anything.
//! [`Screen`] wraps the streams of the process, so that no message can bypass this.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

/// The longest line in bytes that is treated as one.
const MAX_LINE: usize = 1 << 20;

/// Prefixes of the commands by which programs control a CI system.
const COMMANDS: [&str; 2] = ["##[", "##vso["];

/// The text without escape sequences and control characters, which could control the reader's
/// terminal. If `colors` is set, colours are kept and reset at the end of the text.
pub fn clean(text: &str, colors: bool) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut colored = false;
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => {
                if let Some(color) = escape(&mut rest).filter(|_| colors) {
                    colored = true;
                    clean.push_str(&color);
                }
            }
            '\u{9b}' => drop(parameters(&mut rest)),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut rest),
            character if character.is_control() && character != '\t' => {}
            // These reorder the text, so that it reads as a different one.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => {
                clean.extend(character.escape_unicode());
            }
            character => clean.push(character),
        }
    }
    if colored {
        clean.push_str("\u{1b}[0m");
    }
    clean
}

/// The text on one line, with every control character escaped as in source code.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    line.into()
}

/// Reads an ECMA-48 escape sequence: `ESC [` parameters and a final byte, `ESC ]` a string up to
/// BEL or `ESC \`, else intermediates and a final byte. Returns it if it is a colour.
fn escape(rest: &mut std::str::Chars<'_>) -> Option<String> {
    match rest.next() {
        Some('[') => {
            let parameters = parameters(rest)?;
            let numbers = parameters.strip_suffix('m')?;
            let legal = |letter: char| letter.is_ascii_digit() || letter == ';' || letter == ':';
            numbers
                .chars()
                .all(legal)
                .then(|| format!("\u{1b}[{parameters}"))
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            skip_string(rest);
            None
        }
        Some(' '..='/') => {
            rest.find(|character| !(' '..='/').contains(character));
            None
        }
        _ => None,
    }
}

/// Reads parameters, including the final byte.
fn parameters(rest: &mut std::str::Chars<'_>) -> Option<String> {
    let mut found = String::new();
    for character in rest.by_ref() {
        found.push(character);
        if ('@'..='~').contains(&character) {
            return Some(found);
        }
    }
    None
}

fn skip_string(rest: &mut std::str::Chars<'_>) {
    while let Some(character) = rest.next() {
        match character {
            '\u{7}' | '\u{9c}' => break,
            '\u{1b}' => {
                rest.next();
                break;
            }
            _ => {}
        }
    }
}

/// Breaks commands to a CI system: GitHub's `::name::` at the start of a line, `##[name]` anywhere,
/// Azure's `##vso[name]`.
fn without_ci_commands(line: &str) -> String {
    let begin = line.len() - line.trim_start().len();
    let mut told = line.to_owned();
    if told[begin..].starts_with("::") {
        told.insert(begin + 1, ' ');
    }
    for command in COMMANDS {
        if told.contains(command) {
            told = told.replace(command, &command.replace("##", "# #"));
        }
    }
    told
}

/// JSON with everything escaped that [`clean`] would remove, so that nothing is lost. Such
/// characters occur only in JSON's strings.
pub fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\u{7f}'..='\u{9f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{2028}'
            | '\u{2029}' => {
                let _ = fmt::Write::write_fmt(
                    &mut escaped,
                    format_args!("\\u{:04x}", u32::from(character)),
                );
            }
            _ => escaped.push(character),
        }
    }
    for command in COMMANDS {
        escaped = escaped.replace(command, &command.replace("##", "#\\u0023"));
    }
    escaped
}

/// A stream for people, written line by line.
pub struct Screen {
    to: Box<dyn Write + Send>,
    colors: bool,
    line: Vec<u8>,
}

impl Screen {
    /// `colors`: whether the reader wants colours.
    pub fn new(to: Box<dyn Write + Send>, colors: bool) -> Self {
        Self {
            to,
            colors,
            line: Vec::new(),
        }
    }

    /// Whether the reader wants colours.
    pub fn colors(&self) -> bool {
        self.colors
    }

    /// From now on, keeps colours or removes them.
    pub fn set_colors(&mut self, colors: bool) {
        self.colors = colors;
    }

    /// The underlying stream, for output that is not for people.
    pub fn raw(&mut self) -> &mut dyn Write {
        // If this fails, there is nowhere to report it.
        drop(self.pass());
        &mut *self.to
    }

    /// Writes the pending part of a line.
    fn pass(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        let (text, end) = match text.strip_suffix('\n') {
            Some(text) => (text, "\n"),
            None => (&*text, ""),
        };
        let text = without_ci_commands(&clean(text, self.colors)) + end;
        self.to.write_all(text.as_bytes())
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(line);
            if line.ends_with(b"\n") || self.line.len() > MAX_LINE {
                self.pass()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass()?;
        self.to.flush()
    }
}

#[cfg(test)]
mod tests;
