//! An image with everything that describes it, to be written again with another base.

use serde_json::{Map, Value};

use super::image::{CONFIG, MANIFEST};
use super::{Described, Descriptor, Document, ForeignError};
use crate::model::digest::Digest;

/// An image for one platform, without its layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    /// The digest of the manifest.
    pub digest: Digest,
    /// The bytes of the manifest.
    pub size: u64,
    pub manifest: Map<String, Value>,
    pub configuration: Map<String, Value>,
    /// The same, as far as it is understood.
    pub described: Described,
}

impl Whole {
    /// Reads a manifest and the configuration that it names.
    pub fn parse(manifest: &[u8], configuration: &[u8]) -> Result<Self, ForeignError> {
        let malformed = |what, error: serde_json::Error| ForeignError::Malformed {
            what,
            reason: error.to_string(),
        };
        let Document::Image(parsed) = Document::parse(manifest)? else {
            return Err(ForeignError::Malformed {
                what: "manifest",
                reason: "it is a list of lists".to_owned(),
            });
        };
        let blobs = parsed.layers.into_iter().map(Some).collect();
        Ok(Self {
            digest: Digest::of(manifest),
            size: manifest.len() as u64,
            described: Described::parse(configuration, blobs, None)?,
            manifest: serde_json::from_slice(manifest)
                .map_err(|error| malformed("manifest", error))?,
            configuration: serde_json::from_slice(configuration)
                .map_err(|error| malformed("configuration", error))?,
        })
    }

    /// The layers as they are sent, the lowest first.
    pub fn layers(&self) -> impl Iterator<Item = &Descriptor> {
        let layers = self.described.layers.iter();
        layers.filter_map(|layer| layer.blob.as_ref())
    }

    /// The digests of the layers' tars, the lowest first.
    pub fn diff_ids(&self) -> impl Iterator<Item = &Digest> {
        self.described.layers.iter().map(|layer| &layer.diff_id)
    }

    /// A label of the configuration.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.described.config.labels.get(name).map(String::as_str)
    }
}

/// A manifest and its configuration, to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    pub configuration: Vec<u8>,
    pub manifest: Vec<u8>,
}

impl Rewritten {
    /// The manifest has the annotations, and is of OCI's format.
    pub fn new(
        configuration: &Map<String, Value>,
        layers: &[Descriptor],
        annotations: Option<&Value>,
    ) -> Self {
        let configuration = super::image::text(configuration);
        let config = Descriptor::new(
            CONFIG,
            Digest::of(&configuration),
            configuration.len() as u64,
        );
        let mut manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": layers,
        });
        if let Some(annotations) = annotations {
            manifest["annotations"] = annotations.clone();
        }
        Self {
            manifest: super::image::text(&manifest),
            configuration,
        }
    }

    /// The digest of the manifest.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }
}
