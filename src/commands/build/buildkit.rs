//! Builds the image with a BuildKit that is no Docker daemon, by the same Dockerfile.

use super::budget;
use super::docker::{size_before, try_out};
use super::driver::Driver;
use super::job::Job;
use super::naming;
use super::outcome::{Done, Made, shown_path};
use super::request::request;
use super::watch::{Seen, watch};
use crate::commands::error::Error;
use crate::commands::warning::warn;
use crate::engine::buildkit::{self, Archive, BuildRequest, Buildkit, Export, Format};
use crate::engine::docker::{Docker, EngineError, Loaded, StoredImage};
use crate::engine::registry::Pushed;
use crate::image::oci::Output;
use crate::model::image::{ImageRef, ImageSize, Platform};
use crate::render::dockerfile;
use crate::show::ui::Ui;
use crate::system::atomic_file::AtomicFile;

const REBUILT: &str = "the builder lost its cache between the check and the delivery: what it delivered is the same app, built once more";

/// The driver for a builder that answers.
pub(super) struct BuildkitDriver {
    pub(super) buildkit: Buildkit,
    /// The daemon to load the image into.
    pub(super) load: Option<Docker>,
}

impl Driver for BuildkitDriver {
    fn check(&self, job: &Job<'_>) -> Result<(), Error> {
        // Text that a Dockerfile cannot express should be reported before anything is sent.
        dockerfile::render(&job.plan)?;
        if job.trial.is_some() && self.load.is_none() {
            return Err(Error::Usage {
                message: "`--smoke` starts the image in a Docker daemon, and only the builder has it".to_owned(),
                hint: Some("add `--load`, which loads it into a daemon; without `--smoke`, the trial start is a step at the builder".to_owned()),
            });
        }
        let outputs = job.outputs();
        outputs.iter().try_for_each(Output::check)?;
        let several =
            outputs.len() + usize::from(self.load.is_some()) + usize::from(job.engine.push);
        self.buildkit.check(several)?;
        job.check_platforms(&self.buildkit)?;
        let attestations = job.engine.builder.attestations();
        self.buildkit.check_attestations(&attestations)?;
        takes_index(job, &outputs, self.load.is_some())?;
        self.buildkit.check_caches(&job.caches.to)?;
        Ok(())
    }

    fn platform(&self) -> Option<Platform> {
        self.buildkit.abilities().platform()
    }

    fn base_digest(&self, job: &Job<'_>, base: &ImageRef) -> Option<String> {
        job.digest_in_registry(base)
    }

    fn build(&self, job: &Job<'_>, ui: &mut Ui) -> Result<Done, Error> {
        let outputs = job.outputs();
        let request = request(job, &self.buildkit);
        let mut answered = None;
        let (made, seen) = match &self.load {
            Some(docker) if job.is_held_back() => {
                let before = size_before(docker, job);
                let (made, seen) =
                    self.run(job, &request, ui, || Ok(vec![Export::Load(docker)]))?;
                let image = stored(docker, &made)?;
                if let Some(trial) = &job.trial {
                    answered = Some(try_out(docker, job, &image, trial, ui)?);
                }
                if let Some(limits) = job.limits() {
                    limits.in_daemon(docker, &image.id, before)?;
                }
                docker.tag(&image.id, &job.tags)?;
                let made = if !outputs.is_empty() || job.engine.push {
                    self.deliver(job, &made, request, &outputs, ui)?
                } else {
                    made
                };
                (made, seen)
            }
            None if job.engine.push && job.budget.is_some() => {
                let named = BuildRequest {
                    tags: job.tags.clone(),
                    ..request
                };
                let (made, seen) = self.run(job, &named, ui, || Ok(vec![Export::PushByDigest]))?;
                if let Some(name) = job.tags.first() {
                    budget::in_registry(job, name, &made.digest, ui)?;
                }
                let made = if outputs.is_empty() {
                    // Its own manifest: another build would have attestations of another time.
                    naming::name(job, &made.digest)?;
                    made
                } else {
                    self.deliver(job, &made, named, &outputs, ui)?
                };
                (made, seen)
            }
            load => {
                let request = BuildRequest {
                    tags: job.tags.clone(),
                    ..request
                };
                let done = self.run(job, &request, ui, || exports(job, &outputs, load.as_ref()))?;
                budget::in_files(job, &outputs)?;
                done
            }
        };
        let mut image = Made {
            manifest: Some(made.digest.to_string()),
            configuration: made.configuration,
            sizes: made.sizes,
            id: None,
        };
        let mut loaded = None;
        if let (Some(docker), Some(name)) = (&self.load, job.tags.first()) {
            let there = docker.inspect(&name.to_string())?;
            // The daemon has unpacked it, so it knows better than the builder.
            if let [size] = &mut image.sizes[..] {
                size.unpacked = Some(there.unpacked);
            } else if image.sizes.is_empty() {
                image.sizes.push(ImageSize {
                    platform: None,
                    unpacked: Some(there.unpacked),
                    packed: there.packed,
                });
            }
            image.id = Some(there.id);
            let sent = Loaded {
                layers: there.layers,
                bytes: made.loaded,
            };
            loaded = Some((sent, docker.engine()));
        }
        let names = job.tags.iter().filter(|_| job.engine.push);
        let pushed = names.map(|name| Pushed {
            names: vec![name.clone()],
            digest: made.digest.clone(),
            layers: None,
            bytes: None,
        });
        let written = outputs.iter().map(Output::path);
        Ok(Done {
            engine: Some("buildkit"),
            before: None,
            image,
            trial: seen.heard.trial,
            answered,
            pushed: pushed.collect(),
            summary: seen.summary,
            sent: Some(seen.sent),
            outputs: written.map(|path| shown_path(path, job.here)).collect(),
            loaded,
            unchanged: None,
        })
    }
}

impl BuildkitDriver {
    /// Gives an image that is known to be right its names, and sends it where it goes: by the same build
    /// once more, whose steps the builder has.
    fn deliver(
        &self,
        job: &Job<'_>,
        made: &buildkit::Made,
        request: BuildRequest,
        outputs: &[Output],
        ui: &mut Ui,
    ) -> Result<buildkit::Made, Error> {
        let request = BuildRequest {
            tags: job.tags.clone(),
            ..request
        };
        let (again, _) = self.run(job, &request, ui, || exports(job, outputs, None))?;
        if again.digest != made.digest {
            warn(REBUILT, job.mode, ui)?;
        }
        Ok(buildkit::Made {
            loaded: made.loaded,
            ..again
        })
    }

    /// Builds, and again after what may pass.
    fn run<'e>(
        &self,
        job: &Job<'_>,
        request: &BuildRequest,
        ui: &mut Ui,
        exports: impl Fn() -> Result<Vec<Export<'e>>, Error>,
    ) -> Result<(buildkit::Made, Seen), Error> {
        job.patience().retry(ui, |ui| {
            let exports = exports()?;
            watch(job, ui, |context, on_event| {
                let buildkit = &self.buildkit;
                buildkit.build(request, context, exports, &job.interrupt, on_event)
            })
        })
    }
}

/// Fails if an index of several images would go where only one fits.
pub(super) fn takes_index(job: &Job<'_>, outputs: &[Output], load: bool) -> Result<(), Error> {
    let one = outputs.iter().find_map(|output| match output {
        Output::Docker(_) => Some("--output docker=FILE"),
        _ => None,
    });
    let is_index = job.platforms.len() > 1 || !job.engine.builder.attestations().is_empty();
    match one.or(load.then_some("--load")).filter(|_| is_index) {
        None => Ok(()),
        Some(flag) => Err(Error::Usage {
            message: format!(
                "`{flag}` takes one image, not an index of platforms or with attestations"
            ),
            hint: Some(
                "push the index, or write it with `--output oci=FILE`; or name one platform"
                    .to_owned(),
            ),
        }),
    }
}

/// The places for the image.
fn exports<'e>(
    job: &Job<'_>,
    outputs: &[Output],
    load: Option<&'e Docker>,
) -> Result<Vec<Export<'e>>, Error> {
    let mut exports = files(outputs)?;
    exports.extend(load.map(Export::Load));
    if job.engine.push {
        exports.push(Export::Push);
    }
    Ok(exports)
}

/// The files and directories for the image.
pub(super) fn files(outputs: &[Output]) -> Result<Vec<Export<'static>>, Error> {
    let exports = outputs.iter().map(|output| {
        let format = match output {
            Output::Directory(path) => return Ok(Export::Directory(path.clone())),
            Output::Docker(_) => Format::Docker,
            Output::Archive(_) => Format::Oci,
        };
        let file = AtomicFile::begin(output.path())?;
        Ok(Export::Archive(Archive { format, file }))
    });
    exports.collect()
}

/// The image that a daemon was sent without a name. It goes by its configuration, or by its manifest
/// in containerd's image store.
fn stored(docker: &Docker, made: &buildkit::Made) -> Result<StoredImage, EngineError> {
    let manifest = made.digest.to_string();
    let by_configuration = made.configuration.as_ref().map(|id| docker.inspect(id));
    match by_configuration {
        Some(Ok(image)) => Ok(image),
        _ => docker.inspect(&manifest),
    }
}
