//! The record of catalogs, read line by line: a YAML parser takes longer for it than all other
//! checks together.

use std::borrow::Cow;

use super::Lockfile;
use super::lines::lines;
use super::scalar::{split_entry, value};

/// An entry that the lockfile uses.
#[derive(Debug, PartialEq, Eq)]
pub struct CatalogEntry<'a> {
    /// The catalog's name.
    pub catalog: Cow<'a, str>,
    /// The package's name.
    pub package: Cow<'a, str>,
    /// What the catalog asked for.
    pub specifier: Cow<'a, str>,
}

impl<'a> Lockfile<'a> {
    /// The entries of `catalogs`; `None` if a line is not as pnpm writes it.
    pub(crate) fn catalogs(&self) -> Option<Vec<CatalogEntry<'a>>> {
        let Some(range) = self.section("catalogs") else {
            return Some(Vec::new());
        };
        let mut entries = Vec::new();
        let (mut catalog, mut package) = (None, None);
        let mut found = lines(self.text(), range);
        let (_, rest) = split_entry(found.next()?.text).ok()?;
        if rest.is_some() {
            return None;
        }
        for line in found {
            let (key, rest) = split_entry(line.text).ok()?;
            match (line.indent, rest) {
                (2, None) => (catalog, package) = (Some(key), None),
                (4, None) => package = Some(key),
                (6, Some(text)) if key == "specifier" => {
                    let specifier = value(text).ok()?;
                    // YAML would read a plain number or null, and pnpm quotes what looks like one.
                    let is_text = text.starts_with(['\'', '"']);
                    let other =
                        specifier.parse::<f64>().is_ok() || matches!(&*specifier, "null" | "~");
                    if other && !is_text {
                        return None;
                    }
                    entries.push(CatalogEntry {
                        catalog: catalog.clone()?,
                        package: package.clone()?,
                        specifier,
                    });
                }
                (6, Some(_)) => {}
                _ => return None,
            }
        }
        Some(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogs(section: &str) -> Option<Vec<String>> {
        let text = format!("lockfileVersion: '9.0'\n\n{section}\nimporters:\n\n  .: {{}}\n");
        let entries = Lockfile::parse(&text).unwrap().catalogs()?;
        let texts = entries.iter().map(|entry| {
            let CatalogEntry {
                catalog,
                package,
                specifier,
            } = entry;
            format!("{catalog} {package} {specifier}")
        });
        Some(texts.collect())
    }

    #[test]
    fn entries_as_pnpm_writes_them() {
        assert_eq!(catalogs(""), Some(vec![]));
        let two = "catalogs:\n  default:\n    '@a/b':\n      specifier: ^1.0.0\n      version: 1.2.3\n  old:\n    c:\n      specifier: '5'\n      version: 5.0.0\n";
        let expected = ["default @a/b ^1.0.0", "old c 5"];
        assert_eq!(catalogs(two).unwrap(), expected);
    }

    #[test]
    fn other_layouts_are_left_to_a_parser() {
        for section in [
            "catalogs: {default: {a: {specifier: 1.0.0}}}\n",
            "catalogs:\n  default: {a: {specifier: 1.0.0}}\n",
            "catalogs:\n  default:\n    a: {specifier: 1.0.0}\n",
            "catalogs:\n  default:\n    a:\n      specifier: 5\n",
            "catalogs:\n    default:\n        a:\n            specifier: 5.0.0\n",
        ] {
            assert_eq!(catalogs(section), None, "{section}");
        }
    }
}
