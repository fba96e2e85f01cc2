//! The index: which bytes of the text belong to which entry. One pass over the lines; entries are looked into when they are reached.

use std::borrow::Cow;
use std::ops::Range;

use super::scalar::{split_entry, value};
use super::{FILE, LockfileError};

/// A lockfile of format 9.0.
#[derive(Debug)]
pub struct Lockfile<'a> {
    text: &'a str,
    /// Top-level keys of the main document, in order, with all their lines.
    sections: Vec<Section<'a>>,
    importers: Vec<Importer<'a>>,
    packages: Vec<Entry<'a>>,
    snapshots: Vec<Entry<'a>>,
}

/// A key and its value, each one line's scalar.
pub type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// A top-level key and its lines, from the key to the next key.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) key: &'a str,
    pub(super) range: Range<usize>,
}

/// An entry of `packages` or `snapshots`: its key and its lines, the blank ones before it included.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) range: Range<usize>,
    /// Where the line after the key's begins.
    body: usize,
}

/// A project of the workspace, as the lockfile knows it.
#[derive(Debug)]
pub struct Importer<'a> {
    /// The directory as it is written: `.` or `apps/server`.
    pub key: Cow<'a, str>,
    /// All that the project depends on directly.
    pub dependencies: Vec<Dependency<'a>>,
    pub(super) range: Range<usize>,
    /// Where the key's own line begins.
    pub(super) head: usize,
    pub(super) blocks: Vec<Block>,
}

/// One of an importer's dependency maps: its lines, the key's included.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) field: Option<Field>,
    pub(super) range: Range<usize>,
}

/// Which of a manifest's maps holds a dependency.
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
    /// The key in manifests and lockfiles.
    pub fn key(self) -> &'static str {
        match self {
            Self::Prod => "dependencies",
            Self::Optional => "optionalDependencies",
            Self::Dev => "devDependencies",
        }
    }

    fn from_key(key: &str) -> Option<Self> {
        [Self::Prod, Self::Optional, Self::Dev]
            .into_iter()
            .find(|field| field.key() == key)
    }
}

/// A direct dependency of an importer.
#[derive(Debug)]
pub struct Dependency<'a> {
    /// The map it stands in.
    pub field: Field,
    /// The name it is imported by.
    pub alias: Cow<'a, str>,
    /// What the manifest asked for when the lockfile was written.
    pub specifier: Cow<'a, str>,
    /// What it was resolved to.
    pub version: Cow<'a, str>,
    pub(super) range: Range<usize>,
}

/// A line of the text: where it begins, how far it is indented, what it says.
struct Line<'a> {
    start: usize,
    indent: usize,
    text: &'a str,
}

/// The lines from `range.start` on, blank ones left out, without their ends.
fn lines(text: &str, range: Range<usize>) -> impl Iterator<Item = Line<'_>> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        while at < range.end {
            let start = at;
            let line = text[start..range.end].split_inclusive('\n').next()?;
            at += line.len();
            let line = line.trim_end_matches(['\n', '\r']);
            let body = line.trim_start_matches(' ');
            if !body.trim_end().is_empty() {
                return Some(Line {
                    start,
                    indent: line.len() - body.len(),
                    text: body,
                });
            }
        }
        None
    })
}

impl<'a> Lockfile<'a> {
    /// Indexes a lockfile's text. pnpm 11 and later may put a document of their own before the main one; it is passed through.
    pub fn parse(text: &'a str) -> Result<Self, LockfileError> {
        refuse_conflicts(text)?;
        let mut lockfile = Self {
            text,
            sections: sections(text, main_document(text))?,
            importers: Vec::new(),
            packages: Vec::new(),
            snapshots: Vec::new(),
        };
        lockfile.check_version()?;
        for name in ["importers", "packages", "snapshots"] {
            let Some(range) = lockfile.section(name) else {
                continue;
            };
            let entries = entries(text, range)?;
            match name {
                "packages" => lockfile.packages = entries,
                "snapshots" => lockfile.snapshots = entries,
                _ => {
                    lockfile.importers = entries
                        .into_iter()
                        .map(|entry| importer(text, entry))
                        .collect::<Result<_, _>>()?;
                }
            }
        }
        // pnpm sorts by UTF-16 units in some versions and by locale in others; look-ups need one order.
        lockfile
            .importers
            .sort_by(|left, right| left.key.cmp(&right.key));
        lockfile
            .packages
            .sort_by(|left, right| left.key.cmp(&right.key));
        lockfile
            .snapshots
            .sort_by(|left, right| left.key.cmp(&right.key));
        Ok(lockfile)
    }

    /// The whole text.
    pub fn text(&self) -> &'a str {
        self.text
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

    /// The lines of a top-level key, the key's own included.
    pub(super) fn section(&self, key: &str) -> Option<Range<usize>> {
        self.sections
            .iter()
            .find(|section| section.key == key)
            .map(|section| section.range.clone())
    }

    pub(super) fn packages(&self) -> &[Entry<'a>] {
        &self.packages
    }

    pub(super) fn snapshots(&self) -> &[Entry<'a>] {
        &self.snapshots
    }

    /// The position of a key in `packages` and `snapshots`.
    pub(super) fn find(entries: &[Entry<'a>], key: &str) -> Option<usize> {
        entries.binary_search_by(|entry| (*entry.key).cmp(key)).ok()
    }

    /// The scalar keys of a top-level map: `overrides`, `settings`.
    pub(super) fn map(&self, section: &str) -> Result<Vec<Pair<'a>>, LockfileError> {
        let Some(range) = self.section(section) else {
            return Ok(Vec::new());
        };
        let mut pairs = Vec::new();
        for line in lines(self.text, range)
            .skip(1)
            .filter(|line| line.indent == 2)
        {
            let (key, text) = self.split(&line)?;
            if let Some(text) = text {
                pairs.push((
                    key,
                    value(text).map_err(|problem| self.unreadable(line.start, problem))?,
                ));
            }
        }
        Ok(pairs)
    }

    /// The dependencies of a snapshot: alias and version, both kinds that are installed.
    pub(super) fn edges(&self, at: usize) -> Result<Vec<Pair<'a>>, LockfileError> {
        let entry = &self.snapshots[at];
        let mut edges = Vec::new();
        let mut inside = false;
        for line in lines(self.text, entry.body..entry.range.end) {
            match line.indent {
                4 => {
                    let (key, _) = self.split(&line)?;
                    inside = matches!(&*key, "dependencies" | "optionalDependencies");
                }
                6 if inside => {
                    let (alias, text) = self.split(&line)?;
                    let version = text
                        .ok_or_else(|| "expected a version".to_owned())
                        .and_then(value);
                    edges.push((
                        alias,
                        version.map_err(|problem| self.unreadable(line.start, problem))?,
                    ));
                }
                _ if inside => return Err(self.unreadable(line.start, indentation(line.indent))),
                _ => {}
            }
        }
        Ok(edges)
    }

    fn split(&self, line: &Line<'a>) -> Result<(Cow<'a, str>, Option<&'a str>), LockfileError> {
        split_entry(line.text).map_err(|problem| self.unreadable(line.start, problem))
    }

    fn unreadable(&self, at: usize, problem: String) -> LockfileError {
        unreadable(self.text, at, problem)
    }

    fn check_version(&self) -> Result<(), LockfileError> {
        let range = self
            .section("lockfileVersion")
            .ok_or(LockfileError::NoVersion)?;
        let line = lines(self.text, range)
            .next()
            .ok_or(LockfileError::NoVersion)?;
        let (_, text) = self.split(&line)?;
        let version = value(text.unwrap_or_default())
            .map_err(|problem| self.unreadable(line.start, problem))?;
        match version.split('.').next().unwrap_or_default() {
            "9" => Ok(()),
            "5" | "6" => Err(LockfileError::NotYet(version.into_owned())),
            _ => Err(LockfileError::Unknown(version.into_owned())),
        }
    }
}

fn unreadable(text: &str, at: usize, problem: String) -> LockfileError {
    LockfileError::Unreadable {
        line: text[..at].matches('\n').count() + 1,
        problem,
    }
}

fn indentation(indent: usize) -> String {
    format!("a line is indented by {indent} spaces, where pnpm writes none so")
}

fn refuse_conflicts(text: &str) -> Result<(), LockfileError> {
    for mark in ["<<<<<<< ", ">>>>>>> "] {
        let at = if text.starts_with(mark) {
            Some(0)
        } else {
            text.find(&format!("\n{mark}")).map(|at| at + 1)
        };
        if let Some(at) = at {
            return Err(LockfileError::Conflict {
                line: text[..at].matches('\n').count() + 1,
            });
        }
    }
    Ok(())
}

/// The main document: all, or what follows the first document of a file that starts with `---`
/// (pnpm's [`yamlDocuments.ts`](https://github.com/pnpm/pnpm/blob/main/lockfile/fs/src/yamlDocuments.ts)).
fn main_document(text: &str) -> Range<usize> {
    let start = text.len() - text.trim_start_matches('\u{feff}').len();
    let mut at = start;
    let mut marks = 0;
    for line in text[start..].split_inclusive('\n') {
        let next = at + line.len();
        if line.trim_end() == "---" && line.starts_with("---") {
            marks += 1;
            if marks == 2 {
                return next..text.len();
            }
        } else if marks == 0 {
            break;
        }
        at = next;
    }
    start..text.len()
}

fn sections(text: &str, document: Range<usize>) -> Result<Vec<Section<'_>>, LockfileError> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in lines(text, document.clone()) {
        if line.text == "---" && line.indent == 0 && sections.is_empty() {
            continue;
        }
        if line.indent > 0 {
            if sections.is_empty() {
                return Err(unreadable(text, line.start, indentation(line.indent)));
            }
            continue;
        }
        let (key, _) =
            split_entry(line.text).map_err(|problem| unreadable(text, line.start, problem))?;
        let Cow::Borrowed(key) = key else {
            return Err(unreadable(
                text,
                line.start,
                format!("unexpected key `{key}`"),
            ));
        };
        if let Some(last) = sections.last_mut() {
            last.range.end = line.start;
        }
        if sections.iter().any(|section| section.key == key) {
            return Err(unreadable(
                text,
                line.start,
                format!("`{key}` is there twice"),
            ));
        }
        sections.push(Section {
            key,
            range: line.start..document.end,
        });
    }
    Ok(sections)
}

/// The entries of `importers`, `packages` or `snapshots`. Blank lines belong to the entry that follows them, so that leaving an entry out
/// leaves the spacing that pnpm would have written.
fn entries(text: &str, section: Range<usize>) -> Result<Vec<Entry<'_>>, LockfileError> {
    let mut found = lines(text, section.clone());
    let name = match found
        .next()
        .map(|head| (head.start, split_entry(head.text)))
    {
        Some((_, Ok((key, None | Some("{}"))))) => key,
        Some((at, Ok((key, Some(_))))) => {
            return Err(unreadable(
                text,
                at,
                format!("`{key}` is not written as a block, one entry below another"),
            ));
        }
        Some((at, Err(problem))) => return Err(unreadable(text, at, problem)),
        None => return Ok(Vec::new()),
    };
    let mut entries: Vec<Entry<'_>> = Vec::new();
    // The end of the last line that is not blank: where the next entry's range begins.
    let mut end = line_end(text, section.start, section.end);
    for line in found {
        match line.indent {
            2 => {
                let (key, rest) = split_entry(line.text)
                    .map_err(|problem| unreadable(text, line.start, problem))?;
                if rest.is_some_and(|rest| rest.trim_end() != "{}") {
                    let problem =
                        format!("the entry `{key}` of `{name}` is not written as a block");
                    return Err(unreadable(text, line.start, problem));
                }
                if let Some(last) = entries.last_mut() {
                    last.range.end = end;
                }
                let body = line_end(text, line.start, section.end);
                entries.push(Entry {
                    key,
                    range: end..section.end,
                    body,
                });
            }
            indent if indent < 4 || entries.is_empty() => {
                return Err(unreadable(text, line.start, indentation(indent)));
            }
            _ => {}
        }
        end = line_end(text, line.start, section.end);
    }
    if let Some(last) = entries.last_mut() {
        last.range.end = end;
    }
    let mut keys: Vec<&str> = entries.iter().map(|entry| &*entry.key).collect();
    keys.sort_unstable();
    if let Some(twice) = keys
        .iter()
        .zip(keys.iter().skip(1))
        .find(|(left, right)| left == right)
    {
        return Err(unreadable(
            text,
            section.start,
            format!("`{}` is there twice in `{name}`", twice.0),
        ));
    }
    Ok(entries)
}

fn line_end(text: &str, start: usize, limit: usize) -> usize {
    text[start..limit]
        .find('\n')
        .map_or(limit, |at| start + at + 1)
}

fn importer<'a>(text: &'a str, entry: Entry<'a>) -> Result<Importer<'a>, LockfileError> {
    let fail = |at: usize, problem: String| unreadable(text, at, problem);
    let head = lines(text, entry.range.clone())
        .next()
        .map_or(entry.range.start, |line| line.start);
    let mut importer = Importer {
        key: entry.key,
        dependencies: Vec::new(),
        range: entry.range.clone(),
        head,
        blocks: Vec::new(),
    };
    let mut found = lines(text, entry.body..entry.range.end).peekable();
    while let Some(line) = found.next() {
        let end = found.peek().map_or(entry.range.end, |next| next.start);
        match line.indent {
            4 => {
                let (key, _) =
                    split_entry(line.text).map_err(|problem| fail(line.start, problem))?;
                importer.blocks.push(Block {
                    field: Field::from_key(&key),
                    range: line.start..end,
                });
            }
            6 => {
                let Some(block) = importer.blocks.last_mut() else {
                    return Err(fail(line.start, indentation(line.indent)));
                };
                block.range.end = end;
                let Some(field) = block.field else { continue };
                let (alias, rest) =
                    split_entry(line.text).map_err(|problem| fail(line.start, problem))?;
                if rest.is_some() {
                    return Err(fail(
                        line.start,
                        format!("`{alias}` of `{}` is not written as a block", importer.key),
                    ));
                }
                let (specifier, version) = (Cow::default(), Cow::default());
                importer.dependencies.push(Dependency {
                    field,
                    alias,
                    specifier,
                    version,
                    range: line.start..end,
                });
            }
            indent => {
                let Some(block) = importer.blocks.last_mut() else {
                    return Err(fail(line.start, indentation(indent)));
                };
                block.range.end = end;
                if block.field.is_none() {
                    continue;
                }
                let (8, Some(dependency)) = (indent, importer.dependencies.last_mut()) else {
                    return Err(fail(line.start, indentation(indent)));
                };
                dependency.range.end = end;
                let (key, rest) =
                    split_entry(line.text).map_err(|problem| fail(line.start, problem))?;
                let rest =
                    value(rest.unwrap_or_default()).map_err(|problem| fail(line.start, problem))?;
                match &*key {
                    "specifier" => dependency.specifier = rest,
                    "version" => dependency.version = rest,
                    _ => {}
                }
            }
        }
    }
    if let Some(broken) = importer
        .dependencies
        .iter()
        .find(|dependency| dependency.version.is_empty())
    {
        return Err(fail(
            broken.range.start,
            format!("`{}` of `{}` has no version", broken.alias, importer.key),
        ));
    }
    Ok(importer)
}

impl Importer<'_> {
    /// The path of the importer's manifest, for messages.
    pub fn manifest(&self) -> String {
        if self.key == "." {
            "package.json".to_owned()
        } else {
            format!("{}/package.json", self.key)
        }
    }
}

/// The text of the workspace's lockfile, or nothing where there is none.
pub fn load(root: &std::path::Path) -> std::io::Result<Option<String>> {
    match fs_err::read_to_string(root.join(FILE)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl<'a> Lockfile<'a> {
    /// The key of every entry of `snapshots`.
    pub fn snapshot_keys(&self) -> impl Iterator<Item = &str> {
        self.snapshots.iter().map(|entry| &*entry.key)
    }

    /// What an entry of `snapshots` needs, as (alias, version): for whoever follows edges one by one. Nothing where there is no such entry.
    pub fn needs(&self, key: &str) -> Result<Vec<Pair<'a>>, LockfileError> {
        Self::find(&self.snapshots, key).map_or_else(|| Ok(Vec::new()), |at| self.edges(at))
    }
}
