//! Scripts of a `package.json`, read as the commands that a shell would run. Nothing is run; what is not understood is left alone.

use crate::workspace::manifest::package::Manifest;

/// One command of a script, with what stood before it taken off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// `NAME=value` before the program, or given to `cross-env`.
    pub env: Vec<(String, String)>,
    /// The program and its arguments.
    pub words: Vec<String>,
}

impl Command {
    /// The program.
    pub fn program(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Whether a package manager is told to run something in other packages than this one: `pnpm -r build`.
    pub fn is_elsewhere(&self) -> bool {
        let flags = [
            "-r",
            "--recursive",
            "-F",
            "--filter",
            "-C",
            "--dir",
            "--prefix",
            "-w",
            "--workspace-root",
            "--workspace",
            "--workspaces",
        ];
        // Behind the script's name they are the script's own.
        let before = self.words.iter().skip(1);
        let mut before = before.take_while(|word| word.starts_with('-') || *word == "run");
        before.any(|word| flags.contains(&word.split('=').next().unwrap_or_default()))
    }

    /// The value that follows one of `flags`: `-p tsconfig.build.json`, `--project=…`.
    pub fn flag(&self, flags: &[&str]) -> Option<&str> {
        self.words.iter().enumerate().find_map(|(at, word)| {
            if flags.contains(&word.as_str()) {
                return self.words.get(at + 1).map(String::as_str);
            }
            let (name, value) = word.split_once('=')?;
            flags.contains(&name).then_some(value)
        })
    }
}

/// How deep scripts may call each other. What is called deeper is left as it stands.
const DEPTH: usize = 32;

/// How many bytes of scripts are followed together: scripts that call others twice each come to more than anybody can read.
const TEXT: usize = 1 << 20;

/// The commands of a script in order, following `pnpm run x` into the other scripts of the manifest.
pub fn commands(manifest: &Manifest, script: &str) -> Vec<Command> {
    let mut follow = Follow {
        manifest,
        path: vec![script.to_owned()],
        left: TEXT,
        found: Vec::new(),
    };
    follow.collect(script, &[]);
    follow.found
}

struct Follow<'m> {
    manifest: &'m Manifest,
    /// The scripts on the way to the one that is read now.
    path: Vec<String>,
    /// How many bytes may still be followed.
    left: usize,
    found: Vec<Command>,
}

impl Follow<'_> {
    fn collect(&mut self, script: &str, more: &[String]) {
        let text = self.manifest.script(script).unwrap_or_default();
        for command in parse_with(text, more) {
            match called_script(self.manifest, &command) {
                Some((inner, more)) if self.may_follow(&inner) => {
                    self.path.push(inner.clone());
                    self.collect(&inner, more);
                    self.path.pop();
                }
                _ => self.found.push(command),
            }
        }
    }

    /// Whether a script may be followed, which counts what it takes.
    fn may_follow(&mut self, script: &String) -> bool {
        if self.path.contains(script) || self.path.len() == DEPTH {
            return false;
        }
        let text = self.manifest.script(script).unwrap_or_default();
        // A script without a text takes its time too.
        let left = self.left.checked_sub(text.len() + script.len());
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

/// The script that a command of a package manager runs, and what is appended to it: `pnpm with-env vite build`.
pub fn called_script<'c>(
    manifest: &Manifest,
    command: &'c Command,
) -> Option<(String, &'c [String])> {
    if !matches!(command.program(), "pnpm" | "npm" | "yarn" | "bun") || command.is_elsewhere() {
        return None;
    }
    let mut words = command
        .words
        .iter()
        .enumerate()
        .skip(1)
        .filter(|(_, word)| !word.starts_with('-'));
    let (mut at, mut name) = words.next()?;
    if matches!(name.as_str(), "run" | "run-script") {
        (at, name) = words.next()?;
    }
    manifest.script(name)?;
    let more = &command.words[at + 1..];
    let more = more.strip_prefix(&["--".to_owned()]).unwrap_or(more);
    Some((name.clone(), more))
}

/// Splits a script at `&&`, `||`, `;` and `|` and takes off what only sets the stage: variables, `cross-env`, `exec`, `dotenv --`.
pub fn parse(script: &str) -> Vec<Command> {
    parse_with(script, &[])
}

/// The same, with words that are appended to the script.
fn parse_with(script: &str, more: &[String]) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut current = Vec::new();
    for word in words(script) {
        match word.as_str() {
            "&&" | "||" | ";" | "|" | "&" => commands.push(std::mem::take(&mut current)),
            _ => current.push(word),
        }
    }
    current.extend_from_slice(more);
    commands.push(current);
    commands
        .into_iter()
        .map(unwrap)
        .filter(|command| !command.words.is_empty())
        .collect()
}

fn unwrap(words: Vec<String>) -> Command {
    let mut command = Command::default();
    let mut rest = words.into_iter().peekable();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "cross-env" | "cross-env-shell" | "env" | "exec" | "npx" => {}
            "dotenv" | "dotenvx" | "dotenv-flow" | "env-cmd" => {
                // Everything up to `--` configures the wrapper.
                for skipped in rest.by_ref() {
                    if skipped == "--" {
                        break;
                    }
                }
            }
            other => match other.split_once('=') {
                Some((name, value)) if is_variable(name) => {
                    command.env.push((name.to_owned(), value.to_owned()));
                }
                _ => {
                    command.words.push(word);
                    command.words.extend(rest.by_ref());
                }
            },
        }
    }
    command
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Words as a shell parts them: quotes hold together, operators stand alone.
fn words(script: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = script.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' | '"' => {
                let text = word.get_or_insert_default();
                while let Some(inner) = letters.next() {
                    match inner {
                        _ if inner == letter => break,
                        '\\' if letter == '"' => text.extend(letters.next()),
                        _ => text.push(inner),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(letters.next()),
            ' ' | '\t' | '\n' => found.extend(word.take()),
            '&' | '|' | ';' => {
                found.extend(word.take());
                let mut operator = letter.to_string();
                operator.extend(letters.next_if_eq(&letter));
                found.push(operator);
            }
            _ => word.get_or_insert_default().push(letter),
        }
    }
    found.extend(word);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(script: &str) -> Vec<String> {
        parse(script)
            .iter()
            .map(|command| command.words.join(" "))
            .collect()
    }

    #[test]
    fn commands_without_their_wrappers() {
        assert_eq!(shown("pnpm gen && nest build"), ["pnpm gen", "nest build"]);
        assert_eq!(
            shown("NODE_ENV=production cross-env PORT=1 node dist/main"),
            ["node dist/main"]
        );
        assert_eq!(shown("dotenv -e ../.env -- node 'a b.js'"), ["node a b.js"]);
        assert_eq!(shown("a;b||c"), ["a", "b", "c"]);
        assert_eq!(
            parse("A=1 cross-env B=2 node x")[0].env,
            [("A".into(), "1".into()), ("B".into(), "2".into())]
        );
    }

    #[test]
    fn scripts_that_call_each_other_many_times_come_to_an_end() {
        let all = |count: usize, calls: &str| {
            let scripts: Vec<String> = (0..count)
                .map(|at| {
                    let inner = format!("pnpm s{}", at + 1);
                    format!(r#""s{at}": "{}""#, calls.replace('@', &inner))
                })
                .chain([format!(r#""s{count}": "tsc""#)])
                .collect();
            let text = format!(r#"{{"scripts": {{{}}}}}"#, scripts.join(", "));
            let manifest = Manifest::parse("package.json", &text).unwrap();
            commands(&manifest, "s0")
        };
        assert!(all(30, "@ && @").len() < 1 << 20);
        assert_eq!(all(20, "@").len(), 1);
        assert_eq!(all(20, "@")[0].program(), "tsc");
        assert_eq!(all(10_000, "@")[0].program(), "pnpm");
    }

    #[test]
    fn follows_scripts() {
        let text = r#"{"scripts": {"build": "pnpm run gen && npm run compile", "gen": "gen", "compile": "tsc -p x.json", "loop": "pnpm loop"}}"#;
        let manifest = Manifest::parse("package.json", text).unwrap();
        let found = commands(&manifest, "build");
        assert_eq!(
            found.iter().map(Command::program).collect::<Vec<_>>(),
            ["gen", "tsc"]
        );
        assert_eq!(found[1].flag(&["-p", "--project"]), Some("x.json"));
        assert_eq!(commands(&manifest, "loop").len(), 1);
        let text = r#"{"scripts": {"all": "pnpm -r build && pnpm --filter a run build && npm run build -- -w", "build": "tsc"}}"#;
        let manifest = Manifest::parse("package.json", text).unwrap();
        assert_eq!(
            commands(&manifest, "all")
                .iter()
                .map(|command| command.words.join(" "))
                .collect::<Vec<_>>(),
            ["pnpm -r build", "pnpm --filter a run build", "tsc -w"]
        );
        let text = r#"{"scripts": {"build": "pnpm with-env vite build", "with-env": "dotenv -e ../../.env --", "start": "npm run serve -- -p 1", "serve": "node x"}}"#;
        let manifest = Manifest::parse("package.json", text).unwrap();
        assert_eq!(commands(&manifest, "build")[0].words, ["vite", "build"]);
        assert_eq!(
            commands(&manifest, "start")[0].words,
            ["node", "x", "-p", "1"]
        );
    }
}
