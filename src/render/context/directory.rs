//! Writes the context into a directory.
//!
//! Most of the time is spent on creating files and directories, which the kernel can do for several
//! callers at once: a few threads share the list.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use fs_err::{File, OpenOptions};

use crate::files::Kind;
use crate::files::tree::Tree;
use crate::model::path::RepoPath;
use crate::plan::{Content, PlacedFile, Plan};
use crate::render::dockerfile;
use crate::system::threads;

use super::{Planned, changed};

/// How many entries a thread takes at a time. Neighbours share directories.
const BATCH: usize = 64;
/// Files up to this size in bytes are read and written at once; the kernel's copy functions need
/// more calls.
const MAX_READ_WHOLE: u64 = 256 * 1024;

/// Writes a plan's files into a directory.
pub fn write_dir(plan: &Plan, root: &Path, target: &Path) -> io::Result<()> {
    fs_err::create_dir_all(target)?;
    let text = dockerfile::render(plan).map_err(io::Error::other)?;
    fs_err::write(target.join(dockerfile::PATH), text)?;
    write_entries(plan.context(), root, target, &|| Ok(()))
}

/// Writes entries into an empty directory. `go_on` is called before each entry and stops the work
/// with its error. All writing has ended when this returns.
///
/// Symlinks come last: while files are written, no link exists that could lead out of the
/// directory.
pub fn write_entries<P: AsRef<str> + Sync>(
    entries: &[PlacedFile<P>],
    root: &Path,
    target: &Path,
    go_on: &(dyn Fn() -> io::Result<()> + Sync),
) -> io::Result<()> {
    let (links, files): (Vec<&PlacedFile<P>>, Vec<&PlacedFile<P>>) = entries
        .iter()
        .partition(|entry| entry.content.link().is_some());
    let shares: Vec<&[&PlacedFile<P>]> = files.chunks(BATCH).collect();
    let shares = spread(&shares);
    let tree = Tree::open(root)?;
    let failed = AtomicBool::new(false);
    let results = threads::map(&shares, 1, |share| {
        let mut writer = Writer::new(&tree, target);
        for entry in *share {
            // The failing thread reports the error; the others only stop.
            if failed.load(Ordering::Relaxed) {
                break;
            }
            go_on()
                .and_then(|()| writer.write(entry))
                .inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
        }
        Ok(())
    });
    results.into_iter().collect::<io::Result<()>>()?;
    let mut writer = Writer::new(&tree, target);
    for entry in links {
        go_on()?;
        writer.write(entry)?;
    }
    Ok(())
}

/// Alternates between the first and the second half: threads that add to the same directory wait
/// for each other.
fn spread<T: Copy>(items: &[T]) -> Vec<T> {
    let (first, last) = items.split_at(items.len().div_ceil(2));
    let pairs = first.iter().enumerate();
    pairs
        .flat_map(|(at, item)| [Some(item), last.get(at)])
        .flatten()
        .copied()
        .collect()
}

/// The state of writing one share.
struct Writer<'w> {
    tree: &'w Tree,
    target: &'w Path,
    /// Directories known to exist, as named by entries.
    made: BTreeSet<String>,
    /// Reused for the content of small files.
    buffer: Vec<u8>,
}

impl<'w> Writer<'w> {
    fn new(tree: &'w Tree, target: &'w Path) -> Self {
        Self {
            tree,
            target,
            made: BTreeSet::new(),
            buffer: Vec::new(),
        }
    }

    fn write<P: AsRef<str>>(&mut self, entry: &PlacedFile<P>) -> io::Result<()> {
        let path = entry.full_path();
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.make(parent)?;
        }
        let target = self.target.join(&path);
        match &entry.content {
            Content::Made { text, executable } => {
                create(&target, *executable)?.write_all(text.as_bytes())
            }
            Content::Packed { bytes } => create(&target, false)?.write_all(bytes),
            Content::Source {
                path,
                kind: Kind::Regular { executable },
                size,
            } => self.copy(path, *size, &target, *executable),
            Content::Source {
                kind: Kind::Symlink { target: to },
                ..
            } => link(to, &target),
        }
    }

    /// Creates a directory and its parents. Another thread may do the same.
    fn make(&mut self, dir: &str) -> io::Result<()> {
        if self.made.contains(dir) {
            return Ok(());
        }
        if let Some((parent, _)) = dir.rsplit_once('/') {
            self.make(parent)?;
        }
        match fs_err::create_dir(self.target.join(dir)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.made.insert(dir.to_owned());
        Ok(())
    }

    fn copy(&mut self, from: &RepoPath, size: u64, to: &Path, executable: bool) -> io::Result<()> {
        let mut source = Planned::open(self.tree, from, size)?;
        self.buffer.clear();
        (&mut source)
            .take(MAX_READ_WHOLE)
            .read_to_end(&mut self.buffer)?;
        let mut target = create(to, executable)?;
        target.write_all(&self.buffer)?;
        if source.left > 0 {
            // The kernel copies the rest if it can.
            let copied = io::copy(&mut source.file, target.file_mut())?;
            if copied != source.left {
                return Err(changed(from));
            }
        }
        Ok(())
    }
}

/// Creates a file with mode 0644 or 0755, whatever the umask.
#[cfg(unix)]
fn create(path: &Path, executable: bool) -> io::Result<File> {
    use fs_err::os::unix::fs::OpenOptionsExt;
    use std::os::unix::fs::PermissionsExt;
    let mode = if executable { 0o755 } else { 0o644 };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    let file = options.open(path)?;
    if file.metadata()?.permissions().mode() & 0o7777 != mode {
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    }
    Ok(file)
}

#[cfg(not(unix))]
fn create(path: &Path, _: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).open(path)
}

#[cfg(unix)]
fn link(to: &str, at: &Path) -> io::Result<()> {
    fs_err::os::unix::fs::symlink(to, at)
}

#[cfg(not(unix))]
fn link(_: &str, at: &Path) -> io::Result<()> {
    let problem = format!(
        "cannot make the symlink `{}` on this system: write a tar instead",
        at.display()
    );
    Err(io::Error::new(io::ErrorKind::Unsupported, problem))
}
