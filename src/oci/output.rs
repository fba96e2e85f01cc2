//! An [`Image`] on the disk: one archive that every tool reads, or the same as a directory.
//!
//! The archive is what `docker save` writes since Engine 25: an OCI layout whose `manifest.json` tells older engines, which know no OCI, where
//! configuration and layers are. So skopeo, umoci, podman and any `docker load` take it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fs_err::File;
use serde_json::{Value, json};

use super::archive::{Content, Docker, blob, unpack, write_tar};
use super::image::{self, Descriptor, MANIFEST};
use super::{Image, OciError, docker};
use crate::cache::Cache;
use crate::digest::Digest;
use crate::image::ImageRef;

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
}

/// Writes an image under a temporary name, and renames it when it is whole. A layer that was damaged in the cache is thrown away there, and is the
/// error; packing it again makes it anew.
pub fn write(
    image: &Image,
    names: &[ImageRef],
    output: &Output,
    cache: &Cache,
) -> Result<(), OciError> {
    match output {
        Output::Archive(path) => archive(&layout(image, names), path, cache),
        Output::Docker(path) => archive(&docker::layout(image, names), path, cache),
        Output::Directory(path) => directory(&layout(image, names), path, cache),
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

fn archive(files: &[(String, Content<'_>)], path: &Path, cache: &Cache) -> Result<(), OciError> {
    let failed = |source| OciError::Write {
        path: path.to_path_buf(),
        source,
    };
    let file = temporary(0o666).tempfile_in(parent(path)).map_err(failed)?;
    let mut out = io::BufWriter::with_capacity(1 << 16, file);
    let written = write_tar(files, cache, &mut out)?;
    let written = written.and_then(|()| out.flush());
    written.map_err(failed)?;
    let file = out
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn directory(files: &[(String, Content<'_>)], path: &Path, cache: &Cache) -> Result<(), OciError> {
    let failed = |source| OciError::Write {
        path: path.to_path_buf(),
        source,
    };
    let there = fs_err::read_dir(path).map(|mut entries| entries.next().is_none());
    let replaced = match there {
        Ok(true) => false,
        Ok(false) if path.join("oci-layout").is_file() => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Ok(false) => return Err(OciError::Occupied(path.to_path_buf())),
        Err(error) => return Err(failed(error)),
    };
    let part = temporary(0o777).tempdir_in(parent(path)).map_err(failed)?;
    for (name, content) in files {
        let target = part.path().join(name);
        let made = target.parent().map_or(Ok(()), fs_err::create_dir_all);
        made.map_err(failed)?;
        match content {
            Content::Bytes(bytes) => fs_err::write(target, bytes).map_err(failed)?,
            Content::Blob(layer) => blob(layer, cache, |blob| {
                io::copy(blob, &mut File::create(&target)?).map(drop)
            })?
            .map_err(failed)?,
            Content::Tar(layer) => unpack(layer, cache, |tar| {
                io::copy(tar, &mut File::create(&target)?).map(drop)
            })?
            .map_err(failed)?,
        }
    }
    if replaced {
        // Both are whole at any time, under one name or the other.
        let old = temporary(0o777).tempdir_in(parent(path)).map_err(failed)?;
        fs_err::rename(path, old.path()).map_err(failed)?;
    }
    fs_err::rename(part.keep(), path).map_err(failed)
}

/// A hidden name beside the final one, so that renaming is one step. The process's mask decides who may read it, as with any new file.
#[cfg(unix)]
fn temporary(mode: u32) -> tempfile::Builder<'static, 'static> {
    use std::os::unix::fs::PermissionsExt;
    let mut builder = tempfile::Builder::new();
    let permissions = std::fs::Permissions::from_mode(mode);
    builder.prefix(".slimbuild-").permissions(permissions);
    builder
}

#[cfg(not(unix))]
fn temporary(_: u32) -> tempfile::Builder<'static, 'static> {
    tempfile::Builder::new()
}

fn parent(path: &Path) -> &Path {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests;
