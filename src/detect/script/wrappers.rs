//! Programs that only prepare another one: variables, priorities, secrets. Each is a row of
//! [`WRAPPERS`].

use super::list::Simple;
use super::words::Word;

/// The syntax of a wrapper.
struct Wrapper {
    /// The program, and its subcommand: `doppler run`.
    words: &'static [&'static str],
    /// Its options with a value in the next word.
    values: &'static [&'static str],
    /// Options whose value is a shell line.
    lines: &'static [&'static str],
    /// What comes between its options and the command.
    before: Before,
}

/// What comes between a wrapper's options and the command that it runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing.
    Nothing,
    /// `NAME=value`, any number of times.
    Variables,
    /// `NAME=value`, then a shell line.
    VariablesAndLine,
    /// Optionally an env file: `env-cmd .env node x`.
    EnvFile,
    /// One word, such as a duration.
    One,
}

use Before::{EnvFile, Nothing, One, Variables, VariablesAndLine};

const fn row(
    words: &'static [&'static str],
    values: &'static [&'static str],
    lines: &'static [&'static str],
    before: Before,
) -> Wrapper {
    Wrapper {
        words,
        values,
        lines,
        before,
    }
}

/// All known wrappers, after their own documentation. Each may have `--` before the command.
const WRAPPERS: [Wrapper; 33] = [
    row(&["cross-env"], &[], &[], Variables),
    row(&["cross-env-shell"], &[], &[], VariablesAndLine),
    row(
        &["env"],
        &["-u", "--unset", "-C", "--chdir"],
        &["-S", "--split-string"],
        Variables,
    ),
    row(&["dotenv"], &["-e", "-c", "-v", "-p"], &[], Nothing),
    row(
        &["dotenvx", "run"],
        &[
            "-f",
            "--env-file",
            "-e",
            "--env",
            "-fk",
            "--env-keys-file",
            "-fv",
            "--env-vault-file",
            "--convention",
            "-l",
            "--log-level",
        ],
        &[],
        Nothing,
    ),
    row(
        &["dotenv-flow"],
        &[
            "--node-env",
            "--default-node-env",
            "--path",
            "--pattern",
            "--files",
        ],
        &[],
        Nothing,
    ),
    row(
        &["env-cmd"],
        &["-f", "--file", "-e", "--environments", "-r", "--rc-file"],
        &[],
        EnvFile,
    ),
    row(
        &["doppler", "run"],
        &[
            "-p",
            "--project",
            "-c",
            "--config",
            "-t",
            "--token",
            "--mount",
            "--mount-format",
            "--mount-template",
            "--only-secrets",
            "--name-transformer",
            "--scope",
            "--fallback",
            "--fallback-passphrase",
            "--preserve-env",
        ],
        &["--command"],
        Nothing,
    ),
    row(
        &["infisical", "run"],
        &[
            "-e",
            "--env",
            "--path",
            "-p",
            "--projectId",
            "--token",
            "-t",
            "--tags",
            "--domain",
        ],
        &["-c", "--command"],
        Nothing,
    ),
    row(
        &["op", "run"],
        &["--env-file", "--account", "--environment"],
        &[],
        Nothing,
    ),
    row(
        &["sst", "shell"],
        &["--stage", "--target", "--profile", "--region"],
        &[],
        Nothing,
    ),
    row(
        &["sst", "bind"],
        &["--stage", "--profile", "--region"],
        &[],
        Nothing,
    ),
    row(
        &["vercel", "env", "run"],
        &["-e", "--environment", "--git-branch"],
        &[],
        Nothing,
    ),
    row(&["netlify", "dev:exec"], &["--context"], &[], Nothing),
    row(&["varlock", "run"], &["--path", "-p"], &[], Nothing),
    row(&["chamber", "exec"], &[], &[], One),
    row(&["aws-vault", "exec"], &[], &[], One),
    row(&["nx", "exec"], &[], &[], Nothing),
    row(
        &["lerna", "exec"],
        &["--scope", "--ignore", "--concurrency"],
        &[],
        Nothing,
    ),
    row(&["sh"], &["-o"], &["-c"], Nothing),
    row(&["bash"], &["-o", "--rcfile"], &["-c"], Nothing),
    row(&["dash"], &["-o"], &["-c"], Nothing),
    row(&["ash"], &["-o"], &["-c"], Nothing),
    row(&["zsh"], &["-o"], &["-c"], Nothing),
    row(&["time"], &["-f", "-o"], &[], Nothing),
    row(&["nice"], &["-n", "--adjustment"], &[], Nothing),
    row(&["nohup"], &[], &[], Nothing),
    row(&["stdbuf"], &["-i", "-o", "-e"], &[], Nothing),
    row(
        &["timeout"],
        &["-s", "--signal", "-k", "--kill-after"],
        &[],
        One,
    ),
    row(&["exec"], &["-a"], &[], Nothing),
    row(&["command"], &[], &[], Nothing),
    row(&["tini"], &["-p", "-e"], &[], Nothing),
    row(&["dumb-init"], &["-r", "--rewrite"], &[], Nothing),
];

/// Shells, which run a line or a file.
pub(super) const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ash", "zsh"];

/// What a wrapper runs.
pub(super) enum Behind {
    /// A command.
    Simple(Simple),
    /// A shell line, which inherits the variables.
    Line(String, Vec<(String, Word)>),
}

/// Removes one wrapper from a command; `None` if there is none, or nothing after it.
pub(super) fn unwrap(simple: &Simple) -> Option<Behind> {
    let texts: Vec<String> = simple.words.iter().map(Word::text).collect();
    let fits = |wrapper: &&Wrapper| {
        wrapper.words.len() <= texts.len()
            && wrapper
                .words
                .iter()
                .zip(&texts)
                .all(|(word, text)| program_name(text) == *word)
    };
    let wrapper = WRAPPERS.iter().find(fits)?;
    let is_shell = SHELLS.contains(&wrapper.words[0]);
    let mut at = wrapper.words.len();
    while let Some(text) = texts.get(at) {
        if text == "--" {
            at += 1;
            break;
        }
        if !text.starts_with('-') || text == "-" {
            break;
        }
        if wrapper.words == ["command"] && ["-v", "-V"].contains(&&**text) {
            return None;
        }
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let is_line = wrapper.lines.contains(&name) || (is_shell && is_cluster_with_c(text));
        if is_line && !value.is_empty() {
            return Some(Behind::Line(value.to_owned(), simple.assignments.clone()));
        }
        at += 1;
        if is_line {
            let line = texts.get(at)?.clone();
            return Some(Behind::Line(line, simple.assignments.clone()));
        }
        let takes = wrapper.values.contains(&text.as_str());
        if takes && texts.get(at).is_some_and(|next| next != "--") {
            at += 1;
        }
    }
    if is_shell {
        return None;
    }
    let mut assignments = simple.assignments.clone();
    let mut from_file = false;
    match wrapper.before {
        One => at += 1,
        EnvFile if texts.get(at).is_some_and(|text| text.contains(".env")) => at += 1,
        Nothing | EnvFile => {}
        Variables | VariablesAndLine => {
            while let Some(word) = simple.words.get(at) {
                match word.assignment() {
                    Some(pair) => assignments.push(pair),
                    // `env $(cat .env) node x`
                    None if !word.is_literal() && word.source.contains(".env") => {
                        from_file = true;
                    }
                    None => break,
                }
                at += 1;
            }
        }
    }
    // Some option parsers accept a `--` after these too.
    if texts.get(at).is_some_and(|text| text == "--") {
        at += 1;
    }
    if at >= texts.len() {
        return None;
    }
    if wrapper.before == VariablesAndLine {
        return Some(Behind::Line(texts[at..].join(" "), assignments));
    }
    Some(Behind::Simple(Simple {
        assignments,
        words: simple.words[at..].to_vec(),
        redirections: simple.redirections.clone(),
        node_args: Vec::new(),
        through: led(
            simple,
            if from_file {
                "export"
            } else {
                wrapper.words[0]
            },
        ),
    }))
}

/// The programs that led to a command, and one more.
pub(super) fn led(simple: &Simple, by: &str) -> Vec<String> {
    let mut through = simple.through.clone();
    through.push(by.to_owned());
    through
}

/// Wrappers that only change how a command runs. All others load variables.
const PLAIN: [&str; 19] = [
    "cross-env",
    "cross-env-shell",
    "env",
    "nx",
    "lerna",
    "sh",
    "bash",
    "dash",
    "ash",
    "zsh",
    "time",
    "nice",
    "nohup",
    "stdbuf",
    "timeout",
    "exec",
    "command",
    "tini",
    "dumb-init",
];

/// Whether a path leads to a file of variables.
pub(super) fn is_env_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with(".env") || name.ends_with(".env")
}

/// Whether a program that led to a command loads variables from somewhere else.
pub(super) fn brings_variables(name: &str) -> bool {
    [".", "source", "export"].contains(&name)
        || WRAPPERS.iter().any(|wrapper| wrapper.words[0] == name) && !PLAIN.contains(&name)
}

/// Whether the option contains `c` among other letters: `bash -lc`.
fn is_cluster_with_c(text: &str) -> bool {
    let letters = text.trim_start_matches('-');
    text.len() == letters.len() + 1 && letters.len() > 1 && letters.ends_with('c')
}

/// A program without its directory, scope and version: `/bin/sh`, `@dotenvx/dotenvx@1`.
pub(super) fn program_name(program: &str) -> &str {
    let name = program.rsplit('/').next().unwrap_or(program);
    match name.split_once('@') {
        Some((name, _)) if !name.is_empty() => name,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn each_wrapper_passes_its_command_on() {
        for script in [
            "cross-env A=1 B=2 next build",
            "cross-env A=1 -- next build",
            "cross-env-shell A=1 \"next build\"",
            "env -u X A=1 next build",
            "env -S \"next build\"",
            "/usr/bin/env A=1 next build",
            "dotenv -e ../../.env next build",
            "dotenv -e ../../.env -c -- next build",
            "dotenv -- next build",
            "dotenvx run -f .env -- next build",
            "dotenvx run --env-file=.env next build",
            "dotenv-flow -- next build",
            "env-cmd -f .env next build",
            "env-cmd .env.production next build",
            "env-cmd next build",
            "doppler run -- next build",
            "doppler run -p web --config prd -- next build",
            "doppler run --command=\"next build\"",
            "infisical run --env=prod --path /x -- next build",
            "op run --env-file .env -- next build",
            "sst shell --stage x next build",
            "sst bind next build",
            "sh -c 'next build'",
            "bash -ec \"next build\"",
            "bash -o pipefail -c \"next build\"",
            "time -p next build",
            "nice -n 5 next build",
            "timeout -k 5 60 next build",
            "exec next build",
            "command next build",
            "nx exec -- next build",
            "NODE_ENV=production time exec env A=$B next build",
            "npx dotenv -e x -- cross-env A=1 sh -c 'A=2 exec next build'",
            "pnpm exec dotenvx run -- next build",
        ] {
            let found: Vec<Vec<String>> = parse(script).into_iter().map(|one| one.words).collect();
            assert_eq!(found, [["next", "build"]], "{script}");
        }
        let asked = &parse("command -v node")[0].words;
        assert_eq!(asked, &["command", "-v", "node"]);
        assert_eq!(parse("dotenvx encrypt")[0].words, ["dotenvx", "encrypt"]);
        assert_eq!(parse("env")[0].words, ["env"]);
        let env =
            &parse("A=1 cross-env B='x y' C=$(date) D=${D:-4} E=$F sh -c 'G=5 node x'")[0].env;
        let env: Vec<String> = env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(env, ["A=1", "B=x y", "D=4", "G=5"]);
    }
}
