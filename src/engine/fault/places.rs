//! Finds the places in the workspace's files that tools of a build complain about.
//!
//! Input: a log without terminal escapes, the directory of the package whose task failed, and the paths
//! of the workspace's files. Output: [`Place`]s. What names no file of the workspace is passed over.

use serde::Serialize;

/// The most places that one failure has: GitHub shows ten of a step.
const MAX: usize = 10;

/// The longest message in characters.
const MAX_MESSAGE: usize = 500;

/// How many lines may lie between the parts of a complaint.
const NEAR: usize = 6;

/// A place in a file, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Place {
    /// The file, from the workspace's root.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, if it is known.
    pub column: Option<u32>,
    /// The tool's words.
    pub message: String,
}

/// A place as a tool writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot<'l> {
    path: &'l str,
    line: u32,
    column: Option<u32>,
    /// What follows on the line.
    rest: &'l str,
}

/// A way in which tools name a place. It reads the lines from `at` on, and may look back.
type Format = for<'l> fn(lines: &[&'l str], at: usize) -> Option<(Spot<'l>, &'l str)>;

/// The ways, by the tools that write so.
const FORMATS: [Format; 6] = [tsc, tsc_pretty, esbuild, rollup, next, node];

/// All places that a log names, in its order, each once.
pub(super) fn places(log: &str, dir: &str, files: &[&str]) -> Vec<Place> {
    let lines: Vec<&str> = log.lines().collect();
    let mut found: Vec<Place> = Vec::new();
    // ESLint and `next lint` name a file once, above what is wrong in it.
    let mut above: Option<String> = None;
    for (at, line) in lines.iter().enumerate() {
        let by_format = FORMATS.iter().find_map(|format| {
            let (spot, message) = format(&lines, at)?;
            let file = file(spot.path, dir, files)?;
            Some((file, spot, message))
        });
        let by_list = || {
            let (spot, message) = listed(line)?;
            Some((above.clone()?, spot, message))
        };
        if let Some((file, spot, message)) = by_format.or_else(by_list) {
            let place = Place {
                file,
                line: spot.line,
                column: spot.column,
                message: message.trim().chars().take(MAX_MESSAGE).collect(),
            };
            let known = |other: &Place| (&other.file, other.line) == (&place.file, place.line);
            if !place.message.is_empty() && !found.iter().any(known) {
                found.push(place);
            }
        } else if line.trim().is_empty() {
            above = None;
        } else if let Some(named) = file(line.trim(), dir, files) {
            above = Some(named);
        }
    }
    found.truncate(MAX);
    found
}

/// `src/main.ts(12,5): error TS2322: Type 'string' is not assignable to type 'number'.`
fn tsc<'l>(lines: &[&'l str], at: usize) -> Option<(Spot<'l>, &'l str)> {
    let (path, rest) = lines[at].split_once('(')?;
    let (position, rest) = rest.split_once("): error ")?;
    let (line, column) = position.split_once(',')?;
    let spot = Spot {
        path: path.trim(),
        line: line.parse().ok()?,
        column: column.parse().ok(),
        rest,
    };
    Some((spot, rest))
}

/// `src/main.ts:12:5 - error TS2322: …`, and esbuild within vite: `/app/src/main.ts:3:7: ERROR: …`
fn tsc_pretty<'l>(lines: &[&'l str], at: usize) -> Option<(Spot<'l>, &'l str)> {
    let spot = spot(lines[at].trim())?;
    let marks = [" - error ", ": ERROR: ", ": error: "];
    let message = marks.iter().find_map(|mark| spot.rest.strip_prefix(mark))?;
    Some((spot, message))
}

/// `✘ [ERROR] Could not resolve "x"`, and below it `    src/main.ts:1:18:`
fn esbuild<'l>(lines: &[&'l str], at: usize) -> Option<(Spot<'l>, &'l str)> {
    let (_, message) = lines[at].split_once("[ERROR] ")?;
    let below = lines.iter().skip(at + 1).take(NEAR);
    let spot = below
        .map(|line| line.trim())
        .take_while(|line| !line.contains("[ERROR] "))
        .find_map(spot)
        .filter(|spot| spot.rest == ":")?;
    Some((spot, message))
}

/// `file: /app/src/main.tsx:3:7`, and the message above it.
fn rollup<'l>(lines: &[&'l str], at: usize) -> Option<(Spot<'l>, &'l str)> {
    let place = lines[at].trim().strip_prefix("file: ")?;
    let spot = spot(place).filter(|spot| spot.rest.is_empty())?;
    let message = lines[..at]
        .iter()
        .rev()
        .find(|line| !line.trim().is_empty())?;
    Some((spot, *message))
}

/// `./app/page.tsx:12:5`, and the message below it.
fn next<'l>(lines: &[&'l str], at: usize) -> Option<(Spot<'l>, &'l str)> {
    let spot = spot(lines[at].trim()).filter(|spot| spot.rest.is_empty())?;
    let message = lines.get(at + 1)?.trim();
    let told = [
        "Type error: ",
        "Error: ",
        "Syntax Error",
        "Module not found: ",
    ];
    let is_told = told.iter().any(|start| message.starts_with(start));
    is_told.then_some((spot, message))
}

/// `file:///app/apps/api/build.mjs:3`, and below it `SyntaxError: …`
fn node<'l>(lines: &[&'l str], at: usize) -> Option<(Spot<'l>, &'l str)> {
    let line = lines[at].trim();
    let place = line.strip_prefix("file://").unwrap_or(line);
    let (path, number) = place.rsplit_once(':')?;
    let spot = Spot {
        path: Some(path).filter(|path| path.starts_with('/'))?,
        line: number.parse().ok()?,
        column: None,
        rest: "",
    };
    let below = lines.iter().skip(at + 1).take(NEAR);
    let message = below.map(|line| line.trim()).find(|line| {
        let kind = line.split(':').next().unwrap_or_default();
        kind.ends_with("Error") && kind.chars().all(char::is_alphanumeric)
    })?;
    Some((spot, message))
}

/// `ESLint`'s `  12:5  error  'x' is assigned a value but never used  no-unused-vars`, and `12:5  Error: …`
/// of `next lint`.
fn listed(line: &str) -> Option<(Spot<'_>, &str)> {
    let line = line.trim();
    let (position, rest) = line.split_once(char::is_whitespace)?;
    let (number, column) = position.split_once(':')?;
    let rest = rest.trim_start();
    let message = ["error ", "Error: "]
        .iter()
        .find_map(|mark| rest.strip_prefix(mark))?;
    let spot = Spot {
        path: "",
        line: number.parse().ok()?,
        column: Some(column.parse().ok()?),
        rest,
    };
    Some((spot, message))
}

/// A text that begins with `PATH:LINE:COLUMN`.
fn spot(text: &str) -> Option<Spot<'_>> {
    text.match_indices(':').find_map(|(at, _)| {
        let (line, rest) = number(&text[at + 1..])?;
        let (column, rest) = number(rest.strip_prefix(':')?)?;
        let path = Some(&text[..at]).filter(|path| !path.is_empty())?;
        Some(Spot {
            path,
            line,
            column: Some(column),
            rest,
        })
    })
}

/// A number at the start of a text, and the rest.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit());
    let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
    Some((digits.parse().ok()?, rest))
}

/// The file of the workspace that a tool means: from the package, from the root, or by a whole path of
/// the machine that builds.
fn file(path: &str, dir: &str, files: &[&str]) -> Option<String> {
    if path.len() > 1000 || path.contains(char::is_whitespace) && !path.contains('/') {
        return None;
    }
    if path.starts_with('/') {
        let below = |file: &&&str| {
            let rest = path.strip_suffix(**file);
            rest.is_some_and(|rest| rest.ends_with('/'))
        };
        // The longest, since `src/main.ts` may be in every package.
        let found = files.iter().filter(below).max_by_key(|file| file.len());
        return found.map(|file| (*file).to_owned());
    }
    let candidates = [joined(dir, path), joined(".", path)];
    let mut known = candidates.into_iter().flatten();
    known.find(|path| files.contains(&path.as_str()))
}

/// A relative path from a directory, without `.` and `..`; `None` if it leads out.
fn joined(dir: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in dir.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 7] = [
        "apps/server/src/main.ts",
        "apps/site/src/main.tsx",
        "apps/site/src/nope.ts",
        "apps/web/app/page.tsx",
        "packages/ui/src/button.tsx",
        "src/main.ts",
        "turbo.json",
    ];

    /// What real tools wrote, in a package's directory, and what that means.
    const LOGS: [(&str, &str, &str, &str); 14] = [
        (
            "tsc",
            "apps/server",
            "src/main.ts(12,5): error TS2322: Type 'string' is not assignable to type 'number'.\n ELIFECYCLE  Command failed with exit code 2.",
            "apps/server/src/main.ts:12:5 TS2322: Type 'string' is not assignable to type 'number'.",
        ),
        (
            "tsc --pretty",
            "apps/server",
            "src/main.ts:12:5 - error TS2322: Type 'string' is not assignable to type 'number'.\n\n12     x = 'a';\n       ~\n",
            "apps/server/src/main.ts:12:5 TS2322: Type 'string' is not assignable to type 'number'.",
        ),
        (
            "tsc in another package",
            "apps/site",
            "../../packages/ui/src/button.tsx(3,1): error TS1005: ';' expected.",
            "packages/ui/src/button.tsx:3:1 TS1005: ';' expected.",
        ),
        (
            "eslint",
            "apps/server",
            "/app/apps/server/src/main.ts\n   3:7  warning  odd  some-rule\n  12:5  error    'x' is assigned a value but never used  no-unused-vars\n\n✖ 2 problems (1 error, 1 warning)\n",
            "apps/server/src/main.ts:12:5 'x' is assigned a value but never used  no-unused-vars",
        ),
        (
            "esbuild",
            "apps/server",
            "✘ [ERROR] Could not resolve \"left-pad\"\n\n    src/main.ts:1:18:\n      1 │ import pad from \"left-pad\";\n        ╵                 ~~~~~~~~~~\n",
            "apps/server/src/main.ts:1:18 Could not resolve \"left-pad\"",
        ),
        (
            "tsup",
            "apps/server",
            "X [ERROR] Expected \";\" but found \"x\"\n\n    src/main.ts:2:4:\n",
            "apps/server/src/main.ts:2:4 Expected \";\" but found \"x\"",
        ),
        (
            "vite, by esbuild",
            "apps/site",
            "error during build:\n[vite:esbuild] Transform failed with 1 error:\n/app/apps/site/src/main.tsx:3:7: ERROR: Expected \";\" but found \"x\"\nfile: /app/apps/site/src/main.tsx:3:7\n",
            "apps/site/src/main.tsx:3:7 Expected \";\" but found \"x\"",
        ),
        (
            "vite, by rollup",
            "apps/site",
            "error during build:\nsrc/main.tsx (1:9): \"gone\" is not exported by \"src/nope.ts\", imported by \"src/main.tsx\".\nfile: /app/apps/site/src/main.tsx:1:9\n\n1: import { gone } from './nope';\n",
            "apps/site/src/main.tsx:1:9 src/main.tsx (1:9): \"gone\" is not exported by \"src/nope.ts\", imported by \"src/main.tsx\".",
        ),
        (
            "next build",
            "apps/web",
            "Failed to compile.\n\n./app/page.tsx:12:5\nType error: Type 'string' is not assignable to type 'number'.\n\n  10 |\n",
            "apps/web/app/page.tsx:12:5 Type error: Type 'string' is not assignable to type 'number'.",
        ),
        (
            "next lint",
            "apps/web",
            "Failed to compile.\n\n./app/page.tsx\n12:5  Error: 'x' is assigned a value but never used.  @typescript-eslint/no-unused-vars\n",
            "apps/web/app/page.tsx:12:5 'x' is assigned a value but never used.  @typescript-eslint/no-unused-vars",
        ),
        (
            "node",
            "apps/server",
            "file:///app/apps/server/src/main.ts:3\nconst = 1;\n      ^\n\nSyntaxError: Unexpected token '='\n    at compileSourceTextModule (node:internal)\n",
            "apps/server/src/main.ts:3 SyntaxError: Unexpected token '='",
        ),
        (
            "the root",
            ".",
            "src/main.ts(1,1): error TS1005: x",
            "src/main.ts:1:1 TS1005: x",
        ),
        (
            "a file that is not of the workspace",
            "apps/server",
            "node_modules/x/index.d.ts(1,1): error TS1005: x\n../../../etc/passwd(1,1): error TS1: x\nfile:///etc/passwd:3\nSyntaxError: x\n",
            "",
        ),
        (
            "no place at all",
            "apps/server",
            "at 12:30:45 error nothing\nsrc/main.ts\n1:x error y\n::error file=src/main.ts::x\n:1:1: ERROR: x",
            "",
        ),
    ];

    #[test]
    fn tools_are_understood() {
        for (tool, dir, log, expected) in LOGS {
            let places = places(log, dir, &FILES);
            let told: Vec<String> = places
                .iter()
                .map(|place| {
                    let column = place.column.map_or(String::new(), |at| format!(":{at}"));
                    format!("{}:{}{column} {}", place.file, place.line, place.message)
                })
                .collect();
            assert_eq!(told.join("\n"), expected, "{tool}");
        }
    }

    #[test]
    fn each_line_counts_once_and_there_is_a_limit() {
        let line = |at: usize| format!("src/main.ts({at},1): error TS1: x\n");
        let log: String = (1..30).chain(1..30).map(line).collect();
        let places = places(&log, "apps/server", &FILES);
        let lines: Vec<u32> = places.iter().map(|place| place.line).collect();
        assert_eq!(lines, (1..=10).collect::<Vec<u32>>());
    }
}
