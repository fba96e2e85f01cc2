//! Updates the copies of injected workspace packages. pnpm makes the copies at install time, before
//! anything is built.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use walkdir::WalkDir;

use crate::files::status_changed;
use crate::model::path::RepoPath;

/// Copies what was written in a package since `time` to all its copies below `root`.
pub(super) fn renew(root: &Path, dir: &RepoPath, name: &str, time: SystemTime) -> io::Result<()> {
    let from = dir.on_disk(root);
    let mut written: Vec<PathBuf> = Vec::new();
    let walk = WalkDir::new(&from).into_iter();
    for entry in walk.filter_entry(|entry| entry.file_name() != "node_modules") {
        let entry = entry?;
        if !entry.file_type().is_dir() && status_changed(&entry.metadata()?) > Some(time) {
            let inside = entry.path().strip_prefix(&from).map_err(io::Error::other)?;
            written.push(inside.to_path_buf());
        }
    }
    for copy in copies(root, name)? {
        for file in &written {
            let target = copy.join(file);
            if let Some(parent) = target.parent() {
                fs_err::create_dir_all(parent)?;
            }
            fs_err::copy(from.join(file), target)?;
        }
    }
    Ok(())
}

/// Where pnpm puts copies: in its virtual stores, or where modules are hoisted.
fn copies(root: &Path, name: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut stores = WalkDir::new(root).into_iter();
    while let Some(entry) = stores.next() {
        let entry = entry?;
        if entry.file_name() != "node_modules" || !entry.file_type().is_dir() {
            continue;
        }
        stores.skip_current_dir();
        found.push(entry.path().join(name));
        if let Ok(inside) = fs_err::read_dir(entry.path().join(".pnpm")) {
            for store in inside {
                found.push(store?.path().join("node_modules").join(name));
            }
        }
    }
    found.retain(|path| fs_err::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()));
    Ok(found)
}
