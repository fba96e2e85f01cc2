//! What differs between two images.
//!
//! Only layers that one of them lacks are looked at: equal ones add nothing to the difference. What a
//! layer hides in an equal one is therefore no part of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::settings::{Setting, settings};
use super::{LayerSize, chains};
use crate::ask::why::{Chain, WhyError};
use crate::image::contents::{Contents, File, Kind, Owner, Weight};
use crate::image::oci::Described;
use crate::model::digest::Digest;
use crate::model::member::MemberId;
use crate::workspace::Workspace;

/// One of the two images.
pub struct Side<'s> {
    /// As it was found.
    pub image: String,
    pub id: Digest,
    pub described: &'s Described,
    /// The contents of the layers that only this image has.
    pub contents: &'s Contents,
    /// The positions of these layers.
    pub own: &'s [usize],
}

/// The difference.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The image before.
    pub old: Named,
    /// The image now.
    pub new: Named,
    /// How many more bytes there are.
    #[serde(flatten)]
    pub change: Change,
    /// How many layers both have. They are not read.
    pub equal_layers: usize,
    /// The bytes that were received from registries.
    pub received: u64,
    /// How they are run otherwise: environment, user, base, …
    pub settings: Vec<Setting>,
    /// The layers that only the image before has.
    pub layers_removed: Vec<LayerSize>,
    /// The layers that only the image now has.
    pub layers_added: Vec<LayerSize>,
    /// The change of each kind. They add up to the whole.
    pub kinds: Vec<KindChange>,
    /// What has other versions or another size, the largest change first. They add up to the whole.
    pub packages: Vec<PackageChange>,
    /// Files that are not of packages and have another content.
    pub files: Vec<FileChange>,
}

/// An image.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Named {
    /// As it was found.
    pub image: String,
    /// The digest of its configuration.
    pub id: Digest,
}

/// A number of bytes more, or less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Change {
    /// In the layers' tars.
    pub unpacked: i64,
    /// That a pull transfers; `null` where an image is kept uncompressed.
    pub compressed: Option<i64>,
}

impl Change {
    fn between(old: Weight, new: Weight) -> Self {
        let both = old.compressed.zip(new.compressed);
        Self {
            unpacked: minus(new.unpacked, old.unpacked),
            compressed: both.map(|(old, new)| minus(new, old)),
        }
    }
}

/// Sizes of images are far below the limit of the type.
fn minus(new: u64, old: u64) -> i64 {
    let of = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    of(new).saturating_sub(of(old))
}

/// The change of a kind.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KindChange {
    /// The kind.
    pub kind: Kind,
    /// Its change.
    #[serde(flatten)]
    pub change: Change,
}

/// The change of a package, or of what else has files.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PackageChange {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What happened to it.
    pub state: State,
    /// Its versions before.
    pub old: Vec<String>,
    /// Its versions now.
    pub new: Vec<String>,
    /// Its change.
    #[serde(flatten)]
    pub change: Change,
    /// The shortest chain of dependencies that needs it now, if the workspace is at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<Chain>,
}

/// What happened to a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has other versions.
    Version,
    /// It has another size.
    Size,
}

/// A file with another content.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FileChange {
    /// Its path in the image.
    pub path: String,
    /// Its bytes before; `null` if it is new.
    pub old: Option<u64>,
    /// Its bytes now; `null` if it is gone.
    pub new: Option<u64>,
}

impl FileChange {
    /// How many more bytes it has.
    pub fn change(&self) -> i64 {
        minus(self.new.unwrap_or_default(), self.old.unwrap_or_default())
    }
}

impl Difference {
    /// Compares two images.
    pub fn new(old: &Side<'_>, new: &Side<'_>, received: u64) -> Self {
        let (before, now) = (old.contents, new.contents);
        Self {
            old: old.named(),
            new: new.named(),
            change: Change::between(before.weight(), now.weight()),
            equal_layers: new.described.layers.len() - new.own.len(),
            received,
            settings: settings(old.described, new.described),
            layers_removed: old.layers(),
            layers_added: new.layers(),
            kinds: kinds(before, now),
            packages: packages(before, now),
            files: files(before, now),
        }
    }

    /// Adds the chains that need what is new.
    pub fn explain(&mut self, workspace: &Workspace, app: MemberId) -> Result<(), WhyError> {
        let is_new = |row: &&mut PackageChange| {
            row.kind == Kind::Package && matches!(row.state, State::Added | State::Version)
        };
        let rows: Vec<&mut PackageChange> = self.packages.iter_mut().filter(is_new).collect();
        // Of several new versions, the last one is as good as any.
        let label = |row: &PackageChange| {
            let version = row.new.iter().rev().find(|it| !row.old.contains(it));
            let version = version.map(|version| format!("@{version}"));
            format!("{}{}", row.name, version.unwrap_or_default())
        };
        let labels: Vec<String> = rows.iter().map(|row| label(row)).collect();
        let chains = chains(workspace, app, &labels)?;
        for (row, chain) in rows.into_iter().zip(chains) {
            row.chain = chain;
        }
        Ok(())
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.layers_added.is_empty() && self.layers_removed.is_empty()
    }
}

impl Side<'_> {
    fn named(&self) -> Named {
        Named {
            image: self.image.clone(),
            id: self.id.clone(),
        }
    }

    /// The layers that only this image has.
    fn layers(&self) -> Vec<LayerSize> {
        let own = self.own.iter().zip(&self.contents.layers);
        own.map(|(at, layer)| LayerSize {
            diff_id: layer.diff_id.clone(),
            weight: layer.weight,
            files: layer.files,
            made_by: self.described.layers[*at].made_by.clone(),
        })
        .collect()
    }
}

/// The bytes of each owner, and those of the archives.
fn weights(contents: &Contents) -> BTreeMap<Owner, Weight> {
    let mut weights: BTreeMap<Owner, Weight> = BTreeMap::new();
    let mut add = |owner: &Owner, weight: Weight| {
        let sum = weights.entry(owner.clone()).or_insert(Weight::NONE);
        *sum = *sum + weight;
    };
    for file in &contents.files {
        add(&contents.owners[file.owner], file.weight);
    }
    let archive = contents.layers.iter().map(|layer| layer.archive).sum();
    add(&Owner::plain(Kind::Archive), archive);
    weights
}

fn kinds(before: &Contents, now: &Contents) -> Vec<KindChange> {
    let sums = |contents: &Contents| {
        let mut sums: BTreeMap<Kind, Weight> = BTreeMap::new();
        for (owner, weight) in weights(contents) {
            let sum = sums.entry(owner.kind).or_insert(Weight::NONE);
            *sum = *sum + weight;
        }
        sums
    };
    let (old, new) = (sums(before), sums(now));
    let kinds: BTreeSet<Kind> = old.keys().chain(new.keys()).copied().collect();
    let weight =
        |sums: &BTreeMap<Kind, Weight>, kind| sums.get(&kind).copied().unwrap_or(Weight::NONE);
    let mut kinds: Vec<KindChange> = kinds
        .into_iter()
        .map(|kind| KindChange {
            kind,
            change: Change::between(weight(&old, kind), weight(&new, kind)),
        })
        .collect();
    kinds.retain(|kind| kind.change.unpacked != 0);
    kinds.sort_by_key(|kind| (u64::MAX - kind.change.unpacked.unsigned_abs(), kind.kind));
    kinds
}

/// A package on one side: its versions, and the bytes of all of them.
struct OfSide {
    versions: Vec<String>,
    weight: Weight,
}

fn packages(before: &Contents, now: &Contents) -> Vec<PackageChange> {
    let by_name = |contents: &Contents| {
        let mut found: BTreeMap<(Kind, String), OfSide> = BTreeMap::new();
        for (owner, weight) in weights(contents) {
            let key = (owner.kind, owner.name);
            let of_side = found.entry(key).or_insert(OfSide {
                versions: Vec::new(),
                weight: Weight::NONE,
            });
            of_side.versions.extend(owner.version);
            of_side.weight = of_side.weight + weight;
        }
        found
    };
    let (mut old, mut new) = (by_name(before), by_name(now));
    let keys: BTreeSet<(Kind, String)> = old.keys().chain(new.keys()).cloned().collect();
    let mut changes = Vec::new();
    for key in keys {
        let (before, now) = (old.remove(&key), new.remove(&key));
        let weight = |side: &Option<OfSide>| side.as_ref().map_or(Weight::NONE, |it| it.weight);
        let change = Change::between(weight(&before), weight(&now));
        let versions = |side: &Option<OfSide>| {
            side.as_ref()
                .map(|it| it.versions.clone())
                .unwrap_or_default()
        };
        let (old, new) = (versions(&before), versions(&now));
        let state = match (&before, &now) {
            (None, _) => State::Added,
            (_, None) => State::Removed,
            _ if old != new => State::Version,
            _ => State::Size,
        };
        let (kind, name) = key;
        if change.unpacked != 0 || old != new {
            changes.push(PackageChange {
                kind,
                name,
                state,
                old,
                new,
                change,
                chain: None,
            });
        }
    }
    let by_size = |it: &PackageChange| {
        let size = u64::MAX - it.change.unpacked.unsigned_abs();
        (size, it.kind, it.name.clone())
    };
    changes.sort_by_cached_key(by_size);
    changes
}

/// The files that are not of packages, by their paths.
fn own_files(contents: &Contents) -> BTreeMap<&str, &File> {
    let is_own = |file: &&File| {
        let kind = contents.owners[file.owner].kind;
        matches!(kind, Kind::App | Kind::Workspace | Kind::Other)
    };
    let own = contents.files.iter().filter(is_own);
    own.map(|file| (file.path.as_str(), file)).collect()
}

fn files(before: &Contents, now: &Contents) -> Vec<FileChange> {
    let (old, new) = (own_files(before), own_files(now));
    let paths: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let mut changes = Vec::new();
    for path in paths {
        let (before, now) = (old.get(path), new.get(path));
        let is_same = before.zip(now).is_some_and(|(old, new)| {
            old.weight.unpacked == new.weight.unpacked && old.digest == new.digest
        });
        if !is_same {
            changes.push(FileChange {
                path: path.to_owned(),
                old: before.map(|file| file.weight.unpacked),
                new: now.map(|file| file.weight.unpacked),
            });
        }
    }
    changes.sort_by_key(|file| u64::MAX - file.change().unsigned_abs());
    changes
}
