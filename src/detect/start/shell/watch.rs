//! Programs that restart an app when a file changes, and the commands that they restart.

use crate::detect::script::{Command, parse};

/// Such a program, those of its options that take a value, and the program that it runs files with.
struct Watcher {
    words: &'static [&'static str],
    values: &'static [&'static str],
    runs: &'static str,
}

const WATCHERS: [Watcher; 5] = [
    Watcher {
        words: &["nodemon"],
        values: &[
            "-w", "--watch", "-e", "--ext", "-i", "--ignore", "-d", "--delay", "-s", "--signal",
            "--config", "--cwd",
        ],
        runs: "node",
    },
    Watcher {
        words: &["node-dev"],
        values: &["--notify"],
        runs: "node",
    },
    Watcher {
        words: &["tsx", "watch"],
        values: &["--include", "--exclude", "--ignore"],
        runs: "tsx",
    },
    Watcher {
        words: &["ts-node-dev"],
        values: TS_NODE_DEV,
        runs: "ts-node",
    },
    Watcher {
        words: &["tsnd"],
        values: TS_NODE_DEV,
        runs: "ts-node",
    },
];

const TS_NODE_DEV: &[&str] = &["--watch", "--ignore-watch", "--interval", "--debounce"];

/// The command without the program that watches; `None` if there is no such program.
pub(in crate::detect::start) fn watched(command: &Command) -> Option<Command> {
    let fits = |one: &&Watcher| {
        let mut own = command.words.iter();
        let mut words = one.words.iter();
        words.all(|word| own.next().is_some_and(|own| own == word))
    };
    let watcher = WATCHERS.iter().find(fits)?;
    let mut rest = command.words[watcher.words.len()..].iter();
    let mut runs = vec![watcher.runs.to_owned()];
    while let Some(word) = rest.next() {
        if ["-x", "--exec"].contains(&word.as_str()) && watcher.words == ["nodemon"] {
            let [only] = &parse(rest.next()?)[..] else {
                return None;
            };
            runs.clone_from(&only.words);
        } else if !word.starts_with('-') {
            runs.push(word.clone());
            runs.extend(rest.cloned());
            break;
        } else if watcher.values.contains(&word.as_str()) {
            rest.next()?;
        }
    }
    Some(command.with_words(runs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched_is_told_from_who_watches() {
        let runs = |script: &str| {
            let [command] = &parse(script)[..] else {
                panic!("{script}")
            };
            watched(command).map(|command| command.words.join(" "))
        };
        for (script, expected) in [
            ("nodemon app.js --x", "node app.js --x"),
            ("nodemon -w src --ext js,json -q app.js", "node app.js"),
            (
                "nodemon --exec 'tsx --env-file=.env' src/a.ts",
                "tsx --env-file=.env src/a.ts",
            ),
            (
                "nodemon --watch src -x \"node dist/main.js\"",
                "node dist/main.js",
            ),
            (
                "tsx watch --clear-screen=false src/a.ts 1",
                "tsx src/a.ts 1",
            ),
            (
                "ts-node-dev --respawn --ignore-watch x src/a.ts",
                "ts-node src/a.ts",
            ),
            ("node-dev app.js", "node app.js"),
        ] {
            assert_eq!(runs(script).as_deref(), Some(expected), "{script}");
        }
        assert_eq!(runs("tsx src/a.ts"), None);
        assert_eq!(runs("nodemon -x 'a && b'"), None);
    }
}
