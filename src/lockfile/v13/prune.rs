//! Prunes the original: what stays is byte-identical, and so are the blank lines between entries.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Entry, Flag, Map, Node, Origin, Rest, Section};
use crate::lockfile::Lockfile;
use crate::lockfile::prune::{Kept, apply};
use crate::lockfile::reachable::{Reach, Reached};

/// A range of the text, and what takes its place.
type Cut = (Range<usize>, String);

/// Leaves out what [`prune`](crate::lockfile::prune::prune) leaves out of the other formats.
pub(in crate::lockfile) fn prune(
    text: &str,
    origin: &Origin,
    lockfile: &Lockfile<'_>,
    kept: &Kept<'_>,
    reach: &Reach<'_, '_>,
) -> String {
    let mut cuts = Vec::new();
    section(text, &origin.projects, &mut cuts, |entry| {
        match &entry.rest {
            Rest::Project { maps, has_more } if kept.importers.contains(&entry.key) => {
                Some(project(text, entry, maps, *has_more, kept))
            }
            _ => None,
        }
    });
    // Where nothing is left out, every flag stays as pnpm wrote it.
    let is_pruned = !cuts.is_empty();
    section(text, &origin.packages, &mut cuts, |entry| {
        match &entry.rest {
            Rest::Package { nodes, flag } => package(nodes, flag, is_pruned, |key| {
                reach.node(lockfile.nodes().find(key)?)
            }),
            Rest::Project { .. } => None,
        }
    });
    add_projects(text, &origin.projects, kept.importers, &mut cuts);
    apply(text, cuts)
}

/// Leaves out the entries for which `keep` returns nothing; for the others it returns what changes
/// in them.
fn section(
    text: &str,
    section: &Section,
    cuts: &mut Vec<Cut>,
    keep: impl Fn(&Entry) -> Option<Vec<Cut>>,
) {
    let (mut within, mut any_kept) = (Vec::new(), false);
    let mut end = None;
    for entry in &section.entries {
        let gap = end.unwrap_or(entry.range.start)..entry.range.start;
        end = Some(entry.range.end);
        match keep(entry) {
            Some(changes) => {
                if !any_kept && !gap.is_empty() {
                    // The first entry of a section has no blank line before it.
                    within.push((gap, String::new()));
                }
                any_kept = true;
                within.extend(changes);
            }
            None => within.push((gap.start..entry.range.end, String::new())),
        }
    }
    match &section.range {
        // pnpm omits a section that is empty.
        Some(range) if !any_kept && !section.entries.is_empty() => {
            let blank = text[..range.start].len() - text[..range.start].trim_end().len();
            let start = range.start - blank.saturating_sub(1);
            cuts.push((start..range.end, String::new()));
        }
        _ => cuts.extend(within),
    }
}

fn project(text: &str, entry: &Entry, maps: &[Map], has_more: bool, kept: &Kept<'_>) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let mut left = has_more;
    for map in maps {
        let keep = |alias: &str| (kept.dependency)(&entry.key, map.field, alias);
        let gone = map.dependencies.iter().filter(|(alias, _)| !keep(alias));
        let gone: Vec<Cut> = gone
            .map(|(_, range)| (range.clone(), String::new()))
            .collect();
        if !gone.is_empty() && gone.len() == map.dependencies.len() {
            cuts.push((map.range.clone(), String::new()));
        } else {
            left = true;
            cuts.extend(gone);
        }
    }
    if left || cuts.is_empty() {
        return cuts;
    }
    let lines = &text[entry.range.clone()];
    let Some(open) = lines.find('\n').and_then(|end| lines[..end].rfind('{')) else {
        return cuts;
    };
    let rest = lines.trim_end();
    let comma = if rest.ends_with(',') { "," } else { "" };
    let closed = format!("{}{{}}{comma}{}", &lines[..open], &lines[rest.len()..]);
    vec![(entry.range.clone(), closed)]
}

/// The changes in a package; nothing if no node of it is reached.
fn package<'r>(
    nodes: &[Node],
    flag: &Flag,
    is_pruned: bool,
    reached: impl Fn(&str) -> Option<&'r Reached>,
) -> Option<Vec<Cut>> {
    let found: Vec<(&Node, Option<&Reached>)> = nodes
        .iter()
        .map(|node| (node, reached(&node.key)))
        .collect();
    let kept = || {
        found
            .iter()
            .filter_map(|(node, reached)| Some((*node, (*reached)?)))
    };
    kept().next()?;
    let mut cuts: Vec<Cut> = found
        .iter()
        .filter(|(_, reached)| reached.is_none())
        .filter_map(|(node, _)| Some((node.range.clone()?, String::new())))
        .collect();
    let was = |node: &Node| flag.line.is_some() || node.flag.line.is_some();
    if !is_pruned || kept().all(|(node, reached)| was(node) == reached.is_optional()) {
        return Some(cuts);
    }
    // pnpm writes a flag that all nodes share once, beside the list of nodes.
    let shared = kept().all(|(_, reached)| reached.is_optional());
    cuts.extend(flag.set(shared));
    for (node, reached) in kept() {
        if node.range.is_some() {
            cuts.extend(node.flag.set(!shared && reached.is_optional()));
        }
    }
    Some(cuts)
}

impl Flag {
    fn set(&self, is: bool) -> Option<Cut> {
        match (&self.line, is) {
            (Some(line), false) => Some((line.clone(), String::new())),
            (None, true) => {
                let line = format!("{}\"optional\": true,\n", self.indent);
                let text = if self.is_empty {
                    format!("\n{line}{}", &self.indent[1..])
                } else {
                    line
                };
                Some((self.place..self.place, text))
            }
            _ => None,
        }
    }
}

/// Adds `{}` for projects that the file lacks.
fn add_projects(text: &str, projects: &Section, wanted: &BTreeSet<String>, cuts: &mut Vec<Cut>) {
    let known: BTreeSet<&str> = projects.entries.iter().map(|entry| &*entry.key).collect();
    let missing = wanted.iter().filter(|key| !known.contains(key.as_str()));
    let Some(range) = &projects.range else { return };
    let start = text[range.start..]
        .find('\n')
        .map_or(range.end, |at| range.start + at + 1);
    for key in missing {
        let key = serde_json::Value::from(key.as_str());
        cuts.push((start..start, format!("\t\t{key}: {{}},\n\n")));
    }
}
