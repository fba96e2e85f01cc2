//! Splits JavaScript and TypeScript into tokens, in enough detail to find names and string
//! literals.
//!
//! Input: source text. Output: words, strings and signs. It runs no code and checks no syntax: any
//! text has tokens.

/// A piece of JavaScript or TypeScript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'t> {
    /// A name, a number or a keyword.
    Word(&'t str),
    /// A string literal.
    Text(&'t str),
    /// A template with substitutions, as written.
    Filled(&'t str),
    /// Any other character.
    Sign(char),
}

/// The tokens of the code, without comments and regular expressions.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}');
    while let Some(first) = rest.chars().next() {
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
        let end = match first {
            _ if rest.starts_with("//") || rest.starts_with("#!") => {
                rest.find('\n').unwrap_or(rest.len())
            }
            _ if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '\'' | '"' | '`' => {
                let end = closed(rest, first);
                let inner = rest[1..end].strip_suffix(first).unwrap_or(&rest[1..end]);
                let filled = first == '`' && inner.contains("${");
                tokens.push(if inner.contains('\\') {
                    Token::Sign(first)
                } else if filled {
                    Token::Filled(inner)
                } else {
                    Token::Text(inner)
                });
                end
            }
            '/' if starts_expression(tokens.last()) => closed(rest, '/'),
            first if is_word(first) => {
                let end = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
                tokens.push(Token::Word(&rest[..end]));
                end
            }
            first => {
                if !first.is_whitespace() {
                    tokens.push(Token::Sign(first));
                }
                first.len_utf8()
            }
        };
        rest = &rest[end..];
    }
    tokens
}

/// Where the literal that begins here ends, after its closing sign. A literal that must end on its
/// line ends there.
fn closed(text: &str, sign: char) -> usize {
    let (mut escaped, mut class) = (false, false);
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' if sign != '`' => return at,
            '[' if sign == '/' => class = true,
            ']' if sign == '/' => class = false,
            _ if letter == sign && !class => return at + letter.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Whether a slash after this token starts a regular expression instead of dividing.
fn starts_expression(before: Option<&Token<'_>>) -> bool {
    match before {
        None | Some(Token::Word("return" | "typeof" | "case")) => true,
        Some(Token::Sign(sign)) => !matches!(sign, ')' | ']' | '}' | '`' | '\'' | '"'),
        Some(Token::Word(_) | Token::Text(_) | Token::Filled(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Token::{Filled, Sign, Text, Word};
    use super::tokens;

    #[test]
    fn comments_and_regular_expressions_are_no_tokens() {
        let text =
            "#!/usr/bin/env node\na /* 'x' */ = /['\"]/.test('b') // c\n/ `d` + `${e}/f` + 'g\\n'";
        let expected = [
            Word("a"),
            Sign('='),
            Sign('.'),
            Word("test"),
            Sign('('),
            Text("b"),
            Sign(')'),
            Sign('/'),
            Text("d"),
            Sign('+'),
            Filled("${e}/f"),
            Sign('+'),
            Sign('\''),
        ];
        assert_eq!(tokens(text), expected);
    }
}
