//! The index: which bytes of the text belong to which entry. It is built in one pass over the
//! lines; an entry is parsed only when it is reached.

use std::borrow::Cow;
use std::ops::Range;

use super::LockfileError;
use super::document::{Section, entries, format, refuse_conflicts, sections};
use super::entries::Entries;
use super::importer::{Dependency, Importer};
use super::keys::{Format, Reference, resolve};
use super::lines::{indentation, lines, unreadable};
use super::scalar::{shorten, split_entry, value};
use super::text::Text;
use super::v13::Origin;
use crate::model::path::{PathError, RepoPath};
use crate::system::threads;

/// A lockfile of this many bytes is read by two threads.
const WORTH_A_THREAD: usize = 1 << 17;

/// A lockfile of one of the formats that pnpm 6 and later write.
#[derive(Debug)]
pub struct Lockfile<'a> {
    /// The lockfile's directory. Local references are relative to it.
    dir: RepoPath,
    text: &'a str,
    /// The original, if `text` is its translation.
    v13: Option<(&'a str, &'a Origin)>,
    format: Format,
    /// Top-level keys of the main document, in order, with all their lines.
    pub(super) sections: Vec<Section<'a>>,
    importers: Vec<Importer<'a>>,
    /// The graph's nodes: `snapshots`, or `packages` in the older formats.
    nodes: Entries<'a>,
    /// `packages` of format 9.0.
    packages: Entries<'a>,
}

/// A key and its value, each one line's scalar.
pub type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The parsed lines of a node.
#[derive(Debug, Default)]
pub(super) struct Node<'a> {
    /// Alias, version, and whether the dependency is optional.
    pub(super) edges: Vec<(Cow<'a, str>, Cow<'a, str>, bool)>,
    /// The line `optional: true`.
    pub(super) optional: Option<Range<usize>>,
    /// The line `dev: …`, and its value.
    pub(super) dev: Option<(bool, Range<usize>)>,
}

impl<'a> Lockfile<'a> {
    /// Indexes the lockfile at the workspace root. pnpm 11 and later may put a document of their
    /// own before the main one; it is kept unchanged.
    pub fn parse(text: &'a str) -> Result<Self, LockfileError> {
        Self::parse_in(RepoPath::ROOT, text)
    }

    /// Indexes a lockfile in `dir`, in any format.
    pub fn read(dir: RepoPath, text: &'a Text) -> Result<Self, LockfileError> {
        refuse_conflicts(text)?;
        match text.v13()? {
            None => Self::index(dir, text),
            Some(v13) => Ok(Self {
                v13: Some((text, &v13.origin)),
                ..Self::index(dir, &v13.text)?
            }),
        }
    }

    /// Indexes a lockfile in `dir`. Format 13.0 needs [`read`](Self::read).
    pub fn parse_in(dir: RepoPath, text: &'a str) -> Result<Self, LockfileError> {
        refuse_conflicts(text)?;
        Self::index(dir, text)
    }

    fn index(dir: RepoPath, text: &'a str) -> Result<Self, LockfileError> {
        let sections = sections(text)?;
        let format = format(text, &sections)?;
        let of = |key: &str| {
            sections
                .iter()
                .find(|section| section.key == key)
                .map(|section| section.range.clone())
        };
        let all = |key: &str| match of(key) {
            Some(range) => entries(text, range).map(Entries::new),
            None => Ok(Entries::default()),
        };
        let importers = || match of("importers") {
            Some(range) => {
                let entries = entries(text, range)?.into_iter();
                entries
                    .map(|entry| Importer::of_entry(text, format, entry))
                    .collect()
            }
            None if format == Format::V9 => Ok(Vec::new()),
            None => Ok(vec![Importer::of_document(text, format, &sections)?]),
        };
        let nodes = || match format {
            Format::V9 => all("snapshots"),
            Format::V5 | Format::V6 => all("packages"),
        };
        let packages = || match format {
            Format::V9 => all("packages"),
            Format::V5 | Format::V6 => Ok(Entries::default()),
        };
        let (nodes, (importers, packages)) = if text.len() < WORTH_A_THREAD {
            (nodes(), (importers(), packages()))
        } else {
            threads::both(nodes, || (importers(), packages()))
        };
        let (importers, nodes, packages) = (importers?, nodes?, packages?);
        Ok(Self {
            dir,
            text,
            v13: None,
            format,
            sections,
            importers,
            nodes,
            packages,
        })
    }

    /// The lockfile's directory.
    pub fn dir(&self) -> &RepoPath {
        &self.dir
    }

    /// Resolves a path or `link:` of an entry to a path in the workspace. pnpm writes it relative
    /// to the lockfile.
    pub fn resolve(&self, path: &str) -> Result<RepoPath, PathError> {
        self.dir.join(path)
    }

    /// The original of a lockfile in format 13.0.
    pub(super) fn v13(&self) -> Option<(&'a str, &'a Origin)> {
        self.v13
    }

    /// Whether the file is in format 13.0.
    pub fn is_v13(&self) -> bool {
        self.v13.is_some()
    }

    /// The whole text; of format 13.0 its translation.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// All projects, by key.
    pub fn importers(&self) -> &[Importer<'a>] {
        &self.importers
    }

    /// The project with this key.
    pub fn importer(&self, key: &str) -> Option<&Importer<'a>> {
        self.importers
            .binary_search_by(|importer| (*importer.key).cmp(key))
            .ok()
            .map(|at| &self.importers[at])
    }

    /// Whether links to directories that are not members are left out of the lockfile.
    pub fn excludes_links(&self) -> bool {
        let settings = self.map("settings").unwrap_or_default();
        let mut settings = settings.into_iter();
        settings.any(|(key, value)| key == "excludeLinksFromLockfile" && value == "true")
    }

    /// The directory of a direct dependency, if it is a local one.
    pub fn local_target(
        &self,
        importer: &Importer<'a>,
        dependency: &Dependency<'a>,
    ) -> Option<RepoPath> {
        let is_local = |mark| dependency.version.contains(mark);
        if !is_local("link:") && !is_local("file:") {
            return None;
        }
        match resolve(self.format, &dependency.alias, &dependency.version) {
            Reference::Link(target) => self.resolve(&importer.key).ok()?.join(target).ok(),
            Reference::Entry(key) => self.copied_directory(&key),
        }
    }

    /// The workspace directory that pnpm copies for an entry (`file:` and injected packages).
    pub fn copied_directory(&self, key: &str) -> Option<RepoPath> {
        match self.local_source(key)? {
            LocalSource::Directory(path) => self.resolve(&path).ok(),
            LocalSource::Tarball(_) => None,
        }
    }

    /// The workspace directory or tarball of an entry.
    pub(super) fn local_source(&self, key: &str) -> Option<LocalSource<'a>> {
        let (entries, local) = match self.format {
            Format::V9 => (
                &self.packages,
                // Few keys have a colon, which is found faster.
                key.contains(':') && key.get(1..).is_some_and(|rest| rest.contains("@file:")),
            ),
            Format::V5 | Format::V6 => (&self.nodes, key.starts_with("file:")),
        };
        let key = match self.format {
            Format::V9 => super::keys::package_key(key),
            Format::V5 | Format::V6 => key,
        };
        if !local {
            return None;
        }
        let entry = &entries[entries.find(key)?];
        let text = &self.text[entry.body..entry.range.end];
        // The resolution is a flow map. A formatter may have spread it over several lines.
        let field = |name: &str| {
            let start = text.find(name)? + name.len();
            let rest = text[start..].trim_start();
            let end = match rest.as_bytes().first()? {
                quote @ (b'\'' | b'"') => return rest[1..].split(char::from(*quote)).next(),
                _ => rest.find([',', '}', '\n']).unwrap_or(rest.len()),
            };
            Some(rest[..end].trim())
        };
        if text.contains("type: directory") {
            field("directory:").map(|path| LocalSource::Directory(Cow::Borrowed(path)))
        } else {
            field("tarball:")
                .map(|path| LocalSource::Tarball(path.strip_prefix("file:").unwrap_or(path)))
        }
    }

    /// How many packages an install of the whole workspace unpacks.
    pub fn package_total(&self) -> usize {
        match self.format {
            Format::V9 => self.packages.len(),
            Format::V5 | Format::V6 => self.nodes.len(),
        }
    }

    /// The keys of all nodes, which are depPaths.
    pub fn node_keys(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|entry| &*entry.key)
    }

    /// The dependencies of a node as alias and version, for callers that follow edges one by one.
    /// Empty if there is no such node.
    pub fn needs(&self, key: &str) -> Result<Vec<Pair<'a>>, LockfileError> {
        let Some(at) = self.nodes.find(key) else {
            return Ok(Vec::new());
        };
        let edges = self.node(at)?.edges;
        Ok(edges
            .into_iter()
            .map(|(alias, version, _)| (alias, version))
            .collect())
    }

    /// The lines of a top-level key, including the key.
    pub(crate) fn section(&self, key: &str) -> Option<Range<usize>> {
        self.sections
            .iter()
            .find(|section| section.key == key)
            .map(|section| section.range.clone())
    }

    /// The graph's nodes, by key.
    pub(super) fn nodes(&self) -> &Entries<'a> {
        &self.nodes
    }

    /// `packages` of format 9.0, by key.
    pub(super) fn packages(&self) -> &Entries<'a> {
        &self.packages
    }

    /// The scalar entries of a top-level map: `overrides`, `settings`.
    pub(crate) fn map(&self, section: &str) -> Result<Vec<Pair<'a>>, LockfileError> {
        let Some(range) = self.section(section) else {
            return Ok(Vec::new());
        };
        let mut pairs = Vec::new();
        for line in lines(self.text, range)
            .skip(1)
            .filter(|line| line.indent == 2)
        {
            let fail = |problem| unreadable(self.text, line.start, problem);
            let (key, text) = split_entry(line.text).map_err(fail)?;
            if let Some(text) = text {
                pairs.push((key, value(text).map_err(fail)?));
            }
        }
        Ok(pairs)
    }

    /// Parses a node.
    pub(super) fn node(&self, at: usize) -> Result<Node<'a>, LockfileError> {
        let entry = &self.nodes[at];
        let mut node = Node::default();
        // Whether the current lines belong to a dependency map, and whether to the optional one.
        let mut inside = None;
        // A flag is a plain word with nothing below it.
        let mut flag = false;
        for line in lines(self.text, entry.body..entry.range.end) {
            let fail = |problem| unreadable(self.text, line.start, problem);
            if flag && line.indent != 4 {
                return Err(indentation(self.text, &line));
            }
            match line.indent {
                4 => {
                    let (key, text) = split_entry(line.text).map_err(fail)?;
                    let text = text.map(str::trim_end);
                    flag = matches!(&*key, "dev" | "optional");
                    if flag && !matches!(text, Some("true" | "false")) {
                        let key = shorten(line.text);
                        return Err(fail(format!("expected `true` or `false`, found `{key}`")));
                    }
                    let own = || line.start..line.end;
                    inside = match (&*key, text) {
                        ("dependencies", None) => Some(false),
                        ("optionalDependencies", None) => Some(true),
                        ("dependencies" | "optionalDependencies", Some(_)) => {
                            return Err(fail(format!(
                                "`{key}` of `{}` is not written as a block",
                                entry.key
                            )));
                        }
                        ("optional", Some("true")) => {
                            node.optional = Some(own());
                            None
                        }
                        ("dev", Some(text)) => {
                            node.dev = Some((text == "true", own()));
                            None
                        }
                        _ => None,
                    };
                }
                6 => {
                    let Some(optional) = inside else { continue };
                    let (alias, text) = split_entry(line.text).map_err(fail)?;
                    let version = text
                        .ok_or_else(|| "expected a version".to_owned())
                        .and_then(value)
                        .map_err(fail)?;
                    node.edges.push((alias, version, optional));
                }
                _ if inside.is_some() => return Err(indentation(self.text, &line)),
                _ => {}
            }
        }
        Ok(node)
    }
}

/// The part of the workspace that an entry is made from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LocalSource<'a> {
    /// A directory that pnpm copies.
    Directory(Cow<'a, str>),
    /// An archive that pnpm unpacks.
    Tarball(&'a str),
}
