//! Reports a finished image: a metadata file, the report, and its name on stdout.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::cli::PrintArg;
use crate::commands::push;
use crate::engine::docker::Loaded;
use crate::engine::registry::Pushed;
use crate::engine::{Answered, Event, StepId, fault};
use crate::files::Measure;
use crate::model::digest::Digest;
use crate::model::image::{ImageRef, ImageSize};
use crate::plan::Plan;
use crate::show::events::Told;
use crate::show::metadata::{Metadata, PlatformSize};
use crate::show::progress::{ProgressMode, Summary};
use crate::show::report::{self, Outcome};
use crate::show::seat::State;
use crate::show::ui::Ui;

/// What an image is, whoever made it.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) plan: &'a Plan,
    /// All names of the image.
    pub(super) tags: &'a [ImageRef],
    /// Its identity, if it is known.
    pub(super) identity: Option<&'a Digest>,
    /// What stdout gets.
    pub(super) print: PrintArg,
    pub(super) mode: ProgressMode,
}

/// An image that was made, tried and delivered.
pub(super) struct Done {
    /// Who made it: `docker`, `buildkit` or `native`; `None` if it was there.
    pub(super) engine: Option<&'static str>,
    pub(super) image: Made,
    /// The bytes of the image that had its first name in the daemon before, where it runs.
    pub(super) before: Option<u64>,
    /// The result of the trial start, if this run had one.
    pub(super) trial: Option<String>,
    /// How its program came up, if it was started.
    pub(super) answered: Option<Answered>,
    pub(super) pushed: Vec<Pushed>,
    pub(super) summary: Summary,
    /// What was sent to a builder.
    pub(super) sent: Option<Sent>,
    /// The files that it was written to, relative to the user's directory.
    pub(super) outputs: Vec<String>,
    /// What was loaded into a daemon, and what that is: `Docker 26.1.5`.
    pub(super) loaded: Option<(Loaded, String)>,
    /// Where it was found, if it only got names.
    pub(super) unchanged: Option<String>,
}

/// The image itself.
pub(super) struct Made {
    /// The digest of its manifest, or of the index of its platforms. A Docker daemon without
    /// containerd's image store gives an image none before it pushes it.
    pub(super) manifest: Option<String>,
    /// The digest of its configuration, if the engine tells it.
    pub(super) configuration: Option<String>,
    /// Its size, or those of its platforms.
    pub(super) sizes: Vec<ImageSize>,
    /// Its id in a Docker daemon, if one has it.
    pub(super) id: Option<String>,
}

/// What was sent to a builder, and what was left out.
pub(super) struct Sent {
    /// The files and bytes that `COPY . .` would have sent.
    pub(super) workspace: Measure,
    /// The number and bytes of files left out of modules, if this run did that.
    pub(super) left_out: Option<(usize, u64)>,
}

/// What the logs of steps report.
#[derive(Default)]
pub(super) struct Heard {
    /// The number and bytes of files left out of modules.
    pub(super) left_out: Option<(usize, u64)>,
    /// The result of the trial start.
    pub(super) trial: Option<String>,
    /// The end of the log of each running step.
    logs: BTreeMap<StepId, Vec<u8>>,
    /// The log of the first step that failed.
    failed: Option<Vec<u8>>,
}

impl Heard {
    /// The end of the failed step's log.
    pub(super) fn failed(&self) -> String {
        let log = self.failed.as_deref().unwrap_or_default();
        String::from_utf8_lossy(log).into_owned()
    }

    /// Looks for `slimbuild: left out 12 files of modules, 3456 bytes` and `slimbuild: started, listens on port 3000 after 0.4 s`.
    pub(super) fn event(&mut self, event: &Event) {
        let (step, bytes) = match event {
            Event::Log { step, bytes, .. } => (step, bytes),
            Event::StepFailed { step, .. } => {
                let log = self.logs.remove(step).unwrap_or_default();
                self.failed.get_or_insert(log);
                return;
            }
            Event::StepDone { step, .. } | Event::StepCancelled { step } => {
                self.logs.remove(step);
                return;
            }
            _ => return,
        };
        let log = self.logs.entry(*step).or_default();
        log.extend_from_slice(bytes);
        let spare = log.len().saturating_sub(fault::LOG);
        if spare > fault::LOG {
            log.drain(..spare);
        }
        let text = String::from_utf8_lossy(bytes);
        self.left_out = left_out(&text).or(self.left_out);
        if let Some((_, started)) = text.split_once("slimbuild: started, ") {
            let started = started.lines().next().unwrap_or_default();
            self.trial = Some(format!("started, {started}"));
        }
    }
}

fn left_out(text: &str) -> Option<(usize, u64)> {
    let (_, rest) = text.split_once("slimbuild: left out ")?;
    let (files, rest) = rest.split_once(" files of modules, ")?;
    let (bytes, _) = rest.split_once(" bytes")?;
    let left_out = (files.parse().ok()?, bytes.parse().ok()?);
    Some(left_out).filter(|(files, _)| *files > 0)
}

impl Done {
    /// The final state of the image.
    pub(super) fn state(&self, plan: &Plan) -> State {
        if self.unchanged.is_some() {
            State::Unchanged
        } else if !self.pushed.is_empty() {
            State::Pushed
        } else if plan.verify || self.answered.is_some() {
            State::Verified
        } else {
            State::Built
        }
    }

    /// The line on stdout.
    pub(super) fn printed(&self, about: &About<'_>) -> String {
        let name = about.tags.first();
        let printed = match about.print {
            PrintArg::Name => {
                // An image in a daemon is shown by its name.
                let file = self.outputs.first().filter(|_| self.loaded.is_none());
                file.cloned().or(name.map(ToString::to_string))
            }
            PrintArg::Digest => self.digest(),
            PrintArg::Reference => name.and_then(|name| self.reference(name)),
            PrintArg::Id => {
                let id = self.image.id.as_ref();
                id.or(self.image.configuration.as_ref()).cloned()
            }
        };
        printed.unwrap_or_default()
    }

    /// The digest by which registries find the image, or would.
    fn digest(&self) -> Option<String> {
        let pushed = self.pushed.first();
        let pushed = pushed.map(|pushed| pushed.digest.to_string());
        pushed.or_else(|| self.image.manifest.clone())
    }

    /// `shop/server@sha256:…`
    fn reference(&self, name: &ImageRef) -> Option<String> {
        let digest = self.digest()?;
        Some(format!("{}@{digest}", name.name()))
    }

    /// Reports the image on stderr. `document` is its metadata.
    pub(super) fn report(
        &self,
        about: &About<'_>,
        took: Duration,
        document: &Metadata,
        ui: &mut Ui,
    ) -> std::io::Result<()> {
        let names = about.tags.iter().map(ToString::to_string);
        match about.mode {
            ProgressMode::Quiet => Ok(()),
            ProgressMode::Json => ui.event(Told::Image(document)),
            ProgressMode::Auto | ProgressMode::Tty | ProgressMode::Plain => {
                let text = report::outcome(&Outcome {
                    plan: about.plan,
                    tags: &names.collect::<Vec<_>>(),
                    sizes: &self.image.sizes,
                    before: self.before,
                    reference: about.tags.first().and_then(|name| self.reference(name)),
                    outputs: &self.outputs,
                    loaded: self.loaded.as_ref().map(loaded_text),
                    pushed: &push::lines(&self.pushed),
                    trial: self.trial.as_deref(),
                    smoke: self
                        .answered
                        .as_ref()
                        .map(|answered| (&*answered.how, answered.took)),
                    workspace: self.sent.as_ref().map(|sent| sent.workspace),
                    left_out: self.sent.as_ref().and_then(|sent| sent.left_out),
                    unchanged: self.unchanged.as_deref(),
                    steps: self.summary.steps,
                    cached: self.sent.as_ref().map(|_| self.summary.cached),
                    took,
                });
                ui.err().write_all(text.as_bytes())
            }
        }
    }

    /// The sizes of each platform's image, if there are several.
    fn platforms(&self) -> Option<Vec<PlatformSize>> {
        let sizes = self.image.sizes.iter();
        if sizes.len() == 0 {
            return None;
        }
        let one = |size: &ImageSize| {
            Some(PlatformSize {
                platform: size.platform.clone()?,
                size: size.unpacked,
                compressed: size.packed,
            })
        };
        sizes.map(one).collect()
    }

    /// What programs are told of it.
    pub(super) fn metadata(&self, about: &About<'_>, took: Duration) -> Metadata {
        let names: Vec<String> = about.tags.iter().map(ToString::to_string).collect();
        let plan = about.plan;
        let sent = self.sent.as_ref();
        let one = self.image.sizes.first();
        let one = one.filter(|size| size.platform.is_none());
        let built = self.unchanged.is_none();
        Metadata {
            names: names.join(","),
            configuration: self.image.configuration.clone(),
            digest: self.digest(),
            app: plan.app.dir.clone(),
            engine: self.engine,
            identity: about.identity.cloned(),
            reference: about.tags.first().and_then(|name| self.reference(name)),
            size: one.and_then(|size| size.unpacked),
            before: self.before,
            compressed: one.and_then(|size| size.packed),
            platforms: self.platforms(),
            outputs: self.outputs.clone(),
            loaded: self.loaded.as_ref().map(|(loaded, _)| *loaded),
            pushed: push::for_programs(&self.pushed),
            trial: self.trial.clone(),
            smoke: self.answered.as_ref().map(|answered| answered.how.clone()),
            context_size: sent.map(|_| plan.context_size()),
            context_files: sent.map(|_| plan.context().len() + 1),
            workspace_size: sent.map(|sent| sent.workspace.bytes),
            workspace_files: sent.map(|sent| sent.workspace.files),
            left_out: sent.and_then(|sent| sent.left_out).map(|(_, bytes)| bytes),
            state: self.state(plan).word(),
            steps: built.then_some(self.summary.steps),
            cached: built.then_some(self.summary.cached),
            seconds: took.as_secs_f64(),
        }
    }
}

/// What was loaded into a daemon, as text.
fn loaded_text((loaded, engine): &(Loaded, String)) -> String {
    format!(
        "into {engine}, {} sent in {}",
        report::size(loaded.bytes),
        report::count(loaded.layers, "layer")
    )
}

/// A path relative to the user's directory.
pub(super) fn shown_path(path: &Path, here: &Path) -> String {
    path.strip_prefix(here)
        .unwrap_or(path)
        .display()
        .to_string()
}
