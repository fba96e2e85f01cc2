//! One image: what it says of its base, and what it would be on another.

use std::collections::BTreeMap;

use serde_json::Value;

use super::bases::{Bases, Pair};
use super::failed::Failed;
use super::{Run, Target};
use crate::commands::error::{Error, ExitCode};
use crate::engine::Event;
use crate::engine::registry::{Wholes, is_same_platform};
use crate::image::foundation::App;
use crate::image::oci::{Descriptor, Rewritten, Whole};
use crate::image::rebase::{self, BaseName, Exchange, Said, Unfit, has_accounts, is_on};
use crate::model::digest::Digest;
use crate::model::image::ImageRef;

/// An image whose descriptions were read.
pub(super) struct Read {
    pub(super) wholes: Wholes,
    /// The base that it has, if it is known.
    pub(super) old: Option<ImageRef>,
    /// The base that it is to have.
    pub(super) new: ImageRef,
    /// Whether a build of the same sources would be on the new base too.
    keeps_identity: bool,
}

/// What is to be done.
pub(super) enum Decision {
    Unchanged,
    Changed(Box<Change>),
}

/// An image on its new base.
pub(super) struct Change {
    /// What the name stands for.
    pub(super) old: Digest,
    /// What it will stand for.
    pub(super) digest: Digest,
    pub(super) images: Vec<Rewritten>,
    pub(super) index: Option<Vec<u8>>,
    pub(super) base: ImageRef,
    pub(super) base_layers: Vec<Descriptor>,
    pub(super) own_layers: Vec<Descriptor>,
    pub(super) keeps_identity: bool,
    pub(super) proved: bool,
    pub(super) notes: Vec<String>,
}

impl Read {
    /// The platforms of its images.
    pub(super) fn platforms(&self) -> Vec<String> {
        let images = self.wholes.images.iter();
        images
            .map(|image| image.described.platform.clone())
            .collect()
    }
}

impl Run<'_> {
    /// Reads what an image says of its base.
    pub(super) fn understood(&self, wholes: Wholes) -> Result<Read, Failed> {
        let mut said: Option<Said> = None;
        for image in &wholes.images {
            let own = Said::of(image)?;
            if said.as_ref().is_some_and(|other| *other != own) {
                return Err(Failed::unfit(
                    "the images of its platforms have different bases".to_owned(),
                    "rebase them one by one, by digest, and join them with `slimbuild index`",
                ));
            }
            said = Some(own);
        }
        let said = said.ok_or_else(|| {
            Failed::unfit(
                "it is an empty index".to_owned(),
                "look at the name and its tag",
            )
        })?;
        let name = said
            .name
            .as_deref()
            .and_then(|name| name.parse::<ImageRef>().ok());
        let by_digest = || {
            let (name, digest) = (name.as_ref()?, said.digest.as_ref()?);
            format!("{}@{digest}", name.name()).parse::<ImageRef>().ok()
        };
        let given = &self.args.base;
        let new = given.clone().or_else(|| name.clone()).ok_or_else(|| {
            Failed::unfit(
                "it does not say which base it has".to_owned(),
                "name the new base and the old one: `--base NAME:TAG --old-base NAME@sha256:…`; the base that slimbuild makes itself, and Alpine without npm, are no layers of a registry: build such an image again",
            )
        })?;
        let is_same_tag = given
            .as_ref()
            .is_none_or(|given| given.digest().is_none() && Some(given.qualified()) == said.name);
        Ok(Read {
            old: self.args.old_base.clone().or_else(by_digest),
            new,
            keeps_identity: said.by_tag && is_same_tag,
            wholes,
        })
    }

    /// Decides what is to be done with an image. All that can be wrong with the new one is found here.
    pub(super) fn decide(
        &self,
        target: &Target,
        read: &Read,
        bases: &mut Bases<'_>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Decision, Failed> {
        let new = bases.of(&read.new)?.clone();
        let images = &read.wholes.images;
        let news = images
            .iter()
            .map(|image| of_platform(&new, &read.new, image));
        let news: Vec<&Whole> = news.collect::<Result<_, Failed>>()?;
        let is_on_new = || {
            images
                .iter()
                .zip(&news)
                .all(|(image, base)| is_on(image, base))
        };
        let old = match &read.old {
            // The base may have been removed since, if it is not the new one.
            Some(old) => match bases.of(old) {
                Ok(found) => found.clone(),
                Err(_) if is_on_new() => return Ok(Decision::Unchanged),
                Err(failed) => return Err(failed),
            },
            None if is_on_new() => return Ok(Decision::Unchanged),
            None => return Err(Unfit::NoDigest.into()),
        };
        let name = read.old.as_ref().unwrap_or(&read.new);
        let olds = images.iter().map(|image| of_platform(&old, name, image));
        let olds: Vec<&Whole> = olds.collect::<Result<_, Failed>>()?;
        let base = BaseName {
            name: read.new.qualified(),
            digest: new.digest.clone(),
        };
        for (image, old) in images.iter().zip(&olds) {
            if !is_on(image, old) {
                return Err(Unfit::OtherLayers.into());
            }
        }
        if olds
            .iter()
            .zip(&news)
            .all(|(old, new)| old.digest == new.digest)
        {
            return Ok(Decision::Unchanged);
        }
        let mut change = Change {
            old: read.wholes.digest.clone(),
            digest: read.wholes.digest.clone(),
            images: Vec::new(),
            index: None,
            base: read.new.clone(),
            base_layers: Vec::new(),
            own_layers: Vec::new(),
            keeps_identity: read.keeps_identity,
            proved: false,
            notes: Vec::new(),
        };
        let mut by_digest: BTreeMap<Digest, Rewritten> = BTreeMap::new();
        for ((image, old), new) in images.iter().zip(olds).zip(news) {
            let exchange = Exchange {
                image,
                old,
                new,
                name: &base,
                keeps_identity: read.keeps_identity,
            };
            let rewritten = exchange.rewritten()?;
            let pair = Pair {
                old,
                old_name: name,
                new,
                new_name: &read.new,
            };
            self.check(target, image, &pair, bases, &mut change, on_event)?;
            if self.args.prove {
                self.prove(
                    target,
                    image,
                    &pair,
                    &rewritten,
                    bases,
                    &mut change,
                    on_event,
                )?;
            }
            let count = old.described.layers.len();
            change.base_layers.extend(new.layers().cloned());
            change
                .own_layers
                .extend(image.layers().skip(count).cloned());
            by_digest.insert(image.digest.clone(), rewritten.clone());
            change.images.push(rewritten);
        }
        if self.args.prove && !change.proved {
            return Err(Failed {
                problem: format!(
                    "it cannot be started on this machine: {}",
                    change.notes.join("; ")
                ),
                hint: Some("rebase it on another machine, or without `--prove`".to_owned()),
                code: ExitCode::NoEngine,
            });
        }
        complete(&mut change, read, &by_digest, &base);
        Ok(Decision::Changed(Box::new(change)))
    }

    /// Fails if the app may not run on the new base.
    fn check(
        &self,
        target: &Target,
        image: &Whole,
        pair: &Pair<'_>,
        bases: &mut Bases<'_>,
        change: &mut Change,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<(), Failed> {
        let config = &image.described.config;
        let check = config.other.get("Healthcheck").map(|check| &check["Test"]);
        let check = check.and_then(Value::as_array).into_iter().flatten();
        let words = config.entrypoint.iter().chain(&config.cmd);
        let words = words
            .map(String::as_str)
            .chain(check.filter_map(Value::as_str));
        // A shell's line has several programs.
        let words = words.flat_map(|word| word.split([' ', ';', '&', '|', '(', ')']));
        let words: Vec<&str> = words
            .map(|word| word.rsplit('/').next().unwrap_or(word))
            .collect();
        let app = App {
            user: &config.user,
            has_accounts: has_accounts(image),
            words: &words,
        };
        let found = bases.compared(pair, on_event)?;
        if let Some(gap) = found.old.gap(&found.new, &app) {
            return Err(gap.into());
        }
        change.notes.extend(found.notes());
        let (lost, libraries) = (found.lost.clone(), found.new.libraries.clone());
        if lost.is_empty() {
            return Ok(());
        }
        // What the app needs of it, its own layers tell.
        let note = self.needs_none(target, image, pair, (&lost, &libraries), bases, on_event)?;
        change.notes.push(note);
        Ok(())
    }
}

/// The index, and the digest that the name will stand for.
fn complete(
    change: &mut Change,
    read: &Read,
    images: &BTreeMap<Digest, Rewritten>,
    base: &BaseName,
) {
    if let Some(index) = &read.wholes.index {
        let index = rebase::index(index, images, base);
        change.digest = Digest::of(&index);
        change.index = Some(index);
    } else if let Some(image) = change.images.first() {
        change.digest = image.digest();
    }
    if read.wholes.attestations > 0 {
        let note = "what was attested of the old image (provenance, SBOM) is not kept";
        change.notes.push(note.to_owned());
    }
    let mut told: Vec<String> = Vec::new();
    change.notes.retain(|note| {
        let is_new = !told.contains(note);
        told.push(note.clone());
        is_new
    });
    let mut known: Vec<Digest> = Vec::new();
    for layers in [&mut change.base_layers, &mut change.own_layers] {
        layers.retain(|layer| {
            let is_new = !known.contains(&layer.digest);
            known.push(layer.digest.clone());
            is_new
        });
    }
}

/// The image of a base for the platform of an image.
fn of_platform<'b>(base: &'b Wholes, name: &ImageRef, image: &Whole) -> Result<&'b Whole, Failed> {
    let platform = &image.described.platform;
    let mut images = base.images.iter();
    let found = images.find(|base| is_same_platform(&base.described.platform, platform));
    found.ok_or_else(|| {
        Failed::unfit(
            format!("`{name}` has no image for {platform}"),
            "name a base that is there for all platforms of the image",
        )
    })
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::said(&error)
    }
}
