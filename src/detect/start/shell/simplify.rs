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
pub(super) fn is_for_development(command: &Command) -> bool {
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
    let mut pieces = Vec::new();
    for piece in line.pieces {
        match piece {
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

/// The pieces of a list, without operators whose operands were removed.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut found: Vec<Piece> = Vec::new();
    for piece in pieces {
        let is_mark = matches!(piece, Piece::Mark(_));
        let after_mark = found
            .last()
            .is_none_or(|last| matches!(last, Piece::Mark(_)));
        if !(is_mark && after_mark) {
            found.push(piece);
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
