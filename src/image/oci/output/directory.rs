//! Adds images to an OCI layout in a directory. What slimbuild did not write is kept.
//!
//! `org.opencontainers.image.ref.name` identifies an image in a layout. An image of the same name
//! is replaced.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use fs_err::File;
use serde_json::{Value, json};

use super::super::archive::Content;
use super::super::pack::Tee;
use super::super::{OciError, image};
use super::unless_stopped;
use crate::system::atomic_file::{AtomicDirectory, AtomicFile, WriteError};

pub(super) const LAYOUT: &str = "oci-layout";
pub(super) const INDEX: &str = "index.json";
pub(super) const DOCKER: &str = "manifest.json";
pub(super) const BLOBS: &str = "blobs";

/// The annotation that names an image in a layout.
const NAME: &str = "org.opencontainers.image.ref.name";

/// The size limit of an index in bytes.
pub(super) const MAX_INDEX: u64 = 16 << 20;

/// Writes one content.
pub(super) type Fill<'f> =
    &'f dyn Fn(&Content<'_>, &mut dyn Write) -> Result<io::Result<()>, OciError>;

/// What the directory holds before writing.
enum Before {
    /// The directory is missing or empty.
    Nothing,
    /// Its index, the older engines' list of images, and whether it holds nothing but a layout.
    Layout(Value, Vec<Value>, bool),
}

/// Fails if the directory holds something else or cannot be written to.
pub(super) fn check(path: &Path) -> Result<(), OciError> {
    match before(path)? {
        Before::Nothing => drop(AtomicDirectory::begin(path)?),
        Before::Layout(..) => drop(AtomicFile::begin(&path.join(INDEX))?),
    }
    Ok(())
}

pub(super) fn write(
    files: &[(String, Content<'_>)],
    path: &Path,
    fill: Fill<'_>,
    stop: &dyn Fn() -> bool,
) -> Result<(), OciError> {
    if let Before::Layout(index, docker, pure) = before(path)? {
        let ours: Value = parsed(files, INDEX);
        let ours_docker: Value = parsed(files, DOCKER);
        let (kept, kept_docker) = (others(&index, &ours), other_tags(docker, &ours_docker));
        if !pure || !kept.is_empty() || !kept_docker.is_empty() {
            let mut merged = index;
            merged["manifests"] = [kept, list(&ours["manifests"])].concat().into();
            let docker = Value::from([kept_docker, list(&ours_docker)].concat());
            return add(
                files,
                path,
                fill,
                stop,
                &[(DOCKER, docker), (INDEX, merged)],
            );
        }
    }
    let whole = AtomicDirectory::begin(path)?;
    for (name, content) in files {
        put(content, &whole.part().join(name), fill, stop).map_err(|error| named(error, path))?;
    }
    Ok(whole.finish()?)
}

/// Replaces the unfinished directory's path in an error by the target's.
fn named(error: OciError, path: &Path) -> OciError {
    match error {
        OciError::Write(WriteError::System { source, .. }) => WriteError::System {
            path: path.to_path_buf(),
            source,
        }
        .into(),
        other => other,
    }
}

/// Adds an image to the others. Blobs come first and the index last, so that readers never see an
/// incomplete image. Once all blobs are written, the user can no longer cancel.
fn add(
    files: &[(String, Content<'_>)],
    path: &Path,
    fill: Fill<'_>,
    stop: &dyn Fn() -> bool,
    lists: &[(&str, Value)],
) -> Result<(), OciError> {
    let mut added = Vec::new();
    for (name, content) in files {
        let target = path.join(name);
        if name.starts_with(BLOBS) && !is_there(&target) {
            if let Err(error) = put(content, &target, fill, stop) {
                // No index refers to these blobs yet.
                for blob in added {
                    drop(fs_err::remove_file(blob));
                }
                return Err(error);
            }
            added.push(target);
        }
    }
    for (name, list) in lists {
        let bytes = Content::Bytes(image::text(list));
        put(&bytes, &path.join(name), fill, &|| false)?;
    }
    Ok(())
}

fn put(
    content: &Content<'_>,
    target: &Path,
    fill: Fill<'_>,
    stop: &dyn Fn() -> bool,
) -> Result<(), OciError> {
    if let Some(parent) = target.parent() {
        fs_err::create_dir_all(parent).map_err(|source| WriteError::System {
            path: target.to_path_buf(),
            source,
        })?;
    }
    if let Content::File(from) = content
        && !stop()
    {
        let moved = fs_err::rename(from, target);
        return moved.map_err(|source| {
            let path = target.to_path_buf();
            WriteError::System { path, source }.into()
        });
    }
    let write = |out: &mut dyn Write| fill(content, out);
    AtomicFile::begin(target)?.try_write(|out| unless_stopped(out, stop, write))
}

/// Whether a blob exists and matches its digest.
fn is_there(path: &Path) -> bool {
    let is_file = fs_err::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    let Some(file) = is_file.then(|| File::open(path).ok()).flatten() else {
        return false;
    };
    let mut file = Tee::new(file);
    let read = io::copy(&mut file, &mut io::sink()).is_ok();
    let digest = file.1.finish().1;
    read && path.file_name().is_some_and(|name| name == digest.hex())
}

/// What a directory holds. Anything but a layout is refused, and so are links in it, which could
/// lead anywhere.
fn before(path: &Path) -> Result<Before, OciError> {
    if AtomicDirectory::check(path)?.is_none() {
        return Ok(Before::Nothing);
    }
    let failed = |source| WriteError::System {
        path: path.to_path_buf(),
        source,
    };
    let mut names = BTreeSet::new();
    for entry in fs_err::read_dir(path).map_err(failed)? {
        names.insert(entry.map_err(failed)?.file_name());
    }
    if names.is_empty() {
        return Ok(Before::Nothing);
    }
    let occupied = || OciError::Occupied(path.to_path_buf());
    let layout = read(&path.join(LAYOUT)).ok_or_else(occupied)?;
    if !layout["imageLayoutVersion"].is_string() {
        return Err(occupied());
    }
    for directory in [path.join(BLOBS), path.join(BLOBS).join("sha256")] {
        AtomicDirectory::check(&directory)?;
    }
    let index = read(&path.join(INDEX)).filter(|index| index["manifests"].is_array());
    let docker = if names.contains(std::ffi::OsStr::new(DOCKER)) {
        read(&path.join(DOCKER))
            .filter(Value::is_array)
            .ok_or_else(occupied)?
    } else {
        json!([])
    };
    let known = [LAYOUT, INDEX, DOCKER, BLOBS].map(std::ffi::OsStr::new);
    let pure = names.iter().all(|name| known.contains(&name.as_os_str()));
    Ok(Before::Layout(
        index.ok_or_else(occupied)?,
        list(&docker),
        pure,
    ))
}

/// Parses a JSON file, if it is a regular file below the size limit.
fn read(path: &Path) -> Option<Value> {
    let metadata = fs_err::symlink_metadata(path).ok()?;
    let fits = metadata.is_file() && metadata.len() <= MAX_INDEX;
    serde_json::from_slice(&fits.then(|| fs_err::read(path).ok())??).ok()
}

fn parsed(files: &[(String, Content<'_>)], wanted: &str) -> Value {
    let file = files.iter().find(|(name, _)| name == wanted);
    match file {
        Some((_, Content::Bytes(bytes))) => serde_json::from_slice(bytes).unwrap_or_default(),
        _ => Value::Null,
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// The images of an index that ours do not replace. An image without a name is replaced only by an
/// identical one.
fn others(index: &Value, ours: &Value) -> Vec<Value> {
    let name = |entry: &Value| entry["annotations"][NAME].as_str().map(str::to_owned);
    let ours = list(&ours["manifests"]);
    let replaces = |entry: &Value, our: &Value| match (name(entry), name(our)) {
        (Some(theirs), Some(our)) => theirs == our,
        (None, None) => entry["digest"] == our["digest"],
        _ => false,
    };
    let mut others = list(&index["manifests"]);
    others.retain(|entry| !ours.iter().any(|our| replaces(entry, our)));
    others
}

/// Like [`others`], for the list of older engines, which uses full names.
fn other_tags(mut docker: Vec<Value>, ours: &Value) -> Vec<Value> {
    let ours = list(ours);
    let taken: Vec<Value> = ours.iter().flat_map(|our| list(&our["RepoTags"])).collect();
    docker.retain_mut(|entry| {
        let Some(tags) = entry["RepoTags"]
            .as_array_mut()
            .filter(|tags| !tags.is_empty())
        else {
            return !ours.iter().any(|our| our["Config"] == entry["Config"]);
        };
        tags.retain(|tag| !taken.contains(tag));
        !tags.is_empty()
    });
    docker
}
