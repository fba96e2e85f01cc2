//! The smoke test: what a container is started with, and how to check that its program is up. It is
//! pure; the engine runs it.

use std::collections::BTreeMap;

use crate::plan::Plan;

const PROBE: &str = include_str!("../../templates/probe.cjs");

const PROBE_OF_SITES: &str = include_str!("../../templates/probe.sh");

/// The port of a site, set by slimbuild's own web server configuration.
const SITE: u16 = 8080;

/// The port to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// At this one.
    Number(u16),
    /// None: it is enough that the program runs.
    None,
}

/// A requested variable without a value here: `NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unset<'a>(pub &'a str);

/// The command to run in the container, which ends when the program is up; `None` if it is enough
/// that the program runs.
pub fn probe(plan: &Plan, port: Option<Port>, path: Option<&str>) -> Option<Vec<String>> {
    let path = path.unwrap_or_default();
    let number = match port {
        Some(Port::None) => return None,
        Some(Port::Number(number)) => Some(number),
        None => plan.port,
    };
    let Some(node) = plan.runtime_base.value.node else {
        let path = if path.is_empty() { "/" } else { path };
        let number = number.unwrap_or(SITE).to_string();
        let words = ["sh", "-c", PROBE_OF_SITES, "probe", &number, path];
        return Some(words.map(str::to_owned).into());
    };
    let number = number.map_or_else(String::new, |number| number.to_string());
    let words = [node.program(), "-e", PROBE, "--", &number, path];
    Some(words.map(str::to_owned).into())
}

/// Parses an env file as `docker run --env-file` does: `NAME=VALUE`, or `NAME` for its value here.
/// Quotes are kept.
pub fn env_file<'h>(
    text: &str,
    here: impl Fn(&str) -> Option<&'h str>,
    variables: &mut BTreeMap<String, String>,
) {
    for line in text.trim_start_matches('\u{feff}').lines() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once('=') {
            Some((name, value)) => {
                variables.insert(name.to_owned(), value.to_owned());
            }
            None => {
                if let Some(value) = here(line) {
                    variables.insert(line.to_owned(), value.to_owned());
                }
            }
        }
    }
}

/// Takes a variable of the command line.
pub fn variable<'a>(
    word: &'a str,
    here: impl Fn(&str) -> Option<&'a str>,
    variables: &mut BTreeMap<String, String>,
) -> Result<(), Unset<'a>> {
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, value),
        None => (word, here(word).ok_or(Unset(word))?),
    };
    variables.insert(name.to_owned(), value.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_docker_does() {
        let here = |name: &str| (name == "HOME").then_some("/root");
        let mut variables = BTreeMap::new();
        let text = "# a comment\n\nA=1\n  B= two = 2 \nC=\"quoted\" # kept\nHOME\nUNSET\nD=\n";
        env_file(text, here, &mut variables);
        assert_eq!(variable("A=2", here, &mut variables), Ok(()));
        assert_eq!(variable("NO", here, &mut variables), Err(Unset("NO")));
        let lines: Vec<String> = variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            lines,
            [
                "A=2",
                "B= two = 2 ",
                "C=\"quoted\" # kept",
                "D=",
                "HOME=/root"
            ]
        );
    }
}
