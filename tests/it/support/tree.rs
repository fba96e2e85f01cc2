//! Trees of files to run the program on.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use walkdir::WalkDir;

/// The sample workspace, in place.
pub(crate) fn shop() -> PathBuf {
    repository().join("testdata/shop")
}

/// This repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A directory that goes when the value goes.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    _directory: TempDir,
}

/// In which order to write the files of a copy, which on many file systems is the order in which they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Forwards,
    Backwards,
}

impl Tree {
    /// A directory with these files.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let directory = crate::support::temporary();
        let root = fs_err::canonicalize(directory.path()).unwrap();
        let tree = Self {
            root,
            _directory: directory,
        };
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    /// A copy of the sample workspace, as a clone has it.
    pub(crate) fn shop() -> Self {
        Self::shop_in(Order::Forwards)
    }

    /// The same, written in this order.
    pub(crate) fn shop_in(order: Order) -> Self {
        let tree = Self::new(&[]);
        let mut paths = shop_files();
        if order == Order::Backwards {
            paths.reverse();
        }
        for path in paths {
            let target = tree.root.join(&path);
            fs_err::create_dir_all(target.parent().unwrap()).unwrap();
            fs_err::copy(shop().join(&path), target).unwrap();
        }
        tree
    }

    /// A copy of a workspace, as a clone has it.
    pub(crate) fn copy_of(workspace: &Path) -> Self {
        let tree = Self::new(&[]);
        for path in files_of(workspace) {
            let target = tree.root.join(&path);
            fs_err::create_dir_all(target.parent().unwrap()).unwrap();
            fs_err::copy(workspace.join(&path), target).unwrap();
        }
        tree
    }

    /// The sample workspace, whose worker has files with names as they come in the wild.
    pub(crate) fn with_odd_names() -> Self {
        let tree = Self::shop();
        let long = format!(
            "apps/worker/assets/{}/{}.txt",
            "d".repeat(120),
            "n".repeat(120)
        );
        for path in [
            "apps/worker/assets/with space.txt",
            "apps/worker/assets/größe-日本.txt",
            "apps/worker/assets/a'b\"c$d`e.txt",
            "apps/worker/assets/[id].txt",
            "apps/worker/assets/-dash.txt",
            "apps/worker/assets/#hash.txt",
            "apps/worker/assets.txt",
            "apps/worker/assets/run.sh",
            long.as_str(),
        ] {
            tree.write(path, path);
        }
        tree.write("apps/worker/assets/empty.txt", "");
        let script = tree.root().join("apps/worker/assets/run.sh");
        fs_err::set_permissions(script, std::fs::Permissions::from_mode(0o755)).unwrap();
        symlink("assets/run.sh", tree.root().join("apps/worker/start.link")).unwrap();
        tree
    }

    /// Where it lies, without symlinks on the way.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs_err::read_to_string(self.root.join(path)).unwrap()
    }

    pub(crate) fn remove(&self, path: &str) {
        fs_err::remove_file(self.root.join(path)).unwrap();
    }

    /// Adds to the end of a file.
    pub(crate) fn append(&self, path: &str, text: &str) {
        self.write(path, &(self.read(path) + text));
    }

    /// Replaces the only place in a file that reads `from`.
    pub(crate) fn replace(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {path}");
        self.write(path, &text.replace(from, to));
    }

    /// Replaces the first place in a file that reads `from` after the first `anchor`.
    pub(crate) fn replace_after(&self, path: &str, anchor: &str, from: &str, to: &str) {
        let text = self.read(path);
        let start = text.find(anchor).expect(anchor) + anchor.len();
        let at = start + text[start..].find(from).expect(from);
        let after = &text[at + from.len()..];
        self.write(path, &format!("{}{to}{after}", &text[..at]));
    }

    /// All files, relative to the root.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        files_of(&self.root)
    }
}

/// The files of the sample workspace that git has: what installs and builds leave behind is passed over.
pub(crate) fn shop_files() -> Vec<PathBuf> {
    files_of(&shop())
}

fn files_of(root: &Path) -> Vec<PathBuf> {
    let left_behind = ["node_modules", "dist", ".next", ".turbo"];
    WalkDir::new(root)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| {
            !left_behind
                .iter()
                .any(|name| entry.file_name().to_str() == Some(name))
        })
        .map(Result::unwrap)
        .filter(|entry| !entry.file_type().is_dir())
        .map(|entry| entry.path().strip_prefix(root).unwrap().to_path_buf())
        .collect()
}
