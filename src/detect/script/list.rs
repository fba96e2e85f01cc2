//! Lists of commands: `a && b || c; d & e | f`, with subshells and groups, as a flat sequence.
//!
//! Flat, because it need not be known what a shell would do next: only the commands and what is
//! between them matter, and that a line can be generated again from the same pieces.

use super::words::{Token, Word, tokens};

/// A simple command: assignments, words, redirections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Simple {
    pub(super) assignments: Vec<(String, Word)>,
    pub(super) words: Vec<Word>,
    pub(super) redirections: Vec<String>,
    /// node's flags, if the command names a program by its file.
    pub(super) node_args: Vec<String>,
    /// The removed wrappers and runners that led to it.
    pub(super) through: Vec<String>,
}

impl Simple {
    fn is_empty(&self) -> bool {
        self.assignments.is_empty() && self.words.is_empty() && self.redirections.is_empty()
    }
}

/// A piece of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// A command.
    Simple(Simple),
    /// An operator, a bracket, or a word of the shell's own grammar: `if`, `then`, `do`.
    Mark(String),
}

/// Shell keywords that a command may follow.
const LEADING_KEYWORDS: [&str; 9] = [
    "if", "then", "else", "elif", "while", "until", "do", "!", "{",
];

/// Shell keywords that end what those began.
const CLOSING_KEYWORDS: [&str; 4] = ["fi", "done", "esac", "}"];

/// Reads a script.
pub(super) fn read(script: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut current = Simple::default();
    let end = |current: &mut Simple, items: &mut Vec<Item>| {
        if !current.is_empty() {
            items.push(Item::Simple(std::mem::take(current)));
        }
    };
    for token in tokens(script) {
        match token {
            Token::Operator(operator) => {
                end(&mut current, &mut items);
                items.push(Item::Mark(operator.to_owned()));
            }
            Token::Redirection(text) => current.redirections.push(text),
            Token::Word(word) => {
                let begins = current.is_empty() && !word.quoted;
                if begins
                    && (LEADING_KEYWORDS.contains(&&*word.source)
                        || CLOSING_KEYWORDS.contains(&&*word.source))
                {
                    items.push(Item::Mark(word.source));
                } else if let (true, Some(pair)) = (current.words.is_empty(), word.assignment()) {
                    current.assignments.push(pair);
                } else {
                    current.words.push(word);
                }
            }
        }
    }
    end(&mut current, &mut items);
    items
}
