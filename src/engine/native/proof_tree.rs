//! Writes the layers on top of the base as files for the proof, from the files that they will be
//! packed from, as far as the proof reads them.
//!
//! Thousands of small files are made fastest in memory, if the system has such a directory; larger
//! trees go to the disk.

use std::io;
use std::path::Path;

use crate::files::rooted::{PlaceError, Writer};
use crate::finished::assemble;
use crate::image::layer::{Layer, LayerEntry, LayerNode};
use crate::system::workdir::{MEMORY, WorkDir};

/// The most bytes that are put into memory.
const MAX_IN_MEMORY: u64 = 64 << 20;

/// Writes the layers into a new directory, on top of each other. It is below `scratch` if memory is
/// unsuitable.
pub(super) fn unpack_layers(layers: &[Layer], scratch: &Path) -> io::Result<WorkDir> {
    if bytes(layers) <= MAX_IN_MEMORY
        && let Ok(dir) = WorkDir::new_in(Path::new(MEMORY))
        && lay_in(layers, dir.path()).is_ok()
    {
        return Ok(dir);
    }
    let dir = WorkDir::new_in(scratch)?;
    lay_in(layers, dir.path())?;
    Ok(dir)
}

/// The bytes to write.
fn bytes(layers: &[Layer]) -> u64 {
    let sizes = read(layers).map(|(_, entry)| match &entry.node {
        LayerNode::File { from, .. } => fs_err::metadata(from).map_or(0, |file| file.len()),
        LayerNode::Made { bytes, .. } => bytes.len() as u64,
        LayerNode::Directory(_) | LayerNode::Symlink(_) => 0,
    });
    sizes.sum()
}

/// The entries whose contents are needed.
fn read(layers: &[Layer]) -> impl Iterator<Item = (&String, &LayerEntry)> {
    layers.iter().flat_map(|layer| {
        let all = layer.entries.iter();
        all.filter(|(path, _)| is_read(layer, path))
    })
}

/// Whether the proof needs a file's content: code of the workspace, and of modules only what
/// resolution needs, which is manifests and libraries. Other files exist but are empty.
fn is_read(layer: &Layer, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let tells = || name.ends_with(".json") || name.ends_with(".node") || name.contains(".so");
    layer.title != assemble::MODULES || tells()
}

fn lay_in(layers: &[Layer], root: &Path) -> io::Result<()> {
    let failed = |error| match error {
        PlaceError::Impossible(words) => io::Error::new(io::ErrorKind::InvalidInput, words),
        PlaceError::Disk(error) => error,
    };
    let mut writer = Writer::new(root, true).map_err(failed)?;
    for layer in layers {
        for (path, entry) in &layer.entries {
            let at = Path::new(path);
            let mode = |mode: u32| mode | 0o600;
            match &entry.node {
                LayerNode::Directory(_) => writer.directory(at, 0o755).map_err(failed)?,
                LayerNode::Symlink(target) => {
                    writer.symlink(at, target.as_ref()).map_err(failed)?;
                }
                LayerNode::File { from, mode: bits } => {
                    let file = writer.slot(at).and_then(|slot| slot.create(mode(*bits)));
                    let mut file = file.map_err(failed)?;
                    if is_read(layer, path) {
                        io::copy(&mut fs_err::File::open(from)?, &mut file)?;
                    }
                }
                LayerNode::Made { bytes, mode: bits } => {
                    let file = writer.slot(at).and_then(|slot| slot.create(mode(*bits)));
                    let mut file = file.map_err(failed)?;
                    if is_read(layer, path) {
                        io::Write::write_all(&mut file, bytes)?;
                    }
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn layer(title: &str, entries: &[(&str, LayerNode)]) -> Layer {
        let entries = entries
            .iter()
            .map(|(path, node)| ((*path).to_owned(), LayerEntry::root(node.clone())));
        Layer {
            title: title.to_owned(),
            entries: entries.collect::<BTreeMap<_, _>>(),
        }
    }

    fn text(text: &str) -> LayerNode {
        LayerNode::Made {
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
                    ("app/node_modules/b", LayerNode::Symlink("a".to_owned())),
                ],
            ),
            layer(
                "the app",
                &[
                    ("app/main.js", text("code")),
                    (
                        "app/node_modules/b",
                        LayerNode::Symlink("../main.js".to_owned()),
                    ),
                    ("app/run.sh", LayerNode::File { from, mode: 0o755 }),
                ],
            ),
        ];
        let laid = unpack_layers(&layers, tree.path()).unwrap();
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

    #[test]
    fn nothing_is_written_through_a_link() {
        let tree = crate::testing::tree(&[("outside/kept", "before")]);
        let outside = tree.path().join("outside").display().to_string();
        let to = |path: &str| LayerNode::Symlink(path.to_owned());
        let layers = [
            layer(
                "below",
                &[
                    ("app/dir", to(&outside)),
                    ("app/file", to(&format!("{outside}/kept"))),
                ],
            ),
            layer(
                "above",
                &[
                    ("app/dir/new", text("new")),
                    ("app/dir/kept", text("new")),
                    ("app/file", text("new")),
                ],
            ),
        ];
        let laid = unpack_layers(&layers, tree.path()).unwrap();
        let names = fs_err::read_dir(&outside).unwrap().count();
        let kept = fs_err::read_to_string(tree.path().join("outside/kept")).unwrap();
        assert_eq!((names, kept.as_str()), (1, "before"));
        let file = fs_err::read_to_string(laid.path().join("app/file")).unwrap();
        assert_eq!(file, "new");
    }
}
