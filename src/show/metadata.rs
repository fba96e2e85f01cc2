//! [`Metadata`]: what programs are told of an image, in `--metadata-file` and as an event. Values that are
//! not known are null. Its JSON Schema is `docs/src/reference/schemas/metadata.json`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::docker::Loaded;
use crate::model::digest::Digest;
use crate::model::image::ImageRef;
use crate::model::path::RepoPath;

/// An image that was made. `docker buildx build --metadata-file` writes the keys without `slimbuild.` too.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Metadata {
    /// All names, parted by commas.
    #[serde(rename = "image.name")]
    pub names: String,
    /// The digest of the configuration.
    #[serde(rename = "containerimage.config.digest")]
    pub configuration: Option<String>,
    /// The digest of the manifest or index, by which registries find the image.
    #[serde(rename = "containerimage.digest")]
    pub digest: Option<String>,
    /// The app's directory.
    #[serde(rename = "slimbuild.app")]
    pub app: RepoPath,
    /// Who made the image: `docker`, `buildkit` or `native`. Null if it was there already.
    #[serde(rename = "slimbuild.engine")]
    pub engine: Option<&'static str>,
    /// The image's identity, which `slimbuild hash` prints.
    #[serde(rename = "slimbuild.identity")]
    pub identity: Option<Digest>,
    /// `NAME@sha256:…`
    #[serde(rename = "slimbuild.image.reference")]
    pub reference: Option<String>,
    /// Bytes where the image runs: its layers, unpacked.
    #[serde(rename = "slimbuild.image.size")]
    pub size: Option<u64>,
    /// Bytes where it ran, of the image that had the first name in the daemon before.
    #[serde(rename = "slimbuild.image.before")]
    pub before: Option<u64>,
    /// Bytes that a pull transfers.
    #[serde(rename = "slimbuild.image.compressed")]
    pub compressed: Option<u64>,
    /// The sizes of each platform's image, if there are several.
    #[serde(rename = "slimbuild.image.platforms")]
    pub platforms: Option<Vec<PlatformSize>>,
    /// The files and directories that were written.
    #[serde(rename = "slimbuild.outputs")]
    pub outputs: Vec<String>,
    /// What was loaded into a Docker daemon.
    #[serde(rename = "slimbuild.loaded")]
    pub loaded: Option<Loaded>,
    /// What was pushed, one for each repository.
    #[serde(rename = "slimbuild.pushed")]
    pub pushed: Vec<PushedNames>,
    /// How the trial start of the build went.
    #[serde(rename = "slimbuild.trial")]
    pub trial: Option<String>,
    /// How the smoke test went.
    #[serde(rename = "slimbuild.smoke")]
    pub smoke: Option<String>,
    /// Bytes that were sent to a builder.
    #[serde(rename = "slimbuild.context.size")]
    pub context_size: Option<u64>,
    /// Files that were sent to a builder.
    #[serde(rename = "slimbuild.context.files")]
    pub context_files: Option<usize>,
    /// Bytes that `COPY . .` would have sent.
    #[serde(rename = "slimbuild.workspace.size")]
    pub workspace_size: Option<u64>,
    /// Files that `COPY . .` would have sent.
    #[serde(rename = "slimbuild.workspace.files")]
    pub workspace_files: Option<u64>,
    /// Bytes that were left out of modules.
    #[serde(rename = "slimbuild.modules.left-out")]
    pub left_out: Option<u64>,
    /// How the app ended: `built`, `verified`, `pushed`, `unchanged`.
    #[serde(rename = "slimbuild.state")]
    pub state: &'static str,
    /// The number of steps. Null if nothing was built.
    #[serde(rename = "slimbuild.steps")]
    pub steps: Option<usize>,
    /// How many of them came from the cache. Null if nothing was built.
    #[serde(rename = "slimbuild.steps.cached")]
    pub cached: Option<usize>,
    /// How long it took.
    #[serde(rename = "slimbuild.seconds")]
    pub seconds: f64,
}

#[cfg(test)]
impl Metadata {
    /// An image of which little is known.
    pub fn example() -> Self {
        Self {
            names: "api:latest".to_owned(),
            configuration: None,
            digest: None,
            app: RepoPath::ROOT,
            engine: Some("docker"),
            identity: None,
            reference: None,
            size: None,
            before: None,
            compressed: None,
            platforms: None,
            outputs: Vec::new(),
            loaded: None,
            pushed: Vec::new(),
            trial: None,
            smoke: None,
            context_size: None,
            context_files: None,
            workspace_size: None,
            workspace_files: None,
            left_out: None,
            state: "built",
            steps: Some(0),
            cached: Some(0),
            seconds: 0.0,
        }
    }
}

/// The sizes of one platform's image.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlatformSize {
    /// As `linux/arm64`.
    pub platform: String,
    /// Bytes where it runs.
    pub size: Option<u64>,
    /// Bytes that a pull transfers.
    pub compressed: Option<u64>,
}

/// What was pushed to a repository.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PushedNames {
    /// The image's names there.
    pub names: Vec<ImageRef>,
    /// The digest of the manifest.
    pub digest: Digest,
    /// All layers, if the pusher tells their number.
    pub layers: Option<usize>,
    /// The layers that the registry lacked.
    pub sent: Option<usize>,
    /// The bytes that were sent.
    pub bytes: Option<u64>,
}

/// The metadata of a run of several apps: by the app's directory.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct RunMetadata(pub BTreeMap<String, AppMetadata>);

/// An app of several.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum AppMetadata {
    /// Its image was made.
    Made(Box<Metadata>),
    /// There is no image.
    NotMade {
        /// The app's directory.
        #[serde(rename = "slimbuild.app")]
        app: String,
        /// What went wrong; null for an app that was stopped.
        #[serde(rename = "slimbuild.error")]
        error: Option<String>,
        /// How long it took; null if it did not begin.
        #[serde(rename = "slimbuild.seconds")]
        seconds: Option<f64>,
        /// How the app ended: `failed`, `stopped`, `skipped`.
        #[serde(rename = "slimbuild.state")]
        state: &'static str,
    },
}
