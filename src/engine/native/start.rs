//! The trial start without a daemon: the image's own command, files, user and node, in namespaces
//! without access to a network. `templates/trial.mjs` watches it.

use std::time::Instant;

use super::error::NativeError;
use super::namespace::Started;
use super::proof::{Log, Trial, tell};
use super::rootfs;
use crate::engine::{Event, StepId, StepKind};
use crate::model::image::Platform;

/// The kind of the cache's notes about started images.
const NOTE_KIND: &str = "trials";

impl Trial<'_> {
    /// Starts the app as a `step` of the build. Returns the reason if it was not started.
    pub fn start(
        &self,
        step: StepId,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Option<String>, NativeError> {
        let Some(node) = &self.subject.node else {
            return Ok(None);
        };
        if self.image.platform != Platform::host() {
            let platform = &self.image.platform;
            return Ok(Some(format!(
                "the app was not started: the image is for {platform}"
            )));
        }
        if let Err(why) = self.outside.tools() {
            return Ok(Some(format!("the app was not started: {why}")));
        }
        on_event(Event::StepKnown {
            step,
            name: "[trial] the app is started".to_owned(),
            kind: StepKind::Instruction,
        });
        if self.was_started() {
            on_event(Event::StepCached { step });
            return Ok(None);
        }
        let program = [node, "/verify/verify.mjs", "--start", "/verify/image.json"];
        let program = program.map(str::to_owned);
        on_event(Event::StepStarted { step });
        let began = Instant::now();
        let started = Started::Tried(&program);
        let mut log = Log::new();
        let laid = rootfs::rootfs(self.image, self.base, self.cache)?;
        let mut ended = self.run_inside(&laid, &started, &mut log)?;
        if !laid.fresh && ended.is_some_and(|code| code != 0) {
            log.clear();
            ended = self.unpacked_anew(|anew| self.run_inside(anew, &started, &mut log))?;
        }
        tell(log, step, on_event);
        let Some(code) = ended else {
            on_event(Event::StepCancelled { step });
            let why =
                "the app was not started: this machine does not let an image's programs start";
            return Ok(Some(why.to_owned()));
        };
        if code != 0 {
            let message = "the image would not run".to_owned();
            on_event(Event::StepFailed { step, message });
            return Err(NativeError::Disproved);
        }
        self.note_start();
        let took = began.elapsed();
        on_event(Event::StepDone { step, took });
        Ok(None)
    }

    /// Whether the cache knows that the app came up.
    pub(super) fn was_started(&self) -> bool {
        self.cache.note::<bool>(NOTE_KIND, &self.key(&[])) == Some(true)
    }

    /// Notes that the app came up. If the cache is not writable, it is started again next time.
    pub(super) fn note_start(&self) {
        self.cache.write_note(NOTE_KIND, &self.key(&[]), &true);
    }
}
