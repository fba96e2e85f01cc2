//! Text of strangers on a terminal, and in the logs of a CI system: it shows what it says, and does nothing.
//!
//! Names, errors of libraries, answers of registries and logs of build steps may hold anything. [`Screen`] stands before the streams of the process, so
//! that no message can forget it.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

/// The longest line that is looked at as one.
const LONGEST: usize = 1 << 20;

/// What goes before the words by which programs tell a CI system what to do.
const COMMANDS: [&str; 2] = ["##[", "##vso["];

/// The text without escape sequences and control characters, which could do anything to the reader's terminal. Where `colors` are wanted, those stay,
/// and end where the text ends.
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
            // These turn the text around, so that it looks like another one.
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

/// The text with every control character shown as it is written in source code: it stands in one line, whatever a stranger wrote into it.
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

/// ECMA-48: `ESC [` parameters and a final byte, `ESC ]` a string up to BEL or `ESC \`, else intermediates and a final byte. A colour comes out.
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

/// Up to the final byte, and that.
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

/// A line that no CI system takes for a command: GitHub's `::name::` at the beginning, `##[name]` anywhere, Azure's `##vso[name]`.
fn told(line: &str) -> String {
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

/// JSON in which all that would be cleaned is escaped, so that nothing is lost of it. Such characters stand in its texts alone.
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

/// A stream for people, a line at a time.
pub struct Screen {
    to: Box<dyn Write + Send>,
    colors: bool,
    line: Vec<u8>,
}

impl Screen {
    /// A stream whose reader wants colours or not.
    pub fn new(to: Box<dyn Write + Send>, colors: bool) -> Self {
        Self {
            to,
            colors,
            line: Vec::new(),
        }
    }

    /// The stream itself, for what is not for people.
    pub fn raw(&mut self) -> &mut dyn Write {
        // There is nobody left to tell.
        drop(self.pass());
        &mut *self.to
    }

    /// Writes what there is of a line.
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
        let text = told(&clean(text, self.colors)) + end;
        self.to.write_all(text.as_bytes())
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(line);
            if line.ends_with(b"\n") || self.line.len() > LONGEST {
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
