//! Finds globs of `exclude` that match nothing.

use super::Rules;
use crate::files::tree::FileKind;
use crate::model::path::RepoPath;

impl Rules {
    /// The globs of `exclude` that match no file and no directory, in order. `node_modules` and
    /// `.git` are passed over, since nothing in them is part of a build. So is what cannot be read:
    /// the walk reports it.
    pub fn unmatched_excludes(&self) -> Vec<&str> {
        let globs = self.exclude.texts();
        let mut open: Vec<bool> = vec![true; globs.len()];
        let mut queue = vec![RepoPath::ROOT];
        while let Some(dir) = queue.pop() {
            if !open.contains(&true) {
                break;
            }
            let Ok(mut opened) = self.tree.directory(&dir) else {
                continue;
            };
            for (name, kind) in opened.entries().unwrap_or_default() {
                let name = name.to_string_lossy();
                if matches!(&*name, "node_modules" | ".git") {
                    continue;
                }
                let path = RepoPath::child(&dir, &name);
                for matching in self.exclude.all_matching(path.as_str()) {
                    open[matching] = false;
                }
                if kind == FileKind::Directory {
                    queue.push(path);
                }
            }
        }
        let unmatched = globs.into_iter().zip(open).filter(|(_, open)| *open);
        unmatched.map(|(glob, _)| glob).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tree;

    #[test]
    fn only_what_matches_nothing_is_told() {
        let dir = tree(&[
            ("apps/a/x.psd", ""),
            ("node_modules/b/y.zip", ""),
            ("docs/c.md", ""),
        ]);
        let globs = ["**/*.psd", "**/*.zip", "docs", "./docs/c.md", "nope/**"];
        let globs = globs.map(str::to_owned);
        let root = fs_err::canonicalize(dir.path()).unwrap();
        let rules = Rules::load(&root, &[], &globs).unwrap();
        assert_eq!(rules.unmatched_excludes(), ["**/*.zip", "nope/**"]);
    }
}
