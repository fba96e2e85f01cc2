//! Measures the whole workspace as a context.
//!
//! Input: the workspace root and its rules. Output: the number and size of the files that `docker
//! build` sends for a plain `COPY . .`, for comparison with slimbuild's context: everything that
//! the `.dockerignore` lets through, including `node_modules` and `.git`. The other rules do not
//! apply. Unreadable files are left out silently, since this is only a figure for a report.

use serde::Serialize;

use crate::files::ignore::Rules;
use crate::files::tree::{FileKind, Tree};
use crate::model::path::RepoPath;

/// The size of a workspace as Docker sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Measure {
    /// The number of files and symlinks.
    pub files: u64,
    /// The size of their contents in bytes.
    pub bytes: u64,
}

/// Measures the workspace by metadata alone.
pub fn measure(tree: &Tree, rules: &Rules) -> Measure {
    let mut measure = Measure::default();
    let mut queue = vec![(RepoPath::ROOT, rules.docker())];
    while let Some((dir, scope)) = queue.pop() {
        let Ok(mut opened) = tree.directory(&dir) else {
            continue;
        };
        for (name, kind) in opened.entries().unwrap_or_default() {
            let path = RepoPath::child(&dir, &name.to_string_lossy());
            match kind {
                FileKind::Directory => {
                    if let Some(inner) = scope.directory(path.as_str()) {
                        queue.push((path, inner));
                    }
                }
                FileKind::Regular if scope.sends(path.as_str()) => {
                    measure.files += 1;
                    let metadata = opened.metadata(&name);
                    measure.bytes += metadata.map_or(0, |metadata| metadata.size);
                }
                FileKind::Symlink if scope.sends(path.as_str()) => measure.files += 1,
                _ => {}
            }
        }
    }
    measure
}
