//! The user's choice of bases: what the result starts from, and where images come from.

use std::fmt;
use std::str::FromStr;

use super::ConfigError;
use super::reader::Node;
use crate::model::image::{DiskImage, ImageRef, ImageRefError, is_registry, parts};

/// What the result starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// The smallest that works.
    Auto,
    /// Debian with node and nothing else.
    Slim,
    /// Without a shell.
    Distroless,
    /// Alpine with node and nothing else.
    Alpine,
    /// An image, unchanged.
    Image(ImageRef),
    /// An image on disk, unchanged.
    Disk(DiskImage),
}

/// How an image on disk is run, from its own configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskBase {
    /// Its entry point.
    pub entrypoint: Vec<String>,
    /// Its user: `UID:GID`, or names from its own files.
    pub user: String,
}

impl FromStr for Base {
    type Err = String;

    /// A keyword is never an image: use `docker.io/library/alpine` for the image of that name.
    /// Names with the prefix of an image on disk are not images of a registry either.
    fn from_str(text: &str) -> Result<Self, String> {
        let no_image = |error: ImageRefError| {
            format!("{error}; the other bases are `auto`, `distroless`, `slim` and `alpine`")
        };
        Ok(match text {
            "auto" => Self::Auto,
            "slim" => Self::Slim,
            "distroless" => Self::Distroless,
            "alpine" => Self::Alpine,
            image => match DiskImage::parse(image) {
                Some(disk) => Self::Disk(disk),
                None => Self::Image(image.parse().map_err(no_image)?),
            },
        })
    }
}

/// A replacement for a registry: a prefix for names, as proxies and mirrors use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The registry, such as `gcr.io`; `None` if the prefix is for all of them.
    pub registry: Option<String>,
    /// The prefix of names.
    pub prefix: String,
}

impl Mirror {
    /// Checks that names can be made with the prefix.
    pub(crate) fn new(registry: Option<&str>, prefix: &str) -> Result<Self, String> {
        if let Some((_, rest)) = prefix.split_once("://") {
            return Err(format!("names of images have no scheme: `{rest}`"));
        }
        let prefix = prefix.trim_end_matches('/');
        // A prefix has no tag or digest, but may have a port.
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

    /// The mirror's name for an image, if it mirrors the image's registry.
    ///
    /// Docker Hub's images keep their whole path (`library/node`), which every proxy accepts. A
    /// mirror for all registries has Docker Hub's images directly below the prefix, and others
    /// below their registry's name.
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

/// Registries without a verified connection.
pub(super) fn insecure_registries(node: &Node<'_>) -> Result<Vec<String>, ConfigError> {
    let what = "a list of registries, as [\"registry.example.com:5000\"]";
    let registry = |item: Node<'_>| {
        let text = item.string(what)?;
        let problem = |problem| item.error(format!("`{}`: {problem}", item.path), None);
        insecure_registry(text).map_err(problem)
    };
    node.items(what)?.into_iter().map(registry).collect()
}

/// Checks the name of a registry, or a network.
pub fn insecure_registry(text: &str) -> Result<String, String> {
    if text.parse::<ipnet::IpNet>().is_ok() || is_registry(text) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{text}` is no registry: expected `HOST`, `HOST:PORT` or a network, as `10.0.0.0/8`"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insecure_registries_are_hosts_or_networks_that_exist() {
        for right in [
            "r.example",
            "r.example:5000",
            "10.0.0.0/8",
            "fd00::/8",
            "127.0.0.1/32",
        ] {
            assert_eq!(insecure_registry(right).as_deref(), Ok(right));
        }
        for wrong in [
            "10.0.0.0/33",
            "10.0.0.0/99",
            "fd00::/129",
            "10.0.0/8",
            "r.example/8",
            "a b",
        ] {
            assert!(insecure_registry(wrong).is_err(), "{wrong}");
        }
    }

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
            "a/B",
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
