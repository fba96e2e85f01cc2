//! The cache on disk: blobs by digest, and notes about which output came from which input.
//!
//! ```text
//! blobs/sha256/HEX, blobs/sha512/HEX    layers as they are sent, and downloads
//! notes/KIND/HEX.json                   what is known about a key: which blob a layer became, which packages a mirror had
//! trees/HEX/                            layers as directories, for trying an image
//! pnpm-store/                           what pnpm downloaded
//! tmp/run-X/                            what a run is writing; it holds the `lock` in it while it lives
//! lock                                  shared by lookups, exclusive for removals
//! ```
//!
//! A file gets its final name only when it is complete, so neither a kill nor a concurrent
//! slimbuild leaves half of one. Any entry may be lost or damaged at any time: a blob of the wrong
//! size is deleted on lookup, one with the wrong digest when it is read to its end, and an entry
//! that is not a file (or not a directory) where one belongs counts as missing. Using an entry
//! renews its modification time.
//!
//! Notes and trees are trusted: whoever can write here decides what gets into images. So the
//! directory must be private to its owner, else it is not used. Entries unused for long are
//! deleted, and the least recently used ones if the cache grows too large ([`Cache::tidy`]).

mod lease;
mod place;
mod prune;
#[cfg(test)]
mod tests;
mod usage;

use std::fs::{FileTimes, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use fs_err::File;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::{Builder, NamedTempFile, TempDir};

use crate::model::digest::{Algorithm, Digest};

pub use place::CacheError;
pub use prune::{Pruned, Which};
pub use usage::{CacheKind, Usage};

use lease::{Gate, Lease};

/// A directory of blobs and notes.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    /// Whether notes and trees are ignored.
    forgetful: bool,
    run: Arc<Run>,
}

/// What all handles of one run share.
#[derive(Debug)]
struct Run {
    lease: Lease,
    /// The first write error.
    trouble: OnceLock<String>,
    /// A temporary directory that is removed with the run.
    private: Option<TempDir>,
}

impl Cache {
    /// The default place of the cache: below `$XDG_CACHE_HOME`, or `.cache` in the home directory.
    pub fn directory(xdg: Option<&str>, home: Option<&str>) -> Option<PathBuf> {
        let xdg = xdg.map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || home.map(|home| Path::new(home).join(".cache"));
        Some(xdg.or_else(home)?.join("slimbuild"))
    }

    /// Opens a cache, and creates it if there is none.
    pub fn open(root: &Path) -> Result<Self, CacheError> {
        place::claim(root)?;
        Self::at(root, None)
    }

    /// Creates a cache for this run alone. It is removed when the value is dropped.
    pub fn private() -> Result<Self, CacheError> {
        let directory = Builder::new().prefix("slimbuild-cache-").tempdir();
        let directory = directory.map_err(|source| CacheError::Unusable {
            root: "a temporary directory".into(),
            source,
        })?;
        let root = directory.path().to_path_buf();
        Self::at(&root, Some(directory))
    }

    fn at(root: &Path, private: Option<TempDir>) -> Result<Self, CacheError> {
        let cannot = |source| CacheError::Unusable {
            root: root.to_path_buf(),
            source,
        };
        create_directories(root).map_err(cannot)?;
        let lease = Lease::take(root).map_err(cannot)?;
        Ok(Self {
            root: root.to_path_buf(),
            forgetful: false,
            run: Arc::new(Run {
                lease,
                trouble: OnceLock::new(),
                private,
            }),
        })
    }

    /// Whether this cache is removed at the end of the run.
    pub fn is_private(&self) -> bool {
        self.run.private.is_some()
    }

    /// The directory of the cache.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The first error in writing to the cache, if there was one.
    pub fn trouble(&self) -> Option<&str> {
        self.run.trouble.get().map(String::as_str)
    }

    /// Keeps an error in writing. Only the first one counts.
    fn troubled(&self, error: &impl ToString) {
        let _known = self.run.trouble.set(error.to_string());
    }

    /// Keeps an error if it says that the disk is full or read-only.
    pub fn full(&self, error: &(dyn std::error::Error + 'static)) {
        use io::ErrorKind as CacheKind;
        let mut at = Some(error);
        while let Some(error) = at {
            let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
            if let Some(
                CacheKind::StorageFull | CacheKind::QuotaExceeded | CacheKind::ReadOnlyFilesystem,
            ) = kind
            {
                self.troubled(&error);
                return;
            }
            at = error.source();
        }
    }

    fn tried<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.inspect_err(|error| self.troubled(error))
    }

    /// A handle that ignores what earlier runs made, so that everything is made again. Blobs are
    /// still found by their digests.
    #[must_use]
    pub fn forgetful(self) -> Self {
        Self {
            forgetful: true,
            ..self
        }
    }

    fn blobs(&self, algorithm: Algorithm) -> PathBuf {
        self.root.join("blobs").join(algorithm.name())
    }

    fn trees(&self) -> PathBuf {
        self.root.join("trees")
    }

    fn gate(&self) -> Gate {
        Gate::shared(&self.root)
    }

    /// The directory for pnpm's store.
    pub fn store(&self) -> PathBuf {
        let path = self.root.join(usage::STORE);
        let _gate = self.gate();
        if let Ok(Some(_)) = self.entry(&path, Metadata::is_dir) {
            mark(&path);
        }
        path
    }

    /// The path of a blob, whether or not it exists.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.blobs(digest.algorithm()).join(digest.hex())
    }

    /// Looks a blob up by digest and size.
    pub fn blob(&self, digest: &Digest, size: u64) -> Option<PathBuf> {
        let _gate = self.gate();
        let path = self.path(digest);
        let metadata = self.entry(&path, Metadata::is_file).ok()??;
        if metadata.len() != size {
            self.discard(&path);
            return None;
        }
        mark(&path);
        Some(path)
    }

    /// Looks up a blob by digest, and reads it to check the digest.
    pub fn verified(&self, digest: &Digest) -> Option<PathBuf> {
        let path = self.path(digest);
        let mut file = {
            let _gate = self.gate();
            self.entry(&path, Metadata::is_file).ok()??;
            // Newly used, so no other run removes it.
            mark(&path);
            File::open(&path).ok()?
        };
        if Digest::of_reader(digest.algorithm(), &mut file).ok()? != *digest {
            self.discard(&path);
            return None;
        }
        Some(path)
    }

    /// Deletes a blob that turned out to be damaged.
    pub fn remove(&self, digest: &Digest) {
        self.discard(&self.path(digest));
    }

    /// The metadata of an entry if it is of the expected kind. Anything else is deleted, links
    /// included, wherever they lead.
    fn entry(
        &self,
        path: &Path,
        is_it: impl Fn(&Metadata) -> bool,
    ) -> io::Result<Option<Metadata>> {
        let metadata = fs_err::symlink_metadata(path)?;
        if is_it(&metadata) {
            return Ok(Some(metadata));
        }
        self.discard(path);
        Ok(None)
    }

    /// Deletes an entry of any kind. If that fails, the entry is replaced when it is made again.
    fn discard(&self, path: &Path) {
        if fs_err::remove_file(path).is_err()
            && let Ok(grave) = self.run.lease.directory()
        {
            drop(fs_err::rename(path, grave.path().join("grave")));
        }
    }

    /// Looks up a directory by the digest of its inputs. It must not be written to.
    pub fn tree(&self, key: &Digest) -> Option<PathBuf> {
        if self.forgetful {
            return None;
        }
        let _gate = self.gate();
        let path = self.trees().join(key.hex());
        self.entry(&path, Metadata::is_dir).ok()??;
        mark(&path);
        Some(path)
    }

    /// Starts a directory. It is removed when the value is dropped, unless it is kept.
    pub fn begin_tree(&self) -> io::Result<TempDir> {
        self.tried(self.run.lease.directory())
    }

    /// Gives a directory its name. If another slimbuild was faster, its directory is used: it has
    /// the same content. A handle that forgets uses its own for this run, and leaves the other one to
    /// those who use it.
    pub fn keep_tree(&self, tree: TempDir, key: &Digest) -> io::Result<PathBuf> {
        let path = self.trees().join(key.hex());
        if self.forgetful && path.is_dir() {
            return Ok(tree.keep());
        }
        self.write_note(usage::SIZES, key, &usage::weigh(tree.path()).0);
        let _gate = self.gate();
        // By now its time is that of a file of the image. Mark it as used now.
        mark(tree.path());
        match fs_err::rename(tree.path(), &path) {
            Ok(()) => drop(tree.keep()),
            Err(_)
                if self
                    .entry(&path, Metadata::is_dir)
                    .is_ok_and(|there| there.is_some()) =>
            {
                mark(&path);
            }
            Err(_) => {
                // Anything that was not a directory has been deleted by now.
                self.tried(fs_err::rename(tree.path(), &path))?;
                drop(tree.keep());
            }
        }
        Ok(path)
    }

    /// Deletes a directory.
    pub fn remove_tree(&self, key: &Digest) {
        self.discard(&self.trees().join(key.hex()));
    }

    /// Starts a blob.
    pub fn begin(&self) -> io::Result<Incoming> {
        let file = self.tried(self.run.lease.file())?;
        let cache = self.clone();
        Ok(Incoming { file, cache })
    }

    /// Reads the note for a key. An unreadable note counts as missing.
    pub fn note<T: DeserializeOwned>(&self, kind: &str, key: &Digest) -> Option<T> {
        if self.forgetful {
            return None;
        }
        let _gate = self.gate();
        let path = self.note_path(kind, key);
        self.entry(&path, Metadata::is_file).ok()??;
        let text = fs_err::read(&path).ok()?;
        let note = serde_json::from_slice(&text).ok()?;
        mark(&path);
        Some(note)
    }

    /// Writes the note for a key. Failures are ignored: later runs find the answer again.
    pub fn write_note(&self, kind: &str, key: &Digest, note: &impl Serialize) {
        let path = self.note_path(kind, key);
        let directory = path.parent().unwrap_or(&self.root);
        if fs_err::create_dir_all(directory).is_err() {
            self.discard(directory);
        }
        let written = || -> io::Result<()> {
            fs_err::create_dir_all(directory)?;
            let mut incoming = self.begin()?;
            serde_json::to_writer(&mut incoming, note)?;
            incoming.rename(&path)
        };
        // `tried` has kept the error.
        drop(self.tried(written()));
    }

    fn note_path(&self, kind: &str, key: &Digest) -> PathBuf {
        let name = format!("{}.json", key.hex());
        self.root.join("notes").join(kind).join(name)
    }
}

/// Creates the directories that always exist.
fn create_directories(root: &Path) -> io::Result<()> {
    let algorithms = [Algorithm::Sha256, Algorithm::Sha512].map(Algorithm::name);
    let blobs = algorithms.map(|name| root.join("blobs").join(name));
    for directory in blobs
        .into_iter()
        .chain(["notes", "trees", "tmp"].map(|name| root.join(name)))
    {
        let metadata = fs_err::symlink_metadata(&directory);
        if metadata.is_ok_and(|of| !of.is_dir()) {
            fs_err::remove_file(&directory)?;
        }
        fs_err::create_dir_all(directory)?;
    }
    let tag = root.join("CACHEDIR.TAG");
    if fs_err::symlink_metadata(&tag).is_err() {
        let text = "Signature: 8a477f597d28d172789f06886806bc55\n# A cache of slimbuild, see https://bford.info/cachedir\n";
        // The tag helps backup programs. Nothing depends on it.
        drop(fs_err::write(tag, text));
    }
    Ok(())
}

/// Renews the modification time of a file or directory, which says when it was last used.
fn mark(path: &Path) {
    let times = FileTimes::new().set_modified(SystemTime::now());
    // An entry that cannot be marked can still be used.
    drop(File::open(path).and_then(|file| file.into_file().set_times(times)));
}

fn named(error: &io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

/// A blob that is being written. It is removed when the value is dropped, unless it is kept.
#[derive(Debug)]
pub struct Incoming {
    file: NamedTempFile,
    cache: Cache,
}

impl Incoming {
    /// Gives the blob its name. The caller vouches for its digest, which is checked only when the
    /// blob is read again.
    pub fn keep(self, digest: &Digest) -> io::Result<PathBuf> {
        let path = self.cache.path(digest);
        self.rename(&path)?;
        Ok(path)
    }

    /// Its temporary path.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    fn rename(self, path: &Path) -> io::Result<()> {
        let Self { file, cache } = self;
        let persisted = file.persist(path).or_else(|error| {
            // Something of another kind may be there.
            cache.discard(path);
            error.file.persist(path)
        });
        let persisted = persisted.map_err(|error| named(&error.error, path));
        cache.tried(persisted)?;
        Ok(())
    }
}

impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.as_file_mut().write(bytes);
        let written = written.map_err(|error| named(&error, self.file.path()));
        self.cache.tried(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}
