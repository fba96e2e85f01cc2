//! Packages that code names by a string, for a library to load: `transport: {target: 'pino-pretty'}`,
//! `set('view engine', 'ejs')`. No import names them, so they are easily taken for tools of
//! developers.
//!
//! Input: the tokens of a source. Output: the names, and whether the code certainly comes to them.
//! What is named under a condition (`isDev ? … : …`) is passed over: it may be for developers.

use crate::workspace::javascript::Token::{self, Sign, Text, Word};

/// A module that is named by a string.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// The name as written.
    pub module: String,
    /// Whether loading the source loads the module: the string is part of a call that no function
    /// and no condition encloses.
    pub certain: bool,
}

/// Keys of options with the name of a module, alone or in a list.
const KEYS: [&str; 10] = [
    "engine",
    "loader",
    "loaders",
    "parser",
    "plugin",
    "plugins",
    "preset",
    "presets",
    "transport",
    "transports",
];

/// Keys of options that are for developers.
const FOR_DEVELOPERS: [&str; 6] = ["debug", "dev", "development", "develop", "local", "test"];

/// Words before a parenthesis that is no call.
const KEYWORDS: [&str; 14] = [
    "await", "catch", "case", "delete", "else", "for", "function", "if", "in", "of", "return",
    "switch", "typeof", "while",
];

/// What a bracket opens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind<'t> {
    Object,
    List,
    /// A call, with the last word of the function's name.
    Call(&'t str),
    Function,
    /// Another block or group.
    Other,
}

/// The code between two brackets, up to here.
struct Frame<'t> {
    kind: Kind<'t>,
    /// The last key of an object.
    key: Option<&'t str>,
    /// Whether the statement or element is under a condition.
    conditional: bool,
    /// Whether it is the body of an arrow function.
    arrow: bool,
    /// Whether a word that begins a condition's parentheses came before (`if`, `while`).
    heads: bool,
}

impl<'t> Frame<'t> {
    fn new(kind: Kind<'t>) -> Self {
        Self {
            kind,
            key: None,
            conditional: false,
            arrow: false,
            heads: false,
        }
    }

    /// The next statement or element begins.
    fn next(&mut self) {
        (self.conditional, self.arrow, self.heads) = (false, false, false);
    }

    fn is_block(&self) -> bool {
        matches!(self.kind, Kind::Function | Kind::Other)
    }
}

/// The modules that are named by strings.
pub fn named(tokens: &[Token<'_>]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut frames = vec![Frame::new(Kind::Other)];
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| tokens[before]);
        let after = tokens.get(at + 1).copied();
        let deep = frames.len() > 1;
        let Some(frame) = frames.last_mut() else {
            break;
        };
        match *token {
            Sign(sign @ ('{' | '(' | '[')) => {
                let kind = opened(sign, before, frame);
                frames.push(Frame::new(kind));
            }
            Sign('}' | ')' | ']') if deep => {
                let closed = frames.pop();
                let block = closed.is_some_and(|one| one.is_block()) && *token == Sign('}');
                let more = matches!(after, Some(Word("else" | "catch" | "finally")));
                let outer = frames.last_mut();
                if let Some(frame) = outer.filter(|one| block && !more && one.is_block()) {
                    frame.next();
                }
            }
            Sign(';') => frame.next(),
            Sign(',') if !frame.is_block() => frame.next(),
            // `a?.b` asks for no more than `a.b` does.
            Sign('?') if after != Some(Sign('.')) => frame.conditional = true,
            Sign(sign @ ('&' | '|')) if before == Some(Sign(sign)) => frame.conditional = true,
            Sign('>') if before == Some(Sign('=')) => frame.arrow = true,
            Word("if" | "else" | "switch" | "case" | "while" | "for" | "catch")
                if frame.is_block() && before != Some(Sign('.')) =>
            {
                (frame.conditional, frame.heads) = (true, true);
            }
            // Lines may end without a semicolon.
            Word("const" | "let" | "var" | "export" | "class")
                if frame.is_block() && before != Some(Sign('(')) =>
            {
                frame.next();
            }
            Word(key) | Text(key)
                if frame.kind == Kind::Object
                    && after == Some(Sign(':'))
                    && matches!(before, Some(Sign('{' | ','))) =>
            {
                frame.key = Some(key);
                frame.next();
            }
            Text(name) => found.extend(of_text(name, &tokens[..at], &frames)),
            _ => {}
        }
    }
    found
}

/// What a bracket opens, by the token before it.
fn opened<'t>(sign: char, before: Option<Token<'t>>, within: &Frame<'_>) -> Kind<'t> {
    match (sign, before) {
        (
            '{',
            Some(Sign('(' | ',' | ':' | '=' | '[' | '?' | '&' | '|') | Word("return" | "default")),
        ) => Kind::Object,
        ('{', Some(Sign(')' | '>'))) if !within.heads => Kind::Function,
        ('(', Some(Word(word))) if !KEYWORDS.contains(&word) => Kind::Call(word),
        ('(', Some(Sign(')' | ']' | '>'))) => Kind::Call(""),
        ('[', Some(Sign('(' | ',' | ':' | '=' | '[' | '?' | '&' | '|'))) => Kind::List,
        _ => Kind::Other,
    }
}

/// The module that a string names, if it is at such a place.
fn of_text(name: &str, before: &[Token<'_>], frames: &[Frame<'_>]) -> Option<Named> {
    if !matches!(before.last(), Some(Sign(':' | ',' | '[' | '('))) {
        return None;
    }
    let loads = is_transport(frames) || is_view_engine(before, frames);
    let named = loads || has_key(frames);
    let for_developers = |frame: &Frame<'_>| {
        frame.conditional || frame.key.is_some_and(|key| FOR_DEVELOPERS.contains(&key))
    };
    if !named || frames.iter().any(for_developers) {
        return None;
    }
    let called = frames
        .iter()
        .any(|frame| matches!(frame.kind, Kind::Call(_)));
    let in_function =
        frames.iter().any(|frame| frame.arrow) || frames.iter().skip(1).any(Frame::is_block);
    Some(Named {
        module: name.to_owned(),
        certain: loads && called && !in_function,
    })
}

/// `transport: {target: X}`, `transport: {targets: [{target: X}]}`, `pino.transport({target: X})`.
fn is_transport(frames: &[Frame<'_>]) -> bool {
    let Some((last, outer)) = frames.split_last() else {
        return false;
    };
    let is_target = last.kind == Kind::Object && last.key == Some("target");
    let mut outer = outer.iter().rev().take(5);
    is_target
        && outer.any(|frame| {
            frame.kind == Kind::Call("transport") || matches!(frame.key, Some("transport"))
        })
}

/// `set('view engine', X)`, `setViewEngine(X)`.
fn is_view_engine(before: &[Token<'_>], frames: &[Frame<'_>]) -> bool {
    match frames.last().map(|frame| frame.kind) {
        Some(Kind::Call("set")) => matches!(before, [.., Text("view engine"), Sign(',')]),
        Some(Kind::Call("setViewEngine")) => before.last() == Some(&Sign('(')),
        _ => false,
    }
}

/// `loader: X`, `presets: [X]`.
fn has_key(frames: &[Frame<'_>]) -> bool {
    let mut inner = frames.iter().rev();
    let last = inner.next();
    let frame = match last {
        Some(frame) if frame.kind == Kind::List => inner.next(),
        other => other,
    };
    frame.is_some_and(|frame| {
        frame.kind == Kind::Object && frame.key.is_some_and(|key| KEYS.contains(&key))
    })
}

#[cfg(test)]
mod tests {
    use super::named;
    use crate::workspace::javascript::tokens;

    fn found(text: &str) -> String {
        let all = named(&tokens(text)).into_iter();
        let shown = all.map(|one| one.module + if one.certain { "!" } else { "" });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn modules_that_a_library_loads_are_seen() {
        for (text, names) in [
            (
                "const app = fastify({ logger: { transport: { target: 'p' } } });",
                "p!",
            ),
            (
                "pino({ transport: { targets: [{ target: 'p', level: 'info' }, { target: \"q\" }] } })",
                "p! q!",
            ),
            ("export default pino(pino.transport({ target: 'p' }))", "p!"),
            (
                "const t = pino.transport({ targets: [{ target: `p` }] })",
                "p!",
            ),
            (
                "@Module({ imports: [LoggerModule.forRoot({ pinoHttp: { transport: { target: 'p' } } })] }) class A {}",
                "p!",
            ),
            (
                "app.set('view engine', 'ejs')\napp.set('views', 'v')",
                "ejs!",
            ),
            ("app.setViewEngine('hbs');", "hbs!"),
            // A variable may be used or not, a function called or not.
            ("const o = { transport: { target: 'p' } };", "p"),
            (
                "async function main() { pino({ transport: { target: 'p' } }) }",
                "p",
            ),
            (
                "const make = () => pino({ transport: { target: 'p' } })",
                "p",
            ),
            (
                "const make = (a) => { return { transport: { target: 'p' } } }",
                "p",
            ),
            (
                "class A { b() { return pino({ transport: { target: 'p' } }) } }",
                "p",
            ),
            (
                "x({ loader: 'p', presets: ['q', ['r', {}]], parser: 's' })",
                "p q s",
            ),
            ("if (a) { b() }\npino({ transport: { target: 'p' } })", "p!"),
            (
                "if (a) b()\nconst c = pino({ transport: { target: 'p' } })",
                "p!",
            ),
        ] {
            assert_eq!(found(text), names, "{text}");
        }
    }

    #[test]
    fn what_is_under_a_condition_or_no_module_is_passed_over() {
        for text in [
            "pino({ transport: isDev ? { target: 'p' } : undefined })",
            "pino({ ...(isDev && { transport: { target: 'p' } }) })",
            "pino(isProduction ? {} : { transport: { target: 'p' } })",
            "if (isDev) { pino({ transport: { target: 'p' } }) }",
            "if (isDev) pino({ transport: { target: 'p' } })",
            "if (a) { b() } else { pino({ transport: { target: 'p' } }) }",
            "switch (a) { case 'dev': return pino({ transport: { target: 'p' } }) }",
            "const by = { development: { transport: { target: 'p' } }, production: true }",
            "fetch({ target: 'p' }); x({ transport: { level: 'p' } }); set('views', 'p')",
            "({ loader: a + 'p' }); x['loader'] = 'p'; ",
        ] {
            assert_eq!(found(text), "", "{text}");
        }
        for odd in ["}", ")]}", "({[", "transport: {target:", "?", "&&", "if"] {
            assert_eq!(found(odd), "", "{odd}");
        }
    }
}
