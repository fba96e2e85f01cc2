//! A value of a configuration file with its position, so that errors can point to it.

use crate::model::similar;
use jsonc_parser::ast;
use jsonc_parser::common::Ranged;

use super::{ConfigError, Given, GivenBy};

/// A value, with its file and the path of keys that leads to it.
#[derive(Clone, Copy)]
pub(super) struct Node<'n> {
    pub(super) file: &'n str,
    pub(super) text: &'n str,
    pub(super) path: &'n str,
    pub(super) value: &'n ast::Value<'n>,
}

/// A key of an object and what it is set to.
pub(super) struct Entry<'n> {
    pub(super) name: &'n str,
    /// Where the name begins.
    at: usize,
    /// The path of keys with this one.
    pub(super) path: String,
    of: Node<'n>,
    value: &'n ast::Value<'n>,
}

impl Entry<'_> {
    pub(super) fn node(&self) -> Node<'_> {
        Node {
            path: &self.path,
            value: self.value,
            ..self.of
        }
    }

    /// The error for an unknown key, with the nearest key or all keys.
    pub(super) fn unknown(&self, known: &[&str]) -> ConfigError {
        self.error(
            format!("there is no key `{}`", self.path),
            Some(self.nearest(known)),
        )
    }

    /// Like [`Self::unknown`], for keys that are names of apps.
    pub(super) fn no_app(&self, known: &[&str]) -> ConfigError {
        let problem = format!("there is no app `{}` in this workspace", self.name);
        self.error(problem, Some(self.nearest(known)))
    }

    fn nearest(&self, known: &[&str]) -> String {
        match similar::nearest(self.name, known, 1).first() {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("there are: {}", known.join(", ")),
        }
    }

    /// An error about the key itself.
    pub(super) fn error(&self, problem: String, hint: Option<String>) -> ConfigError {
        self.of.at(self.at, problem, hint)
    }
}

impl<'n> Node<'n> {
    /// A value from this node, with its source.
    pub(super) fn given<T>(&self, value: T) -> Given<T> {
        Given {
            value,
            source: GivenBy::Key {
                key: self.path.to_owned(),
                file: self.file.to_owned(),
            },
        }
    }

    fn at(&self, offset: usize, problem: String, hint: Option<String>) -> ConfigError {
        let before = &self.text[..offset.min(self.text.len())];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        ConfigError::At {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            problem,
            hint,
        }
    }

    /// An error about the value.
    pub(super) fn error(&self, problem: impl Into<String>, hint: Option<String>) -> ConfigError {
        self.at(self.value.start(), problem.into(), hint)
    }

    /// The error for a value of the wrong type.
    pub(super) fn expected(&self, what: &str) -> ConfigError {
        let raw = &self.text[self.value.start()..self.value.end()];
        let mut shown: String = raw.split_whitespace().collect::<Vec<_>>().join(" ");
        if shown.chars().count() > 40 {
            shown = shown.chars().take(40).chain(['…']).collect();
        }
        let name = match self.path {
            "" => "it".to_owned(),
            path => format!("`{path}`"),
        };
        self.error(format!("{name} must be {what}, and is `{shown}`"), None)
    }

    /// The keys of an object in order, without duplicates.
    pub(super) fn entries(&self, what: &str) -> Result<Vec<Entry<'n>>, ConfigError> {
        let ast::Value::Object(object) = self.value else {
            return Err(self.expected(what));
        };
        let mut entries: Vec<Entry<'n>> = Vec::new();
        for property in &object.properties {
            let name = property.name.as_str();
            let step = if name.contains(['/', '@', '.', ' ']) {
                format!("[\"{name}\"]")
            } else if self.path.is_empty() {
                name.to_owned()
            } else {
                format!(".{name}")
            };
            let entry = Entry {
                name,
                at: property.range.start,
                path: format!("{}{step}", self.path),
                of: *self,
                value: &property.value,
            };
            if entries.iter().any(|other| other.name == name) {
                return Err(entry.error(format!("`{}` stands twice", entry.path), None));
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    /// A string of one line, because a Dockerfile cannot have more.
    pub(super) fn string(&self, what: &str) -> Result<&'n str, ConfigError> {
        match self.value {
            ast::Value::StringLit(text) if text.value.contains(['\n', '\r', '\0']) => {
                Err(self.expected(&format!("{what}, in one line")))
            }
            ast::Value::StringLit(text) if !text.value.is_empty() => Ok(&text.value),
            _ => Err(self.expected(what)),
        }
    }

    /// A string, which may be empty; numbers and booleans are taken as written.
    pub(super) fn scalar(&self) -> Result<String, ConfigError> {
        match self.value {
            ast::Value::StringLit(text) if text.value.is_empty() => Ok(String::new()),
            ast::Value::NumberLit(number) => Ok(number.value.to_owned()),
            ast::Value::BooleanLit(truth) => Ok(truth.value.to_string()),
            _ => self
                .string("a text, a number or a truth value")
                .map(str::to_owned),
        }
    }

    /// A list of strings, each with its own source.
    pub(super) fn strings(&self, what: &str, one: &str) -> Result<Vec<Given<String>>, ConfigError> {
        self.items(what)?
            .into_iter()
            .map(|item| Ok(item.given(item.string(one)?.to_owned())))
            .collect()
    }

    /// The values of a list.
    pub(super) fn items(&self, what: &str) -> Result<Vec<Node<'n>>, ConfigError> {
        let ast::Value::Array(array) = self.value else {
            return Err(self.expected(what));
        };
        Ok(array
            .elements
            .iter()
            .map(|value| Node { value, ..*self })
            .collect())
    }

    /// A number without a fraction.
    pub(super) fn number(
        &self,
        range: std::ops::RangeInclusive<u32>,
        what: &str,
    ) -> Result<u32, ConfigError> {
        match self.value {
            ast::Value::NumberLit(number) => number
                .value
                .parse()
                .ok()
                .filter(|number| range.contains(number))
                .ok_or_else(|| self.expected(what)),
            _ => Err(self.expected(what)),
        }
    }
}
