//! Names that `paths` of a `tsconfig.json` maps to files, where a loader reads it when the app
//! starts: `@/util` → `src/util`.
//!
//! Input: the configuration, with those that it extends. Output: the files that a name may mean.

use crate::detect::tsc::{Resolved, resolve};
use crate::model::path::RepoPath;
use crate::workspace::Workspace;
use crate::workspace::manifest::tsconfig::Names;

/// The names of one configuration.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    base: RepoPath,
    paths: Names,
}

impl Aliases {
    /// Reads a configuration. The loader reports what cannot be read.
    pub(super) fn of(workspace: &Workspace, file: &RepoPath) -> Self {
        let config = resolve(workspace, file).ok().flatten();
        let (base, paths) = config.and_then(Resolved::names).unwrap_or_default();
        Self { base, paths }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::workspace;

    #[test]
    fn several_configurations_make_one() {
        let names = r#"{"compilerOptions": {"paths": {"@/*": ["lib/*"], "config": ["./config"]}}}"#;
        let base = r#"{"compilerOptions": {"baseUrl": "./shared"}}"#;
        let own = r#"{"extends": ["../../names.json", "../../base.json"]}"#;
        let (_dir, workspace) = workspace(&[
            ("names.json", names),
            ("base.json", base),
            ("apps/a/package.json", "{}"),
            ("apps/a/tsconfig.json", own),
            ("apps/a/alone.json", r#"{"extends": "../../names.json"}"#),
        ]);
        let of = |file: &str| Aliases::of(&workspace, &RepoPath::new(file).unwrap());
        let both = of("apps/a/tsconfig.json");
        assert_eq!(both.places("@/x"), ["shared/lib/x"]);
        assert_eq!(both.places("config"), ["shared/config"]);
        // Without a base, targets are relative to the file that has them.
        assert_eq!(of("apps/a/alone.json").places("@/x"), ["lib/x"]);
        assert_eq!(of("apps/a/none.json").places("@/x"), [""; 0]);
    }
}
