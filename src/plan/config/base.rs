//! What a user may say of bases: what the result starts from, and where images come from.

use std::fmt;
use std::str::FromStr;

use crate::model::image::{DiskImage, ImageRef, ImageRefError, parts};

/// What the result starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// The smallest that works.
    Auto,
    /// Debian with node, and nothing else beside it.
    Slim,
    /// Without a shell.
    Distroless,
    /// Alpine with node, and nothing else beside it.
    Alpine,
    /// An image, as it is.
    Image(ImageRef),
    /// An image on the disk, as it is.
    Disk(DiskImage),
}

/// How an image on the disk is run, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskBase {
    /// What it starts.
    pub entrypoint: Vec<String>,
    /// As whom: `UID:GID`, or names of its own files.
    pub user: String,
}

impl FromStr for Base {
    type Err = ImageRefError;

    /// A keyword is never an image: `docker.io/library/alpine` names the one that is called like it. Nor is what begins as an image on the disk.
    fn from_str(text: &str) -> Result<Self, ImageRefError> {
        Ok(match text {
            "auto" => Self::Auto,
            "slim" => Self::Slim,
            "distroless" => Self::Distroless,
            "alpine" => Self::Alpine,
            image => match DiskImage::parse(image) {
                Some(disk) => Self::Disk(disk),
                None => Self::Image(image.parse()?),
            },
        })
    }
}

/// What stands in for a registry: a prefix of names, as proxies and mirrors have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The registry, as `gcr.io`; nothing where the prefix is for all of them.
    pub registry: Option<String>,
    /// What names begin with.
    pub prefix: String,
}

impl Mirror {
    /// Checks that names can be made with the prefix.
    pub(crate) fn new(registry: Option<&str>, prefix: &str) -> Result<Self, String> {
        if let Some((_, rest)) = prefix.split_once("://") {
            return Err(format!("names of images have no scheme: `{rest}`"));
        }
        let prefix = prefix.trim_end_matches('/');
        // What a tag or a digest would be belongs to no prefix, but a port does.
        let last = prefix.rsplit('/').next().unwrap_or_default();
        let tagged = prefix.contains('@') || (prefix.contains('/') && last.contains(':'));
        if tagged || format!("{prefix}/image").parse::<ImageRef>().is_err() {
            return Err(format!(
                "`{prefix}` is no prefix of image names, as `registry.example.com/hub` is"
            ));
        }
        Ok(Self {
            registry: registry.map(|registry| match registry {
                "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
                other => other.to_owned(),
            }),
            prefix: prefix.to_owned(),
        })
    }

    /// The name by which the mirror has the image, where it has images of its registry.
    ///
    /// Docker Hub's get their whole path (`library/node`), which proxies take everywhere. A mirror of all registries has those of Docker Hub right
    /// below the prefix, and others below their registry's name.
    pub(crate) fn name(&self, image: &str) -> Option<String> {
        let (registry, path) = parts(image);
        let prefix = &self.prefix;
        match self.registry.as_deref() {
            Some(own) => (own == registry).then(|| format!("{prefix}/{path}")),
            None if registry == "docker.io" => Some(format!("{prefix}/{path}")),
            None => Some(format!("{prefix}/{registry}/{path}")),
        }
    }
}

impl FromStr for Mirror {
    type Err = String;

    /// `[REGISTRY=]PREFIX`
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((registry, prefix)) => Self::new(Some(registry), prefix),
            None => Self::new(None, text),
        }
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_has_images_under_names_that_proxies_take() {
        let name = |mirror: &str, image: &str| mirror.parse::<Mirror>().unwrap().name(image);
        let distroless = "gcr.io/distroless/nodejs22-debian12:nonroot";
        for (mirror, image, expected) in [
            (
                "r.example",
                "node:22-slim",
                Some("r.example/library/node:22-slim"),
            ),
            (
                "r.example:5000/hub/",
                "nginxinc/nginx-unprivileged:stable",
                Some("r.example:5000/hub/nginxinc/nginx-unprivileged:stable"),
            ),
            (
                "r.example",
                distroless,
                Some("r.example/gcr.io/distroless/nodejs22-debian12:nonroot"),
            ),
            (
                "gcr.io=r.example/google",
                distroless,
                Some("r.example/google/distroless/nodejs22-debian12:nonroot"),
            ),
            ("docker.io=r.example/hub", distroless, None),
            (
                "index.docker.io=r.example/hub",
                "node:22-slim",
                Some("r.example/hub/library/node:22-slim"),
            ),
        ] {
            assert_eq!(name(mirror, image).as_deref(), expected, "{mirror} {image}");
        }
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in [
            "",
            "https://r.example",
            "r.example/hub:1",
            "gcr.io=",
            "A/b",
            "r.example/a@b",
        ] {
            assert!(text.parse::<Mirror>().is_err(), "{text}");
        }
        assert_eq!(
            "https://r.example/hub".parse::<Mirror>(),
            Err("names of images have no scheme: `r.example/hub`".to_owned())
        );
    }

    #[test]
    fn keywords_are_no_images() {
        assert_eq!("alpine".parse(), Ok(Base::Alpine));
        let named = "alpine:3.22".parse().map(Base::Image).unwrap();
        assert_eq!("alpine:3.22".parse(), Ok(named));
        let disk: Base = "oci:bases/node:22".parse().unwrap();
        assert!(matches!(disk, Base::Disk(image) if image.to_string() == "oci:bases/node:22"));
    }
}
