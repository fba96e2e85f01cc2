//! Format 13.0, which pnpm 12.19 and later write where `lockfile.format` is `v13`.
//!
//! The file is in braces, and has one entry per package version, with the versions of its peers as
//! properties; `projects` takes the place of `importers`. Everything that reads lockfiles reads
//! format 9.0, so this format is translated once ([`translate`]), and remembers which bytes each
//! entry came from. Pruning leaves those bytes out of the original ([`prune`]). pnpm reads both
//! formats whatever the setting says, but it compares the recorded settings, so the format stays.

mod choose;
mod origin;
mod package;
mod parse;
pub(super) mod prune;
mod translate;
mod yaml;

use std::ops::Range;

use super::importer::Field;

pub(super) use translate::translate;

/// The oldest pnpm that reads the format, as major and minor version.
pub(crate) const OLDEST_READER: (u64, u64) = (12, 19);

/// The pnpm that a workspace with this format gets where nothing names one.
pub(crate) const DEFAULT_PNPM: &str = "12.21.0";

/// A lockfile of this format, and the same in format 9.0.
#[derive(Debug)]
pub(super) struct V13 {
    /// The translation. A document of pnpm's own before the main one stays in front of it.
    pub(super) text: String,
    /// Which bytes of the original an entry came from.
    pub(super) origin: Origin,
}

/// Where everything that can be left out stands in the original.
#[derive(Debug, Default)]
pub(super) struct Origin {
    projects: Section,
    packages: Section,
}

/// `projects` or `packages`.
#[derive(Debug, Default)]
struct Section {
    /// All its lines, with the blank lines before them; `None` if the file lacks it.
    range: Option<Range<usize>>,
    /// In the order of the file.
    entries: Vec<Entry>,
}

/// A project or a package.
#[derive(Debug)]
struct Entry {
    /// As it is written: a project's directory or a package's key.
    key: String,
    /// Its lines, without blank lines around them.
    range: Range<usize>,
    rest: Rest,
}

#[derive(Debug)]
enum Rest {
    Project {
        maps: Vec<Map>,
        /// Whether it has more than dependencies.
        has_more: bool,
    },
    Package {
        /// The nodes that it is translated to.
        nodes: Vec<Node>,
        flag: Flag,
    },
}

/// A project's dependencies of one kind.
#[derive(Debug)]
struct Map {
    field: Field,
    range: Range<usize>,
    /// Alias and lines.
    dependencies: Vec<(String, Range<usize>)>,
}

/// A package with one choice of peers.
#[derive(Debug)]
struct Node {
    /// The key in `snapshots` of the translation.
    key: String,
    /// Its lines in the list of snapshots; `None` if the package has only this node.
    range: Option<Range<usize>>,
    /// The flag in there.
    flag: Flag,
}

/// `"optional": true`.
#[derive(Debug, Clone)]
struct Flag {
    /// Its line; `None` if it is not set.
    line: Option<Range<usize>>,
    /// Where it would go, and how far in.
    place: usize,
    indent: &'static str,
    /// Whether there is nothing else in there.
    is_empty: bool,
}

#[cfg(test)]
mod tests;
