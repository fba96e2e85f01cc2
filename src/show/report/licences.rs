//! The licences of an app's packages, as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::lines::Lines;
use crate::ask::sbom::Part;

/// What stands for a licence that is not known.
const UNKNOWN: &str = "not known: it is not installed here, or says nothing";

/// The packages of each licence, the most frequent licence first.
pub fn licences(parts: &[&Part]) -> String {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for part in parts {
        let licence = part.licence.as_deref().unwrap_or(UNKNOWN);
        groups.entry(licence).or_default().push(part.label());
    }
    let mut groups: Vec<(&str, Vec<String>)> = groups.into_iter().collect();
    groups.sort_by_key(|(licence, labels)| (std::cmp::Reverse(labels.len()), *licence));
    let mut text = Lines::default();
    for (at, (licence, mut labels)) in groups.into_iter().enumerate() {
        if at > 0 {
            text.gap();
        }
        labels.sort_unstable();
        text.line(format_args!("{licence}: {}", labels.len()));
        for label in labels {
            text.line(format_args!("  {label}"));
        }
    }
    text.into_text()
}

/// The packages with the texts of their licences.
pub fn notice(parts: &[(&Part, Vec<String>)]) -> String {
    let mut all = String::new();
    for (part, texts) in parts {
        let licence = part.licence.as_deref().unwrap_or(UNKNOWN);
        let _ = writeln!(all, "{}\nLicence: {licence}\n", part.label());
        for text in texts {
            let _ = writeln!(all, "{}\n", text.trim_end());
        }
        all += "----\n\n";
    }
    all
}
