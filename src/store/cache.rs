//! The cache on disk: blobs by their digest, and notes about what was made of what.
//!
//! ```text
//! blobs/sha256/HEX, blobs/sha512/HEX    layers as they are sent, and downloads
//! notes/KIND/HEX.json                   what is known about a key: which blob a layer became, which packages a mirror had
//! trees/HEX/                            layers as directories, for trying an image out
//! pnpm-store/                           what pnpm fetched
//! tmp/run-X/                            what a run is writing; its `lock` is held for as long as the run lives
//! lock                                  shared by who looks something up, alone for who removes something
//! ```
//!
//! A file gets its final name when it is whole, so that neither a kill nor a second slimbuild leaves half a one. What lies here may be lost at any
//! time, or damaged: a blob of another size is thrown away where it is looked up, one of another digest where it is read to its end, and what is
//! no file (or no directory) where one belongs is none. To be used is to have one's time of modification renewed.
//!
//! Notes and trees are believed: whoever can write here decides what gets into images. So the directory is its owner's alone, and one that is not
//! is not used. What nobody used for long goes, and the least recently used where there is too much ([`Cache::tidy`]).

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
pub use usage::{Kind, Usage};

use lease::{Gate, Lease};

/// A directory of blobs and notes.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    /// Whether nothing is remembered of what was made.
    forgetful: bool,
    run: Arc<Run>,
}

/// What all that one run does with its cache has in common.
#[derive(Debug)]
struct Run {
    lease: Lease,
    /// Why something could not be written.
    trouble: OnceLock<String>,
    /// A directory that goes with the run.
    private: Option<TempDir>,
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
        place::claim(root)?;
        Self::at(root, None)
    }

    /// A cache for one run, where there is no other. It goes with the value.
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
        lay(root).map_err(cannot)?;
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

    /// Whether it goes with the run.
    pub fn is_private(&self) -> bool {
        self.run.private.is_some()
    }

    /// Where it lies.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Why something could not be written, where that was so: the first that went wrong.
    pub fn trouble(&self) -> Option<&str> {
        self.run.trouble.get().map(String::as_str)
    }

    /// Notes that something could not be written.
    fn troubled(&self, error: &impl ToString) {
        // The first counts.
        let _known = self.run.trouble.set(error.to_string());
    }

    /// The same, where an error says that the disk is full or cannot be written to.
    pub fn full(&self, error: &(dyn std::error::Error + 'static)) {
        use io::ErrorKind as Kind;
        let mut at = Some(error);
        while let Some(error) = at {
            let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
            if let Some(Kind::StorageFull | Kind::QuotaExceeded | Kind::ReadOnlyFilesystem) = kind {
                self.troubled(&error);
                return;
            }
            at = error.source();
        }
    }

    fn tried<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.inspect_err(|error| self.troubled(error))
    }

    /// The same, but what was made of what before is not known: all is made anew. Blobs are still found by their digests.
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

    /// Where pnpm may keep what it fetches.
    pub fn store(&self) -> PathBuf {
        let path = self.root.join(usage::STORE);
        let _gate = self.gate();
        if let Ok(Some(_)) = self.entry(&path, Metadata::is_dir) {
            mark(&path);
        }
        path
    }

    /// Where a blob lies, if it is there.
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

    /// Looks a blob up by its digest, and reads it to see that it is what its name says.
    pub fn verified(&self, digest: &Digest) -> Option<PathBuf> {
        let path = self.path(digest);
        let mut file = {
            let _gate = self.gate();
            self.entry(&path, Metadata::is_file).ok()??;
            // From here on nobody removes it.
            mark(&path);
            File::open(&path).ok()?
        };
        if Digest::of_reader(digest.algorithm(), &mut file).ok()? != *digest {
            self.discard(&path);
            return None;
        }
        Some(path)
    }

    /// Throws a blob away that was found to be damaged.
    pub fn remove(&self, digest: &Digest) {
        self.discard(&self.path(digest));
    }

    /// What lies there, if it is what it should be. A link is not, wherever it leads, and is thrown away as all else.
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

    /// Throws away what lies there, whatever it is. What cannot be thrown away is replaced when it is made again.
    fn discard(&self, path: &Path) {
        if fs_err::remove_file(path).is_err()
            && let Ok(grave) = self.run.lease.directory()
        {
            drop(fs_err::rename(path, grave.path().join("grave")));
        }
    }

    /// A directory that is known by what was put into it. Nobody may write to it.
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

    /// A new directory, which goes when the value goes unless it is kept.
    pub fn begin_tree(&self) -> io::Result<TempDir> {
        self.tried(self.run.lease.directory())
    }

    /// Gives a directory its name. If another slimbuild was faster, its directory is taken: it holds the same.
    pub fn keep_tree(&self, tree: TempDir, key: &Digest) -> io::Result<PathBuf> {
        let path = self.trees().join(key.hex());
        if self.forgetful {
            self.remove_tree(key);
        }
        self.write_note(usage::SIZES, key, &usage::weigh(tree.path()).0);
        let _gate = self.gate();
        // Its time is that of an image's file by then; it is used now.
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
                // What was no directory is gone by now.
                self.tried(fs_err::rename(tree.path(), &path))?;
                drop(tree.keep());
            }
        }
        Ok(path)
    }

    /// Throws a directory away.
    pub fn remove_tree(&self, key: &Digest) {
        self.discard(&self.trees().join(key.hex()));
    }

    /// Begins a blob.
    pub fn begin(&self) -> io::Result<Incoming> {
        let file = self.tried(self.run.lease.file())?;
        let cache = self.clone();
        Ok(Incoming { file, cache })
    }

    /// What is noted under a key. A note that cannot be read is none.
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

    /// Notes something under a key. What cannot be noted is found out again: that keeps nobody from an image.
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
        // It is known by now that there is trouble.
        drop(self.tried(written()));
    }

    fn note_path(&self, kind: &str, key: &Digest) -> PathBuf {
        let name = format!("{}.json", key.hex());
        self.root.join("notes").join(kind).join(name)
    }
}

/// The directories that are always there.
fn lay(root: &Path) -> io::Result<()> {
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
        // It helps backups, and nothing needs it.
        drop(fs_err::write(tag, text));
    }
    Ok(())
}

/// Renews the time of a file or a directory, which says when it was used.
fn mark(path: &Path) {
    let times = FileTimes::new().set_modified(SystemTime::now());
    // What cannot be marked is used all the same.
    drop(File::open(path).and_then(|file| file.into_file().set_times(times)));
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
        let Self { file, cache } = self;
        let persisted = file.persist(path).or_else(|error| {
            // Something else may lie there.
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
