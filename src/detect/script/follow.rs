//! Follows a script into everything that it calls: other scripts, shell lines, script files.

use super::list::{self, Item, Simple};
use super::runners::{self, Runs};
use super::words::Word;
use super::wrappers::{self, Behind};
use super::{End, Line, Piece, Scripts};
use crate::files::tree::Limit;

/// How deep scripts and lines may call each other. Deeper calls are left unchanged.
const MAX_DEPTH: usize = 32;

/// How many wrappers and runners may stand before a program.
const WRAPPERS: usize = 32;

/// How many bytes of scripts are followed in total: scripts that each call others twice would grow
/// exponentially.
pub(super) const MAX_TEXT: usize = 1 << 20;

pub(super) struct Follow<'w> {
    scripts: Option<Scripts<'w>>,
    /// The scripts and files on the way to the current one.
    path: Vec<String>,
    /// The package managers and other programs that led to the current line.
    through: Vec<String>,
    /// The depth of the current line.
    depth: usize,
    /// How many bytes may still be followed.
    left: usize,
}

impl<'w> Follow<'w> {
    /// Starts below these scripts.
    pub(super) fn new(scripts: Option<Scripts<'w>>, path: Vec<String>) -> Self {
        Self {
            scripts,
            path,
            through: Vec::new(),
            depth: 0,
            left: MAX_TEXT,
        }
    }

    /// Reads a line. Its commands inherit the caller's variables.
    pub(super) fn line(&mut self, text: &str, outer: &[(String, Word)]) -> Line {
        let size: usize = outer
            .iter()
            .map(|(name, value)| name.len() + value.source.len())
            .sum();
        let mut line = Line::default();
        for item in list::read(text) {
            match item {
                Item::Mark(mark) => line.pieces.push(Piece::Mark(mark)),
                Item::Simple(mut simple) => {
                    if !outer.is_empty() && self.may_take(size) {
                        let own = std::mem::take(&mut simple.assignments);
                        simple.assignments = outer.iter().cloned().chain(own).collect();
                    }
                    simple.through.clone_from(&self.through);
                    let piece = self.piece(simple);
                    line.pieces.push(piece);
                }
            }
        }
        line
    }

    fn piece(&mut self, mut simple: Simple) -> Piece {
        for _ in 0..WRAPPERS {
            match wrappers::unwrap(&simple) {
                Some(Behind::Simple(inner)) => {
                    simple = inner;
                    continue;
                }
                Some(Behind::Line(text, env)) => {
                    return match self.inner(&text, &env) {
                        Some(line) => Piece::Line(line, simple.redirections),
                        None => Piece::Command(simple.into()),
                    };
                }
                None => {}
            }
            let manifest = self.scripts.map(|scripts| scripts.manifest);
            let found = match runners::runs(&simple, manifest, &mut self.left) {
                Some(Runs::Simple(inner)) if inner != simple => {
                    simple = inner;
                    continue;
                }
                Some(Runs::Line(text)) => {
                    let line = self.inner(&text, &simple.assignments);
                    line.map(|line| Piece::Line(line, simple.redirections.clone()))
                }
                Some(Runs::Lines(texts, end)) => self.lines(&texts, end, &simple),
                Some(Runs::Scripts(names, end)) => self.called(&names, end, &simple),
                Some(Runs::File { file, by_shell }) => match self.file(&file, by_shell, &simple) {
                    Some(FileRun::Node(inner)) => {
                        simple = inner;
                        continue;
                    }
                    Some(FileRun::Line(line)) => Some(Piece::File(simple.clone().into(), line)),
                    None => None,
                },
                Some(Runs::Simple(_)) | None => None,
            };
            return found.unwrap_or_else(|| Piece::Command(simple.into()));
        }
        Piece::Command(simple.into())
    }

    /// A line that a command runs; `None` if a limit is exceeded.
    fn inner(&mut self, text: &str, outer: &[(String, Word)]) -> Option<Line> {
        if self.depth == MAX_DEPTH || !self.may_take(text.len()) {
            return None;
        }
        self.depth += 1;
        let line = self.line(text, outer);
        self.depth -= 1;
        Some(line)
    }

    fn lines(&mut self, texts: &[String], end: End, simple: &Simple) -> Option<Piece> {
        let lines: Option<Vec<Line>> = texts
            .iter()
            .map(|text| self.inner(text, &simple.assignments))
            .collect();
        Some(Piece::Lines(lines?, end))
    }

    fn called(&mut self, names: &[(String, String)], end: End, simple: &Simple) -> Option<Piece> {
        if names.iter().any(|(name, _)| self.path.contains(name)) {
            return None;
        }
        let mut lines = Vec::new();
        for (name, more) in names {
            // Even an empty script takes time.
            if !self.may_take(name.len()) {
                return None;
            }
            let text = self.scripts?.manifest.script(name)?;
            let text = if more.is_empty() {
                text.to_owned()
            } else {
                format!("{text} {more}")
            };
            self.path.push(name.clone());
            let runner = simple.words.first().map(Word::text).unwrap_or_default();
            self.through.push(runner);
            let line = self.inner(&text, &simple.assignments);
            self.through.pop();
            self.path.pop();
            lines.push(line?);
        }
        if end != End::InOrder {
            return Some(Piece::Lines(lines, end));
        }
        if let [_] = lines[..] {
            let line = lines.pop()?;
            return Some(Piece::Line(line, simple.redirections.clone()));
        }
        let mut joined = Line::default();
        for line in lines {
            if !joined.pieces.is_empty() {
                joined.pieces.push(Piece::Mark("&&".to_owned()));
            }
            joined.pieces.push(Piece::Line(line, Vec::new()));
        }
        Some(Piece::Line(joined, simple.redirections.clone()))
    }

    /// Reads a script file of the workspace. Other files are left alone.
    fn file(&mut self, name: &str, by_shell: bool, simple: &Simple) -> Option<FileRun> {
        let (tree, dir) = self.scripts?.place?;
        let path = dir.join(name).ok()?;
        let length = tree.metadata(&path).ok()?.size;
        if length > u64::try_from(self.left).ok()? {
            return None;
        }
        let text = tree.read_text_optional(&path, Limit::Source).ok()??;
        let first = text.lines().next().filter(|line| line.starts_with("#!"));
        let program = first.and_then(|line| {
            line.split([' ', '/'])
                .rfind(|word| !word.is_empty() && !word.starts_with('-'))
        });
        let is_shell = program.map(|program| wrappers::SHELLS.contains(&program));
        if !by_shell && program == Some("node") {
            let mut inner = simple.clone();
            inner.words.insert(0, Word::of("node"));
            return Some(FileRun::Node(inner));
        }
        let key = format!("./{path}");
        if !is_shell.unwrap_or(by_shell) || self.path.contains(&key) {
            return None;
        }
        self.path.push(key);
        let through = std::mem::take(&mut self.through);
        let line = self.inner(&text, &simple.assignments);
        self.through = through;
        self.path.pop();
        line.map(FileRun::Line)
    }

    /// Takes this many bytes off the limit; false if it is exceeded.
    fn may_take(&mut self, length: usize) -> bool {
        let left = self.left.checked_sub(length);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

/// What runs a file of the workspace.
enum FileRun {
    Line(Line),
    Node(Simple),
}
