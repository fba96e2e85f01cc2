//! The context: a [`Plan`]'s files as a deterministic tar, or as a directory.
//!
//! Goes in: the plan's list and the workspace's files. Comes out: a stream of bytes that depends on names, contents and executable bits alone.
//! Files are read while the stream is written, so that memory stays flat however large they are.

use std::io::{self, Read, Write};
use std::path::Path;

use tar::{Builder, EntryType, Header};

use crate::dockerfile;
use crate::files::Kind;
use crate::plan::{Content, Plan};

mod directory;

pub use directory::{write_dir, write_entries};

/// Writes the tar: the Dockerfile first, then all entries in order; times are nought, owners are root, modes are 0644 and 0755.
pub fn write_tar(plan: &Plan, root: &Path, out: &mut dyn Write) -> io::Result<()> {
    let mut tar = Builder::new(out);
    let text = dockerfile::render(plan).map_err(io::Error::other)?;
    append(
        &mut tar,
        dockerfile::PATH,
        false,
        text.len() as u64,
        text.as_bytes(),
    )?;
    for entry in &plan.context {
        match &entry.content {
            Content::Made { text, executable } => append(
                &mut tar,
                &entry.path,
                *executable,
                text.len() as u64,
                text.as_bytes(),
            )?,
            Content::Packed { bytes } => {
                append(&mut tar, &entry.path, false, bytes.len() as u64, &**bytes)?;
            }
            Content::Source {
                path,
                kind: Kind::Regular { executable },
                ..
            } => {
                let file = fs_err::File::open(path.on_disk(root))?;
                let size = file.metadata()?.len();
                // A file that grows while it is read must not push what follows out of place, nor one that shrinks.
                let mut exact = Exact {
                    file: file.take(size),
                    left: size,
                    path: entry.path.clone(),
                };
                append(&mut tar, &entry.path, *executable, size, &mut exact)?;
            }
            Content::Source {
                kind: Kind::Symlink { target },
                ..
            } => {
                let mut header = header(EntryType::Symlink, true, 0);
                tar.append_link(&mut header, &entry.path, target)?;
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

/// A reader of exactly as many bytes as the header says.
struct Exact<R> {
    file: R,
    left: u64,
    path: String,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.left -= read as u64;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            let problem = format!("`{}` became shorter while it was read", self.path);
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, problem));
        }
        Ok(read)
    }
}
