//! Globs of paths and names, compiled in one place.
//!
//! Goes in: globs, which anybody can write who can change the workspace. Comes out: what they match. A glob becomes an automaton, which may be a
//! thousand times as large as its text; so its length has a limit, and so has what one automaton is made of.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// The longest glob, in bytes: no path is longer.
pub const LONGEST: usize = 4096;

/// How many globs become one automaton.
const TOGETHER: usize = 64;

/// Why a text is no glob.
#[derive(Debug, thiserror::Error)]
pub enum GlobError {
    /// It is too long.
    #[error("it is longer than {LONGEST} bytes")]
    Long,
    /// Its syntax is wrong.
    #[error(transparent)]
    Syntax(#[from] globset::Error),
}

impl GlobError {
    /// What is wrong, without the glob itself.
    pub fn words(&self) -> String {
        match self {
            Self::Long => self.to_string(),
            Self::Syntax(error) => error.kind().to_string(),
        }
    }
}

/// What a glob of paths means beside stars and classes, where programs differ.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dialect {
    /// Whether `{,a}` may stand for nothing.
    pub empty_alternates: bool,
}

/// Globs that are asked together.
#[derive(Debug, Clone, Default)]
pub struct Globs {
    sets: Vec<GlobSet>,
}

impl Globs {
    /// Compiles all of them; a faulty one comes back by its place, with its problem.
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
            if count == TOGETHER {
                all.add(&builder).map_err(|problem| (at, problem))?;
                (builder, count) = (GlobSetBuilder::new(), 0);
            }
        }
        all.add(&builder).map_err(|problem| (last, problem))?;
        Ok(all)
    }

    /// The same for globs of others' files, where what is no glob matches nothing.
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

    /// The places of those that match, in order.
    pub fn matches(&self, path: &str) -> Vec<usize> {
        let sets = self.sets.iter().enumerate();
        let matches = |(at, set): (usize, &GlobSet)| {
            let own = set.matches(path).into_iter();
            own.map(move |place| at * TOGETHER + place)
                .collect::<Vec<_>>()
        };
        sets.flat_map(matches).collect()
    }
}

/// A directory stands for all below it: each glob, and another one for what lies below.
pub fn with_all_below(glob: &str) -> [String; 2] {
    [glob.to_owned(), format!("{glob}/**")]
}

/// Whether a name is of a pattern in which only the star has a meaning: it stands for anything, slashes too.
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

/// Whether a name is of a pattern as `find -name` has them: `*`, `?`, and classes such as `[!a-z0-9]`, without escapes. It is compared as it stands,
/// which takes less time than to compile the pattern for a few names. Nothing stands for a slash but a slash.
pub fn fits(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    // Where to go on if the last star stands for one letter more.
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

/// What is left of a pattern without stars at its start if its first part stands for this letter, or for the end.
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

/// Reads a glob without compiling it.
pub fn parse(glob: &str, dialect: Dialect) -> Result<globset::Glob, GlobError> {
    if glob.len() > LONGEST {
        return Err(GlobError::Long);
    }
    let mut builder = GlobBuilder::new(glob);
    builder
        .literal_separator(true)
        // The default differs on Windows.
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
            "?".repeat(LONGEST),
            "[a-z]".repeat(800),
            "**/".repeat(1300) + "x",
            "{".repeat(2000) + &"}".repeat(2000),
        ] {
            let globs = Globs::compile([&*glob], Dialect::default());
            if let Ok(globs) = globs {
                assert!(!globs.is_match("a/b"), "{glob}");
            }
        }
        let long = Globs::compile([&*"?".repeat(LONGEST + 1)], Dialect::default());
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
        // Stars that could be tried in any number of ways take no time.
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
