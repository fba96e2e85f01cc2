//! The files that something names as entry, whether or not they will exist.

use super::shell;
use crate::detect::loader;
use crate::detect::script::Command;
use crate::detect::script::node::{command as node_command, kept};
use crate::detect::subject::Subject;

/// A possible entry file, which may not exist.
pub(super) struct Candidate {
    pub(super) file: String,
    pub(super) command: Command,
    pub(super) node_args: Vec<String>,
    pub(super) args: Vec<String>,
    /// Why flags of node's are left out.
    pub(super) left_out: Vec<String>,
    pub(super) reason: String,
    /// Whether a start script names it.
    pub(super) by_script: bool,
}

/// A file that is named without a command.
pub(super) fn plain_file(file: &str, reason: String) -> Candidate {
    Candidate {
        file: file.trim_start_matches("./").to_owned(),
        command: Command::default(),
        node_args: Vec::new(),
        args: Vec::new(),
        left_out: Vec::new(),
        reason,
        by_script: false,
    }
}

/// The files that these scripts start, in order.
pub(super) fn of_scripts(subject: &Subject<'_>, scripts: &[&str]) -> Vec<Candidate> {
    let mut found = Vec::new();
    for name in scripts {
        let Some(command) = shell::plain(subject, name) else {
            continue;
        };
        let command = &command;
        let reason = format!("the `{name}` script");
        if let Some(one) = of_command(subject, command, &reason) {
            found.push(one);
        } else if command.runs("nest start") {
            // `nest start` looks for the source root below the output first, then without it.
            let reason = format!("{reason} (`nest start`)");
            found.extend(["dist/src/main.js", "dist/main.js"].map(|file| Candidate {
                by_script: true,
                ..plain_file(file, reason.clone())
            }));
        }
    }
    found
}

/// The files that these scripts start through a program that watches files.
pub(super) fn of_watchers(subject: &Subject<'_>, scripts: &[&str]) -> Vec<Candidate> {
    let one = |name: &&str| {
        let command = shell::watched(&shell::plain(subject, name)?)?;
        of_command(subject, &command, &format!("the `{name}` script"))
    };
    scripts.iter().filter_map(one).collect()
}

/// The file that a command starts with node, or with a TypeScript loader.
pub(super) fn of_command(
    subject: &Subject<'_>,
    command: &Command,
    reason: &str,
) -> Option<Candidate> {
    let reason = reason.to_owned();
    if let Some(run) = loader::run(subject, command) {
        let mut command = command.clone();
        command.env.extend(run.env);
        let (node_args, left_out) = kept(&run.node_args, |file| subject.holds(file));
        return Some(Candidate {
            file: run.file,
            command,
            node_args,
            args: run.args,
            left_out,
            reason,
            by_script: true,
        });
    }
    if command.program() != "node" {
        return None;
    }
    let (flags, file, args) = node_command(&command.words[1..])?;
    let (node_args, left_out) = kept(&flags, |file| subject.holds(file));
    let file = if file == "." {
        let main = subject.manifest().text("main");
        main.unwrap_or("index.js").to_owned()
    } else {
        file
    };
    let file = loader::complete(subject, &node_args, file.trim_start_matches("./"));
    Some(Candidate {
        file,
        command: command.clone(),
        node_args,
        args,
        left_out,
        reason,
        by_script: true,
    })
}
