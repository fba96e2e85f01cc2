//! The proof of a static site: nginx accepts its configuration, and everything that the first page
//! loads exists.

use std::path::Path;
use std::time::Instant;

use super::error::NativeError;
use super::namespace::Started;
use super::process::{self, Ended, Task};
use super::proof::{Log, Trial, tell};
use super::proof_tree;
use crate::engine::{Event, StepId, StepKind};
use crate::model::image::Platform;

impl Trial<'_> {
    /// Proves a site as a `step` of the build. Returns the reason if there was no proof.
    pub(super) fn prove_site(
        &self,
        step: StepId,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Option<String>, NativeError> {
        on_event(Event::StepKnown {
            step,
            name:
                "[verify] nginx takes its configuration, and all that the first page loads is there"
                    .to_owned(),
            kind: StepKind::Instruction,
        });
        on_event(Event::StepStarted { step });
        let began = Instant::now();
        let mut log = Log::new();
        let page = self.first_page(&mut log)?;
        let server = self.server(&mut log)?;
        tell(log, step, on_event);
        if [page, server].into_iter().flatten().any(|code| code != 0) {
            let message = "the image would not run".to_owned();
            on_event(Event::StepFailed { step, message });
            return Err(NativeError::Disproved);
        }
        let took = began.elapsed();
        on_event(Event::StepDone { step, took });
        let missing = match (page, server) {
            (Some(_), Some(_)) => return Ok(None),
            (None, Some(_)) => {
                "that all is there which the first page loads was not proved: no node runs on this machine"
            }
            (Some(_), None) => {
                "that nginx takes its configuration was not proved: this machine does not let its programs start"
            }
            (None, None) => {
                "the site was not proved: this machine has no node, and does not let nginx start"
            }
        };
        Ok(Some(missing.to_owned()))
    }

    /// Checks the files with node; `None` without a node.
    fn first_page(&self, log: &mut Log) -> Result<Option<i32>, NativeError> {
        let Some(node) = self.trusted_node()? else {
            return Ok(None);
        };
        let scratch =
            proof_tree::unpack_layers(self.layers, self.scratch).map_err(NativeError::Workshop)?;
        let program = scratch.path().join("verify");
        self.write_programs(&program)?;
        let text = |path: &Path| path.display().to_string();
        let site = scratch.path().join("app");
        let task = Task {
            words: vec![
                text(node.path()),
                text(&program.join("verify.mjs")),
                "--site".to_owned(),
                text(&site),
            ],
            dir: &site,
            env: self.outside.env(),
        };
        let ended = process::run(&task, self.interrupt, &mut |stream, at, bytes| {
            log.push((stream, at, bytes));
        });
        match ended.map_err(NativeError::Spawn)? {
            Ended::Well => Ok(Some(0)),
            Ended::Badly(code) => Ok(Some(code)),
            Ended::Interrupted => Err(NativeError::Interrupted),
        }
    }

    /// Has the image's own nginx check its configuration; `None` if it cannot be started.
    fn server(&self, log: &mut Log) -> Result<Option<i32>, NativeError> {
        if self.image.platform != Platform::host() {
            return Ok(None);
        }
        let Some(laid) = self.try_unpack()? else {
            return Ok(None);
        };
        let program = ["nginx", "-t", "-q"].map(str::to_owned);
        let program = Started::Only(&program);
        let ended = self.run_inside(&laid, &program, log)?;
        if laid.fresh || ended == Some(0) || ended.is_none() {
            return Ok(ended);
        }
        log.clear();
        self.unpacked_anew(|anew| self.run_inside(anew, &program, log))
    }
}
