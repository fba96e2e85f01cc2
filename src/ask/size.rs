//! How large an image is, and why: by layer, by kind, by package.
//!
//! Input: [`Contents`], what the image's configuration tells, and, if the workspace is at hand, the chains
//! that need its packages. Output: a [`Size`], whose rows add up to the image.

mod difference;
mod findings;
mod settings;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::ask::why::{Chain, Why, WhyError};
use crate::image::contents::{Contents, Kind, Owner, Places, Weight};
use crate::image::oci::{Config, Described};
use crate::model::digest::Digest;
use crate::model::member::MemberId;
use crate::workspace::Workspace;
pub use difference::{Change, Difference, FileChange, PackageChange, Side, State};
pub use findings::{Repeated, Spare, Twin};
pub use settings::Setting;

/// How many packages get a chain.
const CHAINS: usize = 40;

/// What an image consists of.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Size {
    /// The image, as it was found.
    pub image: String,
    /// The digest of its configuration.
    pub id: Digest,
    /// `linux/amd64`
    pub platform: String,
    /// The bytes of all layers.
    #[serde(flatten)]
    pub weight: Weight,
    /// The lowest first.
    pub layers: Vec<LayerSize>,
    /// The largest first. They add up to the image.
    pub kinds: Vec<KindSize>,
    /// All that has files, the largest first. They add up to the image.
    pub packages: Vec<PackageSize>,
    /// Packages that are there in several versions.
    pub versions: Vec<Repeated>,
    /// What is for another platform or another C library.
    pub twins: Vec<Twin>,
    /// Files of packages that programs seldom read.
    pub spare: Vec<Spare>,
}

/// A layer.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LayerSize {
    /// The digest of its tar.
    pub diff_id: Digest,
    /// Its bytes.
    #[serde(flatten)]
    pub weight: Weight,
    /// How many files it has.
    pub files: usize,
    /// The command that made it, if the image tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
}

/// All of one kind.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KindSize {
    /// The kind.
    pub kind: Kind,
    /// Its bytes.
    #[serde(flatten)]
    pub weight: Weight,
    /// How many files.
    pub files: usize,
    /// How many packages or other owners.
    pub packages: usize,
}

/// A package, or what else has files.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PackageSize {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its version, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its bytes.
    #[serde(flatten)]
    pub weight: Weight,
    /// How many files.
    pub files: usize,
    /// The positions of the layers that have them.
    pub layers: Vec<usize>,
    /// The shortest chain of dependencies that needs it. Only for the largest packages, and if the
    /// workspace is at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<Chain>,
}

impl PackageSize {
    /// `name@version`, as far as it is known.
    pub fn label(&self) -> String {
        match &self.version {
            Some(version) => format!("{}@{version}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Where an image has what, as its configuration tells. `app` is the app's directory in the workspace,
/// and `members` are the names of its packages, if that is at hand.
pub fn places(config: &Config, workspace: Option<(&Workspace, MemberId)>) -> Places {
    let variable = |name: &str| {
        let mut set = config.env.iter().filter_map(|pair| pair.split_once('='));
        let found = set.find(|(own, _)| *own == name);
        found.map(|(_, value)| value.to_owned())
    };
    let app = workspace.map(|(workspace, app)| workspace.members[app].dir.to_string());
    let members = workspace.iter().flat_map(|(workspace, _)| {
        let members = workspace.members.with_ids();
        members.filter_map(|(_, member)| {
            let name = member.manifest.name()?.to_owned();
            Some((member.dir.to_string(), name))
        })
    });
    let directories: BTreeMap<String, String> = members.filter(|(dir, _)| dir != ".").collect();
    Places {
        app: app.filter(|app| app != "."),
        working_dir: config.working_dir.trim_matches('/').to_owned(),
        node: variable("NODE_VERSION"),
        members: directories.values().cloned().collect(),
        directories,
    }
}

impl Size {
    /// Adds up the contents of an image.
    pub fn new(image: String, id: Digest, described: &Described, contents: &Contents) -> Self {
        let packages = packages(contents);
        let layers = contents.layers.iter().zip(&described.layers);
        Self {
            image,
            id,
            platform: described.platform.clone(),
            weight: contents.weight(),
            layers: layers
                .map(|(layer, described)| LayerSize {
                    diff_id: layer.diff_id.clone(),
                    weight: layer.weight,
                    files: layer.files,
                    made_by: described.made_by.clone(),
                })
                .collect(),
            kinds: kinds(&packages),
            versions: findings::versions(&packages),
            twins: findings::twins(contents, &described.platform),
            spare: findings::spare(contents),
            packages,
        }
    }

    /// Adds the chains that need the largest packages.
    pub fn explain(&mut self, workspace: &Workspace, app: MemberId) -> Result<(), WhyError> {
        let rows = self.packages.iter_mut();
        let rows: Vec<&mut PackageSize> = rows
            .filter(|row| row.kind == Kind::Package)
            .take(CHAINS)
            .collect();
        let labels: Vec<String> = rows.iter().map(|row| row.label()).collect();
        let chains = chains(workspace, app, &labels)?;
        for (row, chain) in rows.into_iter().zip(chains) {
            row.chain = chain;
        }
        Ok(())
    }
}

/// The shortest chain to each package, if there is one: those at run time first. What the workspace does
/// not know has none.
pub fn chains(
    workspace: &Workspace,
    app: MemberId,
    labels: &[String],
) -> Result<Vec<Option<Chain>>, WhyError> {
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let found = Why::each(workspace, app, &labels)?;
    let chain = |why: Why| {
        let package = why.packages.into_iter().next()?;
        let route = package.runtime.or(package.build)?;
        route.chains.into_iter().next()
    };
    Ok(found.into_iter().map(|why| chain(why.ok()?)).collect())
}

/// A row for each owner, and one for what is no file's content.
fn packages(contents: &Contents) -> Vec<PackageSize> {
    let mut rows: Vec<PackageSize> = contents.owners.iter().map(row).collect();
    for file in &contents.files {
        let row = &mut rows[file.owner];
        row.weight = row.weight + file.weight;
        row.files += 1;
        if !row.layers.contains(&file.layer) {
            row.layers.push(file.layer);
        }
    }
    let mut archive = row(&Owner::plain(Kind::Archive));
    archive.weight = contents.layers.iter().map(|layer| layer.archive).sum();
    archive.layers = (0..contents.layers.len()).collect();
    rows.push(archive);
    let by_size = |row: &PackageSize| (u64::MAX - row.weight.unpacked, row.kind, row.label());
    rows.sort_by_cached_key(by_size);
    rows
}

fn row(owner: &Owner) -> PackageSize {
    PackageSize {
        kind: owner.kind,
        name: owner.name.clone(),
        version: owner.version.clone(),
        weight: Weight::NONE,
        files: 0,
        layers: Vec::new(),
        chain: None,
    }
}

fn kinds(packages: &[PackageSize]) -> Vec<KindSize> {
    let mut kinds: BTreeMap<Kind, KindSize> = BTreeMap::new();
    for row in packages {
        let kind = kinds.entry(row.kind).or_insert(KindSize {
            kind: row.kind,
            weight: Weight::NONE,
            files: 0,
            packages: 0,
        });
        kind.weight = kind.weight + row.weight;
        kind.files += row.files;
        kind.packages += 1;
    }
    let mut kinds: Vec<KindSize> = kinds.into_values().collect();
    kinds.sort_by_key(|kind| (u64::MAX - kind.weight.unpacked, kind.kind));
    kinds
}
