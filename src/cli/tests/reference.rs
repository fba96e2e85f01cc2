//! The pages of the reference that are made from the command line and from `schema.json`.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};
use serde_json::Value;

use super::super::Cli;
use crate::plan::config;
use crate::system::env::Env;

/// Compares a page with the text, or writes it where `SLIMBUILD_ACCEPT=1` is set.
fn assert_page(name: &str, text: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/src/reference")
        .join(name);
    if Env::of_process().get("SLIMBUILD_ACCEPT") == Some("1") {
        fs_err::write(page, text).unwrap();
        return;
    }
    let written = fs_err::read_to_string(&page).unwrap();
    let stale = text
        .lines()
        .zip(written.lines())
        .find(|(now, then)| now != then);
    assert!(
        written == text,
        "{} is stale; `just accept` writes it. First difference: {stale:?}",
        page.display()
    );
}

const MADE: &str = "<!-- Made from the sources: `just accept` writes this page. -->\n";

#[test]
fn commands_are_those_of_the_program() {
    let mut command = Cli::command();
    command.build();
    let mut page = format!(
        "# Commands\n\n{MADE}\nName the app by its directory, by `.` inside it, or by its package name. Without a command, `slimbuild APP` \
         builds an image. Options may stand before the command.\n"
    );
    let everywhere = command.get_arguments().filter(|arg| is_everywhere(arg));
    let _ = write!(page, "\n## Options of all commands\n\n");
    page.extend(everywhere.map(option));
    for command in command.get_subcommands() {
        if !command.is_hide_set() && command.get_name() != "help" {
            section(&mut page, command, "##");
        }
    }
    assert_page("commands.md", &page);
}

fn is_everywhere(arg: &Arg) -> bool {
    arg.get_help_heading() == Some("All commands")
}

fn section(page: &mut String, command: &Command, level: &str) {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage
        .trim_start_matches("Usage: ")
        .replace("\n       ", "\n");
    let _ = write!(
        page,
        "\n{level} {name}\n\n{about}.\n\n```text\n{usage}\n```\n"
    );
    let mut headings = vec![None];
    for arg in command.get_arguments() {
        if !headings.contains(&arg.get_help_heading()) {
            headings.push(arg.get_help_heading());
        }
    }
    for heading in headings {
        let args = command
            .get_arguments()
            .filter(|arg| arg.get_help_heading() == heading);
        let args = args.filter(|arg| !is_everywhere(arg) && !arg.is_hide_set());
        let args: Vec<&Arg> = args.filter(|arg| arg.get_id() != "help").collect();
        if args.is_empty() {
            continue;
        }
        if let Some(heading) = heading {
            let _ = write!(page, "\n**{heading}**\n");
        }
        page.push('\n');
        page.extend(args.into_iter().map(option));
    }
    if let Some(examples) = command.get_after_long_help() {
        let _ = write!(page, "\n```text\n{examples}\n```\n");
    }
    for inner in command.get_subcommands() {
        if inner.get_name() != "help" {
            section(page, inner, &format!("{level}#"));
        }
    }
}

/// An item of a list.
fn option(arg: &Arg) -> String {
    let value = arg
        .get_value_names()
        .filter(|_| arg.get_action().takes_values());
    let value = value.map_or_else(String::new, |names| format!(" {}", names.join(" ")));
    let name = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}{value}"),
        (Some(short), None) => format!("-{short}{value}"),
        (None, Some(long)) => format!("--{long}{value}"),
        (None, None) => value.trim_start().to_owned(),
    };
    let help = arg.get_long_help().or(arg.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let mut item = format!(
        "- `{name}`: {}.",
        help.replace("\n\n", ". ").trim_end_matches('.')
    );
    let values = arg.get_possible_values();
    if !values.is_empty() && !arg.is_hide_possible_values_set() && arg.get_action().takes_values() {
        let values = values.iter().map(|value| format!("`{}`", value.get_name()));
        let _ = write!(item, " Values: {}.", values.collect::<Vec<_>>().join(", "));
    }
    let defaults = arg.get_default_values();
    if !defaults.is_empty() && !arg.is_hide_default_value_set() && arg.get_action().takes_values() {
        let defaults = defaults
            .iter()
            .map(|value| format!("`{}`", value.display()));
        let _ = write!(
            item,
            " Default: {}.",
            defaults.collect::<Vec<_>>().join(", ")
        );
    }
    item + "\n"
}

#[test]
fn keys_are_those_of_the_schema() {
    let schema: Value = serde_json::from_str(config::SCHEMA).unwrap();
    let mut page = format!(
        "# slimbuild.json\n\n{MADE}\n{}\n\n`slimbuild schema > slimbuild.schema.json` writes the schema for editors. An unknown key is an \
         error.\n",
        schema["description"].as_str().unwrap()
    );
    for (key, value) in schema["properties"].as_object().unwrap() {
        let _ = write!(
            page,
            "\n## {key}\n\n{}\n",
            value["description"].as_str().unwrap()
        );
        for (inner, value) in value["properties"].as_object().into_iter().flatten() {
            let _ = write!(
                page,
                "\n- `{inner}`: {}",
                value["description"].as_str().unwrap()
            );
        }
        if value.get("properties").is_some() {
            page.push('\n');
        }
        let examples = value["examples"].as_array().into_iter().flatten();
        let examples = examples.map(|example| format!("\"{key}\": {example}\n"));
        let examples: String = examples.collect();
        if !examples.is_empty() {
            let _ = write!(page, "\n```text\n{examples}```\n");
        }
    }
    assert_page("slimbuild-json.md", &page);
}
