//! Writes foreign text into Dockerfiles, shell commands in them, and a web server's configuration:
//! one function for each kind of place.
//!
//! Each function returns text that means only itself in its place, or an error. A template prints
//! only what went through one of them ([`Syntax`] is their result), so a new line of a template
//! cannot forget it.

use std::fmt::Write as _;

use serde::{Serialize, Serializer};

use crate::detect::script::words;

/// Text that may be printed unchanged: syntax with quoted foreign text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syntax(String);

impl Syntax {
    /// Takes syntax unchanged. Its parts must be constants or come from functions of this module.
    pub(crate) fn of(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Appends it to other syntax.
    pub(crate) fn behind(self, before: &str) -> Self {
        Self(format!("{before}{}", self.0))
    }
}

impl Serialize for Syntax {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        minijinja::Value::from_safe_string(self.0.clone()).serialize(serializer)
    }
}

/// A text that cannot be written in its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` has {what}, which {place} cannot express", comment(text))]
pub struct TextError {
    text: String,
    what: &'static str,
    place: &'static str,
}

impl TextError {
    /// What the user can do about it.
    pub const HINT: &str = "take it out where the text stands: in a package.json, in slimbuild.json or in the name of a directory";
}

/// Fails for characters that would end the line, or that no program accepts in an argument.
fn control(text: &str, place: &'static str) -> Result<(), TextError> {
    let found = text
        .chars()
        .find(|letter| letter.is_control() && *letter != '\t');
    let what = match found {
        None => return Ok(()),
        Some('\n' | '\r') => "a line break",
        Some(_) => "a control character",
    };
    Err(TextError {
        text: text.to_owned(),
        what,
        place,
    })
}

const DOCKERFILE: &str = "a Dockerfile";

/// A quoted word for a shell, and for Dockerfile instructions that parse quotes like a shell
/// (`ENV`, `LABEL`, `WORKDIR`, `USER`).
pub fn quote(text: &str) -> Result<String, TextError> {
    control(text, DOCKERFILE)?;
    Ok(words::quote(text))
}

/// A path for a shell. No program can mistake it for an option.
pub fn path(text: &str) -> Result<String, TextError> {
    if text.starts_with('-') {
        quote(&format!("./{text}"))
    } else {
        quote(text)
    }
}

/// A script's name for `pnpm run`. It must not look like an option.
pub fn script(text: &str) -> Result<String, TextError> {
    if text.starts_with('-') {
        return Err(TextError {
            text: text.to_owned(),
            what: "a dash before it",
            place: "`pnpm run`",
        });
    }
    quote(text)
}

/// A name that needs no quotes: an image, a stage, a variable.
pub fn name(text: &str) -> Result<String, TextError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@+:./_-".contains(&byte);
    if !text.is_empty() && !text.starts_with('-') && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(TextError {
        text: text.to_owned(),
        what: "characters",
        place: "a name in a Dockerfile",
    })
}

/// A part of a comment, on a single line.
pub fn comment(text: &str) -> String {
    let shown = |letter: char| {
        if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') || is_bidi(letter) {
            letter.escape_debug().to_string()
        } else {
            letter.to_string()
        }
    };
    text.chars().map(shown).collect()
}

/// Whether a character changes the direction of the following text, so that it reads differently.
fn is_bidi(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text escaped for a pattern of `find` or a shell.
pub fn glob(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if "*?[]\\".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// Words as JSON, which `CMD`, `ENTRYPOINT`, `HEALTHCHECK` and `RUN` pass to a program unchanged.
pub fn exec(words: &[&str]) -> Syntax {
    Syntax(json(words.iter().copied()))
}

/// The arguments of `COPY`: sources and destination. They are plain if nothing in them is special,
/// else JSON. BuildKit parses both in the same way: first quotes, variables and backslashes, then
/// patterns in sources.
pub fn copy(words: &[&str]) -> Syntax {
    let plain = |letter: char| letter.is_alphanumeric() || "@%+=:,./_-~".contains(letter);
    if words.iter().all(|word| word.chars().all(plain)) {
        return Syntax(words.join(" "));
    }
    let Some((to, sources)) = words.split_last() else {
        return Syntax(String::new());
    };
    let sources = sources.iter().map(|word| escaped(&literal(word)));
    let words: Vec<String> = sources.chain([escaped(to)]).collect();
    Syntax(json(words.iter().map(String::as_str)))
}

/// A source of `COPY` that matches only itself. BuildKit takes a backslash literally in parts
/// without a pattern; from the first part with a pattern on, it escapes.
fn literal(path: &str) -> String {
    let mut is_pattern = false;
    let parts = path.split('/').map(|part| {
        is_pattern |= part.contains(['*', '?', '[']);
        if !is_pattern {
            return part.to_owned();
        }
        let letter = |letter: char| match letter {
            '*' | '?' | '[' => format!("[{letter}]"),
            '\\' => r"[\\]".to_owned(),
            _ => letter.to_string(),
        };
        part.chars().map(letter).collect()
    });
    parts.collect::<Vec<String>>().join("/")
}

/// A word in which BuildKit finds no quotes and no variables.
fn escaped(word: &str) -> String {
    let mut escaped = String::with_capacity(word.len());
    for letter in word.chars() {
        if "\"'$\\".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

fn json<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let quoted: Vec<String> = words
        .map(|word| serde_json::Value::from(word).to_string())
        .collect();
    format!("[{}]", quoted.join(", "))
}

/// A word for nginx's configuration. A dollar would start a variable, and cannot be escaped.
pub fn nginx(text: &str) -> Result<String, TextError> {
    control(text, "nginx's configuration")?;
    if text.contains('$') {
        return Err(TextError {
            text: text.to_owned(),
            what: "a dollar",
            place: "nginx's configuration",
        });
    }
    let plain = |letter: char| letter.is_alphanumeric() || "=@%+:,./_-~".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        Ok(text.to_owned())
    } else {
        Ok(nginx_key(text))
    }
}

/// Like [`nginx`], for a key of a map, which contains no variables.
pub fn nginx_key(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A text for a regular expression of nginx, within double quotes.
pub fn regex(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            // nginx's quoting would consume these.
            '"' | '\\' => {
                let _ = write!(escaped, "\\x{:02x}", u32::from(letter));
            }
            '-' | '_' | '/' | '@' | ' ' => escaped.push(letter),
            _ if letter.is_ascii_punctuation() => {
                escaped.push('\\');
                escaped.push(letter);
            }
            _ if letter.is_control() => {
                let _ = write!(escaped, "\\x{{{:x}}}", u32::from(letter));
            }
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
