//! Reads the current branch, commit and remote from git's files. It needs and runs no git program, so nothing named in
//! a repository's configuration (hooks, filters, `core.fsmonitor`) can run.
//!
//! `.git` may be a file that points elsewhere, as in worktrees and submodules. Only `HEAD` and
//! what it names are read there.

use std::path::{Path, PathBuf};

use crate::files::tree::{Limit, Tree};
use crate::model::path::RepoPath;

/// The current branch of the repository around `dir`. `None` outside of a repository or on a
/// detached `HEAD`.
pub fn branch(dir: &Path) -> Option<String> {
    let head = read(&around(dir)?, "HEAD")?;
    head.trim()
        .strip_prefix("ref: refs/heads/")
        .map(str::to_owned)
}

/// The commit of `HEAD` in the repository around `dir`.
pub fn commit(dir: &Path) -> Option<String> {
    let git = around(dir)?;
    let head = read(&git, "HEAD")?;
    let Some(name) = head.trim().strip_prefix("ref: ") else {
        return id(head.trim());
    };
    let common = common(git);
    let (below, file) = name.rsplit_once('/')?;
    if let Some(found) = read(&common.join(below), file) {
        return id(found.trim());
    }
    let packed = read(&common, "packed-refs")?;
    let mut lines = packed.lines().filter_map(|line| line.split_once(' '));
    let (found, _) = lines.find(|(_, packed)| *packed == name)?;
    id(found)
}

/// The address of the remote `origin`, or of the only remote, of the repository around `dir`. It may
/// hold a password.
pub fn remote(dir: &Path) -> Option<String> {
    let config = read(&common(around(dir)?), "config")?;
    let mut remotes: Vec<(&str, &str)> = Vec::new();
    let mut section = None;
    for line in config.lines().map(str::trim) {
        if let Some(head) = line.strip_prefix('[') {
            let name = head.strip_prefix("remote \"");
            section = name.and_then(|name| name.split('"').next());
        } else if let (Some(remote), Some((key, value))) = (section, line.split_once('='))
            && key.trim().eq_ignore_ascii_case("url")
        {
            let address = value.split_whitespace().next().unwrap_or_default();
            remotes.push((remote, address.trim_matches('"')));
        }
    }
    let origin = remotes.iter().find(|(name, _)| *name == "origin");
    let (_, address) = match (origin, &remotes[..]) {
        (Some(origin), _) => origin,
        (None, [only]) => only,
        _ => return None,
    };
    Some((*address).to_owned())
}

/// The text, if it is the id of a commit.
fn id(text: &str) -> Option<String> {
    let is_id = text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| text.to_owned())
}

/// The directory of the repository around `dir`.
fn around(dir: &Path) -> Option<PathBuf> {
    let mut places = dir.ancestors().map(|dir| dir.join(".git"));
    git_dir(&places.find(|git| git.exists())?)
}

/// What worktrees share with the repository that they belong to: branches and settings.
fn common(git: PathBuf) -> PathBuf {
    let common = read(&git, "commondir").map(|common| git.join(common.trim()));
    common.unwrap_or(git)
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
    fn commits() {
        let (one, two, three) = ("1".repeat(40), "2".repeat(40), "3".repeat(64));
        let packed = format!("# pack-refs with: peeled\n{two} refs/heads/packed\n");
        let dir = tree(&[
            ("plain/.git/HEAD", "ref: refs/heads/feature/X\n"),
            ("plain/.git/refs/heads/feature/X", &format!("{one}\n")),
            ("plain/sub/file", ""),
            ("work/.git", "gitdir: ../plain/.git/worktrees/work\n"),
            ("plain/.git/worktrees/work/HEAD", "ref: refs/heads/packed\n"),
            ("plain/.git/worktrees/work/commondir", "../..\n"),
            ("plain/.git/packed-refs", &packed),
            ("detached/.git/HEAD", &format!("{three}\n")),
            ("new/.git/HEAD", "ref: refs/heads/main\n"),
        ]);
        for (at, expected) in [
            ("plain/sub", Some(&one)),
            ("work", Some(&two)),
            ("detached", Some(&three)),
            ("new", None),
        ] {
            assert_eq!(commit(&dir.path().join(at)).as_ref(), expected, "{at}");
        }
    }

    #[test]
    fn remotes() {
        let config = "[core]\n\turl = no\n[remote \"other\"]\n\turl = https://b.example/x\n[remote \"origin\"]\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n\tURL = git@a.example:x.git # ours\n\turl = second\n";
        let only =
            "[remote \"up\"]\n  url=\"https://a.example/y\"\n[branch \"main\"]\n  remote = up\n";
        let two =
            "[remote \"a\"]\nurl = https://a.example\n[remote \"b\"]\nurl = https://b.example\n";
        let dir = tree(&[
            ("plain/.git/config", config),
            ("plain/sub/file", ""),
            ("work/.git", "gitdir: ../plain/.git/worktrees/work\n"),
            ("plain/.git/worktrees/work/commondir", "../..\n"),
            ("only/.git/config", only),
            ("two/.git/config", two),
            ("none/.git/HEAD", "ref: refs/heads/main\n"),
        ]);
        for (at, expected) in [
            ("plain/sub", Some("git@a.example:x.git")),
            ("work", Some("git@a.example:x.git")),
            ("only", Some("https://a.example/y")),
            ("two", None),
            ("none", None),
        ] {
            assert_eq!(remote(&dir.path().join(at)).as_deref(), expected, "{at}");
        }
    }

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
