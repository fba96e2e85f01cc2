//! [`Layout`]: a cache in a directory. It is an OCI layout, which `docker buildx` reads and writes
//! too.
//!
//! Input: the directory; blobs as BuildKit sends them. Output: blobs by digest, and an index that
//! names the last cache by a tag.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fs_err::File;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::model::digest::{Algorithm, Digest, Hasher};
use crate::system::atomic_file::{AtomicFile, WriteError};

/// The annotation that holds a tag.
const TAG: &str = "org.opencontainers.image.ref.name";

/// A cache in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout(PathBuf);

impl Layout {
    pub(super) fn new(root: &Path) -> Self {
        Self(root.to_owned())
    }

    fn blobs(&self) -> PathBuf {
        self.0.join("blobs").join(Algorithm::Sha256.name())
    }

    /// Makes the directory. It fails where nothing can be written.
    pub(super) fn prepare(&self) -> io::Result<()> {
        fs_err::create_dir_all(self.blobs())
    }

    /// The digest of the cache with a tag; `None` if there is none yet.
    pub(super) fn tagged(&self, tag: &str) -> io::Result<Option<Digest>> {
        let index = self.index()?;
        let manifests = index["manifests"].as_array().into_iter().flatten();
        let mut tagged = manifests.filter(|one| one["annotations"][TAG] == tag);
        let digest = tagged.next().and_then(|one| one["digest"].as_str());
        let parsed = digest.map(str::parse).transpose();
        parsed.map_err(|error| io::Error::other(format!("its index.json is malformed: {error}")))
    }

    fn index(&self) -> io::Result<Value> {
        match fs_err::read(self.0.join("index.json")) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| io::Error::other(format!("its index.json is malformed: {error}"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Value::Null),
            Err(error) => Err(error),
        }
    }

    /// Gives a cache, whose blobs are there, this tag. It returns whether its manifest is there.
    pub(super) fn tag(&self, descriptor: &Value, tag: &str) -> Result<bool, WriteError> {
        let digest = descriptor["digest"].as_str().map(str::parse::<Digest>);
        let Some(Ok(digest)) = digest else {
            return Ok(false);
        };
        if self.open(&digest).is_err() {
            return Ok(false);
        }
        let mut named = descriptor.clone();
        // The builder's answer is not trusted: a value that is no object cannot be given a member.
        if !named["annotations"].is_object() {
            named["annotations"] = json!({});
        }
        named["annotations"][TAG] = tag.into();
        let mut manifests = vec![named];
        // What cannot be read is replaced, of which the user was warned before the build.
        let index = self.index().unwrap_or_default();
        let others = index["manifests"].as_array().into_iter().flatten();
        manifests.extend(others.filter(|one| one["annotations"][TAG] != tag).cloned());
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": manifests,
        });
        let layout = json!({ "imageLayoutVersion": "1.0.0" });
        for (name, content) in [("oci-layout", layout), ("index.json", index)] {
            let file = AtomicFile::begin(&self.0.join(name))?;
            file.write(|out| out.write_all(content.to_string().as_bytes()))?;
        }
        Ok(true)
    }

    /// A blob, and its size.
    pub(super) fn open(&self, digest: &Digest) -> io::Result<(File, u64)> {
        let file = File::open(self.blobs().join(digest.hex()))?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    /// Begins a blob.
    pub(super) fn begin(&self) -> io::Result<Blob> {
        Ok(Blob {
            file: NamedTempFile::new_in(self.blobs())?,
            hasher: Hasher::new(Algorithm::Sha256),
            written: 0,
            directory: self.blobs(),
        })
    }
}

/// A blob that is being written. Without an end, it is removed.
pub(super) struct Blob {
    file: NamedTempFile,
    hasher: Hasher,
    pub(super) written: u64,
    directory: PathBuf,
}

impl Blob {
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Gives the blob its name. It fails if it has another digest than expected.
    pub(super) fn end(self, expected: Option<&Digest>) -> io::Result<Digest> {
        let digest = self.hasher.finish();
        if expected.is_some_and(|expected| *expected != digest) {
            return Err(io::Error::other(format!("the blob's digest is {digest}")));
        }
        let kept = self.file.persist(self.directory.join(digest.hex()))?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // The cache may be read by others than the one that made it, as other files are.
            kept.set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        drop(kept);
        Ok(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_is_found_by_its_tag() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(&directory.path().join("a/b"));
        assert_eq!(layout.tagged("latest").unwrap(), None);
        layout.prepare().unwrap();
        let mut blob = layout.begin().unwrap();
        blob.write(b"one").unwrap();
        let digest = blob.end(Some(&Digest::of(b"one"))).unwrap();
        let descriptor = json!({ "digest": digest, "size": 3 });
        assert!(layout.tag(&descriptor, "latest").unwrap());
        assert!(layout.tag(&descriptor, "other").unwrap());
        let odd = json!({ "digest": digest, "annotations": "x" });
        assert!(layout.tag(&odd, "odd").unwrap());
        let absent = json!({ "digest": Digest::of(b"two"), "size": 3 });
        assert!(!layout.tag(&absent, "latest").unwrap());
        for tag in ["latest", "other"] {
            assert_eq!(layout.tagged(tag).unwrap(), Some(digest.clone()));
        }
        assert_eq!(layout.tagged("none").unwrap(), None);
        assert_eq!(layout.open(&digest).unwrap().1, 3);
    }

    #[test]
    fn what_is_not_as_it_should_be_is_not_kept() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path());
        layout.prepare().unwrap();
        let mut blob = layout.begin().unwrap();
        blob.write(b"one").unwrap();
        assert!(blob.end(Some(&Digest::of(b"two"))).is_err());
        drop(layout.begin().unwrap());
        let left = fs_err::read_dir(layout.blobs()).unwrap().count();
        assert_eq!(left, 0);
        fs_err::write(directory.path().join("index.json"), "{").unwrap();
        assert!(layout.tagged("latest").is_err());
    }
}
