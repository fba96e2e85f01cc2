//! An [`Image`] on the disk: one archive that every tool reads, or the same as a directory.
//!
//! The archive is what `docker save` writes since Engine 25: an OCI layout whose `manifest.json` tells older engines, which know no OCI, where
//! configuration and layers are. So skopeo, umoci, podman and any `docker load` take it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use fs_err::File;
use serde::Serialize;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::image::{self, Descriptor, MANIFEST};
use super::pack::Tee;
use super::{Image, OciError};
use crate::cache::Cache;
use crate::digest::Digest;
use crate::image::ImageRef;

/// Where an image is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A file that holds all of it.
    Archive(PathBuf),
    /// A directory with an OCI layout.
    Directory(PathBuf),
}

impl Output {
    /// The same, as seen from a directory.
    #[must_use]
    pub fn below(&self, directory: &Path) -> Self {
        match self {
            Self::Archive(path) => Self::Archive(directory.join(path)),
            Self::Directory(path) => Self::Directory(directory.join(path)),
        }
    }

    /// The file or directory.
    pub fn path(&self) -> &Path {
        match self {
            Self::Archive(path) | Self::Directory(path) => path,
        }
    }
}

/// A file of a layout.
enum Content<'c> {
    Bytes(Vec<u8>),
    /// A blob of the cache.
    Layer(&'c Descriptor),
}

/// Writes an image under a temporary name, and renames it when it is whole. A layer that was damaged in the cache is thrown away there, and is the
/// error; packing it again makes it anew.
pub fn write(
    image: &Image,
    names: &[ImageRef],
    output: &Output,
    cache: &Cache,
) -> Result<(), OciError> {
    let files = layout(image, names);
    match output {
        Output::Archive(path) => archive(&files, path, cache),
        Output::Directory(path) => directory(&files, path, cache),
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
    let blob = |digest: &Digest| format!("blobs/{}/{}", digest.algorithm().name(), digest.hex());
    let layers = image.layers.iter().map(|layer| &layer.descriptor);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    });
    let docker = Docker {
        config: blob(&Digest::of(&config)),
        repo_tags: names.iter().map(ToString::to_string).collect(),
        layers: layers.clone().map(|layer| blob(&layer.digest)).collect(),
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
            blob(&Digest::of(&manifest)),
            Content::Bytes(manifest.clone()),
        ),
        (blob(&Digest::of(&config)), Content::Bytes(config)),
    ];
    for layer in layers {
        let name = blob(&layer.digest);
        // The same layer twice is one blob.
        if files.iter().all(|(other, _)| *other != name) {
            files.push((name, Content::Layer(layer)));
        }
    }
    files
}

/// What older engines read.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Docker {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
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

fn archive(files: &[(String, Content<'_>)], path: &Path, cache: &Cache) -> Result<(), OciError> {
    let failed = |source| OciError::Write {
        path: path.to_path_buf(),
        source,
    };
    let file = temporary(0o666).tempfile_in(parent(path)).map_err(failed)?;
    let mut tar = Builder::new(io::BufWriter::with_capacity(1 << 16, file));
    for (name, content) in files {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        match content {
            Content::Bytes(bytes) => {
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, name, &**bytes)
                    .map_err(failed)?;
            }
            Content::Layer(layer) => {
                header.set_size(layer.size);
                copy(layer, cache, |blob| {
                    tar.append_data(&mut header, name, blob)
                })?
                .map_err(failed)?;
            }
        }
    }
    let file = tar.into_inner().map_err(failed)?;
    let file = file
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
            Content::Layer(layer) => copy(layer, cache, |blob| {
                io::copy(blob, &mut File::create(&target)?).map(drop)
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

/// Reads a layer from the cache to its end, and sees that it is what its name says.
fn copy(
    layer: &Descriptor,
    cache: &Cache,
    to: impl FnOnce(&mut dyn Read) -> io::Result<()>,
) -> Result<io::Result<()>, OciError> {
    let damaged = || OciError::Damaged(layer.digest.clone());
    let path = cache.blob(&layer.digest, layer.size).ok_or_else(damaged)?;
    let mut blob = Tee::new(File::open(path).map_err(|_| damaged())?);
    let written = to(&mut blob);
    if written.is_ok() && blob.1.finish().1 != layer.digest {
        cache.remove(&layer.digest);
        return Err(damaged());
    }
    Ok(written)
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
