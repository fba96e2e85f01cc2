//! Reads from the text of pnpmfiles whether they export hooks and which files they load.
//!
//! Input: the text of a `.pnpmfile.cjs` or a module that it loads. Output: facts that hold in every
//! run. No code is run, and nothing uncertain is reported.

use crate::workspace::javascript::{Token, tokens};

/// What a file loads.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Loads {
    /// Paths that begin with `.`, as written.
    pub files: Vec<String>,
    /// Whether it loads something that is only known when it runs.
    pub computed: bool,
}

/// What the code loads by `require`, `require.resolve` and `import`.
pub fn loads(text: &str) -> Loads {
    use Token::{Sign, Text, Word};
    let mut loads = Loads::default();
    let tokens = tokens(text);
    for at in 0..tokens.len() {
        let before = at.checked_sub(1).map(|before| tokens[before]);
        if before == Some(Sign('.')) {
            continue;
        }
        match tokens[at..] {
            [Word("require" | "import"), Sign('('), Text(path), ..]
            | [
                Word("require"),
                Sign('.'),
                Word("resolve"),
                Sign('('),
                Text(path),
                ..,
            ]
            | [Word("import" | "from"), Text(path), ..] => {
                loads
                    .files
                    .extend(path.starts_with('.').then(|| path.to_owned()));
            }
            [Word("require" | "import"), Sign('('), ..] => loads.computed = true,
            _ => {}
        }
    }
    loads
}

/// Whether the file certainly exports `hooks`. pnpm 9 and later record a checksum of each such
/// file, whatever the hooks are.
pub fn exports_hooks(text: &str) -> bool {
    use Token::{Sign, Word};
    let tokens = tokens(text);
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Sign('{' | '(' | '[') => depth += 1,
            Sign('}' | ')' | ']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > 0 {
            continue;
        }
        let found = match tokens[at..] {
            [
                Word("exports"),
                Sign('.'),
                Word("hooks"),
                Sign('='),
                next,
                ..,
            ] => next != Sign('='),
            [
                Word("export"),
                Word("const" | "let" | "var" | "function"),
                Word("hooks"),
                ..,
            ] => true,
            [Word("exports"), Sign('='), Sign('{'), ..] => has_hooks(&tokens[at + 3..]),
            [Word("export"), Sign('{'), ..] => has_hooks(&tokens[at + 2..]),
            _ => false,
        };
        if found {
            return true;
        }
    }
    false
}

/// Whether `hooks` is a key at the top level of the object whose opening brace was just read.
fn has_hooks(tokens: &[Token<'_>]) -> bool {
    use Token::{Sign, Text, Word};
    let mut depth = 0_usize;
    let mut key = true;
    for pair in tokens.windows(2) {
        match (pair[0], pair[1]) {
            (Word("hooks"), Sign(':' | ',' | '}' | '(')) | (Text("hooks"), Sign(':'))
                if depth == 0 && key =>
            {
                return true;
            }
            (Sign('}'), _) if depth == 0 => return false,
            (Sign('{' | '(' | '['), _) => depth += 1,
            (Sign('}' | ')' | ']'), _) => depth -= 1.min(depth),
            _ => {}
        }
        key = depth == 0 && pair[0] == Sign(',');
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_that_are_certainly_exported() {
        for text in [
            "module.exports={hooks:{readPackage(p){return p}}}",
            "module.exports = { // x\n  finders: {a: [1, {hooks: 1}]},\n  'hooks': {},\n}",
            "const hooks = {}; module.exports = { hooks }",
            "exports.hooks = {}",
            "module.exports.hooks = {readPackage: undefined}",
            "export const hooks = {}",
            "const hooks = {}\nexport { hooks }",
            "const a = /[/'\"]/.test('x'), b = 1 / 2; module.exports = { hooks: {} }",
        ] {
            assert!(exports_hooks(text), "{text}");
        }
        for text in [
            "module.exports = {}",
            "module.exports = { finders: { hooks: {} } }",
            "// module.exports = { hooks: {} }",
            "/* exports.hooks = {} */",
            "const text = 'module.exports = { hooks: {} }'",
            "if (process.env.X) { module.exports = { hooks: {} } }",
            "module.exports = require('./x')",
            "if (exports.hooks == null) {}",
            "module.exports = { a: hooks, b: b ? hooks : c }",
        ] {
            assert!(!exports_hooks(text), "{text}");
        }
    }

    #[test]
    fn files_that_are_loaded() {
        let text = "const {a} = require('./tools/a.cjs'), fs = require('fs')\nimport b from \"../b.mjs\"\nimport './c'\n\
            // require('./not')\nconst d = await import(`./d.js`); require.resolve('./e');
            // x.require('./no')";
        let files = ["./tools/a.cjs", "../b.mjs", "./c", "./d.js", "./e"];
        let expected = Loads {
            files: files.map(str::to_owned).to_vec(),
            computed: false,
        };
        assert_eq!(loads(text), expected);
        assert!(loads("require(path.join(__dirname, 'x'))").computed);
        assert!(loads("require(`./${name}`)").computed);
        for odd in ["'", "`${", "/", "require(", "import", "/*", "\\", "{{{"] {
            let _found = (loads(odd), exports_hooks(odd));
        }
    }
}
