//! Removes from a start script what the build has done, and commands that only print.

use crate::detect::script::{Command, Line, Piece};
use crate::detect::subject::Subject;

/// Programs that build or check, which is done before the image exists.
const BUILDS: [&str; 24] = [
    "tsc",
    "tsc-alias",
    "tsup",
    "tsdown",
    "swc",
    "babel",
    "esbuild",
    "rollup",
    "rolldown",
    "webpack",
    "unbuild",
    "ncc",
    "rimraf",
    "del-cli",
    "copyfiles",
    "cpx",
    "eslint",
    "prettier",
    "biome",
    "vue-tsc",
    "resolve-tspaths",
    "tspc",
    "microbundle",
    "pkgroll",
];

/// Build commands of several words.
const BUILD_WORDS: [&str; 6] = [
    "nest build",
    "prisma generate",
    "next build",
    "vite build",
    "nuxt build",
    "react-router build",
];

/// Programs that only print.
const WORDS: [&str; 3] = ["echo", "clear", "true"];

/// Programs that start an app for development.
const DEVELOPMENT: [&str; 12] = [
    "nodemon",
    "ts-node-dev",
    "tsnd",
    "tsc-watch",
    "vite",
    "webpack",
    "webpack-dev-server",
    "wrangler",
    "netlify",
    "vercel",
    "parcel",
    "node-dev",
];

/// Words that mark a development start: `tsx watch`, `node --watch`.
const WATCHES: [&str; 5] = ["watch", "--watch", "dev", "develop", "--hot"];

/// Whether a command starts an app for development.
pub(in crate::detect) fn is_for_development(command: &Command) -> bool {
    DEVELOPMENT.contains(&command.program())
        || command
            .words
            .iter()
            .skip(1)
            .take(2)
            .any(|word| WATCHES.contains(&&**word))
}

/// The single command that a script comes down to, if node can run it without a shell.
pub(crate) fn plain(subject: &Subject<'_>, script: &str) -> Option<Command> {
    single(&line(subject, script)).cloned()
}

/// A script without what is already done.
pub(super) fn line(subject: &Subject<'_>, script: &str) -> Line {
    let built = subject.build();
    let is_done = |command: &Command| {
        let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
        built.iter().any(|one| one.words == command.words)
            || BUILDS.contains(&command.program())
            || BUILD_WORDS.iter().any(|begin| command.runs(begin))
            || (WORDS.contains(&command.program()) && command.redirections().is_empty())
            || words.is_empty() && command.env.is_empty() && command.open.is_empty()
    };
    let built_all = |pieces: Vec<Piece>| normal(Line { pieces }, &is_done);
    let line = subject.scripts().line(script);
    let only_builds = line.commands().iter().all(is_done);
    if only_builds {
        line
    } else {
        built_all(line.pieces)
    }
}

fn normal(line: Line, is_done: &dyn Fn(&Command) -> bool) -> Line {
    let is_list = |pieces: &[Piece], marks: &[&str]| {
        let mut all = pieces.iter();
        all.all(|piece| !matches!(piece, Piece::Mark(mark) if !marks.contains(&&**mark)))
    };
    let plain = is_list(&line.pieces, &["&&", ";"]);
    let strict = is_list(&line.pieces, &["&&"]);
    let source = line.pieces.iter().filter(|_| plain).find_map(source);
    let mut pieces = Vec::new();
    for piece in line.pieces {
        match piece {
            // The image holds no file of variables.
            piece if source.is_some() && is_of_source(&piece) => {}
            Piece::Command(mut command) if source.is_some() => {
                command.note_leader(source.as_deref().unwrap_or_default());
                pieces.push(Piece::Command(command));
            }
            Piece::Command(command) if plain && is_done(&command) => {}
            Piece::Line(inner, files) => {
                let inner = normal(inner, is_done);
                match inner.pieces.len() {
                    0 => {}
                    1 if files.is_empty() => pieces.extend(inner.pieces),
                    _ if files.is_empty() && strict && is_list(&inner.pieces, &["&&"]) => {
                        pieces.extend(inner.pieces);
                    }
                    _ => pieces.push(Piece::Line(inner, files)),
                }
            }
            Piece::Lines(lines, end) => {
                let lines = lines.into_iter().map(|line| normal(line, is_done));
                pieces.push(Piece::Lines(
                    lines.filter(|line| !line.pieces.is_empty()).collect(),
                    end,
                ));
            }
            other => pieces.push(other),
        }
    }
    if plain {
        pieces = joined(pieces);
    }
    Line { pieces }
}

/// The program by which a piece reads a file of variables.
fn source(piece: &Piece) -> Option<String> {
    match piece {
        Piece::Command(command) | Piece::File(command, _) if command.reads_variables() => {
            Some(command.program().to_owned())
        }
        _ => None,
    }
}

/// Whether a piece reads an env file, or makes the shell export what such a file sets (`set -a`).
fn is_of_source(piece: &Piece) -> bool {
    let marks = ["-a", "+a", "-o allexport", "+o allexport"];
    let sets = |command: &Command| {
        command.program() == "set" && marks.contains(&&*command.words[1..].join(" "))
    };
    source(piece).is_some() || matches!(piece, Piece::Command(command) if sets(command))
}

/// The pieces of a list, without operators whose operands were removed.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut found: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (&piece, found.last_mut()) {
            (Piece::Mark(_), None) => {}
            // What was taken out went well: `a && OUT; b` runs `b` whatever `a` does.
            (Piece::Mark(mark), Some(Piece::Mark(last))) => {
                if mark == ";" {
                    last.clone_from(mark);
                }
            }
            _ => found.push(piece),
        }
    }
    while matches!(found.last(), Some(Piece::Mark(_))) {
        found.pop();
    }
    found
}

/// The only command of a line, if it needs no shell.
pub(super) fn single(line: &Line) -> Option<&Command> {
    let [Piece::Command(command)] = &line.pieces[..] else {
        return None;
    };
    (command.redirections().is_empty() && command.open.is_empty()).then_some(command)
}
