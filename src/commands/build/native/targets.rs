//! The targets of an image that is made without a daemon: files, a daemon, registries.

use super::Assembled;
use crate::commands::error::Error;
use crate::engine::docker::{Docker, Loaded};
use crate::engine::native::NativeError;
use crate::engine::registry::{Pushed, Registries};
use crate::engine::{Event, Interrupt, StepId};
use crate::image::oci::{self, Output};
use crate::model::image::ImageRef;
use crate::store::cache::Cache;

/// All targets, in the order of delivery.
pub(super) struct Targets<'t> {
    pub(super) outputs: &'t [Output],
    /// The daemon to load the image into.
    pub(super) docker: Option<&'t Docker>,
    /// The registries to push it to, if requested.
    pub(super) registries: Option<&'t Registries<'t>>,
    pub(super) cache: &'t Cache,
    pub(super) interrupt: &'t Interrupt,
}

/// What was delivered.
pub(super) struct Sent {
    pub(super) loaded: Option<Loaded>,
    pub(super) pushed: Vec<Pushed>,
}

impl Targets<'_> {
    /// Writes, loads and pushes the image.
    pub(super) fn send(
        &self,
        made: &Assembled,
        names: &[ImageRef],
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Sent, Error> {
        let image = &made.image;
        for output in self.outputs {
            let stop = || self.interrupt.is_raised();
            oci::write(image, names, output, self.cache, &stop).map_err(NativeError::Oci)?;
        }
        let mut next = made.next;
        let mut sent = Sent {
            loaded: None,
            pushed: Vec::new(),
        };
        if let Some(docker) = self.docker {
            let step = StepId(next);
            let loaded = docker.load(image, names, self.cache, step, self.interrupt, on_event)?;
            sent.loaded = Some(loaded);
            next += 1;
        }
        if let Some(registries) = self.registries {
            let below = made.below.as_ref();
            sent.pushed = registries.push(image, names, below, next, on_event)?;
        }
        Ok(sent)
    }
}
