//! Splits a shell script into words and operators as POSIX does (XCU 2.2–2.6, 2.10): quotes,
//! variables, substitutions, redirections, comments.
//!
//! The parser is our own: `brush-parser` (MIT) would add 28 crates that nothing else here needs,
//! and supports far more than a `package.json` uses. It recurses only for `${A:-${B:-…}}`, limited
//! by [`MAX_DEPTH`]: no text, however nested, makes it panic or run away.

/// How deep variables' defaults may be nested. Deeper ones are not read.
const MAX_DEPTH: usize = 16;

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Literal text.
    Text(String),
    /// `$NAME`, or `${NAME:-default}`.
    Variable {
        name: String,
        default: Option<String>,
        source: String,
    },
    /// Something that only a shell can evaluate: `$(…)`, `${NAME%x}`, a variable within a default.
    Unknown(String),
}

/// A word, and how it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) parts: Vec<Part>,
    /// The text in the script, with quotes.
    pub(super) source: String,
    /// Whether a part of it is quoted: a quoted keyword is an ordinary word.
    pub(super) quoted: bool,
    /// Whether a shell would expand it to file names: `*` without quotes.
    pub(super) glob: bool,
}

impl Word {
    /// The text without quotes. Variables and substitutions are as written.
    pub(super) fn text(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) | Part::Unknown(text) => text.as_str(),
            Part::Variable { source, .. } => source.as_str(),
        });
        parts.collect()
    }

    /// Whether the text is known without a shell.
    pub(super) fn is_literal(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Splits `NAME=value`.
    pub(super) fn assignment(&self) -> Option<(String, Word)> {
        let Some(Part::Text(first)) = self.parts.first() else {
            return None;
        };
        let (name, rest) = first.split_once('=')?;
        // A quoted name is an ordinary word: `"A=1"`. Only the part after `=` may be quoted.
        if !is_variable(name) || !self.source.starts_with(&format!("{name}=")) {
            return None;
        }
        let mut parts = self.parts.clone();
        parts[0] = Part::Text(rest.to_owned());
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        let value = Word {
            parts,
            source: self.source[name.len() + 1..].to_owned(),
            quoted: self.quoted,
            glob: false,
        };
        Some((name.to_owned(), value))
    }

    /// A literal word.
    pub(super) fn of(text: &str) -> Self {
        Self {
            parts: vec![Part::Text(text.to_owned())],
            source: quote(text),
            quoted: false,
            glob: false,
        }
    }
}

/// A text quoted as one shell word.
pub(crate) fn quote(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@%+,".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A word, or a separator of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    /// `&&`, `||`, `;`, `&`, `|`, a line break as `;`, and the parentheses of a subshell.
    Operator(&'static str),
    /// `>`, `2>&1`, `<`, with the file as written.
    Redirection(String),
}

/// The words that a script begins with, up to the first operator.
pub(crate) fn first_words(script: &str) -> Vec<String> {
    let words = tokens(script).into_iter().map_while(|token| match token {
        Token::Word(word) => Some(word.text()),
        Token::Operator(_) | Token::Redirection(_) => None,
    });
    words.collect()
}

/// Whether it is a valid variable name in a shell.
pub(crate) fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Operators, longest first.
const OPERATORS: [&str; 9] = ["&&", "||", ";;", ";", "&", "|", "(", ")", "\n"];

/// Redirections, longest first.
const REDIRECTIONS: [&str; 10] = ["<<-", "<<", ">>", ">&", "<&", ">|", "<>", "&>", ">", "<"];

/// Splits a script.
pub(super) fn tokens(script: &str) -> Vec<Token> {
    let mut reader = Reader {
        script,
        at: 0,
        found: Vec::new(),
        documents: Vec::new(),
    };
    while reader.at < script.len() {
        reader.step();
    }
    reader.found
}

struct Reader<'s> {
    script: &'s str,
    at: usize,
    found: Vec<Token>,
    /// The end markers of here-documents of this line.
    documents: Vec<String>,
}

impl<'s> Reader<'s> {
    fn rest(&self) -> &'s str {
        &self.script[self.at..]
    }

    fn step(&mut self) {
        let rest = self.rest();
        if rest.starts_with([' ', '\t', '\r']) {
            self.at += 1;
        } else if rest.starts_with("\\\n") {
            self.at += 2;
        } else if rest.starts_with("\\\r\n") {
            self.at += 3;
        } else if rest.starts_with('#') {
            self.at += rest.find('\n').unwrap_or(rest.len());
        } else if let Some(length) = redirection(rest) {
            self.redirect(length);
        } else if let Some(operator) = OPERATORS.iter().find(|one| rest.starts_with(**one)) {
            self.at += operator.len();
            let ends_line = *operator == "\n";
            let operator = if ends_line { ";" } else { operator };
            self.found.push(Token::Operator(operator));
            if ends_line {
                self.skip_documents();
            }
        } else {
            let word = self.word();
            self.found.push(Token::Word(word));
        }
    }

    fn redirect(&mut self, length: usize) {
        let start = self.at;
        self.at += length;
        let here = self.script[start..self.at].contains("<<");
        while self.rest().starts_with([' ', '\t']) {
            self.at += 1;
        }
        let file = self.word();
        self.found
            .push(Token::Redirection(self.script[start..self.at].to_owned()));
        if here {
            self.documents.push(file.text());
        }
    }

    /// Skips the text of a `<<`, which begins on the next line.
    fn skip_documents(&mut self) {
        for end in std::mem::take(&mut self.documents) {
            let mut passed = 0;
            for line in self.rest().split_inclusive('\n') {
                passed += line.len();
                if line.trim() == end {
                    break;
                }
            }
            self.at += passed;
        }
    }

    /// Reads a word up to the next blank or operator. Takes at least one letter.
    fn word(&mut self) -> Word {
        let start = self.at;
        let mut word = Word::default();
        while let Some(letter) = self.rest().chars().next() {
            let ends = matches!(
                letter,
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>'
            );
            if ends {
                break;
            }
            self.letter(letter, &mut word);
        }
        word.source = self.script[start..self.at].to_owned();
        word
    }

    fn letter(&mut self, letter: char, word: &mut Word) {
        match letter {
            '\'' => {
                word.quoted = true;
                let inside = &self.rest()[1..];
                let end = inside.find('\'').unwrap_or(inside.len());
                push(word, &inside[..end]);
                self.at += (end + 2).min(self.rest().len());
            }
            '"' => {
                word.quoted = true;
                self.at += 1;
                self.double_quoted(word);
            }
            '\\' => {
                word.quoted = true;
                let next = self.rest()[1..].chars().next();
                if next != Some('\n') {
                    push(word, next.unwrap_or('\\').encode_utf8(&mut [0; 4]));
                }
                self.at += 1 + next.map_or(0, char::len_utf8);
            }
            '$' | '`' => self.expansion(word),
            _ => {
                word.glob |= matches!(letter, '*' | '?' | '[');
                push(word, letter.encode_utf8(&mut [0; 4]));
                self.at += letter.len_utf8();
            }
        }
    }

    fn double_quoted(&mut self, word: &mut Word) {
        push(word, "");
        while let Some(letter) = self.rest().chars().next() {
            match letter {
                '"' => {
                    self.at += 1;
                    return;
                }
                '\\' => {
                    let next = self.rest()[1..].chars().next();
                    match next {
                        Some('\n') => {}
                        Some('$' | '`' | '"' | '\\') => push(word, &self.rest()[1..2]),
                        Some(other) => {
                            push(word, "\\");
                            push(word, other.encode_utf8(&mut [0; 4]));
                        }
                        None => push(word, "\\"),
                    }
                    self.at += 1 + next.map_or(0, char::len_utf8);
                }
                '$' | '`' => self.expansion(word),
                _ => {
                    push(word, letter.encode_utf8(&mut [0; 4]));
                    self.at += letter.len_utf8();
                }
            }
        }
    }

    /// Reads an expansion that begins with `$` or a backtick.
    fn expansion(&mut self, word: &mut Word) {
        let rest = self.rest();
        let (part, length) = expanded(rest, 0);
        word.parts.push(part);
        self.at += length;
    }
}

fn push(word: &mut Word, text: &str) {
    if let Some(Part::Text(last)) = word.parts.last_mut() {
        last.push_str(text);
    } else {
        word.parts.push(Part::Text(text.to_owned()));
    }
}

/// The length of a redirection's sign at the start of a text, including the number before it.
fn redirection(text: &str) -> Option<usize> {
    let digits = text.len()
        - text
            .trim_start_matches(|letter: char| letter.is_ascii_digit())
            .len();
    let signs = &text[digits..];
    let sign = REDIRECTIONS.iter().find(|sign| signs.starts_with(**sign))?;
    (digits == 0 || !sign.starts_with('&')).then_some(digits + sign.len())
}

/// Reads the expansion at the start of a text. Returns it and its length.
fn expanded(text: &str, depth: usize) -> (Part, usize) {
    let unknown = |length: usize| (Part::Unknown(text[..length].to_owned()), length);
    if let Some(inside) = text.strip_prefix('`') {
        return unknown(inside.find('`').map_or(text.len(), |end| end + 2));
    }
    let after = &text[1..];
    if after.starts_with('(') {
        return unknown(1 + closed(after, '(', ')'));
    }
    if after.starts_with('{') {
        let length = 1 + closed(after, '{', '}');
        let inside = text[2..length].strip_suffix('}').unwrap_or_default();
        return (braced(inside, &text[..length], depth), length);
    }
    let length = after
        .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .unwrap_or(after.len());
    let name = &after[..length];
    if is_variable(name) {
        let part = Part::Variable {
            name: name.to_owned(),
            default: None,
            source: format!("${name}"),
        };
        return (part, 1 + length);
    }
    match after.chars().next() {
        Some(special) if "@*#?-$!0123456789".contains(special) => unknown(2),
        _ => (Part::Text("$".to_owned()), 1),
    }
}

/// The inside of braces: `NAME`, `NAME:-default` and `NAME-default`; `:=` also sets the default.
fn braced(inside: &str, source: &str, depth: usize) -> Part {
    let length = inside
        .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .unwrap_or(inside.len());
    let (name, rest) = inside.split_at(length);
    let unknown = Part::Unknown(source.to_owned());
    if !is_variable(name) {
        return unknown;
    }
    let known = |default| Part::Variable {
        name: name.to_owned(),
        default,
        source: source.to_owned(),
    };
    if rest.is_empty() {
        return known(None);
    }
    let signs = [":-", ":=", "-", "="];
    let Some(default) = signs.iter().find_map(|sign| rest.strip_prefix(sign)) else {
        return unknown;
    };
    default_text(default, depth + 1).map_or(unknown, |text| known(Some(text)))
}

/// The text of a default; `None` if only a shell can evaluate it.
fn default_text(text: &str, depth: usize) -> Option<String> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut found = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        match letter {
            '"' | '\'' => rest = &rest[1..],
            '\\' | '`' => return None,
            '$' => match expanded(rest, depth) {
                (
                    Part::Variable {
                        default: Some(default),
                        ..
                    },
                    length,
                ) => {
                    found.push_str(&default);
                    rest = &rest[length..];
                }
                _ => return None,
            },
            _ => {
                found.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
    }
    Some(found)
}

/// The length of the text up to the bracket that closes the first one; all of it if none does.
fn closed(text: &str, open: char, close: char) -> usize {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (open, '\\') if open != Some('\'') => {
                letters.next();
            }
            (None, '\'' | '"') => quote = Some(letter),
            (None, _) if letter == open => depth += 1,
            (None, _) if letter == close => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}
