//! An [`Image`] on the disk: one archive that every tool reads, or the same as a directory.
//!
//! The archive is what `docker save` writes since Engine 25: an OCI layout whose `manifest.json` tells older engines, which know no OCI, where
//! configuration and layers are. So skopeo, umoci, podman and any `docker load` take it. A directory keeps the images of other names.

mod directory;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::archive::{Content, Docker, write_tar};
use super::image::{self, Descriptor, MANIFEST};
use super::{Image, OciError, docker};
use crate::model::digest::Digest;
use crate::model::image::ImageRef;
use crate::store::cache::Cache;
use crate::system::atomic_file::AtomicFile;

/// Where an image is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A file that holds all of it.
    Archive(PathBuf),
    /// The same for tools that know no OCI, as `docker save` wrote it before Engine 25.
    Docker(PathBuf),
    /// A directory with an OCI layout.
    Directory(PathBuf),
}

impl Output {
    /// The same, as seen from a directory.
    #[must_use]
    pub fn below(&self, directory: &Path) -> Self {
        match self {
            Self::Archive(path) => Self::Archive(directory.join(path)),
            Self::Docker(path) => Self::Docker(directory.join(path)),
            Self::Directory(path) => Self::Directory(directory.join(path)),
        }
    }

    /// The file or directory.
    pub fn path(&self) -> &Path {
        match self {
            Self::Archive(path) | Self::Docker(path) | Self::Directory(path) => path,
        }
    }

    /// Fails where nothing can be written to, or where something else would be lost. Nothing changes.
    pub fn check(&self) -> Result<(), OciError> {
        match self {
            Self::Archive(path) | Self::Docker(path) => drop(AtomicFile::begin(path)?),
            Self::Directory(path) => directory::check(path)?,
        }
        Ok(())
    }
}

/// Writes an image, whole or not at all. A layer that was damaged in the cache is thrown away there, and is the
/// error; packing it again makes it anew. `stop` is asked again and again whether to give up.
pub fn write(
    image: &Image,
    names: &[ImageRef],
    output: &Output,
    cache: &Cache,
    stop: &dyn Fn() -> bool,
) -> Result<(), OciError> {
    match output {
        Output::Archive(path) => archive(&layout(image, names), path, cache, stop),
        Output::Docker(path) => archive(&docker::layout(image, names), path, cache, stop),
        Output::Directory(path) => directory::write(&layout(image, names), path, cache, stop),
    }
}

/// All files by name, those first that tell what the others are.
fn layout<'i>(image: &'i Image, names: &[ImageRef]) -> Vec<(String, Content<'i>)> {
    let (config, manifest) = (image.config_json(), image.manifest_json());
    let (os, architecture, variant) = image.platform.parts();
    let mut platform = json!({ "architecture": architecture, "os": os });
    if let Some(variant) = variant {
        platform["variant"] = Value::from(variant);
    }
    let named = |name: Option<&ImageRef>| {
        let descriptor = Descriptor::of(MANIFEST, &manifest);
        let mut descriptor = serde_json::to_value(descriptor).unwrap_or_default();
        descriptor["platform"] = platform.clone();
        if let Some(name) = name {
            // The first is containerd's, the second the specification's.
            descriptor["annotations"] = json!({
                "io.containerd.image.name": full_name(name),
                "org.opencontainers.image.ref.name": name.tag().unwrap_or_default(),
            });
        }
        descriptor
    };
    let manifests: Vec<Value> = if names.is_empty() {
        vec![named(None)]
    } else {
        names.iter().map(|name| named(Some(name))).collect()
    };
    let layers = image.layers.iter().map(|layer| &layer.descriptor);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    });
    let docker = Docker {
        config: blob_path(&Digest::of(&config)),
        repo_tags: names.iter().map(ToString::to_string).collect(),
        layers: layers
            .clone()
            .map(|layer| blob_path(&layer.digest))
            .collect(),
    };
    let text = |value: &Value| Content::Bytes(image::text(value));
    let mut files = vec![
        (
            "oci-layout".to_owned(),
            text(&json!({ "imageLayoutVersion": "1.0.0" })),
        ),
        ("index.json".to_owned(), text(&index)),
        (
            "manifest.json".to_owned(),
            Content::Bytes(image::text(&[docker])),
        ),
        (
            blob_path(&Digest::of(&manifest)),
            Content::Bytes(manifest.clone()),
        ),
        (blob_path(&Digest::of(&config)), Content::Bytes(config)),
    ];
    for layer in layers {
        let name = blob_path(&layer.digest);
        // The same layer twice is one blob.
        if files.iter().all(|(other, _)| *other != name) {
            files.push((name, Content::Blob(layer)));
        }
    }
    files
}

/// A name with its registry, as containerd wants it.
fn full_name(name: &ImageRef) -> String {
    let text = name.to_string();
    match text.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => text,
        Some(_) => format!("docker.io/{text}"),
        None => format!("docker.io/library/{text}"),
    }
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

fn archive(
    files: &[(String, Content<'_>)],
    path: &Path,
    cache: &Cache,
    stop: &dyn Fn() -> bool,
) -> Result<(), OciError> {
    let whole = AtomicFile::begin(path)?;
    whole.try_write(|out| unless_stopped(out, stop, |out| write_tar(files, cache, out)))
}

/// Writes until somebody wants to stop. Who stops before the last byte gets the error, and nothing gets its name.
fn unless_stopped(
    out: &mut dyn Write,
    stop: &dyn Fn() -> bool,
    write: impl FnOnce(&mut dyn Write) -> Result<io::Result<()>, OciError>,
) -> Result<io::Result<()>, OciError> {
    let written = write(&mut Stoppable { out, stop })?;
    if stop() {
        return Err(OciError::Interrupted);
    }
    Ok(written)
}

/// A writer that takes no more once somebody wants to stop.
struct Stoppable<'w> {
    out: &'w mut dyn Write,
    stop: &'w dyn Fn() -> bool,
}

impl Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.stop)() {
            return Err(io::Error::other("interrupted"));
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
