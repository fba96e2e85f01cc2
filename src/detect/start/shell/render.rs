//! Renders a line of a start script for the image's shell.

use std::fmt::Write as _;

use super::ShellLine;
use super::available::{MANAGERS, Refusal, SYSTEM, goes_away, of_wrappers, refusal};
use super::last::{has_files, last_of};
use super::text::{assignments, redirected, spaced, written};
use crate::detect::loader;
use crate::detect::program::{self, BIN};
use crate::detect::script::node::{self, command as node_command};
use crate::detect::script::words::quote;
use crate::detect::script::{Command, End, Line, Piece};
use crate::detect::start::written_by_build;
use crate::detect::subject::Subject;
use crate::model::path::RepoPath;

/// A file that node starts.
pub(super) struct Entry {
    pub(super) file: String,
    pub(super) node_args: Vec<String>,
    pub(super) args: Vec<String>,
    pub(super) built: bool,
    pub(super) loads: Option<String>,
}

pub(super) struct Renderer<'s, 'w> {
    subject: &'s Subject<'w>,
    made: Option<&'s str>,
    /// The last file that node starts.
    entry: Option<Entry>,
    /// Programs of dependencies.
    pub(super) programs: Vec<String>,
    notes: Vec<String>,
    /// The directory that the line has changed to by `cd`.
    dir: RepoPath,
}

impl<'s, 'w> Renderer<'s, 'w> {
    /// `made` is a file that the app's framework is known to write.
    pub(super) fn new(subject: &'s Subject<'w>, made: Option<&'s str>) -> Self {
        Self {
            subject,
            made,
            entry: None,
            programs: Vec::new(),
            notes: Vec::new(),
            dir: RepoPath::ROOT,
        }
    }

    /// The file that the line finally starts.
    pub(super) fn entry(&mut self) -> Option<Entry> {
        let program = self.programs.last().cloned();
        let of_program = program.map(|program| Entry {
            file: format!("{BIN}{program}"),
            node_args: Vec::new(),
            args: Vec::new(),
            built: false,
            loads: None,
        });
        self.entry.take().or(of_program)
    }

    pub(super) fn warnings(&self, reason: &str) -> Vec<String> {
        self.notes
            .iter()
            .map(|note| format!("{reason} {note}"))
            .collect()
    }

    /// The whole line.
    pub(super) fn line(&mut self, line: &Line) -> Result<ShellLine, Refusal> {
        let marks = || {
            line.pieces.iter().filter_map(|piece| match piece {
                Piece::Mark(mark) => Some(mark.as_str()),
                _ => None,
            })
        };
        if matches!(line.pieces.last(), Some(Piece::Mark(mark)) if mark == "&") {
            return Err(Refusal {
                problem: "ends with `&`: all goes to the background, and the container would end"
                    .to_owned(),
                fix: Some("leave the last `&` out".to_owned()),
            });
        }
        if marks().any(|mark| mark == "&") {
            self.notes.push(
                "runs a command in the background (`&`): a signal that ends the container does not reach it (`concurrently` ends all that it starts)"
                    .to_owned(),
            );
        }
        let mut found = self.ending(&line.pieces)?;
        if has_files(line) {
            found.before = format!(
                "export PATH=\"$PWD/node_modules/.bin:$PATH\"; {}",
                found.before
            );
        }
        Ok(found)
    }

    /// Pieces whose last command replaces the shell, so that signals reach it. The command may be in
    /// brackets at the end.
    fn ending(&mut self, pieces: &[Piece]) -> Result<ShellLine, Refusal> {
        let (first, last) = last_of(pieces);
        let mut before = self.pieces(first)?;
        if !before.is_empty() {
            before.push(' ');
        }
        let group = match last {
            [Piece::Command(command)] => {
                let (env, node, words) = self.command(command)?;
                return Ok(ended(command, before + &env, node, words));
            }
            [Piece::File(command, inner)] => {
                self.file(command, inner)?;
                let env = assignments(command);
                let words: Vec<&str> = command.written().collect();
                // `./docker-entrypoint.sh node dist/main.js`: node gets its own flags there too.
                let (head, node) = match words.iter().position(|word| *word == "node") {
                    Some(at) => (&words[..at], at + 1),
                    None => (&words[..0], 0),
                };
                let mut line = ended(command, before + &env, node > 0, words[node..].join(" "));
                for word in head {
                    line.before = line.before + word + " ";
                }
                return Ok(line);
            }
            [Piece::Line(inner, files)] => Some((&inner.pieces[..], spaced(files))),
            // Nothing follows the subshell, so nothing sees what it changes.
            [Piece::Mark(open), inner @ .., Piece::Mark(close)] if open == "(" && close == ")" => {
                Some((inner, String::new()))
            }
            _ => None,
        };
        let Some((inner, files)) = group else {
            let mut last = self.pieces(last)?;
            if !first.is_empty() && matches!(pieces, [.., Piece::Lines(..)]) {
                // The commands before it may keep all of it from running.
                last = format!("{{ {last}; }}");
            }
            if !matches!(pieces, [.., Piece::Lines(..)]) {
                self.notes.push("ends with what the shell has to wait for: a signal that ends the container does not reach it".to_owned());
            }
            return Ok(ShellLine {
                before: before + &last,
                node: false,
                last: String::new(),
            });
        };
        let inner = self.ending(inner)?;
        if first.is_empty() && files.is_empty() {
            return Ok(inner);
        }
        Ok(ShellLine {
            before: format!("{before}{{ {}", inner.before),
            node: inner.node,
            last: format!("{}; }}{files}", inner.last),
        })
    }

    fn pieces(&mut self, pieces: &[Piece]) -> Result<String, Refusal> {
        let mut text = String::new();
        for piece in pieces {
            let next = match piece {
                Piece::Mark(mark) => mark.clone(),
                Piece::Command(command) => {
                    let (env, node, words) = self.command(command)?;
                    let node = if node { "node " } else { "" };
                    format!("{env}{node}{words}{}", redirected(command))
                }
                Piece::Line(line, files) => {
                    let files = spaced(files);
                    format!("{{ {}; }}{files}", self.pieces(&line.pieces)?)
                }
                Piece::File(command, inner) => {
                    self.file(command, inner)?;
                    format!(
                        "{}{}{}",
                        assignments(command),
                        written(command),
                        redirected(command)
                    )
                }
                Piece::Lines(lines, end) if pieces.len() == 1 => self.lines(lines, *end)?,
                // The commands before it may keep all of it from running.
                Piece::Lines(lines, end) => format!("{{ {}; }}", self.lines(lines, *end)?),
            };
            let glued = text.is_empty() || matches!(piece, Piece::Mark(mark) if mark == ";");
            let _ = write!(text, "{}{next}", if glued { "" } else { " " });
        }
        Ok(text)
    }

    /// Several lines at once: each runs in the background, and a signal ends all. This replaces
    /// `run-p` and `concurrently`, which call package managers and `ps`.
    fn lines(&mut self, lines: &[Line], end: End) -> Result<String, Refusal> {
        let mut text = String::from(
            "stop() { trap '' TERM INT HUP; kill -TERM 0; wait; exit $1; }; trap 'stop 143' TERM; trap 'stop 130' INT; trap 'stop 1' HUP; all=; ",
        );
        for line in lines {
            let one = self.pieces(&line.pieces)?;
            let _ = match end {
                End::Together => write!(
                    text,
                    "{{ trap : TERM INT; ( {one} ) || kill -HUP $$; }} & all=\"$all $!\"; "
                ),
                End::First => write!(
                    text,
                    "{{ trap : TERM INT; ( {one} ); kill -HUP $$; }} & all=\"$all $!\"; "
                ),
                End::Alone | End::InOrder => {
                    write!(text, "{{ trap : TERM INT; {one}; }} & all=\"$all $!\"; ")
                }
            };
        }
        text.push_str("result=0; for one in $all; do wait $one || result=$?; done; exit $result");
        Ok(text)
    }

    /// A command with the image's programs: its variables, whether it is node, and its words.
    fn command(&mut self, command: &Command) -> Result<(String, bool, String), Refusal> {
        let env = assignments(command);
        if command.words.is_empty() {
            return Ok((env.trim_end().to_owned(), false, String::new()));
        }
        self.notes.extend(of_wrappers(command));
        if let Some(run) = loader::run(self.subject, command) {
            let env: String = run.env.iter().fold(env, |env, (name, value)| {
                format!("{env}{name}={} ", quote(value))
            });
            let (flags, left_out) = node::kept(&run.node_args, |file| self.holds(file));
            self.notes.extend(left_out);
            let words = flags.iter().chain([&run.file]).chain(&run.args);
            let text = words.map(|word| quote(word)).collect::<Vec<_>>().join(" ");
            self.starts(&run.node_args, &run.file, run.args.clone());
            return Ok((env, true, text));
        }
        if command.program() == "node" {
            return Ok((env, true, self.node(command)));
        }
        let program = command.program();
        let of_member = program::of_member(self.subject, program);
        if of_member.is_some() || program::is_brought(self.subject, program) {
            let file = if let Some(file) = of_member {
                file
            } else {
                self.program(program, &command.words[1..])?;
                format!("{BIN}{program}")
            };
            let flags = command
                .node_args
                .iter()
                .map(|flag| format!("{} ", quote(flag)));
            let words = command.written().skip(1);
            let up = "../".repeat(self.dir.parts().count());
            let words = words.fold(format!("{up}{file}"), |text, word| format!("{text} {word}"));
            return Ok((env, true, format!("{}{words}", flags.collect::<String>())));
        }
        if let ("cd", [_, to]) = (program, &command.words[..])
            && let Ok(dir) = self.dir.join(to)
        {
            self.dir = dir;
        }
        if SYSTEM.contains(&program) || !is_name(program) {
            return Ok((env, false, written(command)));
        }
        Err(refusal(self.subject, command))
    }

    /// node's words without those that the image leaves out.
    fn node(&mut self, command: &Command) -> String {
        let words: Vec<String> = command.words[1..].to_vec();
        let written: Vec<&str> = command.written().skip(1).collect();
        let Some((flags, file, args)) = node_command(&words) else {
            return written.join(" ");
        };
        let mut kept: Vec<&str> = Vec::new();
        let mut at = 0;
        while at < flags.len() {
            let takes = usize::from(node::takes_value(&flags[at]));
            let next = flags.get(at + takes).map(String::as_str);
            match node::left_out(&flags[at], next, |file| self.holds(file)) {
                Some(note) => self.notes.push(note),
                None => kept.extend(written.get(at..=at + takes).unwrap_or_default()),
            }
            at += 1 + takes;
        }
        let from = written.len() - args.len() - 1;
        let name = if file == "." {
            self.subject
                .manifest()
                .text("main")
                .unwrap_or("index.js")
                .to_owned()
        } else {
            file
        };
        kept.extend(&written[from..]);
        self.starts(&flags, &name, args);
        kept.join(" ")
    }

    /// Whether the image has a file, named from where the line is.
    fn holds(&self, file: &str) -> bool {
        if self.dir.is_root() {
            return self.subject.holds(file);
        }
        self.subject.holds(&format!("{}/{file}", self.dir))
    }

    fn starts(&mut self, node_args: &[String], file: &str, args: Vec<String>) {
        let Ok(path) = self.dir.join(file) else {
            self.notes.push(format!(
                "starts `{file}`, which lies outside of the workspace"
            ));
            return;
        };
        let file = loader::complete(self.subject, node_args, path.as_str());
        let names = [
            file.clone(),
            format!("{file}.js"),
            format!("{file}/index.js"),
        ];
        let made = self
            .made
            .filter(|made| names.iter().any(|name| name == made));
        let made = made.map(|made| (made.to_owned(), true));
        let Some((file, built)) = made.or_else(|| written_by_build(self.subject, &file)) else {
            self.notes.push(format!(
                "starts `{file}`, which neither the sources hold nor the build is known to write"
            ));
            return;
        };
        let (node_args, _) = node::kept(node_args, |file| self.holds(file));
        self.entry = Some(Entry {
            file,
            node_args,
            args,
            built,
            loads: None,
        });
    }

    fn program(&mut self, program: &str, args: &[String]) -> Result<(), Refusal> {
        if let Some(refusal) = goes_away(program, args) {
            return Err(refusal);
        }
        self.programs.push(program.to_owned());
        Ok(())
    }

    /// A script file is kept unchanged; the programs that it calls must exist.
    fn file(&mut self, command: &Command, inner: &Line) -> Result<(), Refusal> {
        let name = command.words.join(" ");
        let dir = self.dir.clone();
        let commands = inner.commands();
        for one in &commands {
            // `node node_modules/x/x.js` is read as the program `x`, but names its file, which is there.
            let by_file = one.through().iter().any(|name| name == "node");
            let of_member = program::of_member(self.subject, one.program());
            if let Some(file) = of_member.filter(|_| !by_file) {
                return Err(Refusal {
                    problem: format!(
                        "runs `{name}`, in which `{}` is a program of the workspace: the image has it under no such name",
                        one.program()
                    ),
                    fix: Some(format!("write `node {file}` in that file")),
                });
            }
            let manager = one
                .through()
                .iter()
                .find(|name| MANAGERS.contains(&name.as_str()));
            if let Some(manager) = manager {
                return Err(Refusal {
                    problem: format!(
                        "runs `{name}`, in which `{manager}` runs `{}`, and the image has no `{manager}`",
                        one.words.join(" ")
                    ),
                    fix: Some(format!(
                        "write `{}` in that file: programs of dependencies are found",
                        one.words.join(" ")
                    )),
                });
            }
            match self.command(one) {
                Ok(_) => {}
                Err(_) if !one.words.is_empty() && !MANAGERS.contains(&one.program()) => {
                    self.notes.push(format!(
                        "runs `{name}`, which calls `{}`: whether the image has that is not known",
                        one.program()
                    ));
                }
                Err(refusal) => return Err(refusal),
            }
        }
        // `./docker-entrypoint.sh node dist/main.js`: the file ends with `exec "$@"`.
        let given = command.words.iter().position(|word| word == "node");
        let given = given.and_then(|at| node_command(&command.words[at + 1..]));
        if let Some((flags, file, args)) = given {
            self.starts(&flags, &file, args);
        } else if commands
            .last()
            .is_some_and(|last| last.program() == "node" && last.replaces_shell())
        {
            self.notes.push(format!("runs `{name}`, which starts node by itself: a signal ends the container only where the app listens for it"));
        }
        let text_execs = commands.last().is_some_and(Command::replaces_shell);
        if !text_execs {
            self.notes.push(format!("runs `{name}`, whose last command does not begin with `exec`: a signal that ends the container does not reach it"));
        }
        self.dir = dir;
        Ok(())
    }
}

/// A line's last command, with what stands before it.
fn ended(command: &Command, before: String, node: bool, words: String) -> ShellLine {
    let is_own = ["exit", "wait", ":", "true", "cd", "export"].contains(&command.program());
    let exec = if (is_own || words.is_empty()) && !node {
        ""
    } else {
        "exec "
    };
    ShellLine {
        before: before + exec,
        node,
        last: words + &redirected(command),
    }
}

/// Whether a word may be a program's name: not a path or a variable.
fn is_name(word: &str) -> bool {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "-_.@".contains(letter);
    word.chars().all(legal)
}
