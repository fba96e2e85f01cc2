//! Optional peers of entries: which of a node's edges they are, and its lines without them.

use std::ops::Range;

use super::Lockfile;
use super::keys::{Format, package_key};
use super::lines::{Line, lines};
use super::scalar::split_entry;

impl Lockfile<'_> {
    /// Whether the package of the node at `at` calls its dependency `alias` an optional peer. For
    /// format 13.0 the answer is no: there the choice of peers is no edge that could be left out.
    pub(super) fn is_optional_peer(&self, at: usize, alias: &str) -> bool {
        if self.is_v13() {
            return false;
        }
        let key = &self.nodes()[at].key;
        let entry = match self.format() {
            Format::V9 => {
                let found = self.packages().find(package_key(key));
                found.map(|package| &self.packages()[package])
            }
            Format::V5 | Format::V6 => Some(&self.nodes()[at]),
        };
        let Some(entry) = entry else { return false };
        let (mut inside, mut named) = (false, false);
        for line in lines(self.text(), entry.body..entry.range.end) {
            match line.indent {
                4 => inside = is_key(&line, "peerDependenciesMeta"),
                6 => named = inside && is_key(&line, alias),
                8 if named && line.text.trim_end() == "optional: true" => return true,
                _ => {}
            }
        }
        false
    }

    /// The lines of a node that name its dependencies `aliases`, and the line of a map that has no
    /// other.
    pub(super) fn lines_of(&self, at: usize, aliases: &[&str]) -> Vec<Range<usize>> {
        let entry = &self.nodes()[at];
        let mut found = Vec::new();
        // The line that opens a map of dependencies, and how many of its entries stay and go.
        let mut map: Option<(Range<usize>, usize, usize)> = None;
        for line in lines(self.text(), entry.body..entry.range.end) {
            match (line.indent, &mut map) {
                (4, _) => {
                    found.extend(map.take().and_then(emptied));
                    let dependencies = ["dependencies", "optionalDependencies"];
                    if dependencies.iter().any(|key| is_key(&line, key)) {
                        map = Some((line.start..line.end, 0, 0));
                    }
                }
                (6, Some((_, stay, go))) => {
                    if aliases.iter().any(|alias| is_key(&line, alias)) {
                        found.push(line.start..line.end);
                        *go += 1;
                    } else {
                        *stay += 1;
                    }
                }
                _ => {}
            }
        }
        found.extend(map.and_then(emptied));
        found
    }
}

/// The line that opens a map, if all its entries go.
fn emptied((line, stay, go): (Range<usize>, usize, usize)) -> Option<Range<usize>> {
    (stay == 0 && go > 0).then_some(line)
}

fn is_key(line: &Line<'_>, key: &str) -> bool {
    split_entry(line.text).is_ok_and(|(found, _)| found == key)
}
