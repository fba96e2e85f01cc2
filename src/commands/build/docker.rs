//! Builds the image with a Docker daemon and a Dockerfile.

use super::buildkit::{files, takes_index};
use super::driver::Driver;
use super::job::{Job, LABEL_LIMIT};
use super::outcome::{Done, Made, shown_path};
use super::request::request;
use super::show_log;
use super::watch::{Seen, watch};
use crate::commands::error::Error;
use crate::commands::storage::Storage;
use crate::engine::buildkit::{self, BuildRequest, Buildkit, Export};
use crate::engine::docker::{Docker, EngineError, StoredImage};
use crate::engine::{Answered, SmokeRequest};
use crate::image::oci::{self, Output};
use crate::model::image::{ImageRef, ImageSize, Platform};
use crate::render::dockerfile;
use crate::show::progress::Progress;
use crate::show::ui::Ui;
use crate::system::atomic_file::AtomicFile;
use crate::system::workdir::WorkDir;

/// The driver for a daemon that answers.
pub(super) struct DockerDriver {
    pub(super) docker: Docker,
    /// Its BuildKit.
    pub(super) buildkit: Buildkit,
}

impl Driver for DockerDriver {
    fn check(&self, job: &Job<'_>) -> Result<(), Error> {
        // Text that a Dockerfile cannot express should be reported before anything is sent.
        dockerfile::render(&job.plan)?;
        self.buildkit.check_caches(&job.caches.to)?;
        job.check_platforms(&self.buildkit)?;
        self.buildkit
            .check_attestations(&job.engine.builder.attestations())?;
        if job.print.needs_a_digest() && !job.engine.push && !self.buildkit.abilities().exports() {
            return Err(Error::Usage {
                message: format!(
                    "Docker {} gives an image no digest before it is pushed: it has no containerd image store",
                    self.docker.version()
                ),
                hint: Some("add `--push`, or print the image's id with `--print id`".to_owned()),
            });
        }
        let outputs = job.named_outputs();
        outputs.iter().try_for_each(Output::check)?;
        takes_index(job, &outputs, false)?;
        let pushed = job.tags.iter().filter(|_| job.engine.push);
        for tag in pushed.filter(|tag| job.trust.covers(tag)) {
            if !self.docker.takes_insecure(tag)? {
                return Err(Error::Usage {
                    message: format!("the Docker daemon pushes `{tag}` itself, and its own list of insecure registries lacks that registry"),
                    hint: Some("add it to `insecure-registries` in the daemon's daemon.json, or push with `--engine native`".to_owned()),
                });
            }
        }
        Ok(())
    }

    fn base_digest(&self, job: &Job<'_>, base: &ImageRef) -> Option<String> {
        let (pull, logins) = (job.engine.pull, &job.logins);
        self.docker.digest_soon(base, pull, logins, LABEL_LIMIT)
    }

    fn platform(&self) -> Option<Platform> {
        self.buildkit.abilities().platform()
    }

    fn build(&self, job: &Job<'_>, ui: &mut Ui) -> Result<Done, Error> {
        let docker = &self.docker;
        let before = size_before(docker, job);
        let request = request(job, &self.buildkit);
        let outputs = job.named_outputs();
        // BuildKit writes them, where the daemon has containerd's image store.
        let (early, late) = if !self.buildkit.abilities().exports() {
            (&[][..], &[][..])
        } else if job.is_held_back() {
            // It gets its names, and goes elsewhere, afterwards.
            (&[][..], &outputs[..])
        } else {
            (&outputs[..], &[][..])
        };
        let inspect = |made: &buildkit::Made| {
            // The digest may be that of a file, whose manifest has other media types.
            match job.tags.first().filter(|_| !early.is_empty()) {
                Some(name) => docker.inspect(&name.to_string()),
                None => docker.inspect(&made.digest.to_string()),
            }
        };
        let ((built, made), seen) = self.run(job, &request, early, &inspect, ui)?;
        let configuration = if built.in_containerd {
            made.configuration
        } else {
            Some(built.id.clone())
        };
        let sizes = if made.sizes.is_empty() {
            vec![ImageSize {
                platform: None,
                unpacked: Some(built.unpacked),
                packed: built.packed,
            }]
        } else {
            made.sizes
        };
        let mut answered = None;
        if let Some(trial) = &job.trial {
            answered = Some(try_out(docker, job, &built, trial, ui)?);
        }
        if let Some(limits) = job.limits() {
            limits.in_daemon(docker, &built.id, before)?;
        }
        if job.is_held_back() {
            docker.tag(&built.id, &job.tags)?;
        }
        if !late.is_empty() {
            let request = BuildRequest {
                tags: job.tags.clone(),
                ..request
            };
            self.run(job, &request, late, &|_| Ok(()), ui)?;
        }
        if !self.buildkit.abilities().exports() && !outputs.is_empty() {
            self.save(job, &built, &outputs, ui)?;
        }
        let mut pushed = Vec::new();
        if job.engine.push {
            pushed = job.patience().retry(ui, |ui| {
                let mut shown = Progress::new(job.mode, ui);
                let (names, logins, first) = (&job.tags, &job.logins, seen.last + 1);
                let done = docker.push(names, logins, first, &job.interrupt, &mut |event| {
                    shown.event(&event);
                });
                shown.finish();
                Ok(done?)
            })?;
        }
        Ok(Done {
            engine: Some("docker"),
            before,
            image: Made {
                manifest: built.in_containerd.then(|| built.id.clone()),
                configuration,
                sizes,
                id: Some(built.id),
            },
            trial: seen.heard.trial,
            answered,
            pushed,
            summary: seen.summary,
            sent: Some(seen.sent),
            outputs: outputs
                .iter()
                .map(|output| shown_path(output.path(), job.here))
                .collect(),
            loaded: None,
            unchanged: None,
        })
    }
}

impl DockerDriver {
    /// Builds into the daemon and into these files, and asks the daemon something about it.
    fn run<T>(
        &self,
        job: &Job<'_>,
        request: &BuildRequest,
        outputs: &[Output],
        ask: &dyn Fn(&buildkit::Made) -> Result<T, EngineError>,
        ui: &mut Ui,
    ) -> Result<((T, buildkit::Made), Seen), Error> {
        job.patience().retry(ui, |ui| {
            let mut exports = vec![Export::Keep];
            exports.extend(files(outputs)?);
            watch(job, ui, |context, on_event| {
                let buildkit = &self.buildkit;
                let made = buildkit.build(request, context, exports, &job.interrupt, on_event)?;
                Ok((ask(&made)?, made))
            })
        })
    }

    /// Writes the image of a daemon that gives it away only as `docker save` does.
    fn save(
        &self,
        job: &Job<'_>,
        built: &StoredImage,
        outputs: &[Output],
        ui: &mut Ui,
    ) -> Result<(), Error> {
        let mut storage = Storage::open(&job.engine.sources, job.cwd, job.env, job.mode, ui)?;
        let work = WorkDir::new().map_err(Error::io("cannot make a directory to save in"))?;
        let saved = work.path().join("image.tar");
        self.docker
            .save(&built.id, AtomicFile::begin(&saved)?, &job.interrupt)?;
        let compression = job.engine.compression.into();
        let stop = || job.interrupt.is_raised();
        for output in outputs {
            let (names, cache) = (&job.tags, &storage.cache);
            oci::write_saved(&saved, names, output, compression, cache, &stop)?;
        }
        storage.tidy(ui)
    }
}

/// The bytes of the image that has the first name now.
pub(super) fn size_before(docker: &Docker, job: &Job<'_>) -> Option<u64> {
    let name = job.tags.first()?.to_string();
    Some(docker.inspect(&name).ok()?.unpacked)
}

/// Starts the image in a daemon that has it. If it does not come up, its log is shown.
pub(super) fn try_out(
    docker: &Docker,
    job: &Job<'_>,
    image: &StoredImage,
    trial: &SmokeRequest,
    ui: &mut Ui,
) -> Result<Answered, Error> {
    ui.note("starting the image")
        .map_err(Error::io("cannot write to stderr"))?;
    let answered = docker.smoke(&image.id, trial, &job.interrupt);
    answered.map_err(|error| {
        if let EngineError::NotUp { log, .. } = &error {
            show_log(log, ui);
        }
        error.into()
    })
}
