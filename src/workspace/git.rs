//! Reads the current branch from git's files. It needs and runs no git program, so nothing named in
//! a repository's configuration (hooks, filters, `core.fsmonitor`) can run.
//!
//! `.git` may be a file that points elsewhere, as in worktrees and submodules. Only one line of
//! `HEAD` is read there.

use std::path::{Path, PathBuf};

use crate::files::tree::{Limit, Tree};
use crate::model::path::RepoPath;

/// The current branch of the repository around `dir`. `None` outside of a repository or on a
/// detached `HEAD`.
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

/// `.git` itself, or the directory it points to in a worktree or submodule.
fn git_dir(git: &Path) -> Option<PathBuf> {
    if git.is_dir() {
        return Some(git.to_path_buf());
    }
    let text = read(git.parent()?, ".git")?;
    let target = text.trim().strip_prefix("gitdir:")?.trim();
    Some(git.parent()?.join(target))
}

/// Reads a file of git, which is not part of the workspace. It must still be a regular file of
/// limited size.
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
