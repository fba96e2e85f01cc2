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
//! the `include` option brings it back.

use std::io;
use std::path::Path;
use std::rc::Rc;

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
    prefix: Rc<str>,
    deepest: Option<Rc<Link>>,
}

#[derive(Debug)]
struct Link {
    /// The file, as seen from the workspace root.
    file: String,
    matcher: Gitignore,
    /// The length of the file's directory, with its slash, in a path from the top of the repository.
    skip: usize,
    above: Option<Rc<Link>>,
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
            prefix: Rc::from(""),
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

        let mut above: Option<Rc<Link>> = None;
        let mut dir = top.to_path_buf();
        let mut skip = 0;
        for (depth, name) in names.iter().enumerate() {
            let up = "../".repeat(names.len() - depth);
            above = read(&dir, format!("{up}{NAME}"), skip, above.as_ref())?.or(above);
            dir.push(name);
            skip += name.len() + 1;
            let seen = Self {
                prefix: Rc::from(""),
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
            prefix: Rc::from(prefix),
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
            prefix: Rc::clone(&self.prefix),
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
                        pattern: unescape_braces(glob.original()),
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
    above: Option<&Rc<Link>>,
) -> io::Result<Option<Rc<Link>>> {
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
    let matcher = parse(&String::from_utf8_lossy(&fs::read(&path)?));
    Ok((!matcher.is_empty()).then(|| {
        Rc::new(Link {
            file,
            matcher,
            skip,
            above: above.cloned(),
        })
    }))
}

/// Parses the text. A line that is no pattern matches nothing, as with git, which does not complain either.
fn parse(text: &str) -> Gitignore {
    // with `.` for a root, the matcher takes every path as relative to itself
    let mut builder = GitignoreBuilder::new(".");
    builder.allow_unclosed_class(false);
    for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
        // a faulty line is not added, which is all there is to do about it
        let _ignored = builder.add_line(None, &escape_braces(line)).is_err();
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

/// `{a,b}` is a choice for the `ignore` crate, but to git braces are characters like any other.
fn escape_braces(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    let mut chars = line.chars();
    let mut in_class = false;
    while let Some(char) = chars.next() {
        match char {
            '\\' if !in_class => {
                escaped.push(char);
                escaped.extend(chars.next());
                continue;
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '{' | '}' if !in_class => escaped.push('\\'),
            _ => {}
        }
        escaped.push(char);
    }
    escaped
}

fn unescape_braces(pattern: &str) -> String {
    pattern.replace("\\{", "{").replace("\\}", "}")
}
