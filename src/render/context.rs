//! The context: a [`Plan`]'s files as a deterministic tar, or as a directory.
//!
//! Input: the plan's list and the workspace's files. Output: a stream of bytes that depends only on
//! names, contents and executable bits. Files are read while the stream is written, so memory use
//! stays constant.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use tar::{Builder, EntryType, Header};

use crate::files::Kind;
use crate::files::tree::Tree;
use crate::model::path::RepoPath;
use crate::plan::{Content, Plan};
use crate::render::dockerfile;

mod directory;

pub use directory::{write_dir, write_entries};

/// Writes the tar: the Dockerfile first, then all entries in order. Times are 0, owners are root,
/// modes are 0644 or 0755.
pub fn write_tar(plan: &Plan, root: &Path, out: &mut dyn Write) -> io::Result<()> {
    let tree = Tree::open(root)?;
    let mut tar = Builder::new(out);
    let text = dockerfile::render(plan).map_err(io::Error::other)?;
    append(
        &mut tar,
        dockerfile::PATH,
        false,
        text.len() as u64,
        text.as_bytes(),
    )?;
    for entry in plan.context() {
        let place = entry.full_path();
        match &entry.content {
            Content::Made { text, executable } => append(
                &mut tar,
                &place,
                *executable,
                text.len() as u64,
                text.as_bytes(),
            )?,
            Content::Packed { bytes } => {
                append(&mut tar, &place, false, bytes.len() as u64, &**bytes)?;
            }
            Content::Source {
                path,
                kind: Kind::Regular { executable },
                size,
            } => {
                let file = Planned::open(&tree, path, *size)?;
                append(&mut tar, &place, *executable, *size, file)?;
            }
            Content::Source {
                kind: Kind::Symlink { target },
                ..
            } => {
                let mut header = header(EntryType::Symlink, true, 0);
                tar.append_link(&mut header, &place, target)?;
            }
        }
    }
    tar.finish()
}

fn append(
    tar: &mut Builder<impl Write>,
    path: &str,
    executable: bool,
    size: u64,
    data: impl Read,
) -> io::Result<()> {
    let mut header = header(EntryType::Regular, executable, size);
    tar.append_data(&mut header, path, data)
}

fn header(kind: EntryType, executable: bool, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(if executable { 0o755 } else { 0o644 });
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Opens a file of the workspace that must have the planned length.
pub(super) fn open<'p>(tree: &Tree, path: &'p RepoPath, size: u64) -> io::Result<impl Read + 'p> {
    Planned::open(tree, path, size)
}

/// A file of the workspace that must have the planned length. It yields exactly that many bytes: a
/// file that grows or shrinks while it is read must not shift the rest of the tar.
struct Planned<'p> {
    file: io::Take<File>,
    left: u64,
    path: &'p RepoPath,
}

impl<'p> Planned<'p> {
    /// Opens the file once, so that the checked file is the one that is read.
    fn open(tree: &Tree, path: &'p RepoPath, size: u64) -> io::Result<Self> {
        let (file, metadata) = tree.file(path)?;
        if metadata.size != size {
            return Err(changed(path));
        }
        Ok(Self {
            file: file.take(size),
            left: size,
            path,
        })
    }
}

impl Read for Planned<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.left -= read as u64;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(changed(self.path));
        }
        Ok(read)
    }
}

fn changed(path: &RepoPath) -> io::Error {
    io::Error::other(format!(
        "`{path}` changed while slimbuild worked: run it again"
    ))
}

#[cfg(test)]
mod tests;
