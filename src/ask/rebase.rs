//! What `slimbuild rebase` has done, as a document.

use serde::Serialize;

use crate::model::digest::Digest;
use crate::model::image::ImageRef;

/// The images, and the bases that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Rebase {
    /// In the order of the arguments.
    pub images: Vec<RebasedImage>,
    /// Each change of a base that images of this run have in common.
    pub bases: Vec<BaseChange>,
    /// Bytes that came from registries.
    pub received: u64,
    /// Bytes that went to registries.
    pub sent: u64,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RebasedImage {
    /// The name that was given.
    pub image: ImageRef,
    /// The name of the new image.
    pub name: ImageRef,
    /// What became of it.
    pub state: RebaseState,
    /// What the name stood for.
    pub before: Option<Digest>,
    /// The new image.
    pub digest: Option<Digest>,
    /// The base.
    pub base: Option<String>,
    /// `linux/amd64`, in the order of the index.
    pub platforms: Vec<String>,
    /// Whether it was started on the new base.
    pub proved: bool,
    /// What somebody should know about it.
    pub notes: Vec<String>,
    /// Why it was left as it is.
    pub problem: Option<String>,
    /// What to do about that.
    pub hint: Option<String>,
}

/// What became of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RebaseState {
    /// It is on the new base.
    Rebased,
    /// It would be, without `--dry-run`.
    Changed,
    /// Its base is the same.
    Unchanged,
    /// It was left as it is, because of an error.
    Failed,
}

/// What changed from one base to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BaseChange {
    /// The old base, by digest.
    pub old: String,
    /// The new one.
    pub new: String,
    /// `linux/amd64`
    pub platform: String,
    /// Packages of the system, by name.
    pub packages: Vec<VersionChange>,
    /// The version of node.
    pub node: Option<VersionChange>,
}

/// A version that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VersionChange {
    /// The package, or `node`.
    pub name: String,
    /// None if it is new.
    pub old: Option<String>,
    /// None if it is gone.
    pub new: Option<String>,
}

impl RebaseState {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rebased => "rebased",
            Self::Changed => "would be rebased",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
}
