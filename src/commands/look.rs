//! Images that are looked at: found by a word, and read layer by layer.
//!
//! Input: `server:latest`, `oci:DIR`, `server.oci.tar`, an app. Output: a [`Found`] image, and the layers
//! of it that are asked for. Nothing of a registry is received that is not needed.

mod app;

use std::io::Read;
use std::path::{Path, PathBuf};

use super::registries::collect;
use super::resources::proxies;
use super::storage::Storage;
use super::warning;
use crate::cli::LookArgs;
use crate::commands::error::Error;
use crate::engine::docker::{Docker, EngineError};
use crate::engine::host;
use crate::engine::registry::{Registries, Trust};
use crate::engine::{Event, Interrupt, Logins};
use crate::image::contents::ReadLayer;
use crate::image::oci::{Blob, Described, OciError, OnDisk, is_layout, read_layer};
use crate::model::digest::Digest;
use crate::model::image::{DiskFormat, DiskImage, ImageRef, Platform};
use crate::show::progress::ProgressMode;
use crate::show::ui::Ui;
use crate::store::fetch::Patience;
use crate::system::atomic_file::AtomicFile;
use crate::system::env::Env;
use crate::system::mask::Mask;
use crate::system::trail;
use crate::system::workdir::WorkDir;

pub(super) use app::{App, app_of};

/// The means to find and read images.
pub(super) struct Looker<'l> {
    args: &'l LookArgs,
    cwd: &'l Path,
    env: &'l Env,
    logins: Logins,
    insecure: Vec<String>,
    interrupt: Interrupt,
    /// Opened for the first image of a registry.
    storage: Option<Storage>,
    warnings: Vec<String>,
    ui: &'l mut Ui,
}

/// An image that was found.
pub(super) struct Found {
    /// Its name, and where it is.
    pub(super) label: String,
    pub(super) id: Digest,
    pub(super) described: Described,
    /// The bytes that were received to find it.
    pub(super) received: u64,
    place: Place,
}

/// Where it is.
enum Place {
    Registry(ImageRef),
    Disk {
        image: Box<OnDisk>,
        /// It holds the copy, if a daemon gave the image.
        _directory: Option<WorkDir>,
    },
}

/// What a word means.
enum Word {
    Disk(DiskImage),
    Daemon(ImageRef),
    Registry(ImageRef),
    /// A daemon's, else a registry's.
    Either(ImageRef),
}

impl Word {
    fn parse(text: &str, cwd: &Path) -> Result<Self, Error> {
        if let Some(image) = DiskImage::parse(text) {
            return Ok(Self::Disk(image.below(cwd)));
        }
        if let Some(name) = text.strip_prefix("docker://") {
            return Ok(Self::Registry(name.parse()?));
        }
        if let Some(name) = text.strip_prefix("docker-daemon:") {
            return Ok(Self::Daemon(name.parse()?));
        }
        if let Some(image) = on_disk(&cwd.join(text)) {
            return Ok(Self::Disk(image));
        }
        // No image is named so, though a registry could have one.
        if [".tar", ".tar.gz", ".tgz"]
            .iter()
            .any(|end| text.ends_with(end))
        {
            return Err(Error::Usage {
                message: format!("there is no image in the file `{text}`"),
                hint: Some(
                    "a file is written by `slimbuild APP --output FILE.tar` or `docker save`, and is not compressed"
                        .to_owned(),
                ),
            });
        }
        text.parse().map(Self::Either).map_err(|error| {
            let message = format!("`{text}` names no image: {error}");
            Error::Usage {
                message,
                hint: Some(
                    "an image is `NAME:TAG`, a file such as `server.oci.tar`, or `oci:DIR`"
                        .to_owned(),
                ),
            }
        })
    }
}

/// The image in a file or directory, by what it looks like.
fn on_disk(path: &Path) -> Option<DiskImage> {
    let format = if path.join("oci-layout").is_file() {
        DiskFormat::Oci
    } else if path.is_file() && path.extension().is_some_and(|end| end == "tar") {
        // Engines write `manifest.json` into both kinds, old ones nothing else.
        let image = |format| DiskImage {
            format,
            path: path.to_owned(),
            tag: None,
        };
        if is_layout(&image(DiskFormat::OciArchive)) {
            DiskFormat::OciArchive
        } else {
            DiskFormat::DockerArchive
        }
    } else {
        return None;
    };
    Some(DiskImage {
        format,
        path: path.to_owned(),
        tag: None,
    })
}

impl<'l> Looker<'l> {
    pub(super) fn new(
        args: &'l LookArgs,
        insecure: &[String],
        cwd: &'l Path,
        env: &'l Env,
        interrupt: Option<&Interrupt>,
        ui: &'l mut Ui,
    ) -> Result<Self, Error> {
        let logins = Logins::of(env);
        let listen = || Interrupt::listen().map_err(Error::io("cannot listen for Ctrl-C"));
        let mut all = args.insecure_registries.clone();
        all.extend(insecure.to_vec());
        Ok(Self {
            storage: None,
            ui,
            interrupt: interrupt.cloned().map_or_else(listen, Ok)?,
            warnings: logins.warnings().to_vec(),
            insecure: all,
            args,
            cwd,
            env,
            logins,
        })
    }

    /// Hides the passwords of registries from all output.
    pub(super) fn hide_passwords(&mut self) {
        let passwords = self.logins.stored_passwords();
        self.ui
            .hide(Mask::new(passwords.iter().map(String::as_bytes)));
    }

    fn platform(&self) -> Option<&Platform> {
        self.args.platform.as_ref()
    }

    /// The image that a word names.
    pub(super) fn find(&mut self, word: &str) -> Result<Found, Error> {
        match Word::parse(word, self.cwd)? {
            Word::Disk(image) => self.of_disk(&image),
            Word::Registry(name) => self.of_registry(&name),
            Word::Daemon(name) => match self.of_daemon(&name)? {
                Some(found) => Ok(found),
                None => Err(Error::Usage {
                    message: format!("the Docker daemon has no image `{name}`"),
                    hint: Some("`docker image ls` lists those that it has".to_owned()),
                }),
            },
            Word::Either(name) => {
                if let Some(found) = self.of_daemon_if_any(&name)? {
                    return Ok(found);
                }
                trail::decided(|| format!("no daemon has `{name}`: its registry is asked"));
                self.of_registry(&name)
            }
        }
    }

    /// The image of a daemon; `None` if it has none of that name, or if there is no daemon.
    fn of_daemon_if_any(&mut self, name: &ImageRef) -> Result<Option<Found>, Error> {
        match self.of_daemon(name) {
            Err(Error::Engine(error)) if error.is_absence() && self.args.host.is_none() => Ok(None),
            found => found,
        }
    }

    pub(super) fn of_daemon(&mut self, name: &ImageRef) -> Result<Option<Found>, Error> {
        let host = host::resolve(self.env, self.args.host.as_deref())?;
        let docker = Docker::reach(&host)?;
        let Some(id) = docker.find(name).map_err(not_given)? else {
            return Ok(None);
        };
        let directory =
            WorkDir::new().map_err(Error::io("cannot make a directory for the image"))?;
        let path = directory.path().join("image.tar");
        let file = AtomicFile::begin(&path)?;
        docker.save(&id, file, &self.interrupt).map_err(not_given)?;
        let image = DiskImage {
            format: DiskFormat::DockerArchive,
            path,
            tag: None,
        };
        let on_disk = OnDisk::open(&image, self.platform())?;
        let label = format!("{name} of the Docker daemon {}", docker.version());
        Ok(Some(found(on_disk, Some(directory), label)))
    }

    pub(super) fn of_disk(&self, image: &DiskImage) -> Result<Found, Error> {
        let on_disk = OnDisk::open(image, self.platform())?;
        let shown = match image.path.strip_prefix(self.cwd) {
            Ok(path) => DiskImage {
                path: path.to_owned(),
                ..image.clone()
            },
            Err(_) => image.clone(),
        };
        Ok(found(on_disk, None, shown.to_string()))
    }

    pub(super) fn of_registry(&mut self, name: &ImageRef) -> Result<Found, Error> {
        let platform = self.args.platform.clone();
        let looked = self.at_registries(|registries, on_event| {
            Ok(registries.describe(name, platform.as_ref(), on_event)?)
        })?;
        Ok(Found {
            label: format!("{name} of its registry"),
            id: looked.id,
            described: looked.described,
            received: looked.received,
            place: Place::Registry(name.clone()),
        })
    }

    /// Does something at registries.
    pub(super) fn at_registries<T>(
        &mut self,
        work: impl FnOnce(&Registries<'_>, &mut dyn FnMut(Event)) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let storage = match &mut self.storage {
            Some(storage) => storage,
            none => {
                let (args, mode) = (self.args.sources(), ProgressMode::Plain);
                none.insert(Storage::open(&args, self.cwd, self.env, mode, self.ui)?)
            }
        };
        let registries = Registries {
            logins: &self.logins,
            trust: &Trust::of(self.env, &self.insecure),
            proxies: &proxies(self.env),
            cache: &storage.cache,
            patience: Patience::default(),
            interrupt: &self.interrupt,
        };
        work(&registries, &mut collect(&mut self.warnings))
    }

    /// Reads some layers of an image, by their positions. Also returns the bytes that were received.
    pub(super) fn read(
        &mut self,
        image: &Found,
        layers: &[usize],
    ) -> Result<(Vec<ReadLayer>, u64), Error> {
        let mut received = 0;
        if let Place::Registry(name) = &image.place {
            let all = &image.described.layers;
            let blobs = layers.iter().filter_map(|at| all[*at].blob.as_ref());
            let blobs: Vec<_> = blobs.collect();
            received = self.at_registries(|registries, on_event| {
                Ok(registries.bring(name, &blobs, on_event)?)
            })?;
        }
        let mut read = Vec::new();
        for at in layers {
            if self.interrupt.is_raised() {
                return Err(EngineError::Interrupted.into());
            }
            let blob = self.blob(image, *at)?;
            let layer = read_layer(blob, &image.described.layers[*at].diff_id);
            read.push(layer.map_err(|source| Error::Layer {
                image: image.label.clone(),
                source,
            })?);
        }
        Ok((read, received))
    }

    fn blob(&self, image: &Found, layer: usize) -> Result<Blob<Box<dyn Read>>, Error> {
        match &image.place {
            Place::Disk { image, .. } => Ok(image.blob(layer)?),
            Place::Registry(_) => {
                let blob = image.described.layers[layer].blob.as_ref();
                let missing = || {
                    let none = std::io::ErrorKind::NotFound;
                    Error::io("cannot read a layer of the cache")(none.into())
                };
                let blob = blob.ok_or_else(missing)?;
                let cache = self.storage.as_ref().map(|storage| &storage.cache);
                let path = cache.and_then(|cache| cache.blob(&blob.digest, blob.size));
                let path: PathBuf = path.ok_or_else(|| OciError::Damaged(blob.digest.clone()))?;
                let file = fs_err::File::open(path);
                let file = file.map_err(Error::io("cannot read a layer of the cache"))?;
                Ok(Blob {
                    from: Box::new(file),
                    size: blob.size,
                    is_sent: true,
                })
            }
        }
    }

    /// Says what went on, and removes what the cache has too much.
    pub(super) fn end(self) -> Result<(), Error> {
        for message in &self.warnings {
            warning::warn(message, ProgressMode::Plain, self.ui)?;
        }
        match self.storage {
            Some(mut storage) => storage.tidy(self.ui),
            None => Ok(()),
        }
    }
}

fn found(on_disk: OnDisk, directory: Option<WorkDir>, label: String) -> Found {
    Found {
        label,
        id: on_disk.id.clone(),
        described: on_disk.described.clone(),
        received: 0,
        place: Place::Disk {
            image: Box::new(on_disk),
            _directory: directory,
        },
    }
}

/// Nothing was built here, as the error of a build would say.
fn not_given(error: EngineError) -> Error {
    match error {
        EngineError::AfterBuild { what, source } => {
            Error::io(format!("the Docker daemon cannot {what}"))(source)
        }
        error => error.into(),
    }
}

impl Found {
    /// The positions of all layers.
    pub(super) fn all(&self) -> Vec<usize> {
        (0..self.described.layers.len()).collect()
    }
}
