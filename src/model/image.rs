//! [`ImageRef`], [`DiskImage`] and [`Platform`]: names of images as registries, skopeo and Docker
//! write them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A tag or digest reference such as `shop/server:1.2` or `gcr.io/distroless/cc-debian12:nonroot`.
/// Displays as it was given, with `:latest` added if it has neither tag nor digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageRef {
    name: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// Why a text is not an image reference.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ImageRefError {
    /// The text is empty.
    #[error("an image name is empty")]
    Empty,
    /// The repository name breaks the rules of the distribution specification.
    #[error(
        "`{0}` is not an image name: names are lower case letters and digits, parted by `/`, or by one `.`, `_`, `__` or any number of `-`"
    )]
    Name(String),
    /// The registry before the first `/` is none.
    #[error(
        "`{0}` is not an image name: `{1}` is not a registry, which is a host, perhaps with a port up to 65535"
    )]
    Registry(String, String),
    /// Registries refuse paths of that length.
    #[error("`{0}` is not an image name: a path has up to 255 characters")]
    Length(String),
    /// The tag breaks the rules.
    #[error(
        "`{0}` is not a tag: up to 128 letters, digits, `_`, `.` and `-`, not starting with `.` or `-`"
    )]
    Tag(String),
    /// The digest breaks the rules.
    #[error("`{0}` is not a digest: `sha256:` and 64 hexadecimal digits")]
    Digest(String),
}

impl ImageRef {
    /// The repository with its registry, without tag and digest.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is an Alpine image, judged by its name.
    pub fn is_alpine(&self) -> bool {
        self.to_string().contains("alpine")
    }

    /// The digest, if the reference has one.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// The same image, by its digest.
    pub(crate) fn with_digest(&self, digest: &str) -> Result<Self, ImageRefError> {
        format!("{self}@{digest}").parse()
    }

    /// The full name as registries know it, without a digest: `docker.io/library/node:22-slim`.
    pub(crate) fn qualified(&self) -> String {
        let (registry, path) = parts(&self.name);
        let tag = self.tag().map(|tag| format!(":{tag}"));
        format!("{registry}/{path}{}", tag.unwrap_or_default())
    }

    /// Whether both are in the same repository, however their names are written.
    pub(crate) fn is_sibling(&self, other: &Self) -> bool {
        parts(&self.name) == parts(&other.name)
    }

    /// The tag; `latest` if neither tag nor digest was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref().or(if self.digest.is_none() {
            Some("latest")
        } else {
            None
        })
    }
}

impl FromStr for ImageRef {
    type Err = ImageRefError;

    /// Mirrors the grammar of distribution's `reference` package, as far as user-given tags need
    /// it.
    fn from_str(text: &str) -> Result<Self, ImageRefError> {
        if text.is_empty() {
            return Err(ImageRefError::Empty);
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let hex = digest.strip_prefix("sha256:").unwrap_or("");
                if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err(ImageRefError::Digest(digest.to_owned()));
                }
                (rest, Some(digest.to_owned()))
            }
            None => (text, None),
        };
        // A colon before the last slash is a registry's port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if let Some(tag) = tag {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            if tag.is_empty()
                || tag.len() > 128
                || !tag.bytes().all(legal)
                || tag.starts_with(['.', '-'])
            {
                return Err(ImageRefError::Tag(tag.to_owned()));
            }
        }
        let mut path = name;
        if let Some((first, rest)) = name.split_once('/').filter(|(first, _)| is_host(first)) {
            if !is_registry(first) {
                return Err(ImageRefError::Registry(name.to_owned(), first.to_owned()));
            }
            path = rest;
        }
        if !path.split('/').all(is_name_part) {
            return Err(ImageRefError::Name(name.to_owned()));
        }
        if path.len() > MAX_PATH {
            return Err(ImageRefError::Length(name.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

/// The registry of a name and the path in it, completed as Docker does.
pub(crate) fn parts(name: &str) -> (&str, String) {
    match name.split_once('/') {
        Some((first, rest)) if is_host(first) => match first {
            "docker.io" | "index.docker.io" if !rest.contains('/') => {
                ("docker.io", format!("library/{rest}"))
            }
            "index.docker.io" => ("docker.io", rest.to_owned()),
            _ => (first, rest.to_owned()),
        },
        Some(_) => ("docker.io", name.to_owned()),
        None => ("docker.io", format!("library/{name}")),
    }
}

/// Whether the part before the first `/` is a registry rather than a user of Docker Hub. Users have
/// no upper case letters.
fn is_host(first: &str) -> bool {
    first.contains(['.', ':'])
        || first == "localhost"
        || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Whether this is `HOST` or `HOST:PORT`. An IPv6 address has brackets.
pub(crate) fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| {
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        digits && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_host = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(|part| {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            !part.is_empty()
                && part.bytes().all(legal)
                && !part.starts_with('-')
                && !part.ends_with('-')
        }),
    };
    is_host && port.is_none_or(is_port)
}

/// The longest path that registries take.
const MAX_PATH: usize = 255;

fn is_name_part(part: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut separators = part.split(|at: char| u8::try_from(at).is_ok_and(is_word));
    // What is before the first word, and after the last one.
    let edges = [separators.next(), separators.next_back()];
    let is_separator =
        |text: &str| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    edges == [Some(""), Some("")] && separators.all(is_separator)
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(tag) = self.tag() {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl Serialize for ImageRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An image on the disk, as skopeo names it: `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]` or
/// `docker-archive:FILE[:NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskImage {
    /// How the image is stored.
    pub format: DiskFormat,
    /// The file or directory.
    pub path: PathBuf,
    /// Which of the images in it.
    pub tag: Option<String>,
}

/// The formats in which an image is stored on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFormat {
    /// A directory with an OCI layout.
    Oci,
    /// An OCI layout as a tar archive.
    OciArchive,
    /// What `docker save` writes.
    DockerArchive,
}

impl DiskFormat {
    const ALL: [Self; 3] = [Self::Oci, Self::OciArchive, Self::DockerArchive];

    /// The prefix before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Self::Oci => "oci",
            Self::OciArchive => "oci-archive",
            Self::DockerArchive => "docker-archive",
        }
    }
}

impl DiskImage {
    /// Parses a name; `None` if it does not name an image on disk.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once(':')?;
        let format = DiskFormat::ALL
            .into_iter()
            .find(|format| format.name() == name)?;
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        Some(Self {
            format,
            path: PathBuf::from(path),
            tag: tag.filter(|tag| !tag.is_empty()).map(str::to_owned),
        })
    }

    /// The same image with its path resolved against a directory.
    #[must_use]
    pub fn below(&self, directory: &Path) -> Self {
        Self {
            path: directory.join(&self.path),
            ..self.clone()
        }
    }
}

impl fmt::Display for DiskImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.format.name(), self.path.display())?;
        match &self.tag {
            Some(tag) => write!(f, ":{tag}"),
            None => Ok(()),
        }
    }
}

/// An operating system and architecture, `linux/amd64` or `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform(String);

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let legal =
            |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if (2..=3).contains(&parts.len()) && parts.iter().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` is not a platform: expected something like `linux/amd64` or `linux/arm64`"
            ))
        }
    }
}

impl Platform {
    /// The system, the architecture, and its variant where one is named: `linux`, `arm`, `v7`.
    pub fn parts(&self) -> (&str, &str, Option<&str>) {
        let mut parts = self.0.split('/');
        let mut part = || parts.next();
        (
            part().unwrap_or_default(),
            part().unwrap_or_default(),
            part(),
        )
    }

    /// Linux on the processor of this machine.
    pub fn host() -> Self {
        let architecture = if cfg!(target_arch = "aarch64") {
            "arm64"
        } else {
            "amd64"
        };
        Self(format!("linux/{architecture}"))
    }

    /// The processor's name in node: `x64`.
    pub fn cpu(&self) -> &str {
        match self.0.split('/').nth(1).unwrap_or_default() {
            "amd64" | "x86_64" => "x64",
            "aarch64" => "arm64",
            "386" => "ia32",
            other => other,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How large an image is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageSize {
    /// Its platform, if it is one of several.
    pub platform: Option<String>,
    /// The bytes of its layers where it runs, if known.
    pub unpacked: Option<u64>,
    /// The bytes that a pull transfers, if known.
    pub packed: Option<u64>,
}

#[cfg(test)]
mod tests;
