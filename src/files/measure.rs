//! How large the whole workspace is as a context.
//!
//! Goes in: the workspace root and its rules. Comes out: the number and size of the files that `docker build` sends for a plain
//! `COPY . .`, to compare slimbuild's context with: all that the `.dockerignore` lets through, `node_modules` and `.git` included. Of the
//! rules, only the `.dockerignore` counts. What cannot be read is not counted and no error, as it is but a figure for a report.

use std::path::Path;

use serde::Serialize;
use walkdir::WalkDir;

use crate::ignore::Rules;

/// The size of a workspace as Docker sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Measure {
    /// Files and symlinks.
    pub files: u64,
    /// The length of the files' content.
    pub bytes: u64,
}

/// Measures the workspace at `root` by metadata alone.
pub fn measure(root: &Path, rules: &Rules) -> Measure {
    let mut measure = Measure::default();
    // the scope that an entry of depth `n` lies in is the `n - 1`th
    let mut scopes = vec![rules.docker()];
    let mut entries = WalkDir::new(root).min_depth(1).into_iter();
    while let Some(entry) = entries.next() {
        let Ok(entry) = entry else { continue };
        scopes.truncate(entry.depth());
        let (Some(scope), Ok(below)) = (scopes.last(), entry.path().strip_prefix(root)) else {
            continue;
        };
        let path = below.to_string_lossy();
        let path = if cfg!(windows) {
            path.replace('\\', "/").into()
        } else {
            path
        };
        let file_type = entry.file_type();
        if file_type.is_dir() {
            match scope.directory(&path) {
                Some(inner) => scopes.push(inner),
                None => entries.skip_current_dir(),
            }
        } else if (file_type.is_file() || file_type.is_symlink()) && scope.sends(&path) {
            measure.files += 1;
            if file_type.is_file() {
                measure.bytes += entry.metadata().map_or(0, |metadata| metadata.len());
            }
        }
    }
    measure
}
