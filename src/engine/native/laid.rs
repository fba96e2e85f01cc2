//! The layers that lie on a base as files, for whoever looks whether all is there: made of what they will be packed from, as far as it is read.
//!
//! Thousands of small files are made quickest in memory, where the system has such a directory for everybody; what is large goes to the disk.

use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt as _;
use tempfile::{Builder, TempDir};

use crate::assemble;
use crate::layer::{Entry, Layer, Node};

/// Where files are kept in memory on Linux.
const MEMORY: &str = "/dev/shm";
/// The most that is put there.
const MOST: u64 = 64 << 20;

/// Lays the layers out in a new directory, on top of each other. It is below `scratch` where memory will not do.
pub(super) fn lay(layers: &[Layer], scratch: &Path) -> io::Result<TempDir> {
    if bytes(layers) <= MOST
        && let Ok(dir) = made(Path::new(MEMORY))
        && lay_in(layers, dir.path()).is_ok()
    {
        return Ok(dir);
    }
    let dir = made(scratch)?;
    lay_in(layers, dir.path())?;
    Ok(dir)
}

fn made(below: &Path) -> io::Result<TempDir> {
    Builder::new().prefix("slimbuild-proof-").tempdir_in(below)
}

/// How much there is to write.
fn bytes(layers: &[Layer]) -> u64 {
    let sizes = read(layers).map(|(_, entry)| match &entry.node {
        Node::File { from, .. } => fs_err::metadata(from).map_or(0, |file| file.len()),
        Node::Made { bytes, .. } => bytes.len() as u64,
        Node::Directory(_) | Node::Symlink(_) => 0,
    });
    sizes.sum()
}

/// The entries whose contents are read.
fn read(layers: &[Layer]) -> impl Iterator<Item = (&String, &Entry)> {
    layers.iter().flat_map(|layer| {
        let all = layer.entries.iter();
        all.filter(|(path, _)| is_read(layer, path))
    })
}

/// Code of the workspace is read to prove an image. Of modules it is what tells how they are found: manifests and libraries; their other files are
/// there and empty.
fn is_read(layer: &Layer, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let tells = || name.ends_with(".json") || name.ends_with(".node") || name.contains(".so");
    layer.title != assemble::MODULES || tells()
}

fn lay_in(layers: &[Layer], root: &Path) -> io::Result<()> {
    for layer in layers {
        let mut parent = root.to_path_buf();
        for (path, entry) in &layer.entries {
            let at = root.join(path);
            if let Some(dir) = at.parent()
                && dir != parent
            {
                fs_err::create_dir_all(dir)?;
                parent = dir.to_path_buf();
            }
            make(&at, entry, is_read(layer, path))?;
        }
    }
    Ok(())
}

fn make(at: &Path, entry: &Entry, whole: bool) -> io::Result<()> {
    let (mode, from, bytes) = match &entry.node {
        Node::Directory(_) => return fs_err::create_dir_all(at),
        Node::Symlink(target) => {
            // A layer above may have it too.
            drop(fs_err::remove_file(at));
            return symlink(target, at);
        }
        Node::File { from, mode } => (*mode, Some(from), None),
        Node::Made { bytes, mode } => (*mode, None, Some(bytes)),
    };
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    options.mode(mode & 0o777 | 0o600);
    let mut file = options.open(at)?;
    if whole {
        match (from, bytes) {
            (Some(from), _) => drop(io::copy(&mut fs_err::File::open(from)?, &mut file)?),
            (None, Some(bytes)) => io::Write::write_all(&mut file, bytes)?,
            (None, None) => {}
        }
    }
    // The process's mask may say otherwise.
    let mode = std::fs::Permissions::from_mode(mode & 0o777 | 0o600);
    file.set_permissions(mode)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn layer(title: &str, entries: &[(&str, Node)]) -> Layer {
        let entries = entries
            .iter()
            .map(|(path, node)| ((*path).to_owned(), Entry::root(node.clone())));
        Layer {
            title: title.to_owned(),
            entries: entries.collect::<BTreeMap<_, _>>(),
        }
    }

    fn text(text: &str) -> Node {
        Node::Made {
            bytes: text.as_bytes().into(),
            mode: 0o644,
        }
    }

    #[test]
    fn what_is_read_is_there_and_the_rest_by_name() {
        let tree = crate::testing::tree(&[("run.sh", "words")]);
        let from = tree.path().join("run.sh");
        let layers = [
            layer(
                assemble::MODULES,
                &[
                    ("app/node_modules/a/index.js", text("code")),
                    ("app/node_modules/a/package.json", text("{}")),
                    ("app/node_modules/b", Node::Symlink("a".to_owned())),
                ],
            ),
            layer(
                "the app",
                &[
                    ("app/main.js", text("code")),
                    ("app/node_modules/b", Node::Symlink("../main.js".to_owned())),
                    ("app/run.sh", Node::File { from, mode: 0o755 }),
                ],
            ),
        ];
        let laid = lay(&layers, tree.path()).unwrap();
        let read = |path: &str| fs_err::read_to_string(laid.path().join("app").join(path)).unwrap();
        assert_eq!(read("node_modules/a/index.js"), "");
        assert_eq!(read("node_modules/a/package.json"), "{}");
        assert_eq!(
            (read("main.js"), read("node_modules/b")),
            ("code".into(), "code".into())
        );
        assert_eq!(read("run.sh"), "words");
        let mode = fs_err::metadata(laid.path().join("app/run.sh")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o755);
    }
}
