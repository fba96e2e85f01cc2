//! Small workspaces on disk, for tests.

mod schemas;

use crate::model::member::MemberId;
use crate::workspace::Workspace;

/// A temporary directory with these files.
pub(crate) fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    // `tests/leftovers.rs` looks for directories that were not removed.
    let prefix = format!("slimbuild-test-{}-", std::process::id());
    let mut builder = tempfile::Builder::new();
    let dir = builder.prefix(&prefix).tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }
    dir
}

/// A workspace of `apps/*` and `packages/*` with these files, and those that every workspace needs.
pub(crate) fn workspace(files: &[(&str, &str)]) -> (tempfile::TempDir, Workspace) {
    let mut all = vec![
        (
            "pnpm-workspace.yaml",
            "packages: ['apps/*', 'packages/*']\n",
        ),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n"),
        ("package.json", "{}"),
    ];
    all.extend(files);
    let dir = tree(&all);
    let root = fs_err::canonicalize(dir.path()).unwrap();
    let workspace = Workspace::load(&root).unwrap();
    (dir, workspace)
}

/// The member in this directory.
pub(crate) fn at(workspace: &Workspace, dir: &str) -> MemberId {
    workspace
        .member_in(&crate::model::path::RepoPath::new(dir).unwrap())
        .unwrap()
}
