//! An image as a value, and its JSON: configuration and manifest.
//!
//! Keys have a fixed order and maps are sorted, so that a digest depends only on the image.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::model::digest::Digest;
use crate::model::image::Platform;

/// The media type of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of a configuration.
pub(super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A reference to content: media type, digest and size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
}

impl Descriptor {
    /// Describes content.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
        }
    }

    /// Describes a configuration.
    pub fn config(bytes: &[u8]) -> Self {
        Self::of(CONFIG, bytes)
    }

    /// Describes bytes.
    pub(super) fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }
}

/// A layer whose blob is in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLayer {
    /// The blob as it is sent.
    pub descriptor: Descriptor,
    /// The digest of the uncompressed tar.
    pub diff_id: Digest,
    /// The size of the uncompressed tar in bytes.
    pub unpacked: u64,
    /// A short description, for the history.
    pub title: String,
}

/// How an image is run, in the format of the specification and Docker.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Config {
    /// `UID:GID`, or names from the image's own files.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// `3000/tcp`, each with an empty object.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "nullable"
    )]
    pub exposed_ports: BTreeMap<String, Value>,
    /// `NAME=VALUE` in the order in which they were set.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub env: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub entrypoint: Vec<String>,
    /// Arguments to the entrypoint.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub cmd: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "nullable"
    )]
    pub labels: BTreeMap<String, String>,
    /// The signal that stops the container, if not SIGTERM.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// Other keys of the base's configuration: `Volumes`, Docker's `Healthcheck`.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// Docker writes null for an empty value.
fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Config {
    /// Sets a variable. If it exists, its position is kept.
    pub fn set_env(&mut self, name: &str, value: &str) {
        let text = format!("{name}={value}");
        let is_it = |set: &&mut String| set.split('=').next() == Some(name);
        match self.env.iter_mut().find(is_it) {
            Some(set) => *set = text,
            None => self.env.push(text),
        }
    }

    /// Opens a TCP port.
    pub fn expose(&mut self, port: u16) {
        self.exposed_ports.insert(format!("{port}/tcp"), json!({}));
    }
}

/// One step of the image's history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The time in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// A comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether the step made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// An image whose layers are in the cache.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    pub platform: Platform,
    /// The creation time in seconds since 1970.
    pub created: u64,
    pub config: Config,
    /// The layers, lowest first.
    pub layers: Vec<ImageLayer>,
    /// The history. It has as many steps with a layer as there are layers.
    pub history: Vec<History>,
}

#[derive(Serialize)]
struct ConfigFile<'i> {
    created: String,
    architecture: &'i str,
    os: &'i str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'i str>,
    config: &'i Config,
    rootfs: RootFs<'i>,
    history: &'i [History],
}

#[derive(Serialize)]
struct RootFs<'i> {
    r#type: &'static str,
    diff_ids: Vec<&'i Digest>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'i> {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<&'i Descriptor>,
}

impl Image {
    /// An image without layers.
    pub fn empty(platform: Platform, created: u64) -> Self {
        Self {
            platform,
            created,
            config: Config::default(),
            layers: Vec::new(),
            history: Vec::new(),
        }
    }

    /// Adds a layer on top.
    pub fn push(&mut self, layer: ImageLayer) {
        self.history.push(History {
            created: Some(timestamp(self.created)),
            created_by: Some(format!("slimbuild: {}", layer.title)),
            ..History::default()
        });
        self.layers.push(layer);
    }

    /// The configuration. Its digest is the image's id in Docker.
    pub fn config_json(&self) -> Vec<u8> {
        let (os, architecture, variant) = self.platform.parts();
        text(&ConfigFile {
            created: timestamp(self.created),
            architecture,
            os,
            variant,
            config: &self.config,
            rootfs: RootFs {
                r#type: "layers",
                diff_ids: self.layers.iter().map(|layer| &layer.diff_id).collect(),
            },
            history: &self.history,
        })
    }

    /// The manifest. Its digest is the image's digest in registries.
    pub fn manifest_json(&self) -> Vec<u8> {
        let layers = self.layers.iter().map(|layer| &layer.descriptor);
        manifest(Descriptor::config(&self.config_json()), layers.collect())
    }

    /// The manifest's digest.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest_json())
    }

    /// The size of all layers in bytes, as they are sent.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.descriptor.size).sum()
    }
}

/// The manifest of a configuration and layers.
pub(super) fn manifest(config: Descriptor, layers: Vec<&Descriptor>) -> Vec<u8> {
    text(&Manifest {
        schema_version: 2,
        media_type: MANIFEST,
        config,
        layers,
    })
}

/// Seconds since 1970 in RFC 3339. Times after the year 9999 become 1970.
pub fn timestamp(epoch: u64) -> String {
    let seconds = i64::try_from(epoch).unwrap_or_default();
    let time = OffsetDateTime::from_unix_timestamp(seconds);
    let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).unwrap_or_default()
}

/// Structs, strings and sorted maps can always be serialised.
pub(super) fn text(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_the_specification_asks_for() {
        let mut image = Image::empty("linux/arm/v7".parse().unwrap(), 1_700_000_000);
        image.config.user = "65532:65532".to_owned();
        image.config.set_env("PATH", "/bin");
        image.config.set_env("NODE_ENV", "production");
        image.config.set_env("PATH", "/usr/bin");
        image.config.expose(3000);
        image.push(ImageLayer {
            descriptor: Descriptor::of("application/vnd.oci.image.layer.v1.tar+gzip", b"z"),
            diff_id: Digest::of(b"tar"),
            unpacked: 3,
            title: "modules".to_owned(),
        });
        let diff_id = Digest::of(b"tar");
        let config = String::from_utf8(image.config_json()).unwrap();
        assert_eq!(
            config,
            format!(
                r#"{{"created":"2023-11-14T22:13:20Z","architecture":"arm","os":"linux","variant":"v7","config":{{"User":"65532:65532","ExposedPorts":{{"3000/tcp":{{}}}},"Env":["PATH=/usr/bin","NODE_ENV=production"]}},"rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}},"history":[{{"created":"2023-11-14T22:13:20Z","created_by":"slimbuild: modules"}}]}}"#
            )
        );
        let (id, layer) = (Digest::of(config.as_bytes()), Digest::of(b"z"));
        assert_eq!(
            String::from_utf8(image.manifest_json()).unwrap(),
            format!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{id}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{layer}","size":1}}]}}"#,
                config.len()
            )
        );
    }

    #[test]
    fn a_configuration_of_docker_is_read() {
        let text =
            r#"{"Env":["A=b"],"Cmd":null,"Labels":null,"Volumes":{"/data":{}},"WorkingDir":"/"}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        assert!(config.cmd.is_empty() && config.working_dir == "/");
        let back = r#"{"Env":["A=b"],"WorkingDir":"/","Volumes":{"/data":{}}}"#;
        assert_eq!(serde_json::to_string(&config).unwrap(), back);
    }

    #[test]
    fn times() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(u64::MAX), "1970-01-01T00:00:00Z");
    }
}
