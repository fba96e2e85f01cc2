//! `.gitignore` files, as git reads them, by the matchers of the `ignore` crate.
//!
//! Goes in: the workspace root, then directories from it downwards, each with a `.gitignore` or without. Comes out: the pattern that
//! ignores a path, if one does. Nothing is walked here.
//!
//! The rules are <https://git-scm.com/docs/gitignore>, with two sources fewer: the user's global excludes and `.git/info/exclude` are on
//! one machine alone, and the same tree must make the same context everywhere. Case is significant on every system, for the same reason.
//! The files of the directories above the root count too, up to the one that holds `.git`; unless they ignore the root itself, since then
//! the workspace is no part of that repository.
//!
//! A limit: git goes on tracking a committed file that a later pattern ignores. The index is not read here, so such a file is dropped;
//! the `include` option brings it back. Two things inside a `[…]` are not read as git does: `\` and `[:alpha:]`.

use std::collections::BTreeMap;
use std::io;
use std::iter;
use std::path::Path;
use std::sync::Arc;

use fs_err as fs;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::path::RepoPath;

/// The name of the file.
const NAME: &str = ".gitignore";

/// The `.gitignore` files that apply within one directory: its own, and all above it.
#[derive(Debug, Clone)]
pub(super) struct GitIgnores {
    /// Where the workspace root lies below the top of the repository: empty, or with a slash at its end.
    prefix: Arc<str>,
    deepest: Option<Arc<Link>>,
}

#[derive(Debug)]
struct Link {
    /// The file, as seen from the workspace root.
    file: String,
    matcher: Gitignore,
    /// Patterns as they were written, by what they were translated to; where that is the same, nothing is held.
    written: BTreeMap<String, String>,
    /// The length of the file's directory, with its slash, in a path from the top of the repository.
    skip: usize,
    above: Option<Arc<Link>>,
}

/// What ignores a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ignored {
    pub(super) file: String,
    pub(super) pattern: String,
}

/// What a path is; git's patterns that end in a slash tell the two apart, and take a symlink for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    File,
    Directory,
}

impl GitIgnores {
    /// Reads the root's file and those above it.
    pub(super) fn load(root: &Path) -> io::Result<Self> {
        let alone = Self {
            prefix: Arc::from(""),
            deepest: None,
        };
        let Some(top) = root
            .ancestors()
            .find(|dir| fs::symlink_metadata(dir.join(".git")).is_ok())
        else {
            return alone.with_file_in(root, &RepoPath::ROOT);
        };
        let below = root
            .strip_prefix(top)
            .map(Path::to_string_lossy)
            .unwrap_or_default()
            .replace('\\', "/");
        let names: Vec<&str> = below.split('/').filter(|name| !name.is_empty()).collect();

        let mut above: Option<Arc<Link>> = None;
        let mut dir = top.to_path_buf();
        let mut skip = 0;
        for (depth, name) in names.iter().enumerate() {
            let up = "../".repeat(names.len() - depth);
            above = read(&dir, format!("{up}{NAME}"), skip, above.as_ref())?.or(above);
            dir.push(name);
            skip += name.len() + 1;
            let seen = Self {
                prefix: Arc::from(""),
                deepest: above.clone(),
            };
            if seen
                .ignored_at(&names[..=depth].join("/"), Entry::Directory)
                .is_some()
            {
                return alone.with_file_in(root, &RepoPath::ROOT);
            }
        }
        let prefix = names
            .iter()
            .flat_map(|name| [*name, "/"])
            .collect::<String>();
        Self {
            prefix: Arc::from(prefix),
            deepest: above,
        }
        .with_file_in(root, &RepoPath::ROOT)
    }

    /// What applies within `dir`, given that this is what applies within its parent.
    pub(super) fn with_file_in(&self, root: &Path, dir: &RepoPath) -> io::Result<Self> {
        let slash = if dir.is_root() { "" } else { "/" };
        let own = format!("{dir}{slash}", dir = dir.as_str());
        let link = read(
            &dir.on_disk(root),
            format!("{own}{NAME}"),
            self.prefix.len() + own.len(),
            self.deepest.as_ref(),
        )?;
        Ok(Self {
            prefix: Arc::clone(&self.prefix),
            deepest: link.or_else(|| self.deepest.clone()),
        })
    }

    /// What ignores a path within the directory that this is for, if anything does.
    pub(super) fn ignored(&self, path: &RepoPath, entry: Entry) -> Option<Ignored> {
        self.deepest.as_ref()?;
        self.ignored_at(&format!("{}{}", self.prefix, path.as_str()), entry)
    }

    /// The same for a path from the top of the repository. The deepest file that has an opinion wins.
    fn ignored_at(&self, path: &str, entry: Entry) -> Option<Ignored> {
        let mut link = self.deepest.as_ref();
        while let Some(at) = link {
            match at
                .matcher
                .matched(&path[at.skip..], entry == Entry::Directory)
            {
                Match::Ignore(glob) => {
                    return Some(Ignored {
                        file: at.file.clone(),
                        pattern: at
                            .written
                            .get(glob.original())
                            .map_or_else(|| glob.original().to_owned(), Clone::clone),
                    });
                }
                Match::Whitelist(_) => return None,
                Match::None => link = at.above.as_ref(),
            }
        }
        None
    }
}

/// Reads a directory's `.gitignore`, if it has one. Like git, this does not follow a symlink of that name.
fn read(
    dir: &Path,
    file: String,
    skip: usize,
    above: Option<&Arc<Link>>,
) -> io::Result<Option<Arc<Link>>> {
    let path = dir.join(NAME);
    match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Ok(None),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    }
    let (matcher, written) = parse(&String::from_utf8_lossy(&fs::read(&path)?))
        .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
    if matcher.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Link {
        file,
        matcher,
        written,
        skip,
        above: above.cloned(),
    })))
}

/// Parses the text. A line that is no pattern matches nothing, as with git, which does not complain either.
fn parse(text: &str) -> Result<(Gitignore, BTreeMap<String, String>), ignore::Error> {
    // with `.` for a root, the matcher takes every path as relative to itself
    let mut builder = GitignoreBuilder::new(".");
    let mut written = BTreeMap::new();
    for line in text.strip_prefix('\u{feff}').unwrap_or(text).split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let Some(translated) = translate(line) else {
            continue;
        };
        // a faulty line is not added, which is all there is to do about it
        if builder.add_line(None, &translated).is_ok() && translated != line {
            written.insert(translated, trim(line).to_owned());
        }
    }
    Ok((builder.build()?, written))
}

/// Rewrites a line where the `ignore` crate reads it differently from git; nothing is left of one that can match nothing.
///
/// * `{a,b}` is a choice there; to git, braces are characters like any other.
/// * `[!a]` matches a `/` there, which no wildcard but `**` does in git.
/// * Three stars and more are `**` to git where they fill the space between slashes, and `*` elsewhere.
/// * Space of any kind is cut from the end there; git cuts blanks only, unless a `\` is before them.
/// * `!` and `!/` stand for everything there, and for nothing in git, as does a `[` that is never closed.
fn translate(line: &str) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let (bang, pattern) = line
        .strip_prefix('!')
        .map_or(("", line), |rest| ("!", rest));
    let pattern = trim(pattern);
    if matches!(pattern, "" | "/") {
        return None;
    }
    let mut translated = String::with_capacity(line.len());
    let mut chars = pattern.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some(space) if space.is_whitespace() => translated.extend(['[', space, ']']),
                escaped => translated.extend(iter::once(char).chain(escaped)),
            },
            _ if char.is_whitespace() && chars.peek().is_none() => {
                translated.extend(['[', char, ']']);
            }
            '{' | '}' => translated.extend(['\\', char]),
            '*' => {
                let mut stars = 1;
                while chars.next_if_eq(&'*').is_some() {
                    stars += 1;
                }
                let whole_part = matches!(translated.chars().next_back(), None | Some('/'))
                    && matches!(chars.peek(), None | Some('/'));
                translated.push_str(match stars {
                    1 => "*",
                    2 => "**",
                    _ if whole_part => "**",
                    _ => "*",
                });
            }
            '[' => {
                translated.push(char);
                let negation = chars.next_if(|next| matches!(next, '!' | '^'));
                translated.extend(negation);
                // a `]` in front does not close the class
                translated.extend(chars.next_if_eq(&']'));
                loop {
                    match chars.next()? {
                        ']' => break,
                        char => translated.push(char),
                    }
                }
                translated.push_str(if negation.is_some() { "/]" } else { "]" });
            }
            _ => translated.push(char),
        }
    }
    // the slash in a class is none that anchors the pattern
    let anchored = pattern.strip_suffix('/').unwrap_or(pattern).contains('/');
    let anywhere = if anchored || !translated.contains("/]") {
        ""
    } else {
        "**/"
    };
    Some(format!("{bang}{anywhere}{translated}"))
}

/// Cuts the blanks from the end, up to one that is escaped.
fn trim(pattern: &str) -> &str {
    let mut end = 0;
    let mut escaped = false;
    for (index, char) in pattern.char_indices() {
        if escaped || char != ' ' {
            end = index + char.len_utf8();
        }
        escaped = !escaped && char == '\\';
    }
    &pattern[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_stars_are_two_or_one() {
        for (line, expected) in [
            ("***/?", "**/?"),
            ("a/****", "a/**"),
            ("a***b", "a*b"),
            ("a**", "a**"),
        ] {
            assert_eq!(translate(line).as_deref(), Some(expected), "{line}");
        }
    }
}
