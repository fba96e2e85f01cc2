//! Where an image goes: into files, into a Docker daemon, into registries. All of it happens in one
//! build.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bollard::moby::buildkit::v1::Exporter;
use bytes::{Buf, Bytes};
use futures_util::stream::{Stream, unfold};
use tokio::sync::{mpsc, oneshot};

use super::BuildRequest;
use super::session::Sink;
use crate::engine::docker::Docker;
use crate::image::oci::{Compression, OciError, receive};
use crate::model::image::ImageRef;
use crate::system::atomic_file::AtomicFile;

/// How many messages of an archive may be queued.
const MAX_QUEUED: usize = 4;

/// The exporter that Docker daemons add to BuildKit's.
const KEEP: &str = "moby";

/// A place for the image.
#[derive(Debug)]
pub enum Export<'e> {
    /// A file.
    Archive(Archive),
    /// A directory with an OCI layout, where images of other names stay.
    Directory(PathBuf),
    /// A Docker daemon, which is sent the image as it comes.
    Load(&'e Docker),
    /// The registries in the image's names. The builder pushes by itself.
    Push,
    /// The repository in the image's names, without a tag: an index will name it.
    PushByDigest,
    /// The images of the Docker daemon that the builder is part of.
    Keep,
}

/// A file with the image.
#[derive(Debug)]
pub struct Archive {
    /// What the file is for.
    pub format: Format,
    /// The file.
    pub file: AtomicFile,
}

/// The format of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An OCI layout.
    Oci,
    /// What `docker load` reads.
    Docker,
}

/// The builder's side of the exports.
pub(super) struct Exports<'e> {
    kinds: Vec<&'static str>,
    /// Whether a pushed image gets no tag.
    by_digest: bool,
    /// The archives that will come, by the exporter's place.
    pub(super) sinks: BTreeMap<usize, Sink>,
    /// Tells the writers of files that the build succeeded.
    pub(super) commits: Vec<oneshot::Sender<()>>,
    /// The daemon to load the image into, and what it gets.
    pub(super) load: Option<(&'e Docker, mpsc::Receiver<Option<Bytes>>)>,
}

/// The writing side of a file or a directory.
pub(super) struct Writer {
    to: To,
    chunks: mpsc::Receiver<Option<Bytes>>,
    commit: oneshot::Receiver<()>,
}

/// What is written.
enum To {
    File(AtomicFile),
    Directory(PathBuf),
}

/// How the writing of a file ended.
pub(super) enum Written {
    /// The file is complete.
    Done,
    /// The build failed, or sent no image. There is no file.
    GivenUp,
    /// The file cannot be written.
    Failed(OciError),
}

/// Parts the exports by who works on them.
pub(super) fn split(exports: Vec<Export<'_>>) -> (Exports<'_>, Vec<Writer>) {
    let mut writers = Vec::new();
    let mut all = Exports {
        kinds: Vec::new(),
        by_digest: false,
        sinks: BTreeMap::new(),
        commits: Vec::new(),
        load: None,
    };
    for (place, export) in exports.into_iter().enumerate() {
        let mut file = |to: To| {
            let (sink, chunks) = mpsc::channel(MAX_QUEUED);
            let (done, commit) = oneshot::channel();
            all.sinks.insert(place, sink);
            all.commits.push(done);
            writers.push(Writer { to, chunks, commit });
        };
        all.kinds.push(match export {
            Export::Archive(Archive { format, file: to }) => {
                file(To::File(to));
                match format {
                    Format::Oci => "oci",
                    Format::Docker => "docker",
                }
            }
            Export::Directory(path) => {
                file(To::Directory(path));
                "oci"
            }
            Export::Load(docker) => {
                let (sink, chunks) = mpsc::channel(MAX_QUEUED);
                all.sinks.insert(place, sink);
                all.load = Some((docker, chunks));
                "docker"
            }
            Export::Push => "image",
            Export::PushByDigest => {
                all.by_digest = true;
                "image"
            }
            Export::Keep => KEEP,
        });
    }
    (all, writers)
}

impl Exports<'_> {
    /// Whether the image goes nowhere but into the daemon that makes it.
    pub(super) fn only_keeps(&self) -> bool {
        self.kinds.iter().all(|kind| *kind == KEEP)
    }

    /// What BuildKit is told.
    pub(super) fn exporters(&self, request: &BuildRequest) -> Vec<Exporter> {
        let name = |tag: &ImageRef| {
            if self.by_digest {
                tag.name().to_owned()
            } else {
                tag.to_string()
            }
        };
        let mut names: Vec<String> = request.tags.iter().map(name).collect();
        names.dedup();
        let names = names.join(",");
        let exporter = |kind: &&'static str| {
            // An empty name would be taken for a malformed one.
            let name = Some(("name", names.as_str())).filter(|(_, names)| !names.is_empty());
            let mut attributes: Vec<_> = name.into_iter().collect();
            if *kind != KEEP {
                // OCI's types everywhere, so that the image has one digest wherever it goes.
                attributes.push(("oci-mediatypes", "true"));
                if request.compression == Compression::Zstd {
                    attributes.push(("compression", "zstd"));
                }
                // A daemon unpacks what it keeps, which excludes this.
                if request.epoch.is_some_and(|epoch| epoch.for_files) {
                    attributes.push(("rewrite-timestamp", "true"));
                    if *kind == "image" {
                        attributes.push(("unpack", "false"));
                    }
                }
            }
            if *kind == "image" {
                attributes.push(("push", "true"));
                if self.by_digest {
                    attributes.push(("push-by-digest", "true"));
                }
                if request.insecure {
                    attributes.push(("registry.insecure", "true"));
                }
            }
            let attributes = attributes.into_iter();
            Exporter {
                r#type: (*kind).to_owned(),
                attrs: attributes
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .collect(),
            }
        };
        self.kinds.iter().map(exporter).collect()
    }
}

impl Writer {
    /// Writes the file as the archive comes. It gets its name when the build has succeeded.
    pub(super) fn write(self) -> Written {
        let Self { to, chunks, commit } = self;
        let mut chunks = Chunks {
            queue: chunks,
            rest: Bytes::new(),
            given_up: false,
        };
        // A file that is complete waits for the end of the build.
        let mut failed = false;
        let succeeds = || {
            failed = commit.blocking_recv().is_err();
            !failed
        };
        let gone = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let written = match to {
            To::File(file) => file
                .write(|out| {
                    io::copy(&mut chunks, out)?;
                    succeeds().then_some(()).ok_or_else(gone)
                })
                .map_err(OciError::from),
            To::Directory(path) => receive(&path, &mut chunks).and_then(|received| {
                if !succeeds() {
                    return Err(OciError::Read(gone()));
                }
                // The build is over, so nothing is left to interrupt.
                received.finish(&|| false)
            }),
        };
        match written {
            Ok(()) => Written::Done,
            Err(_) if chunks.given_up || failed => Written::GivenUp,
            Err(error) => Written::Failed(error),
        }
    }
}

/// Reads the pieces of an archive.
struct Chunks {
    queue: mpsc::Receiver<Option<Bytes>>,
    rest: Bytes,
    /// Whether the builder stopped before its end.
    given_up: bool,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.queue.blocking_recv() {
                Some(Some(chunk)) => self.rest = chunk,
                Some(None) => return Ok(0),
                None => {
                    self.given_up = true;
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        let size = self.rest.len().min(buffer.len());
        buffer[..size].copy_from_slice(&self.rest[..size]);
        self.rest.advance(size);
        Ok(size)
    }
}

/// What was taken of an archive.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) bytes: AtomicU64,
    /// Whether the builder did not send all of it.
    pub(super) incomplete: AtomicBool,
}

/// An archive as the body of a request. It fails if the archive does not end well: half of one must
/// not look complete.
pub(super) fn body(
    chunks: mpsc::Receiver<Option<Bytes>>,
    taken: Arc<Taken>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    unfold((chunks, taken), |(mut chunks, taken)| async move {
        match chunks.recv().await {
            Some(Some(chunk)) => {
                taken.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                Some((Ok(chunk), (chunks, taken)))
            }
            Some(None) => None,
            None => {
                taken.incomplete.store(true, Ordering::Relaxed);
                let error = io::Error::other("the image is incomplete");
                Some((Err(error), (chunks, taken)))
            }
        }
    })
}
