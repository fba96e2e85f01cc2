//! Properties of any layers, even malicious ones: unpacking them changes and reads nothing outside
//! their directory.
//!
//! Layers are written as lines, one entry each, so that small changes to the text are small changes
//! to the layers:
//!
//! ```text
//! dir a/b            a directory
//! file a/b/c         a file, which holds this line
//! link a/l ../@      a symlink and its target; `@` is the directory outside
//! hard h a/b/c       a hard link
//! pipe p             a pipe, and `device p` a device
//! tar                the rest of the input is a raw tar
//! layer              starts the next layer
//! ```
//!
//! In a name, `~300` repeats the preceding letter 300 times. Checksums of tar headers are
//! corrected, because the fuzzer would not find them.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};
use tempfile::TempDir;
use walkdir::WalkDir;

use super::{Descriptor, ImageLayer, OciError, unpack};
use crate::files::rooted::ImageTree;
use crate::model::digest::Digest;
use crate::store::cache::Cache;

/// Must not be readable through the image.
const SECRET: &[u8] = b"the secret of this machine";
/// More entries would only take time.
const ENTRIES: usize = 200;
/// Longer than any path may be.
const LONG_PATH: usize = 5000;
/// How many paths of a tree are visited, because links may make it endless.
const MAX_VISITS: usize = 500;

/// A tar written entry by entry, without the checks of a well-behaved writer.
#[derive(Debug, Default, Clone)]
pub(super) struct Tar(pub(super) Vec<u8>);

impl Tar {
    pub(super) fn dir(self, path: &str) -> Self {
        self.entry(EntryType::Directory, path, "", b"")
    }

    pub(super) fn file(self, path: &str, text: &str) -> Self {
        self.entry(EntryType::Regular, path, "", text.as_bytes())
    }

    pub(super) fn link(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, path, target, b"")
    }

    pub(super) fn hard(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Link, path, target, b"")
    }

    /// Adds an entry. What does not fit into its header is put before it, as GNU tar does.
    pub(super) fn entry(mut self, kind: EntryType, path: &str, target: &str, bytes: &[u8]) -> Self {
        for (long, text) in [
            (EntryType::GNULongName, path),
            (EntryType::GNULongLink, target),
        ] {
            if text.len() > 100 {
                let name = b"././@LongLink";
                self = self.raw(long, name, b"", &[text.as_bytes(), b"\0"].concat());
            }
        }
        self.raw(kind, path.as_bytes(), target.as_bytes(), bytes)
    }

    /// Adds an entry with its name and target cut to fit.
    pub(super) fn raw(mut self, kind: EntryType, path: &[u8], target: &[u8], bytes: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(match kind {
            EntryType::Directory => 0o755,
            _ => 0o644,
        });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(bytes.len() as u64);
        if let Some(gnu) = header.as_gnu_mut() {
            let all = [(&mut gnu.name, path), (&mut gnu.linkname, target)];
            for (field, text) in all {
                let length = text.len().min(field.len());
                field[..length].copy_from_slice(&text[..length]);
            }
        }
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(bytes);
        let rest = bytes.len().next_multiple_of(512) - bytes.len();
        self.0.resize(self.0.len() + rest, 0);
        self
    }

    /// Puts the layer into the cache, uncompressed.
    pub(super) fn keep(mut self, cache: &Cache) -> ImageLayer {
        self.0.resize(self.0.len() + 1024, 0);
        keep(
            &self.0,
            &self.0,
            "application/vnd.oci.image.layer.v1.tar",
            cache,
        )
    }
}

/// Puts a layer into the cache as it is sent.
pub(super) fn keep(tar: &[u8], sent: &[u8], kind: &str, cache: &Cache) -> ImageLayer {
    let descriptor = Descriptor::of(kind, sent);
    let mut blob = cache.begin().expect("the cache can be written to");
    std::io::Write::write_all(&mut blob, sent).expect("the cache can be written to");
    blob.keep(&descriptor.digest)
        .expect("the cache can be written to");
    ImageLayer {
        descriptor,
        diff_id: Digest::of(tar),
        unpacked: tar.len() as u64,
        title: String::new(),
    }
}

/// A directory for unpacked layers, and one outside it that they must not touch.
pub(super) struct Stage {
    dir: TempDir,
    pub(super) cache: Cache,
    before: BTreeMap<PathBuf, State>,
}

/// Everything that would show that a file was touched.
#[derive(Debug, PartialEq, Eq)]
struct State {
    inode: u64,
    mode: u32,
    links: u64,
    changed: (i64, i64),
    contents: Vec<u8>,
}

impl Stage {
    pub(super) fn new() -> Self {
        let made = || -> std::io::Result<TempDir> {
            let dir = tempfile::tempdir()?;
            let outside = dir.path().join("outside");
            fs_err::create_dir_all(outside.join("dir/below"))?;
            fs_err::write(outside.join("secret"), SECRET)?;
            fs_err::write(outside.join("dir/a"), SECRET)?;
            fs_err::os::unix::fs::symlink("secret", outside.join("link"))?;
            let private = std::fs::Permissions::from_mode(0o750);
            fs_err::set_permissions(outside.join("dir"), private)?;
            Ok(dir)
        };
        let dir = made().expect("a temporary directory can be written to");
        let cache = Cache::open(&dir.path().join("cache")).expect("a cache can be made");
        let before = states(&dir.path().join("outside"));
        Self { dir, cache, before }
    }

    /// The directory outside.
    pub(super) fn outside(&self) -> PathBuf {
        self.dir.path().join("outside")
    }

    /// A new directory for layers.
    pub(super) fn tree(&self, name: &str) -> PathBuf {
        let tree = self.dir.path().join(name);
        fs_err::create_dir(&tree).expect("a temporary directory can be written to");
        tree
    }

    /// Unpacks layers on top of each other, up to the first that is refused.
    pub(super) fn unpack(&self, layers: &[ImageLayer], into: &Path) -> Result<(), OciError> {
        layers
            .iter()
            .try_for_each(|layer| unpack(layer, &self.cache, into))
    }

    /// Checks that nothing outside the tree was changed or copied into it.
    pub(super) fn check(&self, tree: &Path) {
        let outside = states(&self.outside());
        assert_eq!(outside, self.before, "something beside the tree changed");
        let inodes: Vec<u64> = outside.values().map(|state| state.inode).collect();
        for (path, state) in states(tree) {
            let shared = inodes.contains(&state.inode);
            assert!(!shared, "`{}` is of the outside", path.display());
        }
        let image = ImageTree::open([tree]).expect("the tree can be opened");
        let mut left = MAX_VISITS;
        look(&image, Path::new(""), &mut left);
    }
}

/// Reads everything in a tree, following its links.
fn look(image: &ImageTree, dir: &Path, left: &mut usize) {
    let Ok(names) = image.read_dir(dir) else {
        return;
    };
    for name in names.keys() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let path = dir.join(name);
        if let Ok(bytes) = image.read(&path, 1 << 20) {
            assert!(bytes != SECRET, "`{}` was read", path.display());
        }
        let real = image.real(&path).unwrap_or_default();
        assert!(
            real.components()
                .all(|part| matches!(part, std::path::Component::Normal(_))),
            "`{}` is not below the root",
            real.display()
        );
        look(image, &path, left);
    }
}

fn states(dir: &Path) -> BTreeMap<PathBuf, State> {
    let walk = WalkDir::new(dir).into_iter().flatten();
    let state = |entry: walkdir::DirEntry| {
        let path = entry.into_path();
        let metadata = fs_err::symlink_metadata(&path).ok()?;
        let state = State {
            inode: metadata.ino(),
            mode: metadata.mode(),
            links: metadata.nlink(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            contents: contents(&path, &metadata),
        };
        Some((path, state))
    };
    walk.filter_map(state).collect()
}

fn contents(path: &Path, metadata: &Metadata) -> Vec<u8> {
    if metadata.is_symlink() {
        let target = fs_err::read_link(path).unwrap_or_default();
        return target.into_os_string().into_encoded_bytes();
    }
    if metadata.is_file() {
        return fs_err::read(path).unwrap_or_default();
    }
    Vec::new()
}

/// The content of a tree: paths from its root, modes, and bytes.
pub(super) fn listed(tree: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let listed = states(tree).into_iter().map(|(path, state)| {
        let path = path.strip_prefix(tree).map(Path::to_path_buf);
        (path.unwrap_or_default(), state.mode, state.contents)
    });
    // Layers do not set the root's own mode.
    listed.skip(1).collect()
}

/// Parses the lines described above.
pub(super) fn written(bytes: &[u8], outside: &Path) -> Vec<Tar> {
    let mut layers = vec![Tar::default()];
    let mut rest = bytes;
    for _ in 0..ENTRIES {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (line, next) = match end {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        let text = String::from_utf8_lossy(line).into_owned();
        let mut words = text.split(' ').map(|word| spelled(word, outside));
        let kind = words.next().unwrap_or_default();
        let (path, target) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let tar = layers.pop().unwrap_or_default();
        let tar = match &*kind {
            "dir" => tar.dir(&path),
            "file" => tar.file(&path, &text),
            "link" => tar.link(&path, &target),
            "hard" => tar.hard(&path, &target),
            "pipe" => tar.entry(EntryType::Fifo, &path, "", b""),
            "device" => tar.entry(EntryType::Char, &path, "", b""),
            "layer" => {
                layers.push(tar);
                Tar::default()
            }
            "tar" => {
                layers.push(Tar(corrected(next)));
                return layers;
            }
            _ => tar,
        };
        layers.push(tar);
        rest = next;
        if rest.is_empty() {
            break;
        }
    }
    layers
}

fn spelled(word: &str, outside: &Path) -> String {
    let word = word.replace('@', &outside.display().to_string());
    let mut spelled = String::new();
    for (number, part) in word.split('~').enumerate() {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (count, part) = part.split_at(if number == 0 { 0 } else { digits });
        if let (Some(letter), Ok(count)) = (spelled.chars().next_back(), count.parse::<usize>()) {
            let room = LONG_PATH.saturating_sub(spelled.len());
            spelled.extend(std::iter::repeat_n(letter, count.min(room)));
        }
        spelled.push_str(part);
    }
    spelled
}

/// Corrects the checksums of a tar's headers.
fn corrected(bytes: &[u8]) -> Vec<u8> {
    let mut tar = bytes.to_vec();
    for block in tar.chunks_exact_mut(512) {
        if &block[257..262] == b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        }
    }
    tar
}

/// Unpacks layers twice and checks that nothing outside is changed or read, that both results are
/// equal, and that a refusal blames the layer.
pub fn layers(bytes: &[u8]) {
    let stage = Stage::new();
    let layers = written(bytes, &stage.outside());
    let layers: Vec<ImageLayer> = layers
        .into_iter()
        .map(|tar| tar.keep(&stage.cache))
        .collect();
    let results = ["first", "second"].map(|name| {
        let tree = stage.tree(name);
        let unpacked = stage.unpack(&layers, &tree);
        stage.check(&tree);
        if let Err(error) = &unpacked {
            let fair = matches!(error, OciError::Malformed { .. } | OciError::Excess { .. });
            assert!(fair, "{error:?}");
        }
        (unpacked.map_err(|error| error.to_string()), listed(&tree))
    });
    assert_eq!(results[0].0, results[1].0);
    if results[0].0.is_ok() {
        assert_eq!(results[0].1, results[1].1);
    }
}
