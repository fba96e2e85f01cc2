//! The files that something names as entry, whether or not they will exist.

use super::shell;
use crate::detect::loader;
use crate::detect::script::Command;
use crate::detect::script::node::command as node_command;
use crate::detect::subject::Subject;

/// A possible entry file, which may not exist.
pub(super) struct Candidate {
    pub(super) file: String,
    pub(super) command: Command,
    pub(super) node_args: Vec<String>,
    pub(super) args: Vec<String>,
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
        reason,
        by_script: false,
    }
}

/// The files that these scripts start, in order.
pub(super) fn of_scripts(subject: &Subject<'_>, scripts: &[&str]) -> Vec<Candidate> {
    let manifest = subject.manifest();
    let mut found = Vec::new();
    for name in scripts {
        let Some(command) = shell::plain(subject, name) else {
            continue;
        };
        let command = &command;
        let reason = format!("the `{name}` script");
        if let Some(run) = loader::run(subject, command) {
            let mut command = command.clone();
            command.env.extend(run.env);
            found.push(Candidate {
                file: run.file,
                command,
                node_args: run.node_args,
                args: run.args,
                reason,
                by_script: true,
            });
            continue;
        }
        match command.program() {
            "node" => {
                if let Some((node_args, file, args)) = node_command(&command.words[1..]) {
                    let file = if file == "." {
                        manifest.text("main").unwrap_or("index.js").to_owned()
                    } else {
                        file
                    };
                    let file = file.trim_start_matches("./");
                    let file = loader::complete(subject, &node_args, file);
                    found.push(Candidate {
                        file,
                        command: command.clone(),
                        node_args,
                        args,
                        reason,
                        by_script: true,
                    });
                }
            }
            "nest" if command.words.get(1).is_some_and(|word| word == "start") => {
                // `nest start` first looks for the source root below the output, then without it.
                let reason = format!("{reason} (`nest start`)");
                found.extend(["dist/src/main.js", "dist/main.js"].map(|file| Candidate {
                    by_script: true,
                    ..plain_file(file, reason.clone())
                }));
            }
            _ => {}
        }
    }
    found
}
