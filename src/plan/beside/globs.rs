//! Globs of `include`: where one begins, and why one brings nothing.

use crate::files::Dropped;
use crate::files::glob::Globs;
use crate::files::ignore::IgnoreError;
use crate::model::path::RepoPath;

/// The path before a glob's first wildcard.
pub(super) fn plain(glob: &str) -> RepoPath {
    let parts = glob.split('/').filter(|part| !matches!(*part, "" | "."));
    let parts = parts.take_while(|part| !part.contains(['*', '?', '[', '{']));
    RepoPath::new(&parts.collect::<Vec<_>>().join("/")).unwrap_or_default()
}

/// Why a glob of `include` brings nothing.
pub(super) fn nothing(
    glob: &str,
    plain: &RepoPath,
    set: &Globs,
    dropped: &[Dropped],
) -> IgnoreError {
    let found = dropped.iter().find(|one| {
        set.is_match(one.path.as_str()) || (!plain.is_root() && plain.is_within(&one.path))
    });
    IgnoreError::Nothing {
        glob: glob.to_owned(),
        barred: found.map(|one| (one.path.clone(), one.reason.clone())),
    }
}
