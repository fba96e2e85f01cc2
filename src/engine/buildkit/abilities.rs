//! [`Abilities`]: what a builder can do, asked before anything is sent.

use std::error::Error;
use std::io;

use bollard::moby::buildkit::v1::{InfoRequest, ListWorkersRequest};
use tonic::{Code, Status};

use super::address::Way;
use super::channel::Client;
use super::dial::judge;
use super::{Builder, BuildkitError, Side};
use crate::model::image::Platform;

/// A label that workers have, except that of a Docker daemon without containerd's image store.
const SNAPSHOTTER: &str = "org.mobyproject.buildkit.worker.snapshotter";

/// What a builder can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// `0.25.1`; older builders than 0.11 do not say it.
    version: Option<String>,
    /// `linux/amd64`
    platforms: Vec<String>,
    /// Whether it has a store of its own that can export images and caches.
    exports: bool,
}

/// Asks a builder.
pub(super) async fn ask(
    client: &mut Client,
    builder: &Builder,
) -> Result<Abilities, BuildkitError> {
    let workers = client.list_workers(ListWorkersRequest::default()).await;
    let workers = workers.map_err(|status| misunderstood(builder, &status))?;
    let workers = workers.into_inner().record;
    let version = match client.info(InfoRequest {}).await {
        Ok(info) => {
            let version = info.into_inner().buildkit_version.unwrap_or_default();
            Some(version.version.trim_start_matches('v').to_owned())
        }
        Err(status) if status.code() == Code::Unimplemented => None,
        Err(status) => return Err(misunderstood(builder, &status)),
    };
    let exports = workers
        .iter()
        .any(|worker| worker.labels.contains_key(SNAPSHOTTER));
    let platforms = workers.into_iter().flat_map(|worker| worker.platforms);
    let platforms = platforms.map(|platform| {
        let parts = [platform.os, platform.architecture, platform.variant];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("/")
    });
    Ok(Abilities {
        version,
        platforms: platforms.collect(),
        exports,
    })
}

/// The first question fails where something else than BuildKit listens, or where the builder closes
/// a connection without a certificate that it likes.
fn misunderstood(builder: &Builder, status: &Status) -> BuildkitError {
    if status.source().is_none() && status.code() == Code::Unavailable {
        return BuildkitError::NotReached {
            builder: Box::new(builder.clone()),
            source: io::Error::new(io::ErrorKind::ResourceBusy, status.message().to_owned()),
        };
    }
    let problem = match status.source().map(|source| judge(builder, source)) {
        None => status.message().to_owned(),
        // The words are those of the program that connects.
        Some(error @ BuildkitError::NotReached { .. })
            if matches!(builder.way, Way::Container { .. } | Way::Command { .. }) =>
        {
            return error;
        }
        // The connection's own words are those of HTTP/2's machinery.
        Some(BuildkitError::NotReached { .. }) if matches!(builder.way, Way::Tls(..)) => {
            return BuildkitError::Untrusted {
                builder: Box::new(builder.clone()),
                side: Side::Builder,
                problem:
                    "it closed the connection, as builders do without a client certificate that they trust"
                        .to_owned(),
            };
        }
        Some(BuildkitError::NotReached { .. }) => {
            "it closes the connection at the first request".to_owned()
        }
        Some(error) => return error,
    };
    BuildkitError::Foreign {
        builder: Box::new(builder.clone()),
        problem,
    }
}

#[cfg(test)]
impl Abilities {
    /// A builder of today.
    pub(super) fn with_platforms(platforms: &[&str]) -> Self {
        Self {
            version: Some("0.25.1".to_owned()),
            platforms: platforms
                .iter()
                .map(|&platform| platform.to_owned())
                .collect(),
            exports: true,
        }
    }
}

impl Abilities {
    /// Whether it can write archives, push, and export caches.
    pub fn exports(&self) -> bool {
        self.exports
    }

    /// Whether it can attest how it makes an image.
    pub fn attests(&self) -> bool {
        self.exports && self.is_since(11)
    }

    /// Whether it can give the files of an image a time that is not later than a given one.
    pub fn rewrites_times(&self) -> bool {
        self.exports && self.is_since(13)
    }

    /// Whether one build may have several outputs.
    pub fn exports_several(&self) -> bool {
        self.is_since(13)
    }

    /// Whether it reads and writes layers that are compressed with zstd.
    pub fn knows_zstd(&self) -> bool {
        // It does since 0.10, which does not say its version yet.
        self.is_since(11)
    }

    /// Whether Dockerfiles may use `RUN --network=none`.
    pub fn runs_steps_without_a_network(&self) -> bool {
        self.version.is_some()
    }

    /// The platforms whose steps it can run.
    pub fn platforms(&self) -> &[String] {
        &self.platforms
    }

    /// Its own platform, for which it builds if none is named.
    pub fn platform(&self) -> Option<Platform> {
        let first = self.platforms.first()?;
        // The default variants.
        let plain = first
            .strip_suffix("arm64/v8")
            .map(|os| format!("{os}arm64"));
        plain.as_ref().unwrap_or(first).parse().ok()
    }

    /// Whether it can run steps for a platform.
    pub fn runs(&self, platform: &Platform) -> bool {
        let wanted = platform.to_string();
        // The default variant of arm64.
        let wanted = wanted
            .strip_suffix("arm64/v8")
            .map_or(wanted.clone(), |os| format!("{os}arm64"));
        let fits = |known: &String| *known == wanted || known.starts_with(&format!("{wanted}/"));
        self.platforms.is_empty() || self.platforms.iter().any(fits)
    }

    /// A version that is not of the form `0.N` is a build of somebody's own, and taken for new.
    fn is_since(&self, minor: u32) -> bool {
        let Some(version) = &self.version else {
            return false;
        };
        let number = version
            .strip_prefix("0.")
            .and_then(|rest| rest.split('.').next());
        let number = number.and_then(|number| number.parse::<u32>().ok());
        number.is_none_or(|number| number == 0 || number >= minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: Option<&str>) -> Abilities {
        Abilities {
            version: version.map(str::to_owned),
            platforms: vec!["linux/amd64".to_owned(), "linux/arm/v7".to_owned()],
            exports: true,
        }
    }

    #[test]
    fn versions_tell_what_is_there() {
        for (version, several, network) in [
            (None, false, false),
            (Some("0.12.5"), false, true),
            (Some("0.13.0"), true, true),
            (Some("0.25.1+incompatible"), true, true),
            (Some("0.0.0+unknown"), true, true),
            (Some("1.0"), true, true),
            (Some(""), true, true),
        ] {
            let able = of(version);
            assert_eq!(able.exports_several(), several, "{version:?}");
            assert_eq!(able.rewrites_times(), several, "{version:?}");
            assert_eq!(able.attests(), network, "{version:?}");
            assert_eq!(able.runs_steps_without_a_network(), network, "{version:?}");
            assert_eq!(able.knows_zstd(), network, "{version:?}");
        }
    }

    #[test]
    fn platforms_are_known() {
        let able = of(None);
        for (platform, expected) in [
            ("linux/amd64", true),
            ("linux/arm/v7", true),
            ("linux/arm", true),
            ("linux/arm64", false),
            ("linux/arm64/v8", false),
        ] {
            assert_eq!(
                able.runs(&platform.parse().unwrap()),
                expected,
                "{platform}"
            );
        }
    }
}
