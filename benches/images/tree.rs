//! A workspace to build from: a copy, so that lines can be changed in it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use slimbuild::internals::{Reason, RepoPath, Rules, Verdict};
use tempfile::TempDir;
use walkdir::{DirEntry, WalkDir};

use crate::Result;

/// What a fresh checkout does not have.
const NOT_IN_A_CHECKOUT: &[&str] = &["node_modules", ".git", ".turbo", ".next", "dist", "out"];

/// A change of one line, another one in every round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edit {
    /// The file, below the workspace's root.
    pub(crate) file: &'static str,
    /// The line, or a part of it that the file holds once.
    pub(crate) line: &'static str,
    /// Words in it, to which the round's number is added.
    pub(crate) words: &'static str,
}

/// A copy of a directory.
pub(crate) struct Tree {
    dir: TempDir,
}

impl Tree {
    pub(crate) fn empty() -> io::Result<Self> {
        Ok(Self {
            dir: TempDir::with_prefix("slimbuild-bench-")?,
        })
    }

    /// Copies a workspace as a fresh checkout has it.
    pub(crate) fn checkout(from: &Path) -> Result<Self> {
        Self::copy(from, |entry| {
            !NOT_IN_A_CHECKOUT
                .iter()
                .any(|name| entry.file_type().is_dir() && entry.file_name() == *name)
        })
    }

    /// Copies a context as it is.
    pub(crate) fn context(from: &Path) -> Result<Self> {
        Self::copy(from, |_| true)
    }

    fn copy(from: &Path, wanted: impl Fn(&DirEntry) -> bool) -> Result<Self> {
        let tree = Self::empty()?;
        let entries = WalkDir::new(from).min_depth(1).follow_links(true);
        for entry in entries.into_iter().filter_entry(wanted) {
            let entry = entry?;
            let to = tree.path().join(entry.path().strip_prefix(from)?);
            if entry.file_type().is_dir() {
                fs::create_dir_all(to)?;
            } else {
                fs::copy(entry.path(), to)?;
            }
        }
        Ok(tree)
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Where the file of an edit is. In a context of slimbuild's it lies deeper.
    fn find(&self, file: &str) -> Result<PathBuf> {
        WalkDir::new(self.path())
            .sort_by_file_name()
            .into_iter()
            .filter_map(|entry| Some(entry.ok()?.into_path()))
            .find(|path| path.ends_with(file))
            .ok_or_else(|| format!("there is no {file}").into())
    }

    /// Changes the line.
    pub(crate) fn change(&self, edit: Edit, round: usize) -> Result<Changed> {
        let file = self.find(edit.file)?;
        let before = fs::read_to_string(&file)?;
        let words = format!("{} {round}", edit.words);
        let line = edit.line.replace(edit.words, &words);
        let after = before.replacen(edit.line, &line, 1);
        if after == before {
            return Err(format!("`{}` is not in {}", edit.line, edit.file).into());
        }
        fs::write(&file, after)?;
        Ok(Changed { file, before })
    }
}

/// Writes what `docker build` would send: all that the `.dockerignore` lets through, and the Dockerfile.
pub(crate) fn write_tar(
    root: &Path,
    name: &str,
    dockerfile: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rules = Rules::load(root, &[], &[]).map_err(io::Error::other)?;
    let mut tar = tar::Builder::new(out);
    let mut header = tar::Header::new_gnu();
    header.set_size(dockerfile.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, name, dockerfile.as_bytes())?;
    for entry in WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry?;
        let path = RepoPath::from_disk(root, entry.path()).map_err(io::Error::other)?;
        let verdict = rules.file(&path).map_err(io::Error::other)?;
        // The other rules are slimbuild's own, not Docker's.
        let dropped = matches!(verdict, Verdict::Drop(Reason::DockerIgnore { .. }));
        if !dropped && !entry.file_type().is_dir() {
            tar.append_path_with_name(entry.path(), path.as_str())?;
        }
    }
    tar.finish()
}

/// A changed line.
pub(crate) struct Changed {
    file: PathBuf,
    before: String,
}

impl Changed {
    /// Brings the old text back.
    pub(crate) fn undo(self) -> io::Result<()> {
        fs::write(self.file, self.before)
    }
}
