//! The way back: a layer of the cache as files in a directory, for whoever wants to try an image out.
//!
//! What is read is what will be sent. Owners and devices are left out, since only root could make them; everything may be removed again by who
//! unpacked it.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use flate2::read::MultiGzDecoder;
use fs_err::File;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use tar::{Archive, EntryType};

use super::pack::Tee;
use super::{ImageLayer, OciError};
use crate::cache::Cache;
use crate::threads;

/// Up to this size, a file is read as a whole, and written by another thread.
const SMALL: u64 = 256 * 1024;
/// How many files may wait for being written.
const WAITING: usize = 64;
/// What hides a file of a layer below; the rest of the name is the file's.
const WHITEOUT: &str = ".wh.";
/// What hides all that layers below have in a directory.
const OPAQUE: &str = ".wh..wh..opq";

/// A file on its way.
struct Small {
    path: PathBuf,
    mode: u32,
    bytes: Vec<u8>,
}

/// Unpacks a layer into a directory, over those that were unpacked there before. A blob that is damaged is thrown away, and is the error.
pub fn unpack(layer: &ImageLayer, cache: &Cache, into: &Path) -> Result<(), OciError> {
    let descriptor = &layer.descriptor;
    let damaged = || {
        cache.remove(&descriptor.digest);
        OciError::Damaged(descriptor.digest.clone())
    };
    let blob = cache.blob(&descriptor.digest, descriptor.size);
    let blob = blob
        .and_then(|path| File::open(path).ok())
        .ok_or_else(damaged)?;
    let blob = BufReader::with_capacity(1 << 16, blob.into_file());
    let mut tar: Box<dyn Read> = match &descriptor.media_type {
        kind if kind.ends_with("gzip") => Box::new(MultiGzDecoder::new(blob)),
        kind if kind.ends_with("zstd") => {
            Box::new(zstd::Decoder::with_buffer(blob).map_err(|_| damaged())?)
        }
        _ => Box::new(blob),
    };
    let mut hashed = Tee::new(&mut tar);
    let (files, queue) = sync_channel::<Small>(WAITING);
    let queue = Mutex::new(queue);
    let read = thread::scope(|scope| {
        // Two that add to one directory wait for each other.
        let helpers = threads::cores().saturating_sub(1).clamp(1, 2);
        let writers: Vec<_> = (0..helpers)
            .map(|_| scope.spawn(|| write_all(&queue)))
            .collect();
        let mut unpacking = Unpacking {
            into,
            made: BTreeSet::from([into.to_path_buf()]),
            files,
            links: Vec::new(),
        };
        let read = unpacking.all(Archive::new(&mut hashed));
        let Unpacking { files, links, .. } = unpacking;
        drop(files);
        for writer in writers {
            let written = writer
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            written.map_err(Fault::Write)?;
        }
        read?;
        // What they name is written by now.
        for (path, to) in links {
            replace(&path)
                .and_then(|()| fs_err::hard_link(&to, &path))
                .map_err(Fault::Write)?;
        }
        // Behind the archive's end there may be more of the tar.
        io::copy(&mut hashed, &mut io::sink()).map_err(|_| Fault::Read)?;
        Ok(hashed.1.finish().1)
    });
    match read {
        Ok(diff_id) if diff_id == layer.diff_id => Ok(()),
        Ok(_) | Err(Fault::Read) => Err(damaged()),
        Err(Fault::Write(error)) => Err(OciError::Unpack(error)),
    }
}

/// Which side is at fault.
enum Fault {
    Read,
    Write(io::Error),
}

struct Unpacking<'u> {
    into: &'u Path,
    /// Directories that are known to be there, and to be no links.
    made: BTreeSet<PathBuf>,
    files: SyncSender<Small>,
    /// Second names of files.
    links: Vec<(PathBuf, PathBuf)>,
}

impl Unpacking<'_> {
    fn all(&mut self, mut archive: Archive<impl Read>) -> Result<(), Fault> {
        for entry in archive.entries().map_err(|_| Fault::Read)? {
            self.one(entry.map_err(|_| Fault::Read)?)?;
        }
        Ok(())
    }

    fn one(&mut self, mut entry: tar::Entry<'_, impl Read>) -> Result<(), Fault> {
        let path = self
            .place(&entry.path().map_err(|_| Fault::Read)?)
            .map_err(Fault::Write)?;
        if path == self.into {
            return Ok(());
        }
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let parent = path.parent().unwrap_or(self.into);
        self.make(parent).map_err(Fault::Write)?;
        if name == OPAQUE {
            return clear(parent).map_err(Fault::Write);
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            self.made
                .retain(|made| !made.starts_with(parent.join(hidden)));
            return replace(&parent.join(hidden)).map_err(Fault::Write);
        }
        let mode = entry.header().mode().map_err(|_| Fault::Read)?;
        match entry.header().entry_type() {
            EntryType::Directory => {
                if !fs_err::symlink_metadata(&path).is_ok_and(|of| of.is_dir()) {
                    replace(&path).map_err(Fault::Write)?;
                }
                self.make(&path).map_err(Fault::Write)?;
                let mode = std::fs::Permissions::from_mode(mode & 0o777 | 0o700);
                fs_err::set_permissions(&path, mode).map_err(Fault::Write)
            }
            EntryType::Regular | EntryType::Continuous => {
                let mode = mode & 0o777 | 0o600;
                if entry.size() > SMALL {
                    let mut file = create(&path, mode).map_err(Fault::Write)?;
                    return copy(&mut entry, &mut file);
                }
                let mut bytes = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or(0));
                entry.read_to_end(&mut bytes).map_err(|_| Fault::Read)?;
                self.send(Small { path, mode, bytes })
            }
            EntryType::Symlink => {
                let target = entry
                    .link_name()
                    .map_err(|_| Fault::Read)?
                    .unwrap_or_default();
                replace(&path).map_err(Fault::Write)?;
                fs_err::os::unix::fs::symlink(target, path).map_err(Fault::Write)
            }
            EntryType::Link => {
                let target = entry
                    .link_name()
                    .map_err(|_| Fault::Read)?
                    .unwrap_or_default();
                let target = self.place(&target).map_err(Fault::Write)?;
                self.links.push((path, target));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn send(&self, file: Small) -> Result<(), Fault> {
        // Who writes gave up: it has the error.
        let gone = |_| Fault::Write(io::ErrorKind::BrokenPipe.into());
        self.files.send(file).map_err(gone)
    }

    /// Where a path of the tar lies.
    fn place(&self, path: &Path) -> io::Result<PathBuf> {
        let mut place = self.into.to_path_buf();
        for part in path.components() {
            match part {
                Component::Normal(name) => place.push(name),
                Component::CurDir | Component::RootDir => {}
                _ => {
                    return Err(io::Error::other(format!(
                        "`{}` leaves the image",
                        path.display()
                    )));
                }
            }
        }
        Ok(place)
    }

    /// Makes a directory, and those above it. One that is a link might lead anywhere.
    fn make(&mut self, dir: &Path) -> io::Result<()> {
        if self.made.contains(dir) {
            return Ok(());
        }
        if let Some(parent) = dir.parent() {
            self.make(parent)?;
        }
        match fs_err::symlink_metadata(dir) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => {
                return Err(io::Error::other(format!(
                    "`{}` is no directory",
                    dir.display()
                )));
            }
            Err(_) => fs_err::create_dir(dir)?,
        }
        self.made.insert(dir.to_path_buf());
        Ok(())
    }
}

fn write_all(queue: &Mutex<Receiver<Small>>) -> io::Result<()> {
    loop {
        let next = queue.lock().map(|queue| queue.recv());
        let Ok(Ok(Small { path, mode, bytes })) = next else {
            return Ok(());
        };
        let written =
            create(&path, mode).and_then(|mut file| io::Write::write_all(&mut file, &bytes));
        if let Err(error) = written {
            // Nobody may wait for room in the queue; what is left is not written.
            while queue.lock().is_ok_and(|queue| queue.recv().is_ok()) {}
            return Err(error);
        }
    }
}

fn create(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            replace(path)?;
            options.open(path)?
        }
        opened => opened?,
    };
    // The process's mask may say otherwise.
    if file.metadata()?.permissions().mode() & 0o777 != mode {
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    }
    Ok(file)
}

/// Makes room for what takes a place.
fn replace(path: &Path) -> io::Result<()> {
    match fs_err::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs_err::remove_dir_all(path),
        Ok(_) => fs_err::remove_file(path),
        Err(_) => Ok(()),
    }
}

fn clear(dir: &Path) -> io::Result<()> {
    for entry in fs_err::read_dir(dir)? {
        replace(&entry?.path())?;
    }
    Ok(())
}

fn copy(from: &mut impl Read, to: &mut File) -> Result<(), Fault> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut buffer).map_err(|_| Fault::Read)?;
        if count == 0 {
            return Ok(());
        }
        io::Write::write_all(to, &buffer[..count]).map_err(Fault::Write)?;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::layer::{Entry, Layer, Node};
    use crate::oci::{Compression, Packing, pack};

    fn made(text: &str) -> Node {
        let bytes = text.as_bytes().into();
        Node::Made { bytes, mode: 0o644 }
    }

    fn packed(entries: &[(&str, Node)], packing: Packing, cache: &Cache) -> ImageLayer {
        let entries = entries.iter();
        let entries: BTreeMap<String, Entry> = entries
            .map(|(path, node)| ((*path).to_owned(), Entry::root(node.clone())))
            .collect();
        let title = String::new();
        pack(&Layer { title, entries }, packing, cache).unwrap()
    }

    /// All below a directory: names of directories end with `/`, links and files have their text.
    fn listed(dir: &Path) -> Vec<String> {
        let walk = walkdir::WalkDir::new(dir).min_depth(1).sort_by_file_name();
        let line = |entry: walkdir::DirEntry| {
            let path = entry
                .path()
                .strip_prefix(dir)
                .unwrap()
                .display()
                .to_string();
            if entry.file_type().is_dir() {
                format!("{path}/")
            } else if entry.file_type().is_symlink() {
                format!(
                    "{path} -> {}",
                    fs_err::read_link(entry.path()).unwrap().display()
                )
            } else {
                format!("{path}: {}", fs_err::read_to_string(entry.path()).unwrap())
            }
        };
        walk.into_iter().map(|entry| line(entry.unwrap())).collect()
    }

    #[test]
    fn layers_lie_on_each_other() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let directory = tempfile::tempdir().unwrap();
            let cache = Cache::open(directory.path()).unwrap();
            let packing = Packing {
                compression,
                ..Packing::default()
            };
            let below = packed(
                &[
                    ("a/file", made("below")),
                    ("a/gone", made("")),
                    ("b/all/of/it", made("")),
                    ("link", Node::Symlink("a".to_owned())),
                    ("m/index.js", made("code")),
                    ("m/package.json", made("{}")),
                ],
                packing,
                &cache,
            );
            let above = packed(
                &[
                    ("a/.wh.gone", made("")),
                    ("a/file", made("above")),
                    ("b/.wh..wh..opq", made("")),
                    ("b/new", made("new")),
                    ("link", made("a file now")),
                ],
                packing,
                &cache,
            );
            let into = tempfile::tempdir().unwrap();
            unpack(&below, &cache, into.path()).unwrap();
            unpack(&above, &cache, into.path()).unwrap();
            assert_eq!(
                listed(into.path()),
                [
                    "a/",
                    "a/file: above",
                    "b/",
                    "b/new: new",
                    "link: a file now",
                    "m/",
                    "m/index.js: code",
                    "m/package.json: {}",
                ]
            );
        }
    }

    #[test]
    fn nothing_is_written_outside() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let link = |to: &Path| Node::Symlink(to.display().to_string());
        let outside = directory.path().join("outside");
        fs_err::create_dir(&outside).unwrap();
        let below = packed(&[("dir", link(&outside))], Packing::default(), &cache);
        let above = packed(&[("dir/file", made(""))], Packing::default(), &cache);
        let into = tempfile::tempdir().unwrap();
        unpack(&below, &cache, into.path()).unwrap();
        unpack(&above, &cache, into.path()).unwrap();
        assert_eq!(listed(into.path()), ["dir/", "dir/file: "]);
        assert_eq!(listed(&outside), [""; 0]);
    }

    #[test]
    fn a_damaged_layer_is_thrown_away() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let layer = packed(&[("a", made("text"))], Packing::default(), &cache);
        let blob = cache.path(&layer.descriptor.digest);
        let mut bytes = fs_err::read(&blob).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        fs_err::write(&blob, bytes).unwrap();
        let into = tempfile::tempdir().unwrap();
        let error = unpack(&layer, &cache, into.path()).unwrap_err();
        assert!(error.is_damage() && !blob.exists(), "{error}");
    }
}
