//! Writes an [`Image`] to disk, as one archive that every tool reads, or as a directory.
//!
//! The archive is what `docker save` writes since Engine 25: an OCI layout with a `manifest.json`,
//! which tells older engines where configuration and layers are. So skopeo, umoci, podman and any
//! `docker load` read it. In a directory, images of other names are kept.

mod directory;
mod receive;
mod saved;

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

pub use receive::receive;
pub use saved::write_saved;

/// Where to write an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// An archive.
    Archive(PathBuf),
    /// An archive in the format of `docker save` before Engine 25, for tools without OCI support.
    Docker(PathBuf),
    /// A directory with an OCI layout.
    Directory(PathBuf),
}

impl Output {
    /// What stands for the image's name in a path, so that several apps do not share a file.
    pub const APP: &str = "{app}";

    /// The same with its path resolved against a directory.
    #[must_use]
    pub fn below(&self, directory: &Path) -> Self {
        self.with(|path| directory.join(path))
    }

    /// The same with the image's name where its path says so.
    #[must_use]
    pub fn of_app(&self, image: &str) -> Self {
        self.with(|path| match path.to_str() {
            Some(text) => text.replace(Self::APP, image).into(),
            None => path.to_owned(),
        })
    }

    fn with(&self, change: impl FnOnce(&Path) -> PathBuf) -> Self {
        match self {
            Self::Archive(path) => Self::Archive(change(path)),
            Self::Docker(path) => Self::Docker(change(path)),
            Self::Directory(path) => Self::Directory(change(path)),
        }
    }

    /// The file or directory.
    pub fn path(&self) -> &Path {
        match self {
            Self::Archive(path) | Self::Docker(path) | Self::Directory(path) => path,
        }
    }

    /// Fails if the place cannot be written to or holds something that would be lost. Changes
    /// nothing.
    pub fn check(&self) -> Result<(), OciError> {
        match self {
            Self::Archive(path) | Self::Docker(path) => drop(AtomicFile::begin(path)?),
            Self::Directory(path) => directory::check(path)?,
        }
        Ok(())
    }
}

/// Writes an image completely or not at all. A layer that turns out to be damaged in the cache is
/// deleted there and reported; packing it again restores it. `stop` is polled for whether the user
/// cancelled.
pub fn write(
    image: &Image,
    names: &[ImageRef],
    output: &Output,
    cache: &Cache,
    stop: &dyn Fn() -> bool,
) -> Result<(), OciError> {
    match output {
        Output::Docker(path) => archive(&docker::layout(image, names), path, cache, stop),
        Output::Archive(_) | Output::Directory(_) => {
            lay_down(&layout(image, names), output, cache, stop)
        }
    }
}

/// Writes the files of a layout.
fn lay_down(
    files: &[(String, Content<'_>)],
    output: &Output,
    cache: &Cache,
    stop: &dyn Fn() -> bool,
) -> Result<(), OciError> {
    match output {
        Output::Archive(path) | Output::Docker(path) => archive(files, path, cache, stop),
        Output::Directory(path) => {
            let fill = |content: &Content<'_>, out: &mut dyn Write| content.write(cache, out);
            directory::write(files, path, &fill, stop)
        }
    }
}

/// All files by name, those first that describe the others.
fn layout<'i>(image: &'i Image, names: &[ImageRef]) -> Vec<(String, Content<'i>)> {
    let (os, architecture, variant) = image.platform.parts();
    let mut platform = json!({ "architecture": architecture, "os": os });
    if let Some(variant) = variant {
        platform["variant"] = Value::from(variant);
    }
    let layers = image.layers.iter().map(|layer| &layer.descriptor);
    let (config, manifest) = (image.config_json(), image.manifest_json());
    files(config, &manifest, &platform, layers.collect(), names)
}

/// The files of a layout with one image.
fn files<'i>(
    config: Vec<u8>,
    manifest: &[u8],
    platform: &Value,
    layers: Vec<&'i Descriptor>,
    names: &[ImageRef],
) -> Vec<(String, Content<'i>)> {
    let named = |name: Option<&ImageRef>| {
        let descriptor = Descriptor::of(MANIFEST, manifest);
        let mut descriptor = serde_json::to_value(descriptor).unwrap_or_default();
        descriptor["platform"] = platform.clone();
        if let Some(name) = name {
            // The first annotation is containerd's, the second the specification's.
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
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    });
    let docker = Docker {
        config: blob_path(&Digest::of(&config)),
        repo_tags: names.iter().map(ToString::to_string).collect(),
        layers: layers
            .iter()
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
            blob_path(&Digest::of(manifest)),
            Content::Bytes(manifest.to_vec()),
        ),
        (blob_path(&Digest::of(&config)), Content::Bytes(config)),
    ];
    for layer in layers {
        let name = blob_path(&layer.digest);
        // A repeated layer is one blob.
        if files.iter().all(|(other, _)| *other != name) {
            files.push((name, Content::Blob(layer)));
        }
    }
    files
}

/// The name with its registry, as containerd needs it.
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

/// Writes unless `stop` says so. If it does before the last byte, this fails and the target stays
/// unwritten.
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

/// A writer that fails once the user cancels.
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
