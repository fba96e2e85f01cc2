//! Prunes a lockfile: the text without entries that nothing reaches. Ranges are left out; what
//! stays is byte-identical.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::document::Entry;
use super::importer::BlockKind;
use super::keys::Format;
use super::reachable::{Reach, Reached};
use super::{Dependency, Field, Importer, Lockfile, v13};

/// The projects to keep, and their direct dependencies to keep.
///
/// A manifest that loses a dependency must lose it in the lockfile too: `pnpm install
/// --frozen-lockfile` compares the two even for dependencies that it does not install.
pub struct Kept<'k> {
    /// Keys of importers.
    pub importers: &'k BTreeSet<String>,
    /// Whether an importer keeps the dependency with this alias.
    pub dependency: &'k dyn Fn(&str, Field, &str) -> bool,
}

/// Leaves out all importers that are not kept, the dependencies for which the predicate is false,
/// and all entries that `reach` lacks. If this changes why an entry is needed, its flags `optional`
/// and `dev` are set as pnpm would set them.
pub fn prune(lockfile: &Lockfile<'_>, kept: &Kept<'_>, reach: &Reach<'_, '_>) -> String {
    if let Some((text, origin)) = lockfile.v13() {
        return v13::prune::prune(text, origin, lockfile, kept, reach);
    }
    let mut cuts = Cuts::default();
    for importer in lockfile.importers() {
        match &importer.range {
            Some(range) if !kept.importers.contains(&*importer.key) => {
                cuts.leave_out(range.clone());
            }
            _ => prune_importer(lockfile, importer, kept, &mut cuts),
        }
    }
    let unpruned = cuts.0.is_empty();
    let packages = lockfile
        .packages()
        .iter()
        .enumerate()
        .filter(|(at, _)| !reach.has_package(*at));
    let nodes = lockfile
        .nodes()
        .iter()
        .enumerate()
        .filter(|(at, _)| reach.node(*at).is_none());
    for (_, entry) in packages.chain(nodes) {
        cuts.leave_out(entry.range.clone());
    }
    if !unpruned {
        for (at, entry) in lockfile.nodes().iter().enumerate() {
            if let Some(reached) = reach.node(at) {
                let mut within = Cuts::default();
                let spared = reach.spared_of(at);
                if !spared.is_empty() {
                    for line in lockfile.lines_of(at, &spared) {
                        within.leave_out(line);
                    }
                }
                set_flags(lockfile, entry, reached, &mut within);
                if !spared.is_empty() {
                    close_empty(lockfile, entry, &mut within);
                }
                cuts.0.append(&mut within.0);
            }
        }
    }
    leave_out_empty_sections(lockfile, reach, &mut cuts);
    let missing: Vec<&str> = kept
        .importers
        .iter()
        .map(String::as_str)
        .filter(|key| lockfile.importer(key).is_none())
        .collect();
    add_empty_importers(lockfile, &missing, &mut cuts);
    let mut text = apply(lockfile.text(), cuts.0);
    // If the last section was left out, the blank lines before it remain.
    while text.ends_with("\n\n") {
        text.pop();
    }
    text
}

/// Ranges of the text with their replacements.
#[derive(Default)]
struct Cuts(Vec<(Range<usize>, String)>);

impl Cuts {
    fn leave_out(&mut self, range: Range<usize>) {
        self.0.push((range, String::new()));
    }

    fn insert(&mut self, at: usize, text: String) {
        self.0.push((at..at, text));
    }
}

/// The dependency of each specifier in format 5. If two maps contain a name, the specifier belongs
/// to the one that is kept.
fn specified<'i, 'a>(
    importer: &'i Importer<'a>,
    keep: &impl Fn(&Dependency<'_>) -> bool,
) -> Vec<&'i Dependency<'a>> {
    let mut by_alias: BTreeMap<&str, &Dependency<'a>> = BTreeMap::new();
    for one in &importer.dependencies {
        let chosen = by_alias.entry(&one.alias).or_insert(one);
        if keep(one) {
            *chosen = one;
        }
    }
    by_alias.into_values().collect()
}

fn prune_importer(
    lockfile: &Lockfile<'_>,
    importer: &Importer<'_>,
    kept: &Kept<'_>,
    cuts: &mut Cuts,
) {
    let keep = |one: &Dependency<'_>| (kept.dependency)(&importer.key, one.field, &one.alias);
    let mut within = Cuts::default();
    let mut left = 0;
    for block in &importer.blocks {
        let all: Vec<&Dependency<'_>> = match block.kind {
            BlockKind::Field(field) => importer
                .dependencies
                .iter()
                .filter(|one| one.field == field)
                .collect(),
            BlockKind::Specifiers => specified(importer, &keep),
            BlockKind::Other => Vec::new(),
        };
        let own = |one: &Dependency<'_>| match block.kind {
            BlockKind::Specifiers => one.specifier_range.as_deref().cloned(),
            _ => Some(one.range.clone()),
        };
        let emptied = !all.is_empty() && !all.iter().any(|one| keep(one));
        match (block.kind, emptied) {
            (BlockKind::Field(_), true) => within.leave_out(block.range.clone()),
            (BlockKind::Specifiers, true) => {
                // The map stays, as pnpm 6 and 7 write it for a project without dependencies.
                let line = lockfile.text()[block.range.clone()]
                    .split_inclusive('\n')
                    .next()
                    .unwrap_or_default();
                within.0.push((block.range.clone(), as_empty_map(line)));
                left += 1;
            }
            _ => {
                left += 1;
                all.into_iter()
                    .filter(|one| !keep(one))
                    .filter_map(own)
                    .for_each(|range| within.leave_out(range));
            }
        }
    }
    match &importer.range {
        Some(range) if left == 0 && !importer.blocks.is_empty() => {
            // pnpm calls a lockfile with an empty value broken.
            let line = lockfile.text()[importer.head..range.end]
                .split_inclusive('\n')
                .next()
                .unwrap_or_default();
            cuts.0.push((importer.head..range.end, as_empty_map(line)));
        }
        _ => cuts.0.append(&mut within.0),
    }
}

/// `key:` as `key: {}`, with the same line end.
fn as_empty_map(line: &str) -> String {
    let end = line.trim_end().len();
    if line[..end].ends_with("{}") {
        return line.to_owned();
    }
    format!("{} {{}}{}", &line[..end], &line[end..])
}

/// Sets the flags `optional` and `dev`. They are at the end of an entry, `dev` first.
fn set_flags(lockfile: &Lockfile<'_>, entry: &Entry<'_>, reached: &Reached, cuts: &mut Cuts) {
    let text = lockfile.text();
    let line_break = if text[entry.head..entry.body].ends_with("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    let (was, is) = (reached.optional.is_some(), reached.is_optional());
    let dev_is = if lockfile.format() == Format::V9 {
        None
    } else {
        reached.is_dev()
    };
    let dev_was = reached.dev.as_ref().map(|(dev, _)| *dev);
    if was == is && dev_was == dev_is {
        return;
    }
    let mut added = String::new();
    if dev_was != dev_is {
        if let Some((_, range)) = &reached.dev {
            cuts.leave_out(range.clone());
        }
        if let Some(dev) = dev_is {
            // Before `optional`, wherever that is.
            let line = format!("    dev: {dev}{line_break}");
            match reached.optional.as_ref().filter(|_| is) {
                Some(optional) => cuts.insert(optional.start, line),
                None => added.push_str(&line),
            }
        }
    }
    if was && !is {
        cuts.0
            .extend(reached.optional.clone().map(|range| (range, String::new())));
    } else if is && !was {
        added.push_str("    optional: true");
        added.push_str(line_break);
    }
    let body = text[entry.body..entry.range.end].trim_end();
    let head = &text[entry.head..entry.body];
    if body.is_empty() && !added.is_empty() {
        // `key: {}` becomes a block.
        let key = head.trim_end().trim_end_matches("{}").trim_end();
        cuts.0
            .push((entry.head..entry.body, format!("{key}{line_break}{added}")));
    } else if added.is_empty() && was && !is && body.lines().count() == 1 {
        cuts.0.push((entry.head..entry.body, as_empty_map(head)));
    } else if !added.is_empty() {
        let end = entry.body + body.len();
        let end = end + text[end..entry.range.end].find('\n').map_or(0, |at| at + 1);
        cuts.insert(
            end,
            if text[..end].ends_with('\n') {
                added
            } else {
                format!("{line_break}{}", added.trim_end())
            },
        );
    }
}

/// Makes `{}` of an entry that has no line left.
fn close_empty(lockfile: &Lockfile<'_>, entry: &Entry<'_>, cuts: &mut Cuts) {
    let text = lockfile.text();
    let left = |range: &Range<usize>| range.start - entry.body..range.end - entry.body;
    let below = cuts.0.iter().filter(|(range, _)| range.start >= entry.body);
    let below = below.map(|(range, text)| (left(range), text.clone()));
    let body = apply(&text[entry.body..entry.range.end], below.collect());
    let is_head_set = cuts.0.iter().any(|(range, _)| range.start < entry.body);
    if body.trim().is_empty() && !is_head_set {
        let head = entry.head..entry.body;
        cuts.0.push((head.clone(), as_empty_map(&text[head])));
    }
}

/// pnpm omits a section that is empty.
fn leave_out_empty_sections(lockfile: &Lockfile<'_>, reach: &Reach<'_, '_>, cuts: &mut Cuts) {
    let no_node = (0..lockfile.nodes().len()).all(|at| reach.node(at).is_none());
    for (name, gone) in [
        (
            "packages",
            no_node && !(lockfile.nodes().is_empty() && lockfile.packages().is_empty()),
        ),
        ("snapshots", no_node && !lockfile.nodes().is_empty()),
    ] {
        if let Some(section) = lockfile.section(name).filter(|_| gone) {
            cuts.0
                .retain(|(range, _)| !(section.start <= range.start && range.end <= section.end));
            cuts.leave_out(section);
        }
    }
}

/// Applies replacements to a text; the ranges must not overlap.
pub(crate) fn apply(text: &str, mut cuts: Vec<(Range<usize>, String)>) -> String {
    // Insertions before a range come before its replacement.
    cuts.sort_by_key(|(range, _)| (range.start, range.end));
    let mut pruned = String::with_capacity(text.len());
    let mut at = 0;
    for (range, replacement) in cuts {
        pruned.push_str(&text[at..range.start]);
        pruned.push_str(&replacement);
        at = range.end;
    }
    pruned.push_str(&text[at..]);
    pruned
}

/// Adds `{}` for projects without dependencies that an older pnpm left out. Newer ones call a
/// lockfile without such an importer outdated.
fn add_empty_importers(lockfile: &Lockfile<'_>, missing: &[&str], cuts: &mut Cuts) {
    let text = lockfile.text();
    let line_break = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let entry = |key: &&str| {
        let key = key.replace('\'', "''");
        format!("{line_break}  '{key}': {{}}{line_break}")
    };
    let entries: String = missing.iter().map(entry).collect();
    let head = format!("importers:{line_break}");
    if missing.is_empty() {
        return;
    }
    match lockfile.section("importers") {
        Some(section) => {
            let line = text[section.clone()].split_inclusive('\n').next();
            let end = section.start + line.map_or(0, str::len);
            cuts.0
                .push((section.start..end, format!("{head}{entries}")));
        }
        // The lockfile of a single project has no importers, and pnpm expects none for projects
        // without dependencies.
        None if !lockfile.importers().is_empty() => {}
        None => {
            let end = if text.ends_with('\n') { "" } else { line_break };
            cuts.insert(text.len(), format!("{end}{line_break}{head}{entries}"));
        }
    }
}

#[cfg(test)]
mod tests;
