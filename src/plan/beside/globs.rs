//! Globs: those of `include`, and those that sources name.

use super::Finder;
use crate::files::Dropped;
use crate::files::glob::Globs;
use crate::files::ignore::IgnoreError;
use crate::model::path::RepoPath;
use crate::plan::code::Source;
use crate::plan::inputs;

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

impl Finder<'_, '_, '_, '_> {
    /// Adds a warning for each glob of sources that the image does not have because a build compiles
    /// them: a library that reads them finds nothing, and says nothing.
    pub(super) fn globs(&mut self, source: &Source) {
        let list = self.list;
        let own = &list.workspace.members[source.of].dir;
        for glob in &source.reads.globs {
            let inside = glob.trim_start_matches("./");
            let whole = own.join(inside).map(|path| path.to_string());
            let Ok(whole) = whole else {
                continue;
            };
            let set = inputs::globs([&whole]);
            let mut files = list.files.get(&source.of).into_iter().flatten();
            let missing = files.any(|file| {
                let path = file.path.as_str();
                set.is_match(path) && !self.have.contains(path)
            });
            if missing {
                let by = &source.path;
                self.maybe.insert(format!(
                    "{by} names `{glob}`, sources that are compiled and not in the image: if a library reads them when the app runs, name what the build writes, or take them along with `--include '{whole}'`"
                ));
            }
        }
    }
}
