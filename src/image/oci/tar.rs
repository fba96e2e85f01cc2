//! Writes a [`Layer`] as a tar: sorted, with all parent directories, one time for all entries,
//! owners and modes as given.
//!
//! The format is GNU's, which Docker, containerd, skopeo and umoci read: long names and link
//! targets get entries of their own.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err::File;
use tar::{Builder, EntryType, Header};

use super::OciError;
use crate::image::layer::{Layer, LayerEntry, LayerNode, Owner};
use crate::system::threads;

/// How many files a thread takes at a time.
const BATCH: usize = 256;
/// A file changed this short a time before it was looked at may change again and look the same.
const TICK: Duration = Duration::from_millis(100);
/// The same limit if the file system's times are whole seconds.
const COARSE_TICK: Duration = Duration::from_secs(2);
/// The longest link target that fits into a header.
const SHORT_TARGET: usize = 100;

/// Identifies a file's state: size, modification time, change time and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    pub(super) modified: (i64, i64),
    pub(super) changed: (i64, i64),
    pub(super) inode: u64,
}

impl Stamp {
    #[cfg(unix)]
    fn of(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    #[cfg(not(unix))]
    fn of(metadata: &std::fs::Metadata) -> Self {
        let modified = metadata.modified().ok();
        let since = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let since = since.unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
        let modified = (seconds, i64::from(since.subsec_nanos()));
        Self {
            size: metadata.len(),
            modified,
            changed: modified,
            inode: 0,
        }
    }

    /// Whether two looks at a file saw the same content. The change time is ignored: creating a
    /// link changes it too, and pnpm links and unlinks the files of its store at any time.
    fn is_of_same_content(&self, now: &Self) -> bool {
        let content = |stamp: &Self| (stamp.size, stamp.modified, stamp.inode);
        content(self) == content(now)
    }

    /// Whether a change after `seen` would be visible in the stamp.
    fn is_settled(&self, seen: SystemTime) -> bool {
        let (seconds, nanoseconds) = self.changed;
        let tick = if nanoseconds == 0 { COARSE_TICK } else { TICK };
        let (Ok(seconds), Ok(nanoseconds)) = (seconds.try_into(), nanoseconds.try_into()) else {
            return false;
        };
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds) + tick;
        changed <= seen
    }
}

/// A layer with every entry of its tar, in order, and the state of its files.
pub(super) struct Listing<'l> {
    pub(super) items: Vec<Item<'l>>,
    /// Whether any later change of a file would be noticed.
    pub(super) settled: bool,
}

/// One entry of the tar.
pub(super) struct Item<'l> {
    pub(super) path: &'l str,
    pub(super) node: Stamped<'l>,
    pub(super) owner: Owner,
}

/// A [`LayerNode`] with the state of its file.
pub(super) enum Stamped<'l> {
    Directory(u32),
    File(&'l PathBuf, u32, Stamp),
    Made(&'l [u8], u32),
    Symlink(&'l str),
}

impl<'l> Listing<'l> {
    /// Adds all parent directories, and looks at the files.
    pub(super) fn new(layer: &'l Layer) -> Result<Self, OciError> {
        let seen = SystemTime::now();
        let mut all: BTreeMap<&str, Option<&LayerEntry>> = BTreeMap::new();
        for (path, entry) in &layer.entries {
            all.insert(path, Some(entry));
            let above = path.match_indices('/').map(|(at, _)| &path[..at]);
            for directory in above {
                all.entry(directory).or_default();
            }
        }
        let all: Vec<(&str, Option<&LayerEntry>)> = all.into_iter().collect();
        let items = threads::map(&all, BATCH, |(path, entry)| item(path, *entry));
        let items = items.into_iter().collect::<Result<Vec<_>, _>>()?;
        let settled = items.iter().all(|item| match &item.node {
            Stamped::File(_, _, stamp) => stamp.is_settled(seen),
            _ => true,
        });
        Ok(Self { items, settled })
    }

    /// Writes the tar. Fails if a file changed since it was looked at.
    pub(super) fn write(&self, epoch: u64, out: &mut dyn Write) -> Result<(), OciError> {
        let mut tar = Builder::new(out);
        for item in &self.items {
            let mut header = Header::new_gnu();
            header.set_mtime(epoch);
            header.set_uid(item.owner.user.into());
            header.set_gid(item.owner.group.into());
            match &item.node {
                Stamped::File(from, mode, stamp) => {
                    let mut file = open(from, stamp)?;
                    header.set_entry_type(EntryType::Regular);
                    header.set_mode(*mode);
                    header.set_size(stamp.size);
                    let content = (&mut file).take(stamp.size);
                    let written = tar.append_data(&mut header, item.path, content);
                    written.map_err(|source| failed(item, source))?;
                    check(&file, from, stamp)?;
                }
                node => write_small(&mut tar, header, item, node)
                    .map_err(|source| failed(item, source))?,
            }
        }
        tar.finish().map_err(OciError::Cache)
    }
}

fn item<'l>(path: &'l str, entry: Option<&'l LayerEntry>) -> Result<Item<'l>, OciError> {
    let Some(entry) = entry else {
        return Ok(Item {
            path,
            node: Stamped::Directory(0o755),
            owner: Owner::ROOT,
        });
    };
    let node = match &entry.node {
        LayerNode::Directory(mode) => Stamped::Directory(*mode),
        LayerNode::Made { bytes, mode } => Stamped::Made(bytes, *mode),
        LayerNode::Symlink(target) => Stamped::Symlink(target),
        LayerNode::File { from, mode } => {
            let metadata = fs_err::metadata(from).map_err(OciError::Read)?;
            if !metadata.is_file() {
                return Err(OciError::NoFile(from.clone()));
            }
            Stamped::File(from, *mode, Stamp::of(&metadata))
        }
    };
    let owner = entry.owner;
    Ok(Item { path, node, owner })
}

/// Writes an entry that needs no file.
fn write_small(
    tar: &mut Builder<impl Write>,
    mut header: Header,
    item: &Item<'_>,
    node: &Stamped<'_>,
) -> std::io::Result<()> {
    match node {
        Stamped::Directory(mode) => {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(*mode);
            header.set_size(0);
            tar.append_data(&mut header, format!("{}/", item.path), std::io::empty())
        }
        Stamped::Made(bytes, mode) => {
            header.set_entry_type(EntryType::Regular);
            header.set_mode(*mode);
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, item.path, *bytes)
        }
        Stamped::Symlink(target) => {
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            header.set_size(0);
            if target.len() > SHORT_TARGET {
                return tar.append_link(&mut header, item.path, target);
            }
            // Keeps the target as written; other methods normalise it.
            header.set_link_name_literal(target)?;
            tar.append_data(&mut header, item.path, std::io::empty())
        }
        Stamped::File(..) => Ok(()),
    }
}

fn failed(item: &Item<'_>, source: std::io::Error) -> OciError {
    // Refusals by the archive writer have the kind `Other`. Everything else is from the disk that
    // is read or written.
    if source.kind() == std::io::ErrorKind::Other {
        return OciError::Entry {
            path: item.path.to_owned(),
            source,
        };
    }
    OciError::Cache(source)
}

fn open(from: &Path, stamp: &Stamp) -> Result<File, OciError> {
    let file = File::open(from).map_err(OciError::Read)?;
    check(&file, from, stamp)?;
    Ok(file)
}

fn check(file: &File, from: &Path, stamp: &Stamp) -> Result<(), OciError> {
    let metadata = file.metadata().map_err(OciError::Read)?;
    if stamp.is_of_same_content(&Stamp::of(&metadata)) {
        Ok(())
    } else {
        Err(OciError::Changed(from.to_path_buf()))
    }
}
