//! The files of an image on disk, in a directory or in an archive.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use fs_err::File;
use tar::{Archive, EntryType};

use crate::image::oci::limits;

/// Files that describe the others. An archive has one of each.
const DESCRIBING_FILES: [&str; 3] = ["manifest.json", "index.json", "oci-layout"];

/// Files by name.
pub(in crate::image::oci) enum Files {
    Directory(PathBuf),
    /// Offset and length of each file. Links are resolved.
    Archive(PathBuf, BTreeMap<String, (u64, u64)>),
}

impl Files {
    /// Lists the files of an archive.
    pub(in crate::image::oci) fn archive(path: PathBuf) -> io::Result<Self> {
        let mut start = [0; 2];
        let (mut file, length) = regular(&path)?;
        let is_packed = file.read_exact(&mut start).is_ok() && start == [0x1f, 0x8b];
        if is_packed {
            return Err(invalid("it is compressed: unpack it with `gunzip` first"));
        }
        file.seek(SeekFrom::Start(0))?;
        bounded(&file)?;
        file.seek(SeekFrom::Start(0))?;
        let mut found = BTreeMap::new();
        let mut links = Vec::new();
        let mut archive = Archive::new(BufReader::new(file));
        for entry in archive.entries_with_seek()? {
            let entry = entry?;
            let name = clean(&String::from_utf8_lossy(&entry.path_bytes()));
            match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => {
                    let (at, size) = (entry.raw_file_position(), entry.size());
                    if at.checked_add(size).is_none_or(|end| end > length) {
                        return Err(invalid(&format!("it ends in the middle of its `{name}`")));
                    }
                    if DESCRIBING_FILES.contains(&name.as_str()) && found.contains_key(&name) {
                        return Err(invalid(&format!("it has two `{name}`")));
                    }
                    found.insert(name, (at, size));
                }
                // Old engines save a repeated layer as a link.
                EntryType::Symlink | EntryType::Link => {
                    if let Some(target) = entry.link_name_bytes() {
                        let target = String::from_utf8_lossy(&target).into_owned();
                        links.push((name, target));
                    }
                }
                _ => {}
            }
        }
        for (name, target) in links {
            let target = clean(target.trim_start_matches("../"));
            if let Some(place) = found.get(&target).copied() {
                found.insert(name, place);
            }
        }
        Ok(Self::Archive(path, found))
    }

    /// A file and its length in bytes.
    pub(in crate::image::oci) fn open(&self, name: &str) -> io::Result<(Box<dyn Read>, u64)> {
        match self {
            Self::Directory(directory) => {
                let (file, size) = regular(&directory.join(name))?;
                Ok((Box::new(file), size))
            }
            Self::Archive(path, found) => {
                let no = || io::Error::new(io::ErrorKind::NotFound, format!("it has no `{name}`"));
                let (at, size) = found.get(&clean(name)).copied().ok_or_else(no)?;
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(at))?;
                Ok((Box::new(file.take(size)), size))
            }
        }
    }

    /// A whole file of at most `most` bytes.
    pub(in crate::image::oci) fn json(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        let (file, size) = self.open(name)?;
        let mut bytes = Vec::new();
        if size <= most {
            file.take(most + 1).read_to_end(&mut bytes)?;
        }
        if size.max(bytes.len() as u64) > most {
            let most = limits::size(most);
            return Err(invalid(&format!("its `{name}` has more than {most}")));
        }
        Ok(bytes)
    }
}

/// Checks an archive's limits before it is read: the reader keeps every name in memory.
fn bounded(file: &File) -> io::Result<()> {
    let mut count = 0;
    let mut archive = Archive::new(BufReader::new(file.file()));
    for entry in archive.entries_with_seek()?.raw(true) {
        let entry = entry?;
        count += 1;
        if count > limits::FILES {
            let most = limits::FILES;
            return Err(invalid(&format!("it has more than {most} files")));
        }
        let is_name = !matches!(
            entry.header().entry_type(),
            EntryType::Regular | EntryType::Continuous
        );
        if is_name && entry.size() > limits::NAME {
            let most = limits::size(limits::NAME);
            return Err(invalid(&format!("it has a name of more than {most}")));
        }
    }
    Ok(())
}

fn invalid(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

/// Opens a regular file. Opening a pipe could block forever, and a device has no end.
fn regular(path: &Path) -> io::Result<(File, u64)> {
    let is_file = |of: &std::fs::Metadata| of.is_file();
    if !is_file(&fs_err::metadata(path)?) {
        return Err(invalid(&format!("`{}` is no file", path.display())));
    }
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

fn clean(name: &str) -> String {
    name.trim_start_matches("./").to_owned()
}
