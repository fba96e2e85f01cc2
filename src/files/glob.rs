//! Compiles globs of paths and names; no other module does.
//!
//! Input: globs, which may come from an untrusted workspace. Output: what they match. A compiled
//! glob may be a thousand times the size of its text, so both its length and the number of globs
//! compiled together are limited.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// The longest glob in bytes. No path is longer.
pub const MAX_LENGTH: usize = 4096;

/// How many globs are compiled together.
const BATCH: usize = 64;

/// Why a text is not a glob.
#[derive(Debug, thiserror::Error)]
pub enum GlobError {
    /// The text is too long.
    #[error("it is longer than {MAX_LENGTH} bytes")]
    Long,
    /// Its syntax is wrong.
    #[error(transparent)]
    Syntax(#[from] globset::Error),
}

impl GlobError {
    /// What is wrong, without quoting the glob.
    pub fn words(&self) -> String {
        match self {
            Self::Long => self.to_string(),
            Self::Syntax(error) => error.kind().to_string(),
        }
    }
}

/// Details in which programs' globs differ.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dialect {
    /// Whether `{,a}` may match the empty text.
    pub empty_alternates: bool,
}

/// Globs that are matched together.
#[derive(Debug, Clone, Default)]
pub struct Globs {
    sets: Vec<GlobSet>,
}

impl Globs {
    /// Compiles all globs. On an error, returns the position of the faulty one and its problem.
    pub fn compile<'g>(
        globs: impl IntoIterator<Item = &'g str>,
        dialect: Dialect,
    ) -> Result<Self, (usize, GlobError)> {
        let mut all = Self::default();
        let mut builder = GlobSetBuilder::new();
        let (mut count, mut last) = (0, 0);
        for (at, glob) in globs.into_iter().enumerate() {
            builder.add(parse(glob, dialect).map_err(|problem| (at, problem))?);
            (count, last) = (count + 1, at);
            if count == BATCH {
                all.add(&builder).map_err(|problem| (at, problem))?;
                (builder, count) = (GlobSetBuilder::new(), 0);
            }
        }
        all.add(&builder).map_err(|problem| (last, problem))?;
        Ok(all)
    }

    /// Compiles globs from files of other programs. Invalid ones match nothing.
    pub fn lenient<'g>(globs: impl IntoIterator<Item = &'g str>) -> Self {
        let dialect = Dialect::default();
        let legal = globs
            .into_iter()
            .filter(|glob| parse(glob, dialect).is_ok());
        Self::compile(legal, dialect).unwrap_or_default()
    }

    fn add(&mut self, builder: &GlobSetBuilder) -> Result<(), GlobError> {
        let set = builder.build()?;
        if !set.is_empty() {
            self.sets.push(set);
        }
        Ok(())
    }

    /// Whether any of them matches.
    pub fn is_match(&self, path: &str) -> bool {
        self.sets.iter().any(|set| set.is_match(path))
    }

    /// The positions of the globs that match, in order.
    pub fn matches(&self, path: &str) -> Vec<usize> {
        let sets = self.sets.iter().enumerate();
        let matches = |(at, set): (usize, &GlobSet)| {
            let own = set.matches(path).into_iter();
            own.map(move |place| at * BATCH + place).collect::<Vec<_>>()
        };
        sets.flat_map(matches).collect()
    }
}

/// The glob, and a second one for everything below what it matches.
pub fn with_all_below(glob: &str) -> [String; 2] {
    [glob.to_owned(), format!("{glob}/**")]
}

/// Whether a name matches a pattern in which only `*` is special. It matches any text, including
/// slashes.
pub fn is_of(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut left) = name.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(tail)
}

/// Whether a name matches a pattern of `find -name`: `*`, `?`, and classes such as `[!a-z0-9]`,
/// without escapes. Interpreting the pattern is faster than compiling it for a few names. No
/// wildcard matches a slash.
pub fn fits(pattern: &str, name: &str) -> bool {
    // Most names differ at the start or the end already.
    let wild = ['*', '?', '['];
    let start = pattern.find(wild).unwrap_or(pattern.len());
    let end = pattern.rfind(['*', '?', ']']).map_or(0, |at| at + 1);
    if !name.starts_with(&pattern[..start]) || !name.ends_with(&pattern[end..]) {
        return false;
    }
    let (mut pattern, mut name) = (pattern, name);
    // Where to continue if the last star matches one more letter.
    let mut again: Option<(&str, &str)> = None;
    loop {
        let mut letters = name.chars();
        let letter = letters.next();
        if let Some(rest) = pattern.strip_prefix('*') {
            again = Some((rest, name));
            pattern = rest;
            continue;
        }
        match (step(pattern, letter), letter) {
            (Some(rest), Some(_)) => (pattern, name) = (rest, letters.as_str()),
            (Some(_), None) => return true,
            (None, _) => {
                let Some((rest, from)) = again else {
                    return false;
                };
                let mut letters = from.chars();
                if letters.next().is_none_or(|letter| letter == '/') {
                    return false;
                }
                again = Some((rest, letters.as_str()));
                (pattern, name) = (rest, letters.as_str());
            }
        }
    }
}

/// Matches the first element of a pattern without leading stars against this letter, or the end.
/// Returns the rest of the pattern if it matches.
fn step(pattern: &str, letter: Option<char>) -> Option<&str> {
    let mut rest = pattern.chars();
    match (rest.next(), letter) {
        (None, None) => return Some(""),
        (Some('?'), Some(letter)) if letter != '/' => {}
        (Some('['), Some(letter)) => {
            let (class, rest) = rest.as_str().split_once(']')?;
            let (negated, class) = match class.strip_prefix('!') {
                Some(class) => (true, class),
                None => (false, class),
            };
            return (letter != '/' && is_in(class, letter) != negated).then_some(rest);
        }
        (Some(wanted), Some(letter)) if wanted == letter => {}
        _ => return None,
    }
    Some(rest.as_str())
}

/// Whether a letter is in a class such as `a-z0-9_`.
fn is_in(class: &str, letter: char) -> bool {
    let letters: Vec<char> = class.chars().collect();
    let mut rest = letters.as_slice();
    loop {
        match rest {
            [] => return false,
            [low, '-', high, behind @ ..] => {
                if (*low..=*high).contains(&letter) {
                    return true;
                }
                rest = behind;
            }
            [one, behind @ ..] => {
                if *one == letter {
                    return true;
                }
                rest = behind;
            }
        }
    }
}

/// Parses a glob without compiling it.
pub fn parse(glob: &str, dialect: Dialect) -> Result<globset::Glob, GlobError> {
    if glob.len() > MAX_LENGTH {
        return Err(GlobError::Long);
    }
    let mut builder = GlobBuilder::new(glob);
    builder
        .literal_separator(true)
        // The default on Windows is different.
        .backslash_escape(true)
        .empty_alternates(dialect.empty_alternates);
    Ok(builder.build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_of_any_shape_compiles_or_is_refused() {
        for glob in [
            "{a,b}".repeat(30),
            "{a,b}".repeat(800),
            "?".repeat(MAX_LENGTH),
            "[a-z]".repeat(800),
            "**/".repeat(1300) + "x",
            "{".repeat(2000) + &"}".repeat(2000),
        ] {
            let globs = Globs::compile([&*glob], Dialect::default());
            if let Ok(globs) = globs {
                assert!(!globs.is_match("a/b"), "{glob}");
            }
        }
        let long = Globs::compile([&*"?".repeat(MAX_LENGTH + 1)], Dialect::default());
        assert!(matches!(long, Err((0, GlobError::Long))));
    }

    #[test]
    fn names_fit_as_find_has_it() {
        for (pattern, yes, no) in [
            ("", &[""][..], &["a"][..]),
            ("*", &["", "a", "ä"], &["a/b", "/"]),
            (
                "a*b*c",
                &["abc", "aXbXbYc", "abbcc"],
                &["ab", "abcd", "acb", "a/bc"],
            ),
            (
                ".env[!a-z0-9]*",
                &[".env.", ".env~x", ".env-é"],
                &[".env", ".enva", ".env/x"],
            ),
            ("?[a-c_]", &["xa", "x_", "éb"], &["x", "xd", "/a", "xab"]),
            (
                ".docker/*.json",
                &[".docker/.json", ".docker/a.json"],
                &[".docker/a/b.json"],
            ),
        ] {
            for name in yes {
                assert!(fits(pattern, name), "{pattern} {name}");
            }
            for name in no {
                assert!(!fits(pattern, name), "{pattern} {name}");
            }
        }
        // Ambiguous stars must not take exponential time.
        assert!(!fits(&"*a".repeat(1000), &"a".repeat(999)));
    }

    #[test]
    fn many_globs_are_asked_together() {
        let globs: Vec<String> = (0..10_000)
            .map(|at| format!("a{at}*/**/[x-z]{{1,2}}"))
            .collect();
        let all = Globs::compile(globs.iter().map(String::as_str), Dialect::default()).unwrap();
        assert_eq!(all.matches("a9999/b/y2"), [9, 99, 999, 9999]);
        assert!(!all.is_match("b"));
    }
}
