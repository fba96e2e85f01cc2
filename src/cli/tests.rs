use std::ffi::OsString;

use clap::{CommandFactory, error::ErrorKind};

use super::*;

mod documents;
mod reference;

fn parse(line: &str) -> Result<Cli, ParseError> {
    Cli::from_args(line.split(' ').map(OsString::from))
}

/// The help that a line leads to.
fn help(line: &str) -> String {
    match parse(line) {
        Err(ParseError::Clap(error)) if error.kind() == ErrorKind::DisplayHelp => error.to_string(),
        other => panic!("{line} is no question for help: {other:?}"),
    }
}

/// All commands that are shown, by their names.
fn shown() -> Vec<clap::Command> {
    let command = Cli::command();
    let shown = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    shown.cloned().collect()
}

#[test]
fn is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn options_may_stand_before_the_command() {
    for line in [
        "slimbuild -C d plan a",
        "slimbuild plan -C d a",
        "slimbuild plan a -C d",
        "slimbuild -Cd plan a",
        "slimbuild -q -C d plan a",
        "slimbuild -qC d plan a",
        "slimbuild --color never -Cd --node 22 plan a",
        "slimbuild --color=never --json -C d plan a",
    ] {
        let cli = parse(line).unwrap();
        assert_eq!(
            cli.directory.as_deref(),
            Some(std::path::Path::new("d")),
            "{line}"
        );
        assert_eq!(cli.quiet, line.contains("-q"), "{line}");
        assert!(
            matches!(cli.command, Some(Command::Plan(args)) if args.app.app.as_deref() == Some("a")),
            "{line}"
        );
    }
    let cli = parse("slimbuild -q cache prune --all").unwrap();
    assert!(cli.quiet && matches!(cli.command, Some(Command::Cache(_))));
    // `plan` is a value here, and no command.
    for line in ["slimbuild -C d a --tag x", "slimbuild -C d -t plan a"] {
        let cli = parse(line).unwrap();
        assert_eq!(
            (cli.build.app.named(|_| false), cli.build.tags.len()),
            (Named::One("a"), 1),
            "{line}"
        );
    }
    let cli = parse("slimbuild --smoke /health -q build a").unwrap();
    let Some(Command::Build(build)) = cli.command else {
        panic!("no build");
    };
    assert_eq!(build.smoke.smoke, Some(Some("/health".to_owned())));
}

#[test]
fn short_help_fits_a_screen() {
    let lines = |line: &str| {
        let text = help(line);
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
        text.lines().count()
    };
    assert!(lines("slimbuild -h") <= 25, "{}", help("slimbuild -h"));
    assert!(lines("slimbuild -q -h") <= 25);
    for command in shown() {
        let line = format!("slimbuild {} -h", command.get_name());
        assert!(lines(&line) <= 30, "{}", help(&line));
    }
}

#[test]
fn long_help_has_each_option_once() {
    for name in std::iter::once(String::new()).chain(
        shown()
            .iter()
            .map(|command| format!("{} ", command.get_name())),
    ) {
        let text = help(&format!("slimbuild {name}--help"));
        let options = text.lines().filter_map(|line| {
            let line = line.trim_start();
            let option = line
                .split_once("--")
                .filter(|(short, _)| short.len() <= 4)?
                .1;
            line.starts_with('-').then(|| {
                option
                    .split([' ', '=', '['])
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            })
        });
        let mut options: Vec<String> = options.collect();
        assert!(options.len() > 2, "{text}");
        options.sort();
        let all = options.len();
        options.dedup();
        assert_eq!(options.len(), all, "{text}");
        assert!(name == "version " || text.contains("Examples:"), "{text}");
    }
    assert_eq!(help("slimbuild help build"), help("slimbuild build --help"));
    assert_eq!(help("slimbuild help"), help("slimbuild --help"));
}

#[test]
fn what_looks_like_a_command_is_told() {
    for (word, meant) in [
        ("plna", Some("plan")),
        ("bulid", Some("build")),
        ("hlep", Some("help")),
        ("verison", Some("version")),
        ("run", None),
        ("apps/server", None),
        ("__enter", None),
    ] {
        assert_eq!(meant_command(word).as_deref(), meant, "{word}");
    }
}

#[test]
fn colours_are_found_before_the_arguments_are_parsed() {
    for (line, expected) in [
        ("slimbuild plan", ColorArg::Auto),
        ("slimbuild --color never --nope", ColorArg::Never),
        ("slimbuild --nope --color=always", ColorArg::Always),
        ("slimbuild --color=purple", ColorArg::Auto),
        ("slimbuild --colors never", ColorArg::Auto),
    ] {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        assert_eq!(color(&words), expected, "{line}");
    }
}
