//! What slimbuild asks git's files: the branch that is checked out. No git program is needed, and none is run, so nothing that a repository's
//! configuration names (hooks, filters, `core.fsmonitor`) can run either.
//!
//! `.git` may lead to another place: that is how git makes worktrees and submodules. All that is read there is one line of `HEAD`.

use std::path::{Path, PathBuf};

use crate::files::tree::{Limit, Tree};
use crate::model::path::RepoPath;

/// The branch that is checked out in the repository around `dir`; nothing where there is none, or where a commit is checked out by itself.
pub fn branch(dir: &Path) -> Option<String> {
    let git = dir
        .ancestors()
        .map(|dir| dir.join(".git"))
        .find(|git| git.exists())?;
    let head = read(&git_dir(&git)?, "HEAD")?;
    head.trim()
        .strip_prefix("ref: refs/heads/")
        .map(str::to_owned)
}

/// `.git` itself, or where it leads in a worktree or submodule.
fn git_dir(git: &Path) -> Option<PathBuf> {
    if git.is_dir() {
        return Some(git.to_path_buf());
    }
    let text = read(git.parent()?, ".git")?;
    let target = text.trim().strip_prefix("gitdir:")?.trim();
    Some(git.parent()?.join(target))
}

/// A file of git's, which is no file of the workspace. It is bounded, and a regular file, all the same.
fn read(dir: &Path, name: &str) -> Option<String> {
    let tree = Tree::open(dir).ok()?;
    let path = RepoPath::child(&RepoPath::ROOT, name);
    tree.read_text(&path, Limit::Settings).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::tree;

    #[test]
    fn branches() {
        let dir = tree(&[
            ("plain/.git/HEAD", "ref: refs/heads/feature/X\n"),
            ("plain/sub/file", ""),
            ("work/.git", "gitdir: ../plain/.git/worktrees/work\n"),
            ("plain/.git/worktrees/work/HEAD", "ref: refs/heads/other\n"),
            ("detached/.git/HEAD", "0123456789\n"),
        ]);
        assert_eq!(
            branch(&dir.path().join("plain/sub")).as_deref(),
            Some("feature/X")
        );
        assert_eq!(branch(&dir.path().join("work")).as_deref(), Some("other"));
        assert_eq!(branch(&dir.path().join("detached")), None);
    }
}
