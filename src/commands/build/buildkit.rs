//! Builds the image with a BuildKit that is no Docker daemon, by the same Dockerfile.

use super::driver::Driver;
use super::job::Job;
use super::outcome::{Done, Made, shown_path};
use super::request::request;
use super::watch::watch;
use crate::commands::error::Error;
use crate::engine::buildkit::{Archive, Buildkit, Export, Format};
use crate::engine::docker::{Docker, Loaded};
use crate::engine::registry::Pushed;
use crate::image::oci::Output;
use crate::render::dockerfile;
use crate::show::ui::Ui;
use crate::system::atomic_file::AtomicFile;

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
        if job.trial.is_some() {
            return Err(Error::Usage {
                message: "`--smoke` starts the image here, but the builder has it".to_owned(),
                hint: Some("leave it out: the trial start is a step at the builder; or try the image with `--engine docker` or `--engine native`".to_owned()),
            });
        }
        let outputs = job.outputs();
        if let Some(Output::Directory(path)) = directory(&outputs) {
            return Err(Error::Usage {
                message: format!(
                    "a builder writes the image to one file, not to the directory `{}`",
                    path.display()
                ),
                hint: Some("write `--output oci=FILE`".to_owned()),
            });
        }
        outputs.iter().try_for_each(Output::check)?;
        let several =
            outputs.len() + usize::from(self.load.is_some()) + usize::from(job.engine.push);
        self.buildkit.check(several, job.platform.as_ref())?;
        Ok(())
    }

    fn build(&self, job: &Job<'_>, ui: &mut Ui) -> Result<Done, Error> {
        let outputs = job.outputs();
        let request = request(job);
        let (made, seen) = job.patience().retry(ui, |ui| {
            let exports = self.exports(job, &outputs)?;
            watch(job, ui, |context, on_event| {
                let buildkit = &self.buildkit;
                buildkit.build(&request, context, exports, &job.interrupt, on_event)
            })
        })?;
        let mut image = Made {
            digest: made.digest.to_string(),
            configuration: made.configuration,
            unpacked: None,
            packed: None,
        };
        let mut loaded = None;
        if let (Some(docker), Some(name)) = (&self.load, job.tags.first()) {
            let there = docker.inspect(&name.to_string())?;
            image.unpacked = Some(there.size);
            let sent = Loaded {
                layers: there.layers,
                bytes: made.loaded,
            };
            loaded = Some((sent, docker.version().to_owned()));
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
            engine: "buildkit",
            image,
            trial: seen.heard.trial,
            answered: None,
            pushed: pushed.collect(),
            summary: seen.summary,
            sent: Some(seen.sent),
            outputs: written.map(|path| shown_path(path, job.here)).collect(),
            loaded,
        })
    }
}

impl BuildkitDriver {
    /// The places for the image.
    fn exports(&self, job: &Job<'_>, outputs: &[Output]) -> Result<Vec<Export<'_>>, Error> {
        let mut exports = Vec::new();
        for output in outputs {
            let format = match output {
                Output::Docker(_) => Format::Docker,
                Output::Archive(_) | Output::Directory(_) => Format::Oci,
            };
            let file = AtomicFile::begin(output.path())?;
            exports.push(Export::Archive(Archive { format, file }));
        }
        exports.extend(self.load.as_ref().map(Export::Load));
        if job.engine.push {
            exports.push(Export::Push);
        }
        Ok(exports)
    }
}

fn directory(outputs: &[Output]) -> Option<&Output> {
    let mut outputs = outputs.iter();
    outputs.find(|output| matches!(output, Output::Directory(_)))
}
