//! `slimbuild completions` and `slimbuild man`: what shells and `man` read.

use std::ffi::OsString;
use std::path::Path;

use crate::cli::{self, CompletionsArgs};
use crate::commands::error::Error;
use crate::show::ui::Ui;
use crate::workspace::{Workspace, find_root};

/// Prints the script for a shell.
pub fn run(args: &CompletionsArgs, ui: &mut Ui) -> Result<(), Error> {
    let script = cli::registration(args.shell);
    script
        .and_then(|script| ui.data().write_all(&script))
        .map_err(Error::io("cannot write to stdout"))
}

/// Answers the script, which asks for the completions of a line. What goes wrong is not shown: it
/// would disturb the line that somebody is typing.
pub fn answer(shell: &str, args: Vec<OsString>, cwd: &Path, ui: &mut Ui) -> Result<(), Error> {
    let apps = |directory: &Path| {
        let root = find_root(directory).ok();
        let workspace = root.and_then(|root| Workspace::load(&root).ok());
        workspace.map_or_else(Vec::new, |workspace| workspace.app_dirs())
    };
    let answer = cli::complete(shell, args, cwd, apps);
    answer
        .and_then(|answer| ui.data().write_all(&answer))
        .map_err(Error::io("cannot write to stdout"))
}

/// Prints a manual page.
pub fn manual(command: Option<&str>, ui: &mut Ui) -> Result<(), Error> {
    let page = cli::manual(command).map_err(Error::io("cannot write to stdout"))?;
    let page = page.ok_or_else(|| Error::Usage {
        message: format!("there is no command `{}`", command.unwrap_or_default()),
        hint: Some("`slimbuild help` lists the commands".to_owned()),
    })?;
    ui.data()
        .write_all(&page)
        .map_err(Error::io("cannot write to stdout"))
}
