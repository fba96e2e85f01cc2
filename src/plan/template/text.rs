//! Text of strangers in Dockerfiles, in what shells read of them, and in a web server's configuration: a function for each place where it can stand.
//!
//! Each of them makes a text that means itself there and nothing else, or says why that cannot be. A template prints nothing that did not go through
//! one of them ([`Syntax`] is what they make), so that a new line of a template cannot forget it.

use std::fmt::Write as _;

use serde::{Serialize, Serializer};

use crate::detect::script::words;

/// Text that may be printed as it is: syntax, with words of strangers that were quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syntax(String);

impl Syntax {
    /// Takes syntax as it is. What it is put together of went through a function of this module, or is a constant.
    pub(crate) fn of(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The same behind other syntax.
    pub(crate) fn behind(self, before: &str) -> Self {
        Self(format!("{before}{}", self.0))
    }
}

impl Serialize for Syntax {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        minijinja::Value::from_safe_string(self.0.clone()).serialize(serializer)
    }
}

/// A text that cannot be written where it should stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` has {what}, which {place} cannot express", comment(text))]
pub struct TextError {
    text: String,
    what: &'static str,
    place: &'static str,
}

impl TextError {
    /// What to do about it.
    pub const HINT: &str = "take it out where the text stands: in a package.json, in slimbuild.json or in the name of a directory";
}

/// What of a text would end the line that it stands in, or what no program takes as an argument.
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

/// A word for a shell, and for those instructions of a Dockerfile whose words a shell's quotes hold together (`ENV`, `LABEL`, `WORKDIR`, `USER`).
pub fn quote(text: &str) -> Result<String, TextError> {
    control(text, DOCKERFILE)?;
    Ok(words::quote(text))
}

/// A path for a shell: no program takes it for an option.
pub fn path(text: &str) -> Result<String, TextError> {
    if text.starts_with('-') {
        quote(&format!("./{text}"))
    } else {
        quote(text)
    }
}

/// The name of a script for `pnpm run`, which would take it for an option.
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

/// A name that needs no quotes and gets none: an image, a stage, a variable.
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

/// A part of a comment: it stays on its line.
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

/// Whether a character turns the direction of what follows it, so that text looks like another one.
fn is_bidi(letter: char) -> bool {
    matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text in a pattern of `find` or of a shell, in which it means itself.
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

/// Words as JSON: what `CMD`, `ENTRYPOINT`, `HEALTHCHECK` and `RUN` hand to a program as they are.
pub fn exec(words: &[&str]) -> Syntax {
    Syntax(json(words.iter().copied()))
}

/// The arguments of `COPY`: sources, and the place that they go to. They are as they are where nothing in them has a meaning, else JSON; BuildKit reads
/// both alike: quotes, variables and backslashes first, then patterns in sources.
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

/// A source of `COPY` that matches itself alone. Where nothing has to be matched, BuildKit takes a backslash as it is; from the first part on that is a
/// pattern, it escapes.
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

/// A word in which BuildKit's own reading of quotes and variables finds nothing.
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

/// A word of nginx's configuration. A dollar begins a variable there, and nothing escapes it.
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

/// The same for a key of a map, in which nothing is a variable.
pub fn nginx_key(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A text in a regular expression of nginx's, within double quotes.
pub fn regex(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            // Nginx's own quotes would take these for theirs.
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
