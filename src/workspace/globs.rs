//! The globs of `packages:`, expanded as pnpm expands them.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use walkdir::WalkDir;

use super::WorkspaceError;
use crate::path::RepoPath;

/// The directories with a `package.json` that the globs of `packages:` name, as pnpm finds them: a `!` glob takes away wherever it stands in
/// the list (tried with pnpm 8, 9, 10 and 12), `node_modules` and `bower_components` are never entered, and `*` matches no leading dot
/// ([`find-packages`](https://github.com/pnpm/pnpm/blob/main/workspace/projects-reader)).
pub(super) fn expand(root: &Path, globs: &[String]) -> Result<Vec<RepoPath>, WorkspaceError> {
    let (mut wanted, mut unwanted) = (GlobSetBuilder::new(), GlobSetBuilder::new());
    let mut depth = 0;
    for glob in globs {
        let (set, pattern) = match glob.strip_prefix('!') {
            Some(pattern) => (&mut unwanted, pattern),
            None => (&mut wanted, glob.as_str()),
        };
        let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
        let fail = |error: &globset::Error| WorkspaceError::Glob {
            glob: glob.clone(),
            problem: error.kind().to_string(),
        };
        let built = GlobBuilder::new(pattern)
            .literal_separator(true)
            .build()
            .map_err(|error| fail(&error))?;
        set.add(built);
        if !glob.starts_with('!') {
            depth = depth.max(if pattern.contains("**") {
                usize::MAX
            } else {
                pattern.matches('/').count() + 1
            });
        }
    }
    let fail = |error: globset::Error| WorkspaceError::Glob {
        glob: globs.join(", "),
        problem: error.kind().to_string(),
    };
    let (wanted, unwanted): (GlobSet, GlobSet) = (
        wanted.build().map_err(fail)?,
        unwanted.build().map_err(fail)?,
    );
    let mut found = Vec::new();
    let enter =
        |name: &str| !name.starts_with('.') && !matches!(name, "node_modules" | "bower_components");
    let walk = WalkDir::new(root)
        .min_depth(1)
        .max_depth(depth)
        .into_iter()
        .filter_entry(|entry| {
            entry.depth() == 0
                || (entry.file_type().is_dir() && entry.file_name().to_str().is_some_and(enter))
        });
    for entry in walk {
        // What cannot be entered cannot be a member; pnpm passes over it too.
        let Ok(entry) = entry else { continue };
        let Ok(dir) = RepoPath::from_disk(root, entry.path()) else {
            continue;
        };
        let name = dir.as_str();
        if wanted.is_match(name)
            && !unwanted.is_match(name)
            && entry.path().join("package.json").is_file()
        {
            found.push(dir);
        }
    }
    found.sort();
    Ok(found)
}
