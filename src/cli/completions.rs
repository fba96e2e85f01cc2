//! Completions for shells, and manual pages.
//!
//! The script of `slimbuild completions SHELL` asks slimbuild itself for each completion, so that
//! apps of the workspace complete too.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;

use super::Cli;

/// The variable by which the script asks for completions. Its value is the shell.
pub const VARIABLE: &str = "SLIMBUILD_COMPLETE";

/// The commands whose first argument is an app.
const OF_APPS: [&str; 12] = [
    "build",
    "plan",
    "dockerfile",
    "context",
    "prune",
    "why",
    "graph",
    "hash",
    "init",
    "promote",
    "sbom",
    "licenses",
];

/// `slimbuild completions`
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  slimbuild completions bash > ~/.local/share/bash-completion/completions/slimbuild
  slimbuild completions zsh > ~/.zfunc/_slimbuild      with ~/.zfunc in fpath
  slimbuild completions fish > ~/.config/fish/completions/slimbuild.fish
  slimbuild completions powershell >> $PROFILE
  slimbuild completions elvish >> ~/.config/elvish/rc.elv

The script asks slimbuild for each completion. Make it anew after an update.")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: ShellArg,
}

/// The shells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShellArg {
    Bash,
    Zsh,
    Fish,
    Powershell,
    Elvish,
}

impl ShellArg {
    fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Elvish => "elvish",
        }
    }
}

/// The script for a shell.
pub fn registration(shell: ShellArg) -> io::Result<Vec<u8>> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let completer = shells.completer(shell.name());
    let completer = completer.ok_or(io::ErrorKind::Unsupported)?;
    completer.write_registration(VARIABLE, "slimbuild", "slimbuild", "slimbuild", &mut script)?;
    Ok(script)
}

/// The completions of a line. `args` are the program, `--` and the words of the line; `apps` lists
/// the apps of the workspace around a directory.
pub fn complete(
    shell: &str,
    args: impl IntoIterator<Item = OsString>,
    cwd: &Path,
    apps: impl Fn(&Path) -> Vec<String> + Send + Sync + 'static,
) -> io::Result<Vec<u8>> {
    let words = args.into_iter().skip_while(|arg| arg != "--").skip(1);
    let words: Vec<OsString> = words.collect();
    let shells = Shells::builtins();
    let completer = shells.completer(shell).ok_or(io::ErrorKind::Unsupported)?;
    let directory = directory(&words, cwd);
    let candidates: Arc<dyn Fn() -> Vec<String> + Send + Sync> = Arc::new(move || apps(&directory));
    let mut command = with_apps(Cli::command(), &candidates);
    for name in OF_APPS {
        command = command.mut_subcommand(name, |command| with_apps(command, &candidates));
    }
    let mut answer = Vec::new();
    completer.write_complete(&mut command, words, Some(cwd), &mut answer)?;
    Ok(answer)
}

/// The directory of `-C DIR`, if the line has one.
fn directory(words: &[OsString], cwd: &Path) -> PathBuf {
    let named = words.iter().position(|word| word == "-C");
    let named = named.and_then(|at| words.get(at + 1));
    named.map_or_else(|| cwd.to_path_buf(), |named| cwd.join(named))
}

fn with_apps(
    command: clap::Command,
    apps: &Arc<dyn Fn() -> Vec<String> + Send + Sync>,
) -> clap::Command {
    let apps = Arc::clone(apps);
    let complete = move |current: &std::ffi::OsStr| {
        let Some(current) = current.to_str() else {
            return Vec::new();
        };
        let apps = apps().into_iter();
        let fitting = apps.filter(|app| app.starts_with(current));
        fitting.map(CompletionCandidate::new).collect()
    };
    let completer = ArgValueCompleter::new(complete);
    command.mut_args(move |arg| match arg.get_id().as_str() {
        "app" | "apps" => arg.add(completer.clone()),
        _ => arg,
    })
}

/// The manual page of slimbuild, or of a command; `None` if there is no such command.
pub fn manual(command: Option<&str>) -> io::Result<Option<Vec<u8>>> {
    let mut all = Cli::command();
    all.build();
    let command = match command {
        None => Some(all),
        Some(name) => all.find_subcommand(name).cloned(),
    };
    let Some(command) = command else {
        return Ok(None);
    };
    let name = command.get_bin_name().unwrap_or("slimbuild");
    let name = name.replace(' ', "-");
    let mut page = Vec::new();
    clap_mangen::Man::new(command.display_name(name))
        .source(concat!("slimbuild ", env!("CARGO_PKG_VERSION")))
        .render(&mut page)?;
    Ok(Some(page))
}
