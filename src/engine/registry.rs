//! Registries: pulls bases and pushes images.
//!
//! Input: names of images, and the cache. Output: an [`Image`] whose layers are in the cache, or
//! the same image in a registry. Every blob is checked by digest and size, and none is transferred
//! that is already there.
//!
//! This implements the protocol of the distribution specification. An existing client would read
//! every answer to its end, however long; here every answer has a limit. Failed requests are
//! retried if that may help, interrupted downloads resume, and errors are explained. A registry
//! that throttles is asked again after longer and longer pauses.
//!
//! [`reach`] and [`trust`] find the way to a registry, [`home`] keeps it, [`token`] logs in, [`http`] and
//! [`upload`] make requests, [`words`] reads refusals, [`client`] retries, [`pull`], [`push`], [`layers`],
//! [`look`], [`index`], [`attach`], [`whole`] and [`found`] put it together, the last three with [`manifest`].

mod attach;
mod client;
mod error;
mod found;
mod home;
mod http;
mod index;
mod layers;
mod look;
mod manifest;
mod pull;
mod push;
mod reach;
mod token;
mod trust;
mod upload;
mod whole;
mod words;

use std::time::Duration;

use crate::engine::{Event, Interrupt, Logins, StepId};
use crate::image::oci::{Descriptor, Image};
use crate::model::digest::Digest;
use crate::model::image::{ImageRef, Platform};
use crate::store::cache::Cache;
use crate::store::fetch::{Patience, Proxies};

pub use attach::{Attached, Attachment};
pub use error::RegistryError;
pub use found::{Answer, Asker, Found, Named, Questions, Retag, questions};
pub use layers::Layers;
pub use look::Looked;
pub use trust::Trust;
pub use whole::{Rewrite, Wanted, Wholes, Written, is_same_platform};
pub(super) use words::without_json;

/// How many blobs are transferred at a time, as in Docker.
const MAX_CONCURRENT: usize = 3;

/// Access to all registries.
pub struct Registries<'r> {
    /// The stored logins.
    pub logins: &'r Logins,
    /// Which connections need not be verified.
    pub trust: &'r Trust,
    /// The proxies on the way.
    pub proxies: &'r Proxies,
    /// Holds the blobs.
    pub cache: &'r Cache,
    /// How long a registry may take.
    pub patience: Patience,
    /// The user's request to stop.
    pub interrupt: &'r Interrupt,
}

/// A requested image.
pub struct WantedImage<'w> {
    pub image: &'w ImageRef,
    /// The target platform.
    pub platform: &'w Platform,
    /// The creation time, in seconds since 1970, of images based on it.
    pub created: u64,
    /// Whether to resolve a tag again even if the last answer is fresh.
    pub fresh: bool,
}

/// An index in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The digest of the index.
    pub digest: Digest,
    /// Its images.
    pub images: Vec<JoinedImage>,
}

/// An image of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedImage {
    /// `linux/amd64`
    pub platform: String,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The name that it was given by.
    pub from: ImageRef,
}

/// The result of a push to one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The image's names there.
    pub names: Vec<ImageRef>,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The image's layers. A builder does not report them.
    pub layers: Option<PushedLayers>,
    /// The bytes sent, including the configuration. Daemons and builders do not report them.
    pub bytes: Option<u64>,
}

/// The layers of a pushed image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushedLayers {
    /// All of them.
    pub all: usize,
    /// Those that the registry lacked.
    pub sent: usize,
}

/// What was pushed before a push failed, for the user; `None` if nothing.
pub(super) fn pushed_before(pushed: &[Pushed]) -> Option<Event> {
    let names = pushed.iter().flat_map(|pushed| &pushed.names);
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| Event::Warning {
        message: format!("pushed before the push that failed: {}", names.join(", ")),
    })
}

impl Registries<'_> {
    /// Pulls an image, except for blobs that the cache has.
    pub fn pull(
        &self,
        wanted: &WantedImage<'_>,
        step: StepId,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Image, RegistryError> {
        Ok(self.pull_by_name(wanted, step, on_event)?.0)
    }

    /// The same. Also returns the digest that the name stands for.
    pub fn pull_by_name(
        &self,
        wanted: &WantedImage<'_>,
        step: StepId,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<(Image, Digest), RegistryError> {
        client::block_on(self.interrupt, pull::pull(self, wanted, step, on_event))
    }

    /// Joins images of one registry into an index there, under this name.
    pub fn join(
        &self,
        name: &ImageRef,
        images: &[ImageRef],
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Joined, RegistryError> {
        client::block_on(self.interrupt, index::join(self, name, images, on_event))
    }

    /// Looks for images as they are asked for, all at once. After the last question, answers are waited
    /// for until the limit.
    pub fn look(
        &self,
        questions: Questions,
        limit: Duration,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Vec<Answer>, RegistryError> {
        let look = async { Ok(found::look(self, questions, limit, on_event).await) };
        client::block_on(self.interrupt, look)
    }

    /// The images of these names, in their order.
    pub fn find(
        &self,
        names: &[Named],
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Vec<Result<Found, RegistryError>>, RegistryError> {
        let find = async { Ok(found::find(self, names, on_event).await) };
        client::block_on(self.interrupt, find)
    }

    /// Reads the manifest and the configuration of an image.
    pub fn describe(
        &self,
        image: &ImageRef,
        platform: Option<&Platform>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Looked, RegistryError> {
        let look = look::describe(self, image, platform, on_event);
        client::block_on(self.interrupt, look)
    }

    /// Brings blobs of an image into the cache. Returns the bytes that were received.
    pub fn bring(
        &self,
        image: &ImageRef,
        blobs: &[&Descriptor],
        on_event: &mut dyn FnMut(Event),
    ) -> Result<u64, RegistryError> {
        let bring = look::bring(self, image, blobs, on_event);
        client::block_on(self.interrupt, bring)
    }

    /// Gives images more names in their registries. Nothing of their layers is read or sent.
    pub fn retag(
        &self,
        wanted: &[Retag],
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Vec<Result<Pushed, RegistryError>>, RegistryError> {
        let retag = async { Ok(found::retag(self, wanted, on_event).await) };
        client::block_on(self.interrupt, retag)
    }

    /// Reads all that describes images, in the order of their names.
    pub fn read(
        &self,
        wanted: &[Wanted],
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Vec<Result<Wholes, RegistryError>>, RegistryError> {
        let read = async { Ok(whole::read(self, wanted, on_event).await) };
        client::block_on(self.interrupt, read)
    }

    /// Writes descriptions of images, several at a time. Layers of their bases are taken over from
    /// another repository of the registry, or sent from the cache.
    pub fn rewrite(
        &self,
        wanted: &[Rewrite],
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Vec<Result<Written, RegistryError>>, RegistryError> {
        let write = async { Ok(whole::write(self, wanted, on_event).await) };
        client::block_on(self.interrupt, write)
    }

    /// Attaches documents to images of one repository.
    pub fn attach(
        &self,
        image: &ImageRef,
        attachments: &[Attachment],
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Vec<Attached>, RegistryError> {
        let attach = attach::attach(self, image, attachments, on_event);
        client::block_on(self.interrupt, attach)
    }

    /// The digest that a name stands for, if the registry tells it in time.
    pub fn digest(&self, image: &ImageRef, limit: Duration) -> Option<Digest> {
        let digest = async { Ok(whole::digest(self, image, limit).await) };
        client::block_on(self.interrupt, digest).ok().flatten()
    }

    /// Pushes an image to the repositories of its names, except for blobs that they have. `below`
    /// is the base, if it came from a registry; steps are numbered from `first`.
    pub fn push(
        &self,
        image: &Image,
        names: &[ImageRef],
        below: Option<&ImageRef>,
        first: u32,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Vec<Pushed>, RegistryError> {
        let push = push::push(self, image, names, below, first, on_event);
        client::block_on(self.interrupt, push)
    }
}

#[cfg(test)]
mod tests;
