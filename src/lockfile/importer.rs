//! Importers: the lockfile's projects, in the layouts of all formats.
//!
//! A lockfile of a single project (formats 5 and 6) has no `importers`: the project's maps are
//! top-level keys.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::LockfileError;
use super::document::{Entry, Section};
use super::keys::Format;
use super::lines::{indentation, lines, unreadable};
use super::scalar::{split_entry, value};

/// A project in the lockfile.
#[derive(Debug)]
pub struct Importer<'a> {
    /// Its directory as written: `.` or `apps/server`.
    pub key: Cow<'a, str>,
    /// All direct dependencies.
    pub dependencies: Vec<Dependency<'a>>,
    /// The whole entry; `None` if the document itself is the project.
    pub(crate) range: Option<Range<usize>>,
    /// Where the key's own line begins.
    pub(super) head: usize,
    pub(crate) blocks: Vec<Block>,
}

/// One of an importer's maps: its lines, including the key.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) kind: BlockKind,
    pub(crate) range: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// A map of dependencies.
    Field(Field),
    /// `specifiers` of format 5.
    Specifiers,
    /// Anything else; it is always kept.
    Other,
}

/// The map of a manifest that holds a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// `dependencies`
    Prod,
    /// `optionalDependencies`
    Optional,
    /// `devDependencies`
    Dev,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Prod, Self::Optional, Self::Dev];

    /// The key in manifests and lockfiles.
    pub fn key(self) -> &'static str {
        match self {
            Self::Prod => "dependencies",
            Self::Optional => "optionalDependencies",
            Self::Dev => "devDependencies",
        }
    }

    /// The map with this key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.key() == key)
    }
}

/// A direct dependency of an importer.
#[derive(Debug)]
pub struct Dependency<'a> {
    /// The map that holds it.
    pub field: Field,
    /// The name it is imported by.
    pub alias: Cow<'a, str>,
    /// The manifest's specifier when the lockfile was written.
    pub specifier: Cow<'a, str>,
    /// The resolved version or reference.
    pub version: Cow<'a, str>,
    pub(super) range: Range<usize>,
    /// Its line in `specifiers` (format 5).
    pub(super) specifier_range: Option<Box<Range<usize>>>,
}

impl<'a> Importer<'a> {
    /// An entry of `importers`.
    pub(super) fn of_entry(
        text: &'a str,
        format: Format,
        entry: Entry<'a>,
    ) -> Result<Self, LockfileError> {
        let mut parser = Parser::new(text, format, 4);
        parser.read(entry.body..entry.range.end)?;
        parser.finish(entry.key, Some(entry.range), entry.head)
    }

    /// The document of a single project.
    pub(super) fn of_document(
        text: &'a str,
        format: Format,
        sections: &[Section<'a>],
    ) -> Result<Self, LockfileError> {
        let mut parser = Parser::new(text, format, 0);
        for section in sections {
            if block_kind(section.key) != BlockKind::Other {
                // The blank line before the next key belongs to the map, not to its last entry.
                let mut end = section.range.start;
                for line in lines(text, section.range.clone()) {
                    end = line.end;
                }
                parser.read(section.range.start..end)?;
                if let Some(block) = parser.blocks.last_mut() {
                    block.range.end = section.range.end;
                }
            }
        }
        parser.finish(Cow::Borrowed("."), None, 0)
    }

    /// The path of the importer's manifest, for messages.
    pub fn manifest(&self) -> String {
        if self.key == "." {
            "package.json".to_owned()
        } else {
            format!("{}/package.json", self.key)
        }
    }
}

fn block_kind(key: &str) -> BlockKind {
    match Field::from_key(key) {
        Some(field) => BlockKind::Field(field),
        None if key == "specifiers" => BlockKind::Specifiers,
        None => BlockKind::Other,
    }
}

/// A specifier and its line.
type Specifier<'a> = (Cow<'a, str>, Range<usize>);

struct Parser<'a> {
    text: &'a str,
    format: Format,
    /// The indentation of the project's maps in columns.
    base: usize,
    dependencies: Vec<Dependency<'a>>,
    specifiers: BTreeMap<Cow<'a, str>, Specifier<'a>>,
    blocks: Vec<Block>,
    /// The aliases read so far.
    aliases: BTreeSet<Cow<'a, str>>,
    /// Whether the map is `{}`, which nothing may follow.
    closed: bool,
    /// Whether the map already has a dependency.
    inside: bool,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, format: Format, base: usize) -> Self {
        let (dependencies, specifiers, blocks) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self {
            text,
            format,
            base,
            dependencies,
            specifiers,
            blocks,
            aliases: BTreeSet::new(),
            closed: false,
            inside: false,
        }
    }

    fn read(&mut self, range: Range<usize>) -> Result<(), LockfileError> {
        let mut found = lines(self.text, range.clone()).peekable();
        while let Some(line) = found.next() {
            let end = found.peek().map_or(range.end, |next| next.start);
            let fail = |problem: String| unreadable(self.text, line.start, problem);
            let Some(depth) = line.indent.checked_sub(self.base) else {
                return Err(indentation(self.text, &line));
            };
            if depth == 0 {
                let (key, rest) = split_entry(line.text).map_err(fail)?;
                let kind = block_kind(&key);
                let is_map = kind != BlockKind::Other;
                if is_map && self.blocks.iter().any(|block| block.kind == kind) {
                    return Err(fail(format!("`{key}` is there twice")));
                }
                if is_map && rest.is_some_and(|rest| rest.trim_end() != "{}") {
                    return Err(fail(format!("`{key}` is not written as a block")));
                }
                (self.closed, self.inside) = (is_map && rest.is_some(), false);
                self.aliases.clear();
                self.blocks.push(Block {
                    kind,
                    range: line.start..end,
                });
                continue;
            }
            if self.closed {
                return Err(indentation(self.text, &line));
            }
            let Some(block) = self.blocks.last_mut() else {
                return Err(indentation(self.text, &line));
            };
            block.range.end = end;
            match (block.kind, depth) {
                (BlockKind::Other, _) => {}
                (BlockKind::Specifiers, 2) => {
                    let (alias, rest) = split_entry(line.text).map_err(fail)?;
                    let specifier = value(rest.unwrap_or_default()).map_err(fail)?;
                    if self.specifiers.contains_key(&alias) {
                        return Err(fail(format!("`{alias}` is there twice")));
                    }
                    self.specifiers.insert(alias, (specifier, line.start..end));
                }
                (BlockKind::Field(field), 2) => {
                    let (alias, rest) = split_entry(line.text).map_err(fail)?;
                    if !self.aliases.insert(alias.clone()) {
                        return Err(fail(format!("`{alias}` is there twice")));
                    }
                    let version = match (self.format, rest) {
                        (Format::V5, Some(rest)) => value(rest).map_err(fail)?,
                        (Format::V6 | Format::V9, None) => Cow::default(),
                        _ => {
                            return Err(fail(format!(
                                "`{alias}` is not written as format 9.0, 6.0 or 5.4 has it"
                            )));
                        }
                    };
                    let (specifier, specifier_range) = (Cow::default(), None);
                    let range = line.start..end;
                    self.inside = true;
                    self.dependencies.push(Dependency {
                        field,
                        alias,
                        specifier,
                        version,
                        range,
                        specifier_range,
                    });
                }
                (BlockKind::Field(_), 4) if self.format != Format::V5 && self.inside => {
                    let Some(dependency) = self.dependencies.last_mut() else {
                        return Err(indentation(self.text, &line));
                    };
                    dependency.range.end = end;
                    let (key, rest) = split_entry(line.text).map_err(fail)?;
                    let rest = value(rest.unwrap_or_default()).map_err(fail)?;
                    match &*key {
                        "specifier" => dependency.specifier = rest,
                        "version" => dependency.version = rest,
                        _ => {}
                    }
                }
                _ => return Err(indentation(self.text, &line)),
            }
        }
        Ok(())
    }

    fn finish(
        mut self,
        key: Cow<'a, str>,
        range: Option<Range<usize>>,
        head: usize,
    ) -> Result<Importer<'a>, LockfileError> {
        for dependency in &mut self.dependencies {
            if let Some((specifier, range)) = self.specifiers.get(&dependency.alias) {
                dependency.specifier = specifier.clone();
                dependency.specifier_range = Some(Box::new(range.clone()));
            }
            if dependency.version.is_empty() {
                let problem = format!("`{}` of `{key}` has no version", dependency.alias);
                return Err(unreadable(self.text, dependency.range.start, problem));
            }
        }
        // There is one per dependency of every manifest, so spare capacity would add up.
        self.dependencies.shrink_to_fit();
        self.blocks.shrink_to_fit();
        Ok(Importer {
            key,
            dependencies: self.dependencies,
            range,
            head,
            blocks: self.blocks,
        })
    }
}
