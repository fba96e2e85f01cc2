//! `slimbuild sbom --attach`: the list beside an image, in its registry.

use super::{Shipped, system_of, text};
use crate::cli::{MachineArgs, SbomFormat};
use crate::commands::AppChoice;
use crate::commands::error::Error;
use crate::commands::look::Looker;
use crate::engine::registry::{Attached, Attachment, Wanted, Wholes};
use crate::image::oci::{Descriptor, MANIFEST, Whole};
use crate::model::image::{ImageRef, Platform};
use crate::show::ui::Ui;

/// The image, and what it gets.
pub(super) struct To<'t> {
    pub(super) word: &'t str,
    pub(super) place: &'t AppChoice<'t>,
    pub(super) format: SbomFormat,
    /// For formats that require a time.
    pub(super) epoch: Option<u64>,
}

/// What was attached.
pub(super) struct Done {
    name: ImageRef,
    /// With the platform of each.
    all: Vec<(String, Attached)>,
}

/// Attaches a list to each image of an index, or to the one image.
pub(super) fn attach(to: &To<'_>, looker: &mut Looker<'_>) -> Result<Done, Error> {
    let word = to.word.strip_prefix("docker://").unwrap_or(to.word);
    let name: ImageRef = word.parse()?;
    if !name.name().contains('/') {
        return Err(Error::Usage {
            message: format!("cannot tell in which registry `{name}` is"),
            hint: Some(
                "name it with its registry: `--image shop.example.com/server:main`".to_owned(),
            ),
        });
    }
    let wholes = read(&name, looker)?;
    let mut attachments = Vec::new();
    let mut platforms = Vec::new();
    for image in &wholes.images {
        let platform = &image.described.platform;
        let machine = MachineArgs {
            platform: platform.parse::<Platform>().map_err(Error::usage)?,
        };
        let mut shipped = Shipped::new(to.place, &machine)?;
        let found = looker.of_registry(&by_digest(&name, image)?)?;
        shipped.bill.add_system(&system_of(&found, looker)?);
        let kind = image
            .manifest
            .get("mediaType")
            .and_then(|kind| kind.as_str());
        attachments.push(Attachment {
            subject: Descriptor::new(kind.unwrap_or(MANIFEST), image.digest.clone(), image.size),
            kind: match to.format {
                SbomFormat::Cyclonedx => "application/vnd.cyclonedx+json",
                SbomFormat::Spdx => "application/spdx+json",
            },
            bytes: text(&shipped.bill, to.format, to.epoch)?.into_bytes(),
        });
        platforms.push(platform.clone());
    }
    let attached = looker.at_registries(|registries, on_event| {
        Ok(registries.attach(&name, &attachments, on_event)?)
    })?;
    let all = platforms.into_iter().zip(attached).collect();
    Ok(Done { name, all })
}

fn read(name: &ImageRef, looker: &mut Looker<'_>) -> Result<Wholes, Error> {
    looker.at_registries(|registries, on_event| {
        let wanted = Wanted {
            name: name.clone(),
            trust: registries.trust.clone(),
            platforms: Vec::new(),
        };
        let found = registries.read(&[wanted], on_event)?;
        let none = || Error::usage(format!("there is no `{name}`"));
        Ok(found.into_iter().next().ok_or_else(none)??)
    })
}

fn by_digest(name: &ImageRef, image: &Whole) -> Result<ImageRef, Error> {
    Ok(format!("{}@{}", name.name(), image.digest).parse()?)
}

/// Says what was attached: a line for each on stdout.
pub(super) fn tell(done: &Done, ui: &mut Ui) -> Result<(), Error> {
    for (platform, attached) in &done.all {
        let listed = match &attached.tag {
            Some(tag) => format!("listed by the tag {tag}"),
            None => "listed by the registry".to_owned(),
        };
        ui.report(&format!("attached the list for {platform}, {listed}\n"))
            .map_err(Error::io("cannot write to stderr"))?;
        writeln!(ui.out(), "{}@{}", done.name.name(), attached.digest)
            .map_err(Error::io("cannot write to stdout"))?;
    }
    Ok(())
}
