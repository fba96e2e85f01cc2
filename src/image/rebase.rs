//! An image on another base: the same layers of the app, and a configuration as if it had been built on
//! that base.
//!
//! Input: an image, the base that it was made on, and the new one. Output: the new manifest and
//! configuration, or why it cannot be told what they would be. Nothing is read but descriptions.

mod configuration;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::image::oci::{Descriptor, INDEX, MANIFEST, Rewritten, Whole};
use crate::model::digest::Digest;

/// What stands before the names of the labels and annotations about a base.
const BASE_NAME: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
/// How a build names the base: the value is [`BY_TAG`] or [`BY_DIGEST`]. Images without layers of a
/// base do not have it.
pub const NAMED_BY: &str = "dev.slimbuild.base";
/// The base is named by a tag, and a build takes what it stands for.
pub const BY_TAG: &str = "tag";
/// The base is named by a digest.
pub const BY_DIGEST: &str = "digest";
/// The identity of an image.
const IDENTITY: &str = "dev.slimbuild.identity";
/// What stands before what slimbuild itself has done, in the history.
const OWN_STEP: &str = "slimbuild: ";
/// What it says of a layer of a base without a history.
const BASE_STEP: &str = "a layer of the base";
/// Commands of a history that install packages of the system. They write over files of the base, also
/// over its list of packages.
const INSTALLS: [&str; 4] = ["apt-get ", "apt ", "apk add", "dpkg "];

/// The program that gives directories to the app's user.
const GIVES_AWAY: &str = "/writable/writable.cjs";

/// Why an image cannot get another base.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("slimbuild has not made it")]
    Foreign,
    #[error("it does not say by digest which base it has")]
    NoDigest,
    #[error("its first layers are not those of the base that it is said to have")]
    OtherLayers,
    #[error("it has no layers of its own above the base")]
    NoLayers,
    #[error("a step above the base has run in the base: `{0}`")]
    Ran(String),
    #[error("its entry point is the base's, and the new base has another: {new}, not {old}")]
    Entry { old: String, new: String },
    #[error("the new base has ONBUILD instructions, which only a build carries out")]
    OnBuild,
    #[error("its history does not tell which steps are the base's")]
    History,
}

impl Unfit {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Foreign => {
                "build the image with slimbuild, or ask those who build it for a new one"
            }
            Self::NoDigest => {
                "name it with `--old-base NAME@sha256:…`, or build the image again: a build writes the digest into the image"
            }
            Self::OtherLayers => {
                "name the base that it was built on, with `--old-base NAME@sha256:…`, or build the image again"
            }
            Self::Ran(_) | Self::History | Self::NoLayers | Self::OnBuild | Self::Entry { .. } => {
                "build the image again: the build takes the new base"
            }
        })
    }
}

/// The name and the digest of a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseName {
    /// As labels have it, without a digest: `gcr.io/distroless/nodejs22-debian12:nonroot`
    pub name: String,
    /// Of its manifest, or of the index of its platforms.
    pub digest: Digest,
}

/// What an image says of its base.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    pub name: Option<String>,
    pub digest: Option<Digest>,
    /// Whether a build names the base by a tag, so that it would take the new one too.
    pub by_tag: bool,
}

impl Said {
    /// Reads the labels of an image that slimbuild has made.
    pub fn of(image: &Whole) -> Result<Self, Unfit> {
        let named_by = image.label(NAMED_BY);
        let steps = image.described.layers.iter();
        let is_own = named_by.is_some()
            || image.label(IDENTITY).is_some()
            || steps
                .filter_map(|layer| layer.made_by.as_deref())
                .any(|it| it.starts_with(OWN_STEP));
        if !is_own {
            return Err(Unfit::Foreign);
        }
        Ok(Self {
            name: image.label(BASE_NAME).map(str::to_owned),
            digest: image.label(BASE_DIGEST).and_then(|text| text.parse().ok()),
            by_tag: named_by == Some(BY_TAG),
        })
    }
}

/// Whether the first layers of an image are those of a base.
pub fn is_on(image: &Whole, base: &Whole) -> bool {
    let layers = base.described.layers.len();
    layers > 0
        && layers <= image.described.layers.len()
        && image
            .diff_ids()
            .zip(base.diff_ids())
            .all(|(one, other)| one == other)
}

/// An image and two bases.
pub struct Exchange<'e> {
    pub image: &'e Whole,
    /// The base that the image was made on.
    pub old: &'e Whole,
    pub new: &'e Whole,
    /// The name of the new one.
    pub name: &'e BaseName,
    /// Whether a build of the same sources would be on the new base too. Then the image keeps its
    /// identity.
    pub keeps_identity: bool,
}

impl Exchange<'_> {
    /// The image on the new base.
    pub fn rewritten(&self) -> Result<Rewritten, Unfit> {
        let count = self.old.described.layers.len();
        if !is_on(self.image, self.old) {
            return Err(Unfit::OtherLayers);
        }
        if self.image.described.layers.len() == count {
            return Err(Unfit::NoLayers);
        }
        let (own, steps) = self.history()?;
        for step in &own {
            let command = step["created_by"].as_str().unwrap_or_default();
            if runs_in_base(command) {
                return Err(Unfit::Ran(command.to_owned()));
            }
        }
        let images = [self.image, self.old, self.new].map(|image| config(&image.configuration));
        let [image, old, new] = &images;
        let mut config = configuration::merged(image, old, new)?;
        self.label(&mut config);
        let mut file = self.image.configuration.clone();
        file.retain(|key, _| {
            let of_the_old = ["container", "container_config", "docker_version", "parent"];
            !of_the_old.contains(&key.as_str()) && !key.starts_with("moby.buildkit.")
        });
        for key in ["os.version", "os.features"] {
            match self.new.configuration.get(key) {
                Some(value) => file.insert(key.to_owned(), value.clone()),
                None => file.shift_remove(key),
            };
        }
        let layers = |all: &Whole, from: usize| {
            let layers = all.layers().skip(from).cloned();
            let diff_ids = all.diff_ids().skip(from).cloned();
            layers.zip(diff_ids).collect::<Vec<(Descriptor, Digest)>>()
        };
        let all = [layers(self.new, 0), layers(self.image, count)].concat();
        let diff_ids: Vec<&Digest> = all.iter().map(|(_, diff_id)| diff_id).collect();
        file.insert("config".to_owned(), config.into());
        let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
        file.insert("rootfs".to_owned(), rootfs);
        file.insert("history".to_owned(), [steps, own].concat().into());
        let layers: Vec<Descriptor> = all.into_iter().map(|(layer, _)| layer).collect();
        let annotations = self.image.manifest.get("annotations");
        let annotations = annotations.map(|it| renamed(it, self.name));
        Ok(Rewritten::new(&file, &layers, annotations.as_ref()))
    }

    /// The steps of the app, and those of the new base.
    fn history(&self) -> Result<(Vec<Value>, Vec<Value>), Unfit> {
        let steps = |image: &Whole| {
            let steps = image.configuration.get("history");
            steps.and_then(Value::as_array).cloned().unwrap_or_default()
        };
        let makes = |step: &&Value| step["empty_layer"] != true;
        let all = steps(self.image);
        let layers = self.image.described.layers.len();
        if all.iter().filter(makes).count() != layers {
            // An image without its history cannot say what was run in the base.
            return Err(Unfit::History);
        }
        let base = steps(self.old);
        let told = |step: &Value| (step["created_by"].clone(), step["empty_layer"] == true);
        let count = self.old.described.layers.len();
        let of_base = format!("{OWN_STEP}{BASE_STEP}");
        let begin = all.iter().take(count);
        let end = if begin.filter(|step| step["created_by"] == of_base).count() == count {
            count
        } else if base.len() <= all.len()
            && all
                .iter()
                .zip(&base)
                .all(|(one, other)| told(one) == told(other))
        {
            base.len()
        } else {
            return Err(Unfit::History);
        };
        let mut own = all[end..].to_vec();
        // Of a base with layers that its history does not tell of, a builder tells at the end.
        let made = own.iter().filter(makes).count();
        let more = made.checked_sub(layers - count).ok_or(Unfit::History)?;
        for _ in 0..more {
            if let Some(at) = own.iter().rposition(|step| makes(&step)) {
                own.remove(at);
            }
        }
        let new = steps(self.new);
        let count = self.new.described.layers.len();
        let new = if new.iter().filter(makes).count() == count {
            new
        } else {
            vec![json!({ "created_by": of_base }); count]
        };
        Ok((own, new))
    }

    /// Labels about the base, if the image has any, and the identity.
    fn label(&self, config: &mut Map<String, Value>) {
        let labels = config.get_mut("Labels").and_then(Value::as_object_mut);
        let Some(labels) = labels else { return };
        if labels.contains_key(BASE_NAME) || labels.contains_key(NAMED_BY) {
            labels.insert(BASE_NAME.to_owned(), self.name.name.clone().into());
            labels.insert(BASE_DIGEST.to_owned(), json!(self.name.digest));
        }
        if !self.keeps_identity {
            labels.shift_remove(IDENTITY);
        }
    }
}

/// Annotations with another base, if they name one.
pub fn renamed(annotations: &Value, base: &BaseName) -> Value {
    let mut annotations = annotations.clone();
    if let Some(all) = annotations.as_object_mut()
        && (all.contains_key(BASE_NAME) || all.contains_key(BASE_DIGEST))
    {
        all.insert(BASE_NAME.to_owned(), base.name.clone().into());
        all.insert(BASE_DIGEST.to_owned(), json!(base.digest));
    }
    annotations
}

/// An index with these images in the place of those that it has. What attests its old images is left
/// out. `images` are by the digests of the old ones.
pub fn index(
    index: &Map<String, Value>,
    images: &BTreeMap<Digest, Rewritten>,
    base: &BaseName,
) -> Vec<u8> {
    let entries = index.get("manifests").and_then(Value::as_array);
    let entries = entries.into_iter().flatten().filter_map(|entry| {
        let digest: Digest = entry["digest"].as_str()?.parse().ok()?;
        let image = images.get(&digest)?;
        let mut entry = entry.clone();
        entry["mediaType"] = MANIFEST.into();
        entry["digest"] = json!(image.digest());
        entry["size"] = image.manifest.len().into();
        if let Some(annotations) = entry.get("annotations") {
            entry["annotations"] = renamed(annotations, base);
        }
        Some(entry)
    });
    let mut made = json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": entries.collect::<Vec<Value>>(),
    });
    if let Some(annotations) = index.get("annotations") {
        made["annotations"] = renamed(annotations, base);
    }
    made.to_string().into_bytes()
}

fn config(file: &Map<String, Value>) -> Map<String, Value> {
    let config = file.get("config").and_then(Value::as_object);
    config.cloned().unwrap_or_default()
}

/// Whether a step of a history depends on the files of the base. Copies do not, and neither does the
/// program with which slimbuild itself gives directories to the app's user.
fn runs_in_base(command: &str) -> bool {
    let Some((_, run)) = command.split_once("RUN ") else {
        return INSTALLS.iter().any(|word| command.contains(word));
    };
    run.split(' ').nth(1) != Some(GIVES_AWAY)
}

/// Whether the image has a list of users over that of its base: slimbuild copies one along with node.
pub fn has_accounts(image: &Whole) -> bool {
    let mut steps = image.described.layers.iter();
    steps.any(|layer| {
        let command = layer.made_by.as_deref().unwrap_or_default();
        command.contains("COPY /node/ /")
    })
}

#[cfg(test)]
mod tests;
