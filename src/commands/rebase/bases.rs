//! The bases of a run: each is read and unpacked once, and each two are compared once.

use std::collections::BTreeMap;

use super::Run;
use super::failed::Failed;
use super::image::Read;
use crate::ask::rebase::{BaseChange, VersionChange};
use crate::commands::error::Error;
use crate::engine::native::unpacked_base;
use crate::engine::registry::{Wanted, WantedImage, Wholes};
use crate::engine::{Event, StepId};
use crate::files::rooted::ImageTree;
use crate::image::foundation::{Foundation, is_older};
use crate::image::machine::Lost;
use crate::image::oci::{Image, Whole};
use crate::model::digest::Digest;
use crate::model::image::{ImageRef, Platform};

/// The bases of a run.
pub(super) struct Bases<'r> {
    run: &'r Run<'r>,
    /// By name.
    read: BTreeMap<String, Result<Wholes, Failed>>,
    /// By the digests of the manifests.
    compared: BTreeMap<(Digest, Digest), Compared>,
    changes: Vec<BaseChange>,
    /// The bytes that were received.
    pub(super) received: u64,
}

/// The base of an image for one platform, and the one that it is to have.
pub(super) struct Pair<'p> {
    pub(super) old: &'p Whole,
    pub(super) old_name: &'p ImageRef,
    pub(super) new: &'p Whole,
    pub(super) new_name: &'p ImageRef,
}

/// Two bases that were compared.
pub(super) struct Compared {
    pub(super) old: Foundation,
    pub(super) new: Foundation,
    /// What the new one does not give any more.
    pub(super) lost: Vec<Lost>,
}

/// How many programs are named.
const NAMED: usize = 5;

impl Compared {
    /// What an app may notice that does not say so.
    pub(super) fn notes(&self) -> Vec<String> {
        let changes = self.old.changes(&self.new);
        let older = changes.node.filter(|(old, new)| is_older(new, old));
        let older = older.map(|(old, new)| {
            format!(
                "node {new} of the new base is older than {old}: the app may use what came since"
            )
        });
        let programs = changes.programs;
        let gone = (!programs.is_empty()).then(|| {
            let named = programs.iter().take(NAMED).cloned();
            let more = programs.len().saturating_sub(NAMED);
            let more = (more > 0).then(|| format!("{more} more"));
            let named: Vec<String> = named.chain(more).collect();
            format!(
                "programs of the old base that the new one has not: {}",
                named.join(", ")
            )
        });
        older.into_iter().chain(gone).collect()
    }
}

impl<'r> Bases<'r> {
    pub(super) fn new(run: &'r Run<'r>) -> Self {
        Self {
            run,
            read: BTreeMap::new(),
            compared: BTreeMap::new(),
            changes: Vec::new(),
            received: 0,
        }
    }

    /// Reads the descriptions of all bases that images have or are to have.
    pub(super) fn read<'i>(
        &mut self,
        images: impl Iterator<Item = &'i Read>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<(), Error> {
        let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
        for image in images {
            for name in image.old.iter().chain([&image.new]) {
                let entry = wanted.entry(name.to_string());
                let entry = entry.or_insert_with(|| self.run.wanted(name));
                entry.platforms.extend(image.platforms());
            }
        }
        for wanted in wanted.values_mut() {
            wanted.platforms.sort();
            wanted.platforms.dedup();
        }
        let (names, wanted): (Vec<String>, Vec<Wanted>) = wanted.into_iter().unzip();
        let found = self.run.registries.read(&wanted, on_event)?;
        for (name, found) in names.into_iter().zip(found) {
            self.received += found.as_ref().map_or(0, |found| found.received);
            let found = match found {
                Ok(found) => Ok(found),
                Err(error) => Err(Failed::new(error.into())?),
            };
            self.read.insert(name, found);
        }
        Ok(())
    }

    /// The base of this name.
    pub(super) fn of(&self, name: &ImageRef) -> Result<&Wholes, Failed> {
        match self.read.get(&name.to_string()) {
            Some(Ok(found)) => Ok(found),
            Some(Err(failed)) => Err(failed.clone()),
            None => Err(Failed::unfit(
                format!("`{name}` was not read"),
                "report this: it is an error of slimbuild",
            )),
        }
    }

    /// Compares two bases.
    pub(super) fn compared(
        &mut self,
        pair: &Pair<'_>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<&Compared, Failed> {
        let key = (pair.old.digest.clone(), pair.new.digest.clone());
        if !self.compared.contains_key(&key) {
            let old = self.foundation(pair.old_name, pair.old, on_event)?;
            let new = self.foundation(pair.new_name, pair.new, on_event)?;
            let lost = old.lost_on(&new);
            self.changes.push(change(pair, &old, &new));
            self.compared
                .insert(key.clone(), Compared { old, new, lost });
        }
        self.compared
            .get(&key)
            .ok_or_else(|| Failed::unfit("the bases were not compared".to_owned(), "report this"))
    }

    fn foundation(
        &mut self,
        name: &ImageRef,
        base: &Whole,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Foundation, Failed> {
        let image = self.pulled(name, base, on_event)?;
        let cache = self.run.registries.cache;
        let tree = unpacked_base(&image, image.layers.len(), cache).map_err(Error::from)?;
        let tree = tree
            .ok_or_else(|| Failed::unfit(format!("`{name}` has no layers"), "name another base"))?;
        let read = ImageTree::open([tree]).and_then(|tree| Foundation::of(&tree));
        Ok(read.map_err(Error::io(format!("cannot read the files of `{name}`")))?)
    }

    /// An image with its layers in the cache.
    pub(super) fn pulled(
        &mut self,
        name: &ImageRef,
        image: &Whole,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Image, Failed> {
        let registries = self.run.registries;
        let missing = image
            .layers()
            .filter(|layer| registries.cache.blob(&layer.digest, layer.size).is_none());
        self.received += missing.map(|layer| layer.size).sum::<u64>();
        let by_digest = format!("{}@{}", name.name(), image.digest);
        let by_digest: ImageRef = by_digest.parse().map_err(Error::from)?;
        let platform: Platform = (image.described.platform.parse())
            .map_err(|problem: String| Failed::unfit(problem, "name another image"))?;
        let wanted = WantedImage {
            image: &by_digest,
            platform: &platform,
            created: 0,
            fresh: false,
        };
        let pulled = registries.pull(&wanted, StepId(0), on_event);
        Ok(pulled.map_err(Error::from)?)
    }

    /// All changes of bases, for the report.
    pub(super) fn into_changes(self) -> Vec<BaseChange> {
        self.changes
    }
}

fn change(pair: &Pair<'_>, old: &Foundation, new: &Foundation) -> BaseChange {
    let changes = old.changes(new);
    let packages = changes.packages.into_iter().map(|change| VersionChange {
        name: change.name,
        old: change.old,
        new: change.new,
    });
    let by_digest = |name: &ImageRef, base: &Whole| match name.digest() {
        Some(_) => name.to_string(),
        None => format!("{name}@{}", base.digest),
    };
    BaseChange {
        old: by_digest(pair.old_name, pair.old),
        new: by_digest(pair.new_name, pair.new),
        platform: pair.new.described.platform.clone(),
        packages: packages.collect(),
        node: changes.node.map(|(old, new)| VersionChange {
            name: "node".to_owned(),
            old: Some(old),
            new: Some(new),
        }),
    }
}
