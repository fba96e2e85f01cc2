//! Names that `paths` of a `tsconfig.json` maps to files, where a loader reads it when the app
//! starts: `@/util` → `src/util`.
//!
//! Input: the configuration, with those that it extends. Output: the files that a name may mean.

use crate::detect::tsc::extended;
use crate::files::tree::Limit;
use crate::model::path::RepoPath;
use crate::workspace::Workspace;
use crate::workspace::manifest::tsconfig::Tsconfig;

/// How many files may extend each other in a row.
const MAX_DEPTH: usize = 16;

/// The names of one configuration.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    base: RepoPath,
    paths: Vec<(String, Vec<String>)>,
}

impl Aliases {
    /// Reads a configuration. The first file in its chain of `extends` that has `paths` counts, as
    /// for the compiler.
    pub(super) fn of(workspace: &Workspace, file: &RepoPath) -> Self {
        let mut file = file.clone();
        for _ in 0..MAX_DEPTH {
            // The loader reports what cannot be read.
            let text = workspace.tree.read_text(&file, Limit::Settings).ok();
            let config = text.and_then(|text| Tsconfig::parse(file.as_str(), &text).ok());
            let Some(config) = config else {
                break;
            };
            let dir = file.parent().unwrap_or_default();
            if !config.paths.is_empty() {
                let base = dir.join(config.base_url.as_deref().unwrap_or("."));
                return Self {
                    base: base.unwrap_or(dir),
                    paths: config.paths,
                };
            }
            let mut above = config.extends.iter().rev();
            let above = above.find_map(|name| extended(workspace, &dir, name).ok().flatten());
            match above {
                Some(above) => file = above,
                None => break,
            }
        }
        Self::default()
    }

    /// The places that a name may mean, without endings.
    pub(super) fn places(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (pattern, targets) in &self.paths {
            let rest = match pattern.split_once('*') {
                Some((head, tail)) => name
                    .strip_prefix(head)
                    .and_then(|rest| rest.strip_suffix(tail)),
                None => (name == pattern).then_some(""),
            };
            let Some(rest) = rest else {
                continue;
            };
            let places = targets.iter().map(|target| target.replacen('*', rest, 1));
            let places = places.filter_map(|place| self.base.join(&place).ok());
            found.extend(places.map(|place| place.to_string()));
        }
        found
    }
}
