//! [`BuildRequest`]: what to build, and how BuildKit is told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bollard::moby::buildkit::v1::{CacheOptions, SolveRequest};

use super::export::Exports;
use super::{Attestation, CacheFrom, CacheTo};
use crate::engine::{Logins, Secret};
use crate::image::oci::Compression;
use crate::model::image::{ImageRef, Platform};

/// What to build, and what comes with it, without the context.
#[derive(Debug, Clone, Default)]
pub struct BuildRequest {
    /// The image's names. Without one, only its digest finds it.
    pub tags: Vec<ImageRef>,
    /// The Dockerfile's path in the context.
    pub dockerfile: String,
    /// Values for the Dockerfile's `ARG`s.
    pub build_args: BTreeMap<String, String>,
    /// Secrets for `--mount=type=secret`, by id.
    pub secrets: BTreeMap<String, Secret>,
    /// The sockets of ssh agents for `--mount=type=ssh`, by id.
    pub agents: BTreeMap<String, PathBuf>,
    /// The image's labels.
    pub labels: BTreeMap<String, String>,
    /// The target platforms; the builder's own by default.
    pub platforms: Vec<Platform>,
    /// Whether cached results may be used.
    pub cache: CachePolicy,
    /// Whether to look for newer base images.
    pub pull: PullPolicy,
    /// Where to look for results of earlier builds.
    pub cache_from: Vec<CacheFrom>,
    /// Where to leave the results of this one.
    pub cache_to: Vec<CacheTo>,
    /// What the builder says about the image beside it.
    pub attestations: Vec<Attestation>,
    /// The time of the image and the latest of its files, in seconds since 1970.
    pub epoch: Option<Epoch>,
    /// How layers are compressed.
    pub compression: Compression,
    /// The logins at registries.
    pub logins: Logins,
    /// Whether the image may be pushed without a verified connection.
    pub insecure: bool,
}

/// The time of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// Seconds since 1970.
    pub seconds: u64,
    /// Whether the builder can give it to files, too.
    pub for_files: bool,
}

/// Whether cached results may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CachePolicy {
    /// Use cached results.
    #[default]
    Use,
    /// Run every step.
    Ignore,
}

/// Whether to look for newer base images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PullPolicy {
    /// Use the image that is there. A builder without images of its own asks the registry.
    #[default]
    Missing,
    /// Ask the registry each time.
    Always,
}

impl BuildRequest {
    /// What BuildKit is told, without the ids. `imports` are the caches that are there to read;
    /// `context` is the address of the context in the session; `has_images` is for a builder with
    /// images of its own, as a Docker daemon has.
    pub(super) fn solve(
        &self,
        exports: &Exports<'_>,
        imports: &[CacheFrom],
        context: String,
        has_images: bool,
    ) -> SolveRequest {
        let mut attributes: BTreeMap<String, String> = BTreeMap::new();
        let mut set = |key: String, value: String| drop(attributes.insert(key, value));
        set("context".to_owned(), context);
        set("filename".to_owned(), self.dockerfile.clone());
        if !self.platforms.is_empty() {
            let platforms: Vec<String> = self.platforms.iter().map(ToString::to_string).collect();
            set("platform".to_owned(), platforms.join(","));
        }
        if self.cache == CachePolicy::Ignore {
            set("no-cache".to_owned(), String::new());
        }
        // As `docker build` has it: without `--pull`, the daemon's own image is used, whether or not
        // a registry has a newer one.
        match self.pull {
            PullPolicy::Always => set("image-resolve-mode".to_owned(), "pull".to_owned()),
            PullPolicy::Missing if has_images => {
                set("image-resolve-mode".to_owned(), "local".to_owned());
            }
            PullPolicy::Missing => {}
        }
        for (name, value) in &self.build_args {
            set(format!("build-arg:{name}"), value.clone());
        }
        for (name, value) in &self.labels {
            set(format!("label:{name}"), value.clone());
        }
        for attestation in &self.attestations {
            let (name, value) = attestation.attribute();
            set(name, value);
        }
        if let Some(epoch) = self.epoch {
            // The frontend knows this argument by itself.
            set(
                "build-arg:SOURCE_DATE_EPOCH".to_owned(),
                epoch.seconds.to_string(),
            );
        }
        if !imports.is_empty() {
            let caches = imports.iter().map(CacheFrom::for_frontend);
            let caches: serde_json::Value = caches.collect();
            set("cache-imports".to_owned(), caches.to_string());
        }
        let exporters = exports.exporters(self);
        // Builders before 0.13 know only this pair.
        let first = exporters.first().cloned().unwrap_or_default();
        SolveRequest {
            frontend: "dockerfile.v0".to_owned(),
            frontend_attrs: attributes.into_iter().collect(),
            exporter_deprecated: first.r#type,
            exporter_attrs_deprecated: first.attrs,
            exporters,
            cache: Some(CacheOptions {
                imports: imports.iter().map(CacheFrom::entry).collect(),
                exports: self.cache_to.iter().map(CacheTo::entry).collect(),
                ..CacheOptions::default()
            }),
            ..SolveRequest::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::export::{Export, split};
    use super::*;

    /// The frontend's attribute of this name.
    fn attribute(request: &BuildRequest, name: &str, has_images: bool) -> Option<String> {
        let (exports, _) = split(vec![Export::Keep]);
        let solve = request.solve(&exports, &[], "http://x".to_owned(), has_images);
        solve.frontend_attrs.get(name).cloned()
    }

    #[test]
    fn images_that_are_there_are_used_unless_newer_ones_are_asked_for() {
        let resolved = |pull, has_images| {
            let request = BuildRequest {
                pull,
                ..BuildRequest::default()
            };
            attribute(&request, "image-resolve-mode", has_images)
        };
        assert_eq!(
            resolved(PullPolicy::Missing, true).as_deref(),
            Some("local")
        );
        assert_eq!(resolved(PullPolicy::Missing, false), None);
        assert_eq!(resolved(PullPolicy::Always, true).as_deref(), Some("pull"));
        assert_eq!(resolved(PullPolicy::Always, false).as_deref(), Some("pull"));
    }

    #[test]
    fn all_that_is_asked_for_is_told() {
        let pair = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
        let request = BuildRequest {
            dockerfile: "x/Dockerfile".to_owned(),
            build_args: pair("GREETING", "hello"),
            labels: pair("a.b", "c"),
            platforms: ["linux/amd64", "linux/arm64"]
                .map(|it| it.parse().unwrap())
                .into(),
            cache: CachePolicy::Ignore,
            ..BuildRequest::default()
        };
        for (name, value) in [
            ("context", "http://x"),
            ("filename", "x/Dockerfile"),
            ("build-arg:GREETING", "hello"),
            ("label:a.b", "c"),
            ("platform", "linux/amd64,linux/arm64"),
            ("no-cache", ""),
        ] {
            let told = attribute(&request, name, true);
            assert_eq!(told.as_deref(), Some(value), "{name}");
        }
        let plain = BuildRequest::default();
        for name in ["platform", "no-cache", "cache-imports"] {
            assert_eq!(attribute(&plain, name, true), None, "{name}");
        }
    }
}
