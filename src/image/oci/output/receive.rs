//! Takes an image that comes as an archive of an OCI layout, as builders send it, and writes it to a
//! directory.
//!
//! Nothing in the archive is trusted: only files of a layout are taken, and a blob must match its
//! digest.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tar::{Archive, EntryType};

use super::super::archive::Content;
use super::super::pack::Tee;
use super::super::{OciError, image};
use super::directory::{self, BLOBS, DOCKER, INDEX, LAYOUT, MAX_INDEX};
use crate::model::digest::Digest;
use crate::system::atomic_file::{AtomicDirectory, WriteError};

/// A layout that came completely. It has no name yet.
pub struct Received {
    path: PathBuf,
    /// Beside the target. It is removed in the end, with all that did not move.
    part: AtomicDirectory,
    blobs: Vec<String>,
    index: Vec<u8>,
    docker: Vec<u8>,
}

/// Reads an archive to its end. Its blobs wait beside the directory.
pub fn receive(path: &Path, archive: &mut dyn Read) -> Result<Received, OciError> {
    let mut received = Received {
        path: path.to_path_buf(),
        part: AtomicDirectory::begin(path)?,
        blobs: Vec::new(),
        index: Vec::new(),
        // Only archives for `docker load` have this list.
        docker: b"[]".to_vec(),
    };
    let mut tar = Archive::new(&mut *archive);
    for entry in tar.entries().map_err(OciError::Read)? {
        let mut entry = entry.map_err(OciError::Read)?;
        let kind = entry.header().entry_type();
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        match kind {
            EntryType::Directory => {}
            EntryType::Regular => received.take(&name, &mut entry)?,
            _ => return Err(unexpected(&name)),
        }
    }
    // What follows the end of an archive is padding.
    io::copy(archive, &mut io::sink()).map_err(OciError::Read)?;
    if received.index.is_empty() {
        return Err(unexpected("no index.json"));
    }
    Ok(received)
}

impl Received {
    fn take(&mut self, name: &str, from: &mut dyn Read) -> Result<(), OciError> {
        if let Some(blob) = name.strip_prefix("blobs/") {
            let digest = blob.replacen('/', ":", 1).parse::<Digest>();
            let digest = digest.map_err(|_| unexpected(name))?;
            return self.take_blob(name, &digest, from);
        }
        let list = match name {
            INDEX => &mut self.index,
            DOCKER => &mut self.docker,
            LAYOUT => return Ok(()),
            _ => return Err(unexpected(name)),
        };
        list.clear();
        let read = from.take(MAX_INDEX).read_to_end(list);
        read.map(drop).map_err(OciError::Read)
    }

    fn take_blob(
        &mut self,
        name: &str,
        digest: &Digest,
        from: &mut dyn Read,
    ) -> Result<(), OciError> {
        let to = self.part.part().join(name);
        let failed = |source| WriteError::System {
            path: self.path.clone(),
            source,
        };
        if let Some(parent) = to.parent() {
            fs_err::create_dir_all(parent).map_err(failed)?;
        }
        let mut file = fs_err::File::create(&to).map_err(failed)?;
        let mut from = Tee::new(from);
        let mut buffer = vec![0; 1 << 16];
        loop {
            match from.read(&mut buffer).map_err(OciError::Read)? {
                0 => break,
                read => file.write_all(&buffer[..read]).map_err(failed)?,
            }
        }
        if from.1.finish().1 != *digest {
            return Err(unexpected(name));
        }
        self.blobs.push(name.to_owned());
        Ok(())
    }

    /// Gives the image its place in the directory, where images of other names stay.
    pub fn finish(self, stop: &dyn Fn() -> bool) -> Result<(), OciError> {
        let Self {
            path,
            part,
            blobs,
            index,
            docker,
        } = self;
        let version = serde_json::json!({ "imageLayoutVersion": "1.0.0" });
        let mut files = vec![
            (LAYOUT.to_owned(), Content::Bytes(image::text(&version))),
            (INDEX.to_owned(), Content::Bytes(index)),
            (DOCKER.to_owned(), Content::Bytes(docker)),
        ];
        debug_assert!(blobs.iter().all(|name| name.starts_with(BLOBS)));
        files.extend(blobs.into_iter().map(|name| {
            let from = part.part().join(&name);
            (name, Content::File(from))
        }));
        let fill = |content: &Content<'_>, out: &mut dyn Write| match content {
            Content::Bytes(bytes) => Ok(out.write_all(bytes)),
            // Files move, and there are no others.
            _ => Ok(Err(io::ErrorKind::Unsupported.into())),
        };
        directory::write(&files, &path, &fill, stop)
    }
}

fn unexpected(name: &str) -> OciError {
    OciError::Read(io::Error::new(
        io::ErrorKind::InvalidData,
        format!("it is no OCI layout: `{name}`"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, *content).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[test]
    fn only_a_layout_whose_blobs_match_is_taken() {
        let directory = crate::testing::tree(&[]);
        let to = directory.path().join("images");
        let blob = b"one";
        let name = format!("blobs/sha256/{}", Digest::of(blob).hex());
        let index = br#"{"schemaVersion":2,"manifests":[]}"#;
        let good: [(&str, &[u8]); 3] =
            [("oci-layout", b"{}"), (&name, blob), ("index.json", index)];
        let received = receive(&to, &mut &*archive(&good)).unwrap();
        assert!(!to.exists(), "it has no name before the end");
        received.finish(&|| false).unwrap();
        assert_eq!(fs_err::read(to.join(&name)).unwrap(), blob);
        assert_eq!(fs_err::read(to.join("index.json")).unwrap(), index);

        let other: &[(&str, &[u8])] = &[(&name, b"two"), ("index.json", index)];
        let stray: &[(&str, &[u8])] = &[("index.json", index), ("etc/passwd", b"x")];
        let empty: &[(&str, &[u8])] = &[("oci-layout", b"{}")];
        for entries in [other, stray, empty] {
            let refused = receive(&directory.path().join("no"), &mut &*archive(entries));
            assert!(matches!(refused, Err(OciError::Read(_))), "{entries:?}");
        }
        let cut = &archive(&good)[..700];
        assert!(receive(&directory.path().join("no"), &mut &*cut).is_err());
        let left: Vec<_> = fs_err::read_dir(directory.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}
