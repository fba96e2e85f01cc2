//! The tools of a build: the plan's exact pnpm from npm, and node, this machine's if it fits, else
//! npm's.

use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;
use fs_err::File;
use nodejs_semver::{Range, Version};
use tar::Archive;

use super::error::NativeError;
use crate::files::rooted::{PlaceError, Writer};
use crate::plan::Plan;
use crate::store::cache::Cache;
use crate::store::fetch::Net;
use crate::store::fetch::npm;

/// Where tools come from.
#[derive(Clone, Copy)]
pub struct Source<'s> {
    /// An npm registry.
    pub registry: &'s str,
    pub net: &'s Net<'s>,
    /// Holds downloads.
    pub cache: &'s Cache,
    /// Whether to look for newer versions even if the last answer is fresh.
    pub fresh: bool,
}

/// The tools of a build.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The node that scripts run.
    pub(super) node: PathBuf,
    /// `PATH`, with node and pnpm first.
    pub path: String,
    /// Variables of this machine that a build may see, such as the home directory and proxies.
    pub env: BTreeMap<String, String>,
    /// pnpm's store.
    pub store: PathBuf,
}

impl Tools {
    /// Downloads what is missing into `dir`. `path` is this machine's `PATH`.
    pub fn get(
        plan: &Plan,
        dir: &Path,
        path: &str,
        env: BTreeMap<String, String>,
        source: Source<'_>,
    ) -> Result<Self, NativeError> {
        let bin = dir.join("bin");
        if bin.as_os_str().as_encoded_bytes().contains(&b':') {
            let words = format!(
                "`{}` has a colon, and no `PATH` can name it: set TMPDIR to another directory",
                bin.display()
            );
            let error = io::Error::new(io::ErrorKind::InvalidInput, words);
            return Err(NativeError::Workshop(error));
        }
        fs_err::create_dir_all(&bin).map_err(NativeError::Workshop)?;
        let wanted = &plan.node.value;
        let node = match own_node(path, wanted) {
            Some(node) => node,
            None => fetched_node(wanted, dir, source)?,
        };
        let pnpm = unpack("pnpm", &plan.pnpm.value, &dir.join("pnpm"), source)?;
        link(&bin.join("node"), &node)?;
        script(&bin.join("pnpm"), &program(&pnpm, "pnpm")?)?;
        Ok(Self {
            node: bin.join("node"),
            path: format!("{}:{path}", bin.display()),
            env,
            store: source.cache.store(),
        })
    }
}

/// This machine's node, if it has the version that the plan wants.
fn own_node(path: &str, wanted: &str) -> Option<PathBuf> {
    let places = path.split(':').map(|dir| Path::new(dir).join("node"));
    let node = places.into_iter().find(|place| place.is_file())?;
    let output = Command::new(&node).arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    let version = Version::parse(version.trim().trim_start_matches('v')).ok()?;
    Range::parse(wanted)
        .ok()?
        .satisfies(&version)
        .then_some(node)
}

fn fetched_node(wanted: &str, dir: &Path, source: Source<'_>) -> Result<PathBuf, NativeError> {
    let system = if cfg!(target_os = "macos") {
        "darwin"
    } else {
        "linux"
    };
    let processor = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "x64"
    };
    let package = format!("node-{system}-{processor}");
    let unpacked = unpack(&package, wanted, &dir.join("node"), source)?;
    Ok(unpacked.join("bin/node"))
}

/// Unpacks a package from npm.
fn unpack(
    package: &str,
    wanted: &str,
    to: &Path,
    source: Source<'_>,
) -> Result<PathBuf, NativeError> {
    let Source {
        registry,
        net,
        cache,
        fresh,
    } = source;
    let published = npm::published(package, wanted, registry, fresh, net, cache)?;
    let file = published.download(package, registry, net, cache)?;
    fs_err::create_dir_all(to).map_err(NativeError::Workshop)?;
    extract(&file, to).map_err(NativeError::Workshop)?;
    Ok(to.to_path_buf())
}

/// Unpacks the files of an npm archive into an empty directory, and nowhere else.
fn extract(file: &Path, to: &Path) -> io::Result<()> {
    let failed = |error| match error {
        PlaceError::Impossible(words) => io::Error::new(io::ErrorKind::InvalidData, words),
        PlaceError::Disk(error) => error,
    };
    let mut writer = Writer::new(to, true).map_err(failed)?;
    let mut archive = Archive::new(GzDecoder::new(BufReader::new(File::open(file)?)));
    for entry in archive.entries()? {
        let mut entry = entry?;
        // Like npm, ignores the name of the first directory.
        let path = entry.path()?.into_owned();
        let inside: PathBuf = path.components().skip(1).collect();
        if inside.as_os_str().is_empty() || !entry.header().entry_type().is_file() {
            continue;
        }
        let mode = entry.header().mode()? | 0o600;
        let slot = writer.slot(&inside).map_err(failed)?;
        let mut file = slot.create(mode).map_err(failed)?;
        io::copy(&mut entry, &mut file)?;
    }
    Ok(())
}

/// The file of a package's program.
fn program(dir: &Path, name: &str) -> Result<PathBuf, NativeError> {
    let text = fs_err::read(dir.join("package.json")).map_err(NativeError::Workshop)?;
    let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let file = match &manifest["bin"] {
        serde_json::Value::String(file) => Some(file.as_str()),
        map => map[name].as_str(),
    };
    let missing = || {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("npm's {name} has no program"),
        )
    };
    let file = file.ok_or_else(missing).map_err(NativeError::Workshop)?;
    Ok(dir.join(file))
}

fn link(at: &Path, to: &Path) -> Result<(), NativeError> {
    symlink(to, at).map_err(NativeError::Workshop)
}

#[cfg(unix)]
pub(super) use fs_err::os::unix::fs::symlink;

/// Images are made without Docker on Linux only.
#[cfg(not(unix))]
pub(super) fn symlink(_: impl AsRef<Path>, _: impl AsRef<Path>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Writes a program of this name that runs a file with node.
fn script(at: &Path, file: &Path) -> Result<(), NativeError> {
    fs_err::write(at, words_of_script(file))
        .and_then(|()| make_executable(at))
        .map_err(NativeError::Workshop)
}

#[cfg(unix)]
fn make_executable(file: &Path) -> io::Result<()> {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(file, mode)
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The bytes of the path are kept as they are: it may contain anything.
fn words_of_script(file: &Path) -> Vec<u8> {
    let name = file.as_os_str().as_encoded_bytes();
    let quoted = name.split(|byte| *byte == b'\'').collect::<Vec<_>>();
    let quoted = quoted.join(&br"'\''"[..]);
    [b"#!/bin/sh\nexec node '", &*quoted, b"' \"$@\"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_cannot_write_outside() {
        let packed = |path: &str| {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("package.tgz");
            let out = fs_err::File::create(&file).unwrap();
            let gzip = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
            let mut tar = tar::Builder::new(gzip);
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(4);
            header.set_mode(0o755);
            header.set_cksum();
            tar.append(&header, &b"text"[..]).unwrap();
            tar.into_inner().unwrap().finish().unwrap();
            let to = dir.path().join("to");
            fs_err::create_dir(&to).unwrap();
            let extracted = extract(&file, &to).map_err(|error| error.to_string());
            (dir, extracted)
        };
        let (dir, extracted) = packed("package/bin/node");
        extracted.unwrap();
        let text = fs_err::read_to_string(dir.path().join("to/bin/node")).unwrap();
        assert_eq!(text, "text");
        let (dir, extracted) = packed("package/../../x");
        assert_eq!(extracted.unwrap_err(), "`../../x` leaves the image");
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_script_names_any_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a 'b' \"c\" $(touch d)\n`e`");
        let bin = dir.path().join("bin");
        fs_err::create_dir(&bin).unwrap();
        let node = "#!/bin/sh\nprintf '%s|' \"$@\"\n";
        fs_err::write(bin.join("node"), node).unwrap();
        make_executable(&bin.join("node")).unwrap();
        script(&dir.path().join("pnpm"), &file).unwrap();
        let output = Command::new("/bin/sh")
            .arg(dir.path().join("pnpm"))
            .arg("x y")
            .env("PATH", &bin)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said, format!("{}|x y|", file.display()));
    }
}
