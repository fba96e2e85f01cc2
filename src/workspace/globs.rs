//! The globs of `packages:`, expanded as pnpm expands them.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use walkdir::WalkDir;

use super::WorkspaceError;
use crate::path::RepoPath;

/// What is added to a glob: pnpm looks for manifests, so that `packages/**` means `packages` too.
const MANIFEST: &str = "/package.json";

/// Compiled globs: a `!` glob takes away wherever it stands in the list (tried with pnpm 8, 9, 10 and 12).
pub(super) struct Globs {
    wanted: GlobSet,
    unwanted: GlobSet,
    /// How deep a match may lie.
    depth: usize,
}

impl Globs {
    pub(super) fn compile(globs: &[String]) -> Result<Self, WorkspaceError> {
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
            let built = GlobBuilder::new(&format!("{pattern}{MANIFEST}"))
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
        Ok(Self {
            wanted: wanted.build().map_err(fail)?,
            unwanted: unwanted.build().map_err(fail)?,
            depth,
        })
    }

    /// Whether they name this directory.
    pub(super) fn name(&self, dir: &str) -> bool {
        let manifest = format!("{dir}{MANIFEST}");
        self.wanted.is_match(&manifest) && !self.unwanted.is_match(&manifest)
    }
}

/// Whether directories of this name are looked into.
pub(super) fn is_entered(name: &str) -> bool {
    !name.starts_with('.') && !matches!(name, "node_modules" | "bower_components")
}

/// The directories with a `package.json` that the globs of `packages:` name, as pnpm finds them: `node_modules` and `bower_components` are
/// never entered, and `*` matches no leading dot
/// ([`find-packages`](https://github.com/pnpm/pnpm/blob/main/workspace/projects-reader)).
pub(super) fn expand(root: &Path, globs: &[String]) -> Result<Vec<RepoPath>, WorkspaceError> {
    let globs = Globs::compile(globs)?;
    let mut found = Vec::new();
    let walk = WalkDir::new(root)
        .min_depth(1)
        .max_depth(globs.depth)
        .into_iter()
        .filter_entry(|entry| {
            entry.depth() == 0
                || (entry.file_type().is_dir()
                    && entry.file_name().to_str().is_some_and(is_entered))
        });
    for entry in walk {
        // What cannot be entered cannot be a member; pnpm passes over it too.
        let Ok(entry) = entry else { continue };
        let Ok(dir) = RepoPath::from_disk(root, entry.path()) else {
            continue;
        };
        if globs.name(dir.as_str()) && entry.path().join("package.json").is_file() {
            found.push(dir);
        }
    }
    found.sort();
    Ok(found)
}
