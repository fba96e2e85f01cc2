//! TypeScript that node runs without a loader: which versions do, and which files they refuse.
//!
//! Input: node's version and options, and a file. Output: the reason why node will not run it, if
//! that is certain. The proof asks the image's own node (`templates/verify.mjs`), and so finds what
//! is uncertain here.

use crate::workspace::javascript::Token::{self, Filled, Sign, Word};
use crate::workspace::javascript::tokens;

/// The extensions of TypeScript files.
pub const EXTENSIONS: [&str; 4] = [".ts", ".tsx", ".mts", ".cts"];

/// Whether a file is TypeScript by its name.
pub fn is_typescript(path: &str) -> bool {
    EXTENSIONS.iter().any(|end| path.ends_with(end))
}

/// What node does with TypeScript, see <https://nodejs.org/api/typescript.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// It does not know the extension.
    Nothing,
    /// It strips types. It refuses syntax that is more than a type.
    Types,
    /// It also compiles syntax that is more than a type.
    All,
}

/// The major and minor number of a version. A release line (`22`) stands for its newest release.
pub fn numbers(node: &str) -> Option<(u32, u32)> {
    let mut parts = node.split('.').map(|part| part.parse().ok());
    let major: u32 = parts.next().flatten()?;
    Some((major, parts.next().flatten().unwrap_or(u32::MAX)))
}

impl Takes {
    /// What this version of node does when it is started with these options.
    pub fn of<'o>(node: &str, options: impl Iterator<Item = &'o str>) -> Self {
        let Some(version) = numbers(node) else {
            return Self::All;
        };
        // On by default since 22.18 and 23.6.
        let mut found = match version {
            (22, 18..) | (23, 6..) | (24.., _) => Self::Types,
            _ => Self::Nothing,
        };
        let has_option = version >= (22, 6);
        for option in options {
            match option {
                "--experimental-strip-types" | "--strip-types" if has_option => {
                    found = Self::Types;
                }
                "--experimental-transform-types" if version >= (22, 7) => found = Self::All,
                "--no-experimental-strip-types" | "--no-strip-types" => found = Self::Nothing,
                _ => {}
            }
        }
        found
    }
}

/// Why node does not run a file, and what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong, as the end of a sentence that begins with the file's name.
    pub problem: String,
    /// What the user can do instead.
    pub fix: &'static str,
}

const NEWER_NODE_HINT: &str = "take a node that does with `--node 24` (22.18, 23.6 and later do), compile it in a `build` script and name the output, or start the app through tsx: `tsx FILE` in the `start` script, with tsx among `dependencies`";
const COMPILE: &str = "compile it in a `build` script and name the output, or start the app through tsx: `tsx FILE` in the `start` script, with tsx among `dependencies`";
const INSTALLED: &str = "name it as `workspace:*` without `injected`, so that it is no copy, or compile it in a `build` script and name the output in its `exports`";

/// Why node does not run a TypeScript file; `None` if it does, or if that is uncertain. `installed`
/// says that the file is below `node_modules`.
pub fn refused(
    node: &str,
    takes: Takes,
    path: &str,
    text: &str,
    installed: bool,
) -> Option<Refused> {
    if !is_typescript(path) {
        return None;
    }
    let no = |problem: String, fix| Some(Refused { problem, fix });
    if takes == Takes::Nothing {
        return no(
            format!("is TypeScript, which node {node} does not run"),
            NEWER_NODE_HINT,
        );
    }
    if installed {
        let problem = "is TypeScript that is installed below node_modules, where node runs none";
        return no(problem.to_owned(), INSTALLED);
    }
    if path.ends_with(".tsx") {
        return no(
            "has the ending .tsx, which node does not run".to_owned(),
            COMPILE,
        );
    }
    let (line, what) = more_than_types(text, takes)?;
    no(
        format!(
            "has {what} in line {line}, and node takes out types alone: it does not run {what}"
        ),
        COMPILE,
    )
}

/// The first syntax in a text that is more than a type, with its line.
fn more_than_types(text: &str, takes: Takes) -> Option<(usize, &'static str)> {
    let tokens = tokens(text);
    // In a template literal within another one, text may have been tokenised as code.
    let torn = |token: &Token<'_>| matches!(token, Filled(text) if text.rsplit_once("${").is_some_and(|(_, rest)| !rest.contains('}')));
    if tokens.iter().any(torn) {
        return None;
    }
    let line = |word: &str| {
        let at = word.as_ptr() as usize - text.as_ptr() as usize;
        text[..at].matches('\n').count() + 1
    };
    (0..tokens.len()).find_map(|at| {
        let before = |back: usize| at.checked_sub(back).map(|at| tokens[at]);
        let declared = before(1) == Some(Word("declare")) || before(2) == Some(Word("declare"));
        match &tokens[at..] {
            [Sign('@'), Word(word), Sign('(' | '.' | '@') | Word(_), ..]
                if matches!(
                    before(1),
                    None | Some(Sign(';' | '{' | '}' | '(' | ',' | ')'))
                ) =>
            {
                Some((line(word), "a decorator"))
            }
            _ if takes == Takes::All => None,
            [Word(word @ "enum"), Word(_), Sign('{'), ..]
                if !declared && before(1) != Some(Sign('.')) =>
            {
                Some((line(word), "an `enum`"))
            }
            [Word(word @ "import"), Word(_), Sign('='), ..] => Some((line(word), "`import … =`")),
            [Word(word @ "export"), Sign('='), ..] => Some((line(word), "`export =`")),
            [Word(word @ "constructor"), Sign('('), rest @ ..] if has_property(rest) => {
                Some((line(word), "a parameter property"))
            }
            _ => None,
        }
    })
}

/// Whether a parameter in this list is also a property: `(private x: number)`.
fn has_property(list: &[Token<'_>]) -> bool {
    let (mut depth, mut first) = (0, true);
    for pair in list.windows(2) {
        match pair[0] {
            Sign('(' | '[' | '{') => depth += 1,
            Sign(')') if depth == 0 => return false,
            Sign(')' | ']' | '}') => depth -= 1,
            Word("private" | "public" | "protected" | "readonly" | "override")
                if first && depth == 0 && matches!(pair[1], Word(_)) =>
            {
                return true;
            }
            _ => {}
        }
        first = depth == 0 && pair[0] == Sign(',');
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_options_tell_what_node_takes() {
        for (node, options, expected) in [
            ("20", "", Takes::Nothing),
            ("20", "--experimental-strip-types", Takes::Nothing),
            ("22.17.1", "", Takes::Nothing),
            ("22.17.1", "--experimental-strip-types", Takes::Types),
            ("22.18.0", "", Takes::Types),
            ("22", "", Takes::Types),
            ("23.5", "", Takes::Nothing),
            ("23.6", "", Takes::Types),
            ("24", "--no-experimental-strip-types", Takes::Nothing),
            ("24", "--no-strip-types", Takes::Nothing),
            ("24", "--experimental-transform-types", Takes::All),
        ] {
            let options = options.split_whitespace();
            assert_eq!(Takes::of(node, options), expected, "{node}");
        }
    }

    #[test]
    fn what_is_more_than_a_type_is_seen() {
        for (text, expected) in [
            ("enum A { B }", Some("an `enum`")),
            ("export const enum A { B }", Some("an `enum`")),
            (
                "class A { constructor(private x: number) {} }",
                Some("a parameter property"),
            ),
            (
                "class A { constructor(a: B<{c: 1}>, readonly x = 1) {} }",
                Some("a parameter property"),
            ),
            ("import x = require('a')", Some("`import … =`")),
            ("export = 1", Some("`export =`")),
            ("@dec class A {}", Some("a decorator")),
            ("class A { @p() x = 1 }", Some("a decorator")),
            ("declare enum A { B }", None),
            ("declare const enum A { B }", None),
            ("const x = {enum: 1}; x.enum = 2", None),
            (
                "class A { private x = 1; constructor(x: {readonly y: 1}) {} }",
                None,
            ),
            (
                "let a: number = 1; export type {B} from 'b'; import {type C} from 'c'",
                None,
            ),
            ("const css = `${x ? `@media print { }` : ''}`", None),
            ("const text = 'enum A { @x() }' // enum A {", None),
        ] {
            let found = more_than_types(text, Takes::Types).map(|(_, what)| what);
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(
            more_than_types("\n\nenum A {}", Takes::Types),
            Some((3, "an `enum`"))
        );
        assert_eq!(more_than_types("enum A {}", Takes::All), None);
    }

    #[test]
    fn a_refusal_says_why() {
        let why = |node: &str, path: &str, text: &str, installed| {
            let takes = Takes::of(node, std::iter::empty());
            refused(node, takes, path, text, installed).map(|refused| refused.problem)
        };
        assert_eq!(why("20", "a.js", "", true), None);
        assert_eq!(why("24", "a.mts", "let a: 1", false), None);
        for (node, path, installed, expected) in [
            (
                "20",
                "a.ts",
                false,
                "is TypeScript, which node 20 does not run",
            ),
            (
                "24",
                "a.tsx",
                false,
                "has the ending .tsx, which node does not run",
            ),
            (
                "24",
                "a.ts",
                true,
                "is TypeScript that is installed below node_modules, where node runs none",
            ),
            (
                "24",
                "a.ts",
                false,
                "has an `enum` in line 1, and node takes out types alone: it does not run an `enum`",
            ),
        ] {
            assert_eq!(
                why(node, path, "enum A {}", installed).as_deref(),
                Some(expected)
            );
        }
    }
}
