//! Parses the arguments.
//!
//! Input: the words of the command line. Output: a [`Cli`], or an answer to a person who typed
//! something else: help, or what is wrong and what to type instead.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command, CommandFactory, Parser};

use super::{Cli, ColorArg};
use crate::model::similar;

/// The commands that `slimbuild -h` shows.
const DAILY: [&str; 5] = ["ls", "plan", "why", "init", "prune"];

/// The arguments are no command.
#[derive(Debug)]
pub enum ParseError {
    /// clap's own answer: help, the version, or an error.
    Clap(Box<clap::Error>),
    /// What is wrong, and what to type instead.
    Wrong {
        /// The problem.
        message: String,
        /// What to type instead.
        hint: String,
    },
}

impl Cli {
    /// Parses the arguments.
    ///
    /// Options may stand before a command, as in git and make. Because `build`'s options are also
    /// accepted without a command, clap does not allow that, so they are moved behind the command.
    pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, ParseError> {
        let mut args: Vec<OsString> = args.into_iter().collect();
        let command = Self::command();
        let first = first_word(&args, &command);
        let verb = first.filter(|at| is_command(&command, &args[*at]));
        if let Some(at) = verb.filter(|at| *at > 1) {
            let moved: Vec<OsString> = args.drain(1..at).collect();
            let end = args.iter().position(|arg| arg == "--");
            let end = end.unwrap_or(args.len());
            args.splice(end..end, moved);
        }
        Self::try_parse_from(&args).map_err(|error| {
            let verb = verb.and_then(|_| args[1].to_str());
            answer(error, &command, verb, &args)
        })
    }
}

/// When messages have colours, as far as the arguments say so. Their errors may be coloured too, so
/// this does not wait until they are parsed.
pub fn color(args: &[OsString]) -> ColorArg {
    let mut words = args.iter().map(|arg| arg.to_string_lossy());
    let mut color = ColorArg::Auto;
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--color") {
            Some("") => words.next().map(std::borrow::Cow::into_owned),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => continue,
        };
        color = match value.as_deref() {
            Some("always") => ColorArg::Always,
            Some("never") => ColorArg::Never,
            _ => color,
        };
    }
    color
}

/// Whether messages are JSON objects, as far as the arguments say so. Their errors are too.
pub fn wants_json(args: &[OsString]) -> bool {
    let json = |pair: &[OsString]| pair[0] == "--progress" && pair[1] == "json";
    args.windows(2).any(json) || args.iter().any(|arg| arg == "--progress=json")
}

/// The command that a word looks like.
pub fn meant_command(word: &str) -> Option<String> {
    meant(&Cli::command(), word)
}

fn meant(command: &Command, word: &str) -> Option<String> {
    let shown = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    let names = shown.map(Command::get_name).chain(["help"]);
    let nearest = similar::nearest(word, names, 1).pop()?;
    // Commands are short words, which look alike sooner than names: `run` and `prune`.
    (similar::likeness(word, &nearest) > 0.6).then_some(nearest)
}

/// Whether a word is the name of a command.
pub fn is_command_name(word: &str) -> bool {
    is_command(&Cli::command(), &word.into())
}

fn is_command(command: &Command, word: &OsString) -> bool {
    let word = word.to_str();
    let is_it = |name: &str| word == Some(name);
    is_it("help")
        || command
            .get_subcommands()
            .any(|command| is_it(command.get_name()))
}

/// The position of the first word that is neither an option nor the value of one.
fn first_word(args: &[OsString], command: &Command) -> Option<usize> {
    let mut at = 1;
    while at < args.len() {
        // What is not UTF-8 is no option.
        let Some(word) = args[at].to_str() else {
            return Some(at);
        };
        let next = args.get(at + 1).and_then(|next| next.to_str());
        let option = if word == "--" {
            return None;
        } else if let Some(long) = word.strip_prefix("--") {
            // A value after `=` is part of the word.
            find(command, |arg| arg.get_long() == Some(long))
        } else if word.len() > 1 && word.starts_with('-') {
            short_with_value(command, &word[1..])
        } else {
            return Some(at);
        };
        at += 1 + usize::from(option.is_some_and(|arg| takes_next(arg, next)));
    }
    None
}

fn find(command: &Command, is_it: impl Fn(&Arg) -> bool) -> Option<&Arg> {
    command.get_arguments().find(|arg| is_it(arg))
}

/// The option of a cluster such as `qt` whose value is the next word.
fn short_with_value<'c>(command: &'c Command, letters: &str) -> Option<&'c Arg> {
    for (at, letter) in letters.char_indices() {
        let arg = find(command, |arg| arg.get_short() == Some(letter))?;
        if arg.get_action().takes_values() {
            let is_last = at + letter.len_utf8() == letters.len();
            return Some(arg).filter(|_| is_last);
        }
    }
    None
}

/// Whether the option's value is the next word.
fn takes_next(arg: &Arg, next: Option<&str>) -> bool {
    if !arg.get_action().takes_values() || arg.is_require_equals_set() {
        return false;
    }
    let must = arg
        .get_num_args()
        .is_none_or(|count| count.min_values() > 0);
    // `--smoke` takes a path or nothing.
    must || next.is_some_and(|next| next.starts_with('/'))
}

/// Turns clap's answer into one that leads to what was meant.
fn answer(
    error: clap::Error,
    command: &Command,
    verb: Option<&str>,
    args: &[OsString],
) -> ParseError {
    let is_short = args.iter().any(|arg| arg == "-h") && args.iter().all(|arg| arg != "--help");
    if error.kind() == ErrorKind::DisplayHelp && verb.is_none() && is_short {
        return ParseError::Clap(Box::new(short_help()));
    }
    let wrong = match error.kind() {
        ErrorKind::UnknownArgument => unknown_option(&error, command, verb),
        _ => None,
    };
    if let Some(wrong) = wrong {
        return wrong;
    }
    ParseError::Clap(Box::new(error))
}

/// Explains an option that the command does not have.
fn unknown_option(
    error: &clap::Error,
    command: &Command,
    verb: Option<&str>,
) -> Option<ParseError> {
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let verb = verb.unwrap_or("build");
    // A command within a command has its own options, which clap knows.
    let own = command
        .find_subcommand(verb)
        .filter(|own| !own.has_subcommands())?;
    let longs = |command: &Command| {
        let everywhere = Cli::command();
        let all = command.get_arguments().chain(everywhere.get_arguments());
        let all =
            all.filter(|arg| arg.is_global_set() || find(command, |own| own == *arg).is_some());
        let longs = all.filter_map(|arg| arg.get_long().map(str::to_owned));
        longs.collect::<Vec<_>>()
    };
    let long = typed.strip_prefix("--").unwrap_or_default();
    let similar = similar::nearest(long, longs(own), 1).pop();
    let others = command.get_subcommands().filter(|other| {
        !other.is_hide_set() && find(other, |arg| arg.get_long() == Some(long)).is_some()
    });
    let others = others.map(|command| format!("`slimbuild {}`", command.get_name()));
    let others: Vec<String> = others.collect();
    let hint = match (similar, others.is_empty()) {
        (_, false) => format!("it is an option of {}", others.join(", ")),
        (Some(similar), true) => format!("did you mean `--{similar}`?"),
        (None, true) => format!("`slimbuild {verb} --help` lists the options"),
    };
    Some(ParseError::Wrong {
        message: format!("`slimbuild {verb}` has no option `{typed}`"),
        hint,
    })
}

/// The help of `-h`: what is needed daily, on one screen.
fn short_help() -> clap::Error {
    let help = Arg::new("help")
        .short('h')
        .action(ArgAction::HelpShort)
        .hide(true);
    let command = Cli::command()
        .mut_subcommands(|command| {
            let is_daily = DAILY.contains(&command.get_name());
            command.hide(!is_daily)
        })
        .mut_args(|arg| arg.help_heading("Options"))
        .mut_arg("apps", |arg| arg.hide(true))
        .mut_arg("base", |arg| arg.hide(true))
        .override_usage("slimbuild [OPTIONS] APP...\n       slimbuild COMMAND")
        .disable_help_subcommand(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(help)
        .after_help(
            "All commands and options: slimbuild --help. Of one command: slimbuild help plan",
        );
    let shown = command.try_get_matches_from(["slimbuild", "-h"]);
    shown.expect_err("-h is always answered by help")
}
