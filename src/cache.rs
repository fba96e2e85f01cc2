//! The cache on disk: blobs by their digest, and notes about what was made of what.
//!
//! ```text
//! blobs/sha256/HEX, blobs/sha512/HEX    layers as they are sent, and downloads
//! notes/KIND/HEX.json                   what is known about a key: which blob a layer became, which packages a mirror had
//! trees/HEX/                            layers as directories, for trying an image out
//! tmp/                                  what is being written
//! ```
//!
//! A file gets its final name when it is whole, so that neither a kill nor a second slimbuild leaves half a one. What lies here may be lost at any
//! time, or damaged: a blob of another size is thrown away where it is looked up, one of another digest where it is read to its end. What nobody
//! used for a month goes; to be used is to have one's time of modification renewed.

use std::fs::FileTimes;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err::File;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::{Builder, NamedTempFile, TempDir};

use crate::digest::{Algorithm, Digest};
use crate::rooted::remove_all;

/// What was unused for so long is removed.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Unpacked layers are large, and quickly made again.
const TREES_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// What is being written for so long was left behind by a slimbuild that was killed.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);
/// A file that was used a while ago is not marked again: looking something up need not write.
const MARKED_AFTER: Duration = Duration::from_secs(60 * 60);

/// A directory of blobs and notes.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    /// Whether nothing is remembered of what was made.
    forgetful: bool,
}

/// A cache that cannot be written to.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the cache `{}`", root.display())]
pub struct CacheError {
    root: PathBuf,
    source: io::Error,
}

impl CacheError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some("name a directory that can be written to with `--cache-dir DIR`".to_owned())
    }
}

impl Cache {
    /// Where the cache lies unless something else is said: below `$XDG_CACHE_HOME`, or `.cache` in the home directory.
    pub fn directory(xdg: Option<&str>, home: Option<&str>) -> Option<PathBuf> {
        let xdg = xdg.map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || home.map(|home| Path::new(home).join(".cache"));
        Some(xdg.or_else(home)?.join("slimbuild"))
    }

    /// Opens a cache, and makes it where there is none.
    pub fn open(root: &Path) -> Result<Self, CacheError> {
        let cache = Self {
            root: root.to_path_buf(),
            forgetful: false,
        };
        let mut made = fs_err::create_dir_all(cache.temporary());
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            made = made.and_then(|()| fs_err::create_dir_all(cache.blobs(algorithm)));
        }
        let root = root.to_path_buf();
        made.map_err(|source| CacheError { root, source })?;
        Ok(cache)
    }

    /// The same, but what was made of what before is not known: all is made anew. Blobs are still found by their digests.
    #[must_use]
    pub fn forgetful(self) -> Self {
        Self {
            forgetful: true,
            ..self
        }
    }

    fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    fn blobs(&self, algorithm: Algorithm) -> PathBuf {
        self.root.join("blobs").join(algorithm.name())
    }

    fn trees(&self) -> PathBuf {
        self.root.join("trees")
    }

    /// Where pnpm may keep what it fetches.
    pub fn store(&self) -> PathBuf {
        self.root.join("pnpm-store")
    }

    /// Where a blob lies, if it is there.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.blobs(digest.algorithm()).join(digest.hex())
    }

    /// Looks a blob up by digest and size.
    pub fn blob(&self, digest: &Digest, size: u64) -> Option<PathBuf> {
        let path = self.path(digest);
        let metadata = fs_err::metadata(&path).ok()?;
        if metadata.len() != size {
            self.remove(digest);
            return None;
        }
        mark(&path, metadata.modified().ok());
        Some(path)
    }

    /// Looks a blob up by its digest, and reads it to see that it is what its name says.
    pub fn verified(&self, digest: &Digest) -> Option<PathBuf> {
        let path = self.path(digest);
        let mut file = File::open(&path).ok()?;
        if Digest::of_reader(digest.algorithm(), &mut file).ok()? != *digest {
            self.remove(digest);
            return None;
        }
        mark(&path, file.metadata().and_then(|of| of.modified()).ok());
        Some(path)
    }

    /// Throws a blob away that was found to be damaged.
    pub fn remove(&self, digest: &Digest) {
        // What cannot be removed is replaced when it is made again.
        drop(fs_err::remove_file(self.path(digest)));
    }

    /// A directory that is known by what was put into it. Nobody may write to it.
    pub fn tree(&self, key: &Digest) -> Option<PathBuf> {
        if self.forgetful {
            return None;
        }
        let path = self.trees().join(key.hex());
        let metadata = fs_err::metadata(&path)
            .ok()
            .filter(std::fs::Metadata::is_dir)?;
        let unused = metadata.modified().ok().and_then(|at| at.elapsed().ok());
        if unused.is_some_and(|unused| unused > MARKED_AFTER)
            && let Ok(directory) = File::open(&path)
        {
            let times = FileTimes::new().set_modified(SystemTime::now());
            drop(directory.into_file().set_times(times));
        }
        Some(path)
    }

    /// A new directory, which goes when the value goes unless it is kept.
    pub fn begin_tree(&self) -> io::Result<TempDir> {
        let directory = Builder::new().prefix("tree-").tempdir_in(self.temporary());
        directory.map_err(|error| named(&error, &self.temporary()))
    }

    /// Gives a directory its name. If another slimbuild was faster, its directory is taken: it holds the same.
    pub fn keep_tree(&self, tree: TempDir, key: &Digest) -> io::Result<PathBuf> {
        let path = self.trees().join(key.hex());
        fs_err::create_dir_all(self.trees())?;
        if self.forgetful {
            self.remove_tree(key);
        }
        match fs_err::rename(tree.path(), &path) {
            Ok(()) => drop(tree.keep()),
            Err(_) if path.is_dir() => {}
            Err(error) => return Err(error),
        }
        Ok(path)
    }

    /// Throws a directory away.
    pub fn remove_tree(&self, key: &Digest) {
        // Under its name it is whole or gone; what cannot be removed stays unused.
        if let Ok(grave) = self.begin_tree() {
            drop(fs_err::rename(self.trees().join(key.hex()), grave.path()));
            drop(remove_all(grave.path()));
        }
    }

    /// Begins a blob.
    pub fn begin(&self) -> io::Result<Incoming> {
        let file = Builder::new().prefix("blob-").tempfile_in(self.temporary());
        let file = file.map_err(|error| named(&error, &self.temporary()))?;
        let cache = self.clone();
        Ok(Incoming { file, cache })
    }

    /// What is noted under a key. A note that cannot be read is none.
    pub fn note<T: DeserializeOwned>(&self, kind: &str, key: &Digest) -> Option<T> {
        if self.forgetful {
            return None;
        }
        let path = self.note_path(kind, key);
        let text = fs_err::read(&path).ok()?;
        let note = serde_json::from_slice(&text).ok()?;
        mark(
            &path,
            fs_err::metadata(&path).and_then(|of| of.modified()).ok(),
        );
        Some(note)
    }

    /// Notes something under a key.
    pub fn write_note(&self, kind: &str, key: &Digest, note: &impl Serialize) -> io::Result<()> {
        let path = self.note_path(kind, key);
        fs_err::create_dir_all(path.parent().unwrap_or(&self.root))?;
        let mut incoming = self.begin()?;
        serde_json::to_writer(&mut incoming, note)?;
        incoming.rename(&path)
    }

    fn note_path(&self, kind: &str, key: &Digest) -> PathBuf {
        let name = format!("{}.json", key.hex());
        self.root.join("notes").join(kind).join(name)
    }

    /// Removes what nobody used for long. What cannot be removed stays, and what is in use by another slimbuild was used just now.
    pub fn sweep(&self) {
        self.sweep_at(SystemTime::now());
    }

    fn sweep_at(&self, now: SystemTime) {
        let unused = |metadata: &std::fs::Metadata| {
            let used = metadata.modified().ok();
            used.and_then(|used| now.duration_since(used).ok())
        };
        for (directory, kept) in [(self.temporary(), ABANDONED), (self.trees(), TREES_KEPT)] {
            for entry in fs_err::read_dir(directory).into_iter().flatten().flatten() {
                let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_dir);
                if metadata
                    .and_then(|of| unused(&of))
                    .is_some_and(|unused| unused > kept)
                {
                    drop(remove_all(&entry.path()));
                }
            }
        }
        for (directory, kept) in [
            (self.temporary(), ABANDONED),
            (self.root.join("blobs"), KEPT),
            (self.root.join("notes"), KEPT),
        ] {
            for entry in walkdir::WalkDir::new(directory).into_iter().flatten() {
                let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file);
                if metadata
                    .and_then(|of| unused(&of))
                    .is_some_and(|unused| unused > kept)
                {
                    drop(fs_err::remove_file(entry.path()));
                }
            }
        }
    }
}

/// Renews a file's time, which says when it was used.
fn mark(path: &Path, used: Option<SystemTime>) {
    let unused = used.and_then(|used| used.elapsed().ok());
    if unused.is_some_and(|unused| unused > MARKED_AFTER) {
        let times = FileTimes::new().set_modified(SystemTime::now());
        let file = fs_err::OpenOptions::new().append(true).open(path);
        // A cache that can be read only serves as well.
        drop(file.and_then(|file| file.into_file().set_times(times)));
    }
}

fn named(error: &io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

/// A blob that is being written. What is not kept goes when the value goes.
#[derive(Debug)]
pub struct Incoming {
    file: NamedTempFile,
    cache: Cache,
}

impl Incoming {
    /// Gives it its name. It must be whole: nobody looks at the digest before it is read again.
    pub fn keep(self, digest: &Digest) -> io::Result<PathBuf> {
        let path = self.cache.path(digest);
        self.rename(&path)?;
        Ok(path)
    }

    /// Where it is for now.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    fn rename(self, path: &Path) -> io::Result<()> {
        let persisted = self.file.persist(path);
        persisted.map_err(|error| named(&error.error, path))?;
        Ok(())
    }
}

impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.as_file_mut().write(bytes);
        written.map_err(|error| named(&error, self.file.path()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(&directory.path().join("a/b")).unwrap();
        (directory, cache)
    }

    fn kept(cache: &Cache, bytes: &[u8]) -> Digest {
        let mut incoming = cache.begin().unwrap();
        incoming.write_all(bytes).unwrap();
        let digest = Digest::of(bytes);
        incoming.keep(&digest).unwrap();
        digest
    }

    #[test]
    fn what_is_kept_is_found() {
        let (_directory, cache) = cache();
        let digest = kept(&cache, b"layer");
        assert!(cache.blob(&digest, 5).is_some());
        assert!(cache.verified(&digest).is_some());
        cache.write_note("layers", &digest, &[1, 2]).unwrap();
        assert_eq!(cache.note("layers", &digest), Some([1, 2]));
        assert_eq!(cache.note::<String>("layers", &digest), None);
        assert_eq!(cache.note::<[u8; 2]>("bases", &digest), None);
    }

    #[test]
    fn what_is_damaged_is_thrown_away() {
        let (_directory, cache) = cache();
        let digest = kept(&cache, b"layer");
        fs_err::write(cache.path(&digest), b"short").unwrap();
        assert!(cache.blob(&digest, 5).is_some(), "the size is right");
        assert!(cache.verified(&digest).is_none());
        assert!(!cache.path(&digest).exists());
        kept(&cache, b"layer");
        fs_err::write(cache.path(&digest), b"lay").unwrap();
        assert!(cache.blob(&digest, 5).is_none());
        assert!(!cache.path(&digest).exists());
    }

    #[test]
    fn what_is_not_kept_leaves_nothing() {
        let (_directory, cache) = cache();
        let mut incoming = cache.begin().unwrap();
        incoming.write_all(b"half").unwrap();
        drop(incoming);
        let files = walkdir::WalkDir::new(&cache.root).into_iter().flatten();
        assert_eq!(files.filter(|entry| entry.file_type().is_file()).count(), 0);
    }

    #[test]
    fn what_is_unused_goes() {
        let (_directory, cache) = cache();
        let digest = kept(&cache, b"layer");
        let mut abandoned = cache.begin().unwrap();
        abandoned.write_all(b"half").unwrap();
        let abandoned = abandoned.file.into_temp_path().keep().unwrap();
        cache.sweep();
        assert!(cache.path(&digest).exists() && abandoned.exists());
        cache.sweep_at(SystemTime::now() + ABANDONED * 2);
        assert!(cache.path(&digest).exists() && !abandoned.exists());
        cache.sweep_at(SystemTime::now() + KEPT * 2);
        assert!(!cache.path(&digest).exists());
    }

    #[test]
    fn trees_are_whole_or_not_there() {
        let (_directory, cache) = cache();
        let key = Digest::of(b"tree");
        let tree = |text: &str| {
            let tree = cache.begin_tree().unwrap();
            fs_err::write(tree.path().join("a"), text).unwrap();
            tree
        };
        drop(tree("not kept"));
        assert_eq!(cache.tree(&key), None);
        let path = cache.keep_tree(tree("first"), &key).unwrap();
        assert_eq!(cache.keep_tree(tree("second"), &key).unwrap(), path);
        assert_eq!(fs_err::read_to_string(path.join("a")).unwrap(), "first");
        assert_eq!(fs_err::read_dir(cache.temporary()).unwrap().count(), 0);
        assert_eq!(cache.tree(&key).as_ref(), Some(&path));
        cache.sweep_at(SystemTime::now() + TREES_KEPT * 2);
        assert!(!path.exists());
        cache.keep_tree(tree("third"), &key).unwrap();
        cache.remove_tree(&key);
        assert_eq!(cache.tree(&key), None);
        assert_eq!(fs_err::read_dir(cache.temporary()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_to_be_made_anew_is_not_remembered() {
        let (_directory, cache) = cache();
        let digest = kept(&cache, b"layer");
        cache.write_note("layers", &digest, &1).unwrap();
        let forgetful = cache.clone().forgetful();
        assert_eq!(forgetful.note::<u8>("layers", &digest), None);
        assert!(forgetful.blob(&digest, 5).is_some());
        forgetful.write_note("layers", &digest, &2).unwrap();
        assert_eq!(cache.note("layers", &digest), Some(2));
        for text in ["first", "second"] {
            let tree = forgetful.begin_tree().unwrap();
            fs_err::write(tree.path().join("a"), text).unwrap();
            let path = forgetful.keep_tree(tree, &digest).unwrap();
            assert_eq!(fs_err::read_to_string(path.join("a")).unwrap(), text);
        }
        assert_eq!(forgetful.tree(&digest), None);
    }

    #[test]
    fn lies_where_caches_lie() {
        let directory =
            |xdg, home| Cache::directory(xdg, home).map(|path| path.display().to_string());
        assert_eq!(
            directory(Some("/x"), Some("/h")).as_deref(),
            Some("/x/slimbuild")
        );
        assert_eq!(
            directory(None, Some("/h")).as_deref(),
            Some("/h/.cache/slimbuild")
        );
        assert_eq!(directory(Some("relative"), None), None);
    }
}
