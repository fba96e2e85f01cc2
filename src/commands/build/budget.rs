//! The budget of an image that has no name yet.
//!
//! Input: the limits of slimbuild.json, and an image in a daemon, on the disk, or in a registry by its
//! digest. Output: an error if it is too large. Without a budget, nothing is read.

use super::job::Job;
use crate::ask::size::{Size, places};
use crate::cli::LookArgs;
use crate::commands::budget;
use crate::commands::error::Error;
use crate::commands::look::Looker;
use crate::commands::size::Measured;
use crate::engine::Interrupt;
use crate::engine::docker::{Docker, EngineError};
use crate::image::contents::Contents;
use crate::image::oci::{self, Image, OnDisk, Output, read_layer};
use crate::model::digest::Digest;
use crate::model::image::{DiskFormat, DiskImage, ImageRef};
use crate::model::path::RepoPath;
use crate::plan::config::{Budget, Given};
use crate::show::ui::Ui;
use crate::store::cache::Cache;
use crate::system::atomic_file::AtomicFile;
use crate::system::workdir::WorkDir;

/// The budget of an app.
pub(super) struct Limits<'l> {
    pub(super) budget: &'l Given<Budget>,
    /// The app's directory.
    pub(super) app: &'l RepoPath,
    pub(super) interrupt: &'l Interrupt,
}

impl Job<'_> {
    /// The budget, if there is one.
    pub(super) fn limits(&self) -> Option<Limits<'_>> {
        Some(Limits {
            budget: self.budget.as_ref()?,
            app: &self.plan.app.dir,
            interrupt: &self.interrupt,
        })
    }

    /// Whether the image gets its names, and goes elsewhere, only when it is known to be right.
    pub(super) fn is_held_back(&self) -> bool {
        self.trial.is_some() || self.budget.is_some()
    }
}

impl Limits<'_> {
    /// Checks an image that a daemon has. `before` has the bytes of the one that has its name now.
    pub(super) fn in_daemon(
        &self,
        docker: &Docker,
        id: &str,
        before: Option<u64>,
    ) -> Result<(), Error> {
        let now = docker.inspect(id)?.unpacked;
        self.growth(before, now)?;
        if self.budget.value.size.is_none() {
            return Ok(());
        }
        let work = work_dir()?;
        let path = work.path().join("image.tar");
        docker.save(id, AtomicFile::begin(&path)?, self.interrupt)?;
        let image = DiskImage {
            format: DiskFormat::DockerArchive,
            path,
            tag: None,
        };
        let size = self.measured(&image)?;
        let rest = format!("`slimbuild size docker-daemon:{id}` tells the rest");
        budget::check_size(self.budget, self.app, &size, &rest)
    }

    /// Checks an image whose layers are in the cache.
    pub(super) fn in_cache(
        &self,
        image: &Image,
        cache: &Cache,
        before: Option<u64>,
    ) -> Result<(), Error> {
        let now = image.layers.iter().map(|layer| layer.unpacked).sum();
        self.growth(before, now)?;
        if self.budget.value.size.is_none_or(|most| now <= most) {
            return Ok(());
        }
        // Which packages are large is only read if that has to be said.
        let work = work_dir()?;
        let path = work.path().join("image.tar");
        let stop = || self.interrupt.is_raised();
        oci::write(image, &[], &Output::Archive(path.clone()), cache, &stop)?;
        let archive = DiskImage {
            format: DiskFormat::OciArchive,
            path,
            tag: None,
        };
        let size = self.measured(&archive)?;
        let rest =
            "it was not written anywhere; with a larger budget, `slimbuild size` tells the rest";
        budget::check_size(self.budget, self.app, &size, rest)
    }

    /// Checks a file that a builder has written.
    fn on_disk(&self, image: &DiskImage) -> Result<(), Error> {
        let size = self.measured(image)?;
        let rest = format!("`slimbuild size {image}` tells the rest");
        budget::check_size(self.budget, self.app, &size, &rest)
    }

    fn growth(&self, before: Option<u64>, now: u64) -> Result<(), Error> {
        match before {
            Some(before) => budget::check_sizes(self.budget, self.app, before, now),
            None => Ok(()),
        }
    }

    /// What is in an image on the disk.
    fn measured(&self, image: &DiskImage) -> Result<Size, Error> {
        let disk = OnDisk::open(image, None)?;
        let mut layers = Vec::new();
        for (at, layer) in disk.described.layers.iter().enumerate() {
            if self.interrupt.is_raised() {
                return Err(EngineError::Interrupted.into());
            }
            let read = read_layer(disk.blob(at)?, &layer.diff_id);
            layers.push(read.map_err(|source| Error::Layer {
                image: image.to_string(),
                source,
            })?);
        }
        let contents = Contents::new(&layers, &places(&disk.described.config, None));
        let (id, described) = (disk.id.clone(), &disk.described);
        Ok(Size::new(image.to_string(), id, described, &contents))
    }
}

/// Checks an image that a registry has by its digest alone.
pub(super) fn in_registry(
    job: &Job<'_>,
    name: &ImageRef,
    digest: &Digest,
    ui: &mut Ui,
) -> Result<(), Error> {
    let Some(limits) = job.limits().filter(|it| it.budget.value.size.is_some()) else {
        return Ok(());
    };
    let args = LookArgs {
        platform: job.platforms.first().cloned(),
        host: job.host.clone(),
        insecure_registries: job.insecure.clone(),
        cache_dir: job.engine.sources.cache_dir.clone(),
    };
    let by_digest: ImageRef = format!("{}@{digest}", name.name()).parse()?;
    let mut looker = Looker::new(&args, &[], job.cwd, job.env, Some(&job.interrupt), ui)?;
    let measured = looker
        .of_registry(&by_digest)
        .and_then(|image| Measured::new(image, None, &mut looker));
    looker.end()?;
    let rest =
        format!("no tag was pushed, and `slimbuild size docker://{by_digest}` tells the rest");
    budget::check_size(limits.budget, limits.app, &measured?.size, &rest)
}

/// Checks the files that a builder has written, which nobody knows before.
pub(super) fn in_files(job: &Job<'_>, outputs: &[Output]) -> Result<(), Error> {
    let limits = job.limits().filter(|it| it.budget.value.size.is_some());
    let (Some(limits), Some(output)) = (limits, outputs.first()) else {
        return Ok(());
    };
    let format = match output {
        Output::Archive(_) => DiskFormat::OciArchive,
        Output::Docker(_) => DiskFormat::DockerArchive,
        Output::Directory(_) => DiskFormat::Oci,
    };
    limits.on_disk(&DiskImage {
        format,
        path: output.path().to_owned(),
        // A layout may have other images too.
        tag: job.tags.first().map(ToString::to_string),
    })
}

fn work_dir() -> Result<WorkDir, Error> {
    WorkDir::new().map_err(Error::io("cannot make a directory for the image"))
}
