//! Reads the scripts of a `package.json` as the commands that a shell would run. Nothing is run;
//! commands that are not understood are left unchanged.
//!
//! Input: a text. [`words`] splits it, [`list`] finds the commands, [`wrappers`] removes programs
//! that only prepare another, and [`runners`] finds what a command runs instead of itself: another
//! script, a file, several lines at once. Output: a [`Line`], or all its commands in order. Depth
//! and size of what is followed are limited, so that no manifest makes it run away.

mod follow;
mod list;
pub(crate) mod node;
mod runners;
mod several;
pub(crate) mod words;
mod wrappers;

use follow::{Follow, MAX_TEXT};
use list::Simple;
use runners::Runs;
use words::{Part, Word};

use crate::files::tree::Tree;
use crate::model::member::MemberId;
use crate::model::path::RepoPath;
use crate::workspace::Workspace;
use crate::workspace::manifest::package::Manifest;

/// One command of a script, without its wrappers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// `NAME=value` before the program, or in `cross-env`. For `${NAME:-value}` it is the default.
    pub env: Vec<(String, String)>,
    /// Variables derived from others that are only known in the container.
    pub derived: Vec<Derived>,
    /// The program and its arguments. Words that only a shell can evaluate are as written.
    pub words: Vec<String>,
    /// node's flags, if the command names a program by its file: `node --inspect
    /// node_modules/vite/bin/vite.js`.
    pub node_args: Vec<String>,
    /// The words that only a shell can evaluate.
    pub open: Vec<String>,
    simple: Simple,
}

/// A variable derived from another one: `PORT=$APP_PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// Its name.
    pub name: String,
    /// The value as it is written.
    pub written: String,
    /// Whether it has a default, which is then in `env`.
    pub has_default: bool,
}

impl Command {
    /// The program.
    pub fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Whether a package manager runs something in other packages: `pnpm -r build`.
    pub fn is_elsewhere(&self) -> bool {
        // Options after the script's name belong to the script.
        let before = self.words.iter().skip(1);
        let mut before = before.take_while(|word| word.starts_with('-') || *word == "run");
        before.any(|word| {
            let name = word.split('=').next().unwrap_or_default();
            runners::OTHER_PACKAGES
                .iter()
                .any(|(flag, _)| *flag == name)
        })
    }

    /// Whether it runs scripts of the workspace's packages: `turbo run build`, `pnpm -r build`.
    pub fn conducts(&self) -> bool {
        matches!(self.program(), "turbo" | "nx" | "lerna") || self.is_elsewhere()
    }

    /// The value that follows one of `flags`: `-p tsconfig.build.json`, `--project=…`.
    pub fn flag(&self, flags: &[&str]) -> Option<&str> {
        self.words.iter().enumerate().find_map(|(at, word)| {
            if flags.contains(&word.as_str()) {
                return self.words.get(at + 1).map(String::as_str);
            }
            let (name, value) = word.split_once('=')?;
            flags.contains(&name).then_some(value)
        })
    }

    /// Whether the command has these words in this order, the first as the program; options may be
    /// between them: `vite --mode x build`.
    pub fn runs(&self, words: &str) -> bool {
        let mut wanted = words.split(' ');
        if wanted.next() != Some(self.program()) {
            return false;
        }
        let mut own = self.words.iter().skip(1);
        wanted.all(|word| own.any(|own| own == word))
    }

    /// The redirections of its input and output.
    pub fn redirections(&self) -> &[String] {
        &self.simple.redirections
    }

    /// The variables before the program, in shell syntax.
    pub(crate) fn assignments(&self) -> impl Iterator<Item = String> {
        let all = self.simple.assignments.iter();
        all.map(|(name, value)| format!("{name}={}", value.source))
    }

    /// The words in shell syntax.
    pub(crate) fn written(&self) -> impl Iterator<Item = &str> {
        self.simple.words.iter().map(|word| word.source.as_str())
    }

    /// The package managers and other programs that led to it.
    pub(crate) fn through(&self) -> &[String] {
        &self.simple.through
    }

    /// The same command with other words.
    pub(crate) fn with_words(&self, words: Vec<String>) -> Self {
        let mut command = self.clone();
        command.simple.words = words.iter().map(|word| Word::of(word)).collect();
        command.words = words;
        command
    }

    /// Adds a program that led to this command.
    pub(crate) fn note_leader(&mut self, by: &str) {
        self.simple.through.push(by.to_owned());
    }

    /// Whether it reads an env file into the shell: `. ./.env`, `export $(cat .env | xargs)`.
    pub(crate) fn reads_variables(&self) -> bool {
        match (self.program(), self.words.get(1)) {
            ("." | "source", Some(file)) => wrappers::is_env_file(file),
            ("export", _) => self.open.iter().any(|word| word.contains(".env")),
            _ => false,
        }
    }

    /// Whether it replaces the shell that runs it (`exec`).
    pub(crate) fn replaces_shell(&self) -> bool {
        self.through().iter().any(|name| name == "exec")
    }

    /// The wrapper that loads variables from a file or a service, if there is one.
    pub(crate) fn variables_from(&self) -> Option<&str> {
        let mut through = self.through().iter();
        through
            .find(|name| wrappers::brings_variables(name))
            .map(String::as_str)
    }
}

impl From<Simple> for Command {
    fn from(simple: Simple) -> Self {
        let mut command = Self {
            node_args: simple.node_args.clone(),
            ..Self::default()
        };
        for (name, value) in &simple.assignments {
            command.assign(name, value);
        }
        for word in &simple.words {
            if !word.is_literal() || word.glob {
                command.open.push(word.text());
            }
            command.words.push(word.text());
        }
        command.simple = simple;
        command
    }
}

impl Command {
    fn assign(&mut self, name: &str, value: &Word) {
        let mut text = String::new();
        let (mut whole, mut others) = (true, false);
        for part in &value.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Variable {
                    name: other,
                    default,
                    ..
                } => {
                    others |= other != name;
                    match default {
                        Some(default) => text.push_str(default),
                        None => whole = false,
                    }
                }
                Part::Unknown(_) => {
                    self.open.push(format!("{name}={}", value.text()));
                    return;
                }
            }
        }
        if whole {
            self.env.push((name.to_owned(), text));
        }
        let itself = value.parts.len() == 1 && !others;
        if others || !(whole || itself) {
            self.derived.push(Derived {
                name: name.to_owned(),
                written: value.text(),
                has_default: whole,
            });
        }
    }
}

/// How several lines that run at once end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// They run one after the other.
    InOrder,
    /// One that fails ends the others.
    Together,
    /// The first that ends, with any result, ends the others.
    First,
    /// Each ends by itself.
    Alone,
}

/// A shell line, with everything that it calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// Commands and the marks between them.
    pub pieces: Vec<Piece>,
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// An operator, a bracket, or a word of the shell's grammar.
    Mark(String),
    /// A command that runs directly.
    Command(Command),
    /// A line that a command runs instead of itself, and its redirections.
    Line(Line, Vec<String>),
    /// A script file: its call and its content.
    File(Command, Line),
    /// Lines that run at once.
    Lines(Vec<Line>, End),
}

impl Line {
    /// All commands in order.
    pub fn commands(&self) -> Vec<Command> {
        let mut found = Vec::new();
        self.gather(&mut found);
        found
    }

    fn gather(&self, found: &mut Vec<Command>) {
        for piece in &self.pieces {
            match piece {
                Piece::Mark(_) => {}
                Piece::Command(command) if command.words.is_empty() => {}
                Piece::Command(command) => found.push(command.clone()),
                Piece::Line(line, _) | Piece::File(_, line) => line.gather(found),
                Piece::Lines(lines, _) => {
                    for line in lines {
                        line.gather(found);
                    }
                }
            }
        }
    }
}

/// The scripts of a package, and the script files that they call.
#[derive(Clone, Copy)]
pub struct Scripts<'w> {
    manifest: &'w Manifest,
    /// Where to read files: the workspace, and the package's directory.
    place: Option<(&'w Tree, &'w RepoPath)>,
}

impl<'w> Scripts<'w> {
    /// The scripts of a member, with its script files.
    pub fn of(workspace: &'w Workspace, at: MemberId) -> Self {
        let member = &workspace.members[at];
        Self {
            manifest: &member.manifest,
            place: Some((&workspace.tree, &member.dir)),
        }
    }

    /// The scripts of a manifest only.
    pub fn new(manifest: &'w Manifest) -> Self {
        let place = None;
        Self { manifest, place }
    }

    /// A script as a line, with everything that it calls.
    pub fn line(&self, script: &str) -> Line {
        let text = self.manifest.script(script).unwrap_or_default();
        let mut follow = Follow::new(Some(*self), vec![script.to_owned()]);
        follow.line(text, &[])
    }

    /// The commands of a script in order, following `pnpm run x` into the other scripts of the manifest.
    pub fn commands(&self, script: &str) -> Vec<Command> {
        self.line(script).commands()
    }
}

/// The commands of a manifest's script; script files are not read.
pub fn commands(manifest: &Manifest, script: &str) -> Vec<Command> {
    Scripts::new(manifest).commands(script)
}

/// The scripts of the manifest that a command of a package manager runs.
pub fn called_scripts(manifest: &Manifest, command: &Command) -> Vec<String> {
    let mut left = MAX_TEXT;
    match runners::runs(&command.simple, Some(manifest), &mut left) {
        Some(Runs::Scripts(found, _)) => found.into_iter().map(|(name, _)| name).collect(),
        _ => Vec::new(),
    }
}

/// The commands of a text, without wrappers: variables, `cross-env`, `exec`, `dotenv --`. Scripts
/// are not followed.
pub fn parse(script: &str) -> Vec<Command> {
    let mut follow = Follow::new(None, Vec::new());
    follow.line(script, &[]).commands()
}

#[cfg(test)]
mod tests;
