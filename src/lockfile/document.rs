//! The document: its format, its top-level keys, and the entries below a key, as byte ranges.

use std::borrow::Cow;
use std::ops::Range;

use super::LockfileError;
use super::keys::Format;
use super::lines::{indentation, line_end, lines, outer_lines, unreadable};
use super::scalar::{split_entry, value};

/// A top-level key and its lines, from the key to the next key.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) key: &'a str,
    pub(super) range: Range<usize>,
}

/// An entry of `packages` or `snapshots`: its key and its lines, with the blank lines before it.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) range: Range<usize>,
    /// Where the key's own line begins.
    pub(super) head: usize,
    /// Where the line after the key begins.
    pub(super) body: usize,
}

/// The format that the document states.
pub(super) fn format(text: &str, sections: &[Section<'_>]) -> Result<Format, LockfileError> {
    let section = sections
        .iter()
        .find(|section| section.key == "lockfileVersion")
        .ok_or(LockfileError::NoVersion)?;
    let line = lines(text, section.range.clone())
        .next()
        .ok_or(LockfileError::NoVersion)?;
    let fail = |problem| unreadable(text, line.start, problem);
    let (_, version) = split_entry(line.text).map_err(fail)?;
    let version = value(version.unwrap_or_default()).map_err(fail)?;
    let (major, minor) = version.split_once('.').unwrap_or((&version, "0"));
    match (major, minor) {
        ("9", _) => Ok(Format::V9),
        ("6", _) => Ok(Format::V6),
        ("5", "3" | "4") => Ok(Format::V5),
        _ => Err(LockfileError::Unknown(version.into_owned())),
    }
}

/// Fails if the file contains a git conflict.
pub(super) fn refuse_conflicts(text: &str) -> Result<(), LockfileError> {
    for mark in ["<<<<<<< ", ">>>>>>> "] {
        let mut found = memchr::memmem::find_iter(text.as_bytes(), mark);
        let is_first = |at: &usize| *at == 0 || text.as_bytes()[at - 1] == b'\n';
        if let Some(at) = found.find(is_first) {
            return Err(LockfileError::Conflict {
                line: text[..at].matches('\n').count() + 1,
            });
        }
    }
    Ok(())
}

/// Whether the main document is written in braces: format 13.0.
pub(super) fn is_in_braces(text: &str) -> bool {
    text[main_document(text)]
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('{')
}

/// The main document: the whole file, or what follows the first document if the file starts with
/// `---` (pnpm's
/// [`yamlDocuments.ts`](https://github.com/pnpm/pnpm/blob/main/lockfile/fs/src/yamlDocuments.ts)).
pub(super) fn main_document(text: &str) -> Range<usize> {
    let start = text.len() - text.trim_start_matches('\u{feff}').len();
    let mut at = start;
    let mut marks = 0;
    for line in text[start..].split_inclusive('\n') {
        let next = at + line.len();
        if line.starts_with("---") && line.trim_end() == "---" {
            marks += 1;
            if marks == 2 {
                return next..text.len();
            }
        } else if marks == 0 {
            break;
        }
        at = next;
    }
    start..text.len()
}

/// The top-level keys of the main document, in order.
pub(super) fn sections(text: &str) -> Result<Vec<Section<'_>>, LockfileError> {
    let document = main_document(text);
    let mut sections: Vec<Section<'_>> = Vec::new();
    let first = lines(text, document.clone()).find(|line| line.indent > 0 || line.text != "---");
    if let Some(first) = first.filter(|line| line.indent > 0) {
        return Err(indentation(text, &first));
    }
    for start in outer_lines(text, document.clone()) {
        // Nothing but white space, as lines go.
        let Some(line) = lines(text, start..document.end).next() else {
            break;
        };
        let is_outer = line.start == start && line.indent == 0;
        if !is_outer || (line.text == "---" && sections.is_empty()) {
            continue;
        }
        let fail = |problem: String| unreadable(text, line.start, problem);
        let (key, _) = split_entry(line.text).map_err(fail)?;
        let Cow::Borrowed(key) = key else {
            return Err(fail(format!("unexpected key `{key}`")));
        };
        if let Some(last) = sections.last_mut() {
            last.range.end = line.start;
        }
        if sections.iter().any(|section| section.key == key) {
            return Err(fail(format!("`{key}` is there twice")));
        }
        sections.push(Section {
            key,
            range: line.start..document.end,
        });
    }
    Ok(sections)
}

/// The entries of `importers`, `packages` or `snapshots`, by key. Blank lines belong to the entry
/// after them, so that leaving out an entry keeps pnpm's spacing.
pub(super) fn entries(text: &str, section: Range<usize>) -> Result<Vec<Entry<'_>>, LockfileError> {
    let mut found = lines(text, section.clone());
    let name = match found
        .next()
        .map(|head| (head.start, split_entry(head.text)))
    {
        Some((_, Ok((key, None | Some("{}"))))) => key,
        Some((at, Ok((key, Some(_))))) => {
            return Err(unreadable(
                text,
                at,
                format!("`{key}` is not written as a block, one entry below another"),
            ));
        }
        Some((at, Err(problem))) => return Err(unreadable(text, at, problem)),
        None => return Ok(Vec::new()),
    };
    let mut entries: Vec<Entry<'_>> = Vec::new();
    // The end of the last line that is not blank; the next entry starts there.
    let mut end = line_end(text, section.start, section.end);
    // Whether the entry is `{}`, which nothing may follow.
    let mut closed = false;
    for line in found {
        match line.indent {
            2 => {
                let fail = |problem: String| unreadable(text, line.start, problem);
                let (key, rest) = match line.text.strip_prefix("? ") {
                    Some(long) => (value(long).map_err(fail)?, None),
                    None => split_entry(line.text).map_err(fail)?,
                };
                if rest.is_some_and(|rest| rest.trim_end() != "{}") {
                    return Err(fail(format!(
                        "the entry `{key}` of `{name}` is not written as a block"
                    )));
                }
                closed = rest.is_some();
                if let Some(last) = entries.last_mut() {
                    last.range.end = end;
                }
                let body = line.end;
                entries.push(Entry {
                    key,
                    range: end..section.end,
                    head: line.start,
                    body,
                });
            }
            indent if indent < 4 || closed || entries.is_empty() => {
                return Err(indentation(text, &line));
            }
            _ => {}
        }
        end = line.end;
    }
    if let Some(last) = entries.last_mut() {
        last.range.end = end;
    }
    // pnpm sorts by UTF-16 units in some versions and by locale in others; lookups need one order.
    entries.sort_by(|left, right| left.key.cmp(&right.key));
    if let Some(twice) = entries
        .windows(2)
        .find(|neighbours| neighbours[0].key == neighbours[1].key)
    {
        return Err(unreadable(
            text,
            section.start,
            format!("`{}` is there twice in `{name}`", twice[0].key),
        ));
    }
    entries.shrink_to_fit();
    Ok(entries)
}
