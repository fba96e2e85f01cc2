//! The globs of the `include` and `exclude` options.
//!
//! Input: globs relative to the workspace root. Output: which of them matches a path, and whether
//! one may match below a directory. `*` and `?` match within a name, `**` crosses directories,
//! `{a,b}` and `[a-z]` choose, `\` escapes on every system. A glob is anchored at the root: `dist`
//! means only the root's `dist`. A glob that matches a directory also covers everything below; the
//! caller that descends takes care of that.

use crate::files::glob::{self, Dialect};

/// Why a text is not a glob.
#[derive(Debug, thiserror::Error)]
pub enum GlobError {
    /// It is empty, or has only slashes and dots.
    #[error("it names the workspace root itself")]
    Root,
    /// It starts with `!`.
    #[error("a `!` has no meaning here")]
    Negated,
    /// It contains `..`.
    #[error("it leaves the workspace")]
    Outside,
    /// Its syntax is wrong.
    #[error(transparent)]
    Syntax(#[from] glob::GlobError),
}

impl GlobError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Root => Some("name files or directories relative to the workspace root, such as `packages/api/generated`".to_owned()),
            Self::Negated => Some("use `include` for what is to be kept and `exclude` for what is not".to_owned()),
            Self::Outside => Some("move what the app needs into the workspace".to_owned()),
            Self::Syntax(_) => Some("write `\\[` or `\\{` for a bracket or brace that is part of a name".to_owned()),
        }
    }
}

/// Compiled globs, in the order given.
#[derive(Debug, Default)]
pub(super) struct Globs {
    all: glob::Globs,
    globs: Vec<Glob>,
}

#[derive(Debug)]
struct Glob {
    text: String,
    /// The leading parts that match one name each, up to the first that may span directories.
    parts: Vec<Part>,
    /// Whether `parts` is the whole glob.
    bounded: bool,
}

/// A part of a glob, between two slashes.
#[derive(Debug)]
enum Part {
    Name(String),
    Glob(glob::Globs),
}

impl Globs {
    /// Compiles globs. On an error, returns the faulty glob and its problem.
    pub(super) fn compile(globs: &[String]) -> Result<Self, (String, GlobError)> {
        let (mut found, mut cleaned) = (Vec::new(), Vec::new());
        for text in globs {
            let (glob, whole) = Glob::compile(text).map_err(|problem| (text.clone(), problem))?;
            found.push(glob);
            cleaned.push(whole);
        }
        let all = glob::Globs::compile(cleaned.iter().map(String::as_str), Dialect::default());
        Ok(Self {
            all: all.map_err(|(at, problem)| (globs[at].clone(), problem.into()))?,
            globs: found,
        })
    }

    /// The globs as they were given.
    pub(super) fn texts(&self) -> Vec<&str> {
        self.globs.iter().map(|glob| glob.text.as_str()).collect()
    }

    /// The positions of all globs that match this path itself.
    pub(super) fn all_matching(&self, path: &str) -> Vec<usize> {
        self.all.matches(path)
    }

    /// The first glob that matches this path itself.
    pub(super) fn matching(&self, path: &str) -> Option<&str> {
        let first = self.all.matches(path).into_iter().next()?;
        Some(&self.globs[first].text)
    }

    /// Whether a glob may match a path below `dir`. It may answer yes wrongly, but never no.
    pub(super) fn may_match_below(&self, dir: &str) -> bool {
        let names: Vec<&str> = dir.split('/').collect();
        self.globs.iter().any(|glob| {
            (!glob.bounded || glob.parts.len() > names.len())
                && glob
                    .parts
                    .iter()
                    .zip(&names)
                    .all(|(part, name)| part.is_match(name))
        })
    }
}

impl Part {
    fn compile(part: &str) -> Result<Self, GlobError> {
        if !part.contains(['*', '?', ']', '}']) {
            return Ok(Self::Name(part.to_owned()));
        }
        let globs = glob::Globs::compile([part], Dialect::default());
        Ok(Self::Glob(globs.map_err(|(_, problem)| problem)?))
    }

    fn is_match(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Glob(globs) => globs.is_match(name),
        }
    }
}

impl Glob {
    /// The glob, and its text without redundant parts.
    fn compile(text: &str) -> Result<(Self, String), GlobError> {
        if text.starts_with('!') {
            return Err(GlobError::Negated);
        }
        let parts: Vec<&str> = text
            .split('/')
            .filter(|part| !matches!(*part, "" | "."))
            .collect();
        if parts.is_empty() {
            return Err(GlobError::Root);
        }
        if parts.contains(&"..") {
            return Err(GlobError::Outside);
        }
        let whole = parts.join("/");
        // Checks the whole glob first, because its parts may be invalid on their own.
        glob::parse(&whole, Dialect::default())?;
        // A part with a brace or a bracket may belong to a group that contains a slash.
        let own = parts
            .iter()
            .take_while(|part| !part.contains("**") && !part.contains(['{', '[', '\\']))
            .count();
        let glob = Self {
            text: text.to_owned(),
            parts: parts[..own]
                .iter()
                .map(|part| Part::compile(part))
                .collect::<Result<_, _>>()?,
            bounded: own == parts.len(),
        };
        Ok((glob, whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(text: &str) -> Globs {
        Globs::compile(&[text.to_owned()]).unwrap()
    }

    #[test]
    fn matches_from_the_root() {
        for (glob, path, expected) in [
            ("dist", "dist", true),
            ("./dist/", "dist", true),
            ("/dist", "dist", true),
            ("dist", "apps/dist", false),
            ("*/dist", "apps/dist", true),
            ("*", "apps/dist", false),
            ("**/dist", "dist", true),
            ("**/dist", "a/b/dist", true),
            ("dist/**", "dist/a/b", true),
            ("a/{b,c/d}/e", "a/c/d/e", true),
            ("a/\\[id\\]/page", "a/[id]/page", true),
            ("A", "a", false),
        ] {
            assert_eq!(
                globs(glob).matching(path).is_some(),
                expected,
                "{glob} {path}"
            );
        }
    }

    #[test]
    fn knows_where_a_match_may_lie() {
        for (glob, dir, expected) in [
            ("dist/a", "dist", true),
            ("dist", "dist", false),
            ("*/gen", "apps", true),
            ("*/gen", "apps/gen", false),
            ("apps/*/gen", "packages", false),
            ("apps/**", "apps/a/b", true),
            ("apps/**", "packages", false),
            ("a/{b,c/d}/e", "a/c/d", true),
            ("a/{b,c/d}/e", "b", false),
        ] {
            assert_eq!(globs(glob).may_match_below(dir), expected, "{glob} {dir}");
        }
    }

    #[test]
    fn refuses() {
        for (glob, message) in [
            ("", "it names the workspace root itself"),
            ("./", "it names the workspace root itself"),
            ("!a", "a `!` has no meaning here"),
            ("a/../b", "it leaves the workspace"),
            (
                "a[",
                "error parsing glob 'a[': unclosed character class; missing ']'",
            ),
        ] {
            let (text, problem) = Globs::compile(&[glob.to_owned()]).unwrap_err();
            assert_eq!(
                (text.as_str(), problem.to_string().as_str()),
                (glob, message)
            );
        }
    }
}
