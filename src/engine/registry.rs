//! Registries: bases come from there, and images go there.
//!
//! Goes in: names of images, and the cache. Comes out: an [`Image`] whose layers are in the cache, or the same image in a registry. Every blob is
//! checked by its digest and size, and none is moved that is where it should be.
//!
//! The protocol is that of the distribution specification. A client of it that others wrote reads every answer to its end, however long it is; so it
//! is spoken here, where every answer has a limit. What failed is asked for again where that may help, a download goes on where it broke off, and
//! what went wrong is said in words. A registry that is asked too often is left alone for longer each time.

mod client;
mod error;
mod http;
mod pull;
mod push;
mod token;

use std::path::Path;

use crate::engine::{Event, Interrupt, StepId};
use crate::image::oci::Image;
use crate::model::digest::Digest;
use crate::model::image::{ImageRef, Platform};
use crate::store::cache::Cache;
use crate::store::fetch::{Patience, Proxies};

pub use error::RegistryError;

/// How many blobs move at a time, as with Docker.
const AT_ONCE: usize = 3;

/// All registries, as this machine reaches them.
pub struct Registries<'r> {
    /// Docker's configuration, which knows who is logged in where.
    pub configuration: Option<&'r Path>,
    /// The way out.
    pub proxies: &'r Proxies,
    /// Where blobs are kept.
    pub cache: &'r Cache,
    /// How long a registry may take.
    pub patience: Patience,
    /// The person's wish to stop.
    pub interrupt: &'r Interrupt,
}

/// An image that is asked for.
pub struct Wanted<'w> {
    /// Its name.
    pub image: &'w ImageRef,
    /// What it is to run on.
    pub platform: &'w Platform,
    /// The time that an image made on it has, in seconds since 1970.
    pub created: u64,
    /// Whether to ask what a tag stands for, however short ago that was asked.
    pub fresh: bool,
}

/// What became of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The names that the image has there.
    pub names: Vec<ImageRef>,
    /// The manifest.
    pub digest: Digest,
    /// How many layers the image has.
    pub layers: usize,
    /// How many of them were sent.
    pub sent: usize,
    /// How many bytes were sent, the configuration's among them. A daemon does not tell.
    pub bytes: Option<u64>,
}

impl Registries<'_> {
    /// Fetches an image: what the cache does not have of it.
    pub fn pull(
        &self,
        wanted: &Wanted<'_>,
        step: StepId,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Image, RegistryError> {
        client::block_on(self.interrupt, pull::pull(self, wanted, step, on_event))
    }

    /// Sends an image to the repositories of its names: what they do not have of it. `below` is the base that it lies on, where that came from a
    /// registry; steps are numbered from `first`.
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
