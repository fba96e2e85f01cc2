//! The base of an image that is made without a daemon: the built-in one, unless the user names
//! another.

use std::path::Path;
use std::time::Instant;

use crate::commands::error::Error;
use crate::commands::resources::Maker;
use crate::detect::Delivery;
use crate::engine::registry::{Registries, WantedImage};
use crate::engine::{Event, StepId, StepKind};
use crate::image::base::{OwnBase, Request};
use crate::image::oci::{self, Image, ImageLayer, Packing};
use crate::model::digest::Digest;
use crate::model::image::{DiskImage, ImageRef, Platform};
use crate::plan::{BaseFrom, NodeCommand, Plan};
use crate::store::cache::Cache;

/// The step that fetches a base. It comes before all numbered steps.
const STEP: StepId = StepId(0);

/// The base, as far as it is known before progress is shown.
pub(super) enum Below {
    /// The built-in base.
    Own(Box<OwnBase>),
    /// An image in a registry, and node if the image lacks it.
    Registry(ImageRef, Option<ImageLayer>),
    /// An image on disk, and its name in the plan.
    Disk(DiskImage, String),
}

/// How to fetch a base.
pub(super) struct Terms<'t> {
    pub(super) platform: &'t Platform,
    pub(super) packing: Packing,
    /// Whether to look for a newer one even if the last answer is fresh.
    pub(super) pull: bool,
}

impl Below {
    /// Finds the base, and makes it if it is the built-in one.
    pub(super) fn new(
        maker: &Maker<'_>,
        plan: &Plan,
        root: &Path,
        terms: &Terms<'_>,
    ) -> Result<Self, Error> {
        let base = &plan.runtime_base.value;
        let is_site = matches!(plan.delivery, Delivery::Site(_));
        let request = Request {
            platform: terms.platform.clone(),
            node: (!is_site).then(|| plan.node.value.clone()),
            nginx: is_site,
            pull: terms.pull,
            stripped: base.stripped,
        };
        if base.from == BaseFrom::Own {
            let contents = maker.resolve(&request)?;
            let base = maker.assemble(&contents, terms.platform, terms.packing)?;
            return Ok(Self::Own(Box::new(base)));
        }
        if let Some(image) = DiskImage::parse(&base.image) {
            return Ok(Self::Disk(image.below(root), base.image.clone()));
        }
        let node = match base.node {
            Some(NodeCommand::Copied) => Some(maker.node_layer(&request, terms.packing)?),
            _ => None,
        };
        Ok(Self::Registry(base.image.parse()?, node))
    }

    /// The built-in base, if it is that.
    pub(super) fn own(&self) -> Option<OwnBase> {
        match self {
            Self::Own(base) => Some(OwnBase::clone(base)),
            Self::Registry(..) | Self::Disk(..) => None,
        }
    }

    /// The image, and its name and digest if it is in a registry.
    pub(super) fn image(
        self,
        registries: &Registries<'_>,
        terms: &Terms<'_>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<(Image, Option<(ImageRef, Digest)>), Error> {
        match self {
            Self::Own(base) => Ok((base.into_image(), None)),
            Self::Registry(name, node) => {
                let wanted = WantedImage {
                    image: &name,
                    platform: terms.platform,
                    created: terms.packing.epoch,
                    fresh: terms.pull,
                };
                let (mut image, digest) = registries.pull_by_name(&wanted, STEP, on_event)?;
                if let Some(node) = node {
                    image.push(node);
                }
                Ok((image, Some((name, digest))))
            }
            Self::Disk(name, shown) => {
                let image = opened(&name, &shown, terms, registries.cache, on_event)?;
                Ok((image, None))
            }
        }
    }
}

fn opened(
    name: &DiskImage,
    shown: &str,
    terms: &Terms<'_>,
    cache: &Cache,
    on_event: &mut dyn FnMut(Event),
) -> Result<Image, Error> {
    on_event(Event::StepKnown {
        step: STEP,
        name: format!("[base] {shown}"),
        kind: StepKind::Housekeeping,
    });
    on_event(Event::StepStarted { step: STEP });
    let began = Instant::now();
    let image = oci::open(name, terms.platform, terms.packing.epoch, cache);
    on_event(match &image {
        Ok(_) => Event::StepDone {
            step: STEP,
            took: began.elapsed(),
        },
        Err(error) => Event::StepFailed {
            step: STEP,
            message: error.to_string(),
        },
    });
    Ok(image?)
}
