use super::*;
use clap::CommandFactory;

#[test]
fn is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn a_directory_may_stand_before_the_verb() {
    let parse = |line: &str| Cli::from_args(line.split(' ').map(OsString::from)).unwrap();
    for line in [
        "slimbuild -C d plan a",
        "slimbuild plan -C d a",
        "slimbuild plan a -C d",
        "slimbuild -Cd plan a",
    ] {
        let cli = parse(line);
        assert_eq!(
            cli.directory.as_deref(),
            Some(std::path::Path::new("d")),
            "{line}"
        );
        assert!(
            matches!(cli.command, Some(Command::Plan(args)) if args.app.app.as_deref() == Some("a")),
            "{line}"
        );
    }
    let cli = parse("slimbuild -C d a --tag x");
    assert_eq!(
        (cli.build.app.app.as_deref(), cli.build.tags.len()),
        (Some("a"), 1)
    );
}
