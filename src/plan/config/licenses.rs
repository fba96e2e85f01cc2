//! `licenses`: which licences the packages of an image may have.

use std::collections::{BTreeMap, BTreeSet};

use super::ConfigError;
use super::reader::Node;

/// A policy of licences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Licenses {
    /// The licences that are allowed; empty means all that are not denied.
    pub allow: BTreeSet<String>,
    /// The licences that are not.
    pub deny: BTreeSet<String>,
    /// Packages (`name` or `name@version`) that may have any licence, each with the reason.
    pub exceptions: BTreeMap<String, String>,
}

impl Licenses {
    /// This policy with that of all apps.
    #[must_use]
    pub(super) fn over(mut self, below: Self) -> Self {
        self.allow.extend(below.allow);
        self.deny.extend(below.deny);
        let mut exceptions = below.exceptions;
        exceptions.extend(self.exceptions);
        Self { exceptions, ..self }
    }
}

const KEYS: [&str; 3] = ["allow", "deny", "exceptions"];

/// An object with `allow`, `deny` and `exceptions`.
pub(super) fn licenses(node: &Node<'_>) -> Result<Licenses, ConfigError> {
    let what = "an object with `allow`, `deny` and `exceptions`";
    let mut licenses = Licenses::default();
    for entry in node.entries(what)? {
        let node = entry.node();
        match entry.name {
            "allow" => licenses.allow = names(&node)?,
            "deny" => licenses.deny = names(&node)?,
            "exceptions" => {
                let what = "an object with a key for each package (\"name\" or \"name@1.2.3\") and the reason";
                for entry in node.entries(what)? {
                    let reason = entry.node().string("the reason")?.to_owned();
                    licenses.exceptions.insert(entry.name.to_owned(), reason);
                }
            }
            _ => return Err(entry.unknown(&KEYS)),
        }
    }
    if licenses.allow.is_empty() && licenses.deny.is_empty() && licenses.exceptions.is_empty() {
        return Err(node.expected(what));
    }
    Ok(licenses)
}

/// Names of licences.
fn names(node: &Node<'_>) -> Result<BTreeSet<String>, ConfigError> {
    let names = node.strings(
        "a list of licences, as [\"MIT\", \"BSD-*\"]",
        "the name of a licence",
    )?;
    if names.is_empty() {
        return Err(node.expected("a list of at least one licence"));
    }
    Ok(names.into_iter().map(|name| name.value).collect())
}
