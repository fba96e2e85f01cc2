//! The flags for builders, and for caches of builds.

use clap::Args;

use crate::engine::buildkit::{CacheFrom, CacheTo, Certificates};
use crate::model::image::ImageRef;

/// Which builder to use, and its caches.
#[derive(Debug, Args)]
#[command(next_help_heading = "Builder")]
pub struct BuilderArgs {
    /// Build with a BuildKit that may be on another machine; the image is written to a file, pushed, or loaded into a Docker daemon
    /// [default: the variable `BUILDKIT_HOST`, or `BUILDX_BUILDER`, unless --engine or --host says otherwise]. NAME is a builder of
    /// `docker buildx create`; an address is `tcp://HOST:PORT`, `unix:///PATH`, `docker-container://NAME` or `kube-pod://NAME`
    #[arg(long, value_name = "NAME|ADDRESS")]
    pub builder: Option<String>,

    /// Connect to the builder over TLS, with the ca.pem, cert.pem and key.pem in DIR; or with single files, as in
    /// cacert=FILE,cert=FILE,key=FILE,servername=NAME
    #[arg(long, value_name = "DIR|KEY=VALUE,…")]
    pub builder_tls: Option<Certificates>,

    /// Keep the results of all steps in a registry, and take those of earlier builds from there; a registry that fails costs time only.
    /// For builders, and Docker daemons with containerd's image store
    #[arg(long = "cache", value_name = "NAME", conflicts_with_all = ["cache_from", "cache_to"])]
    pub cache: Option<ImageRef>,

    /// Take results of earlier builds from a registry; may be repeated
    #[arg(long, value_name = "[type=registry,ref=]NAME")]
    pub cache_from: Vec<CacheFrom>,

    /// Leave the results in a registry (mode=max: those of all stages), or in the image (type=inline); may be repeated
    #[arg(long, value_name = "[type=registry,ref=]NAME[,mode=max]|type=inline")]
    pub cache_to: Vec<CacheTo>,
}

impl BuilderArgs {
    /// The first flag about caches.
    pub fn first_of_caches(&self) -> Option<&'static str> {
        let given = [
            (self.cache.is_some(), "--cache"),
            (!self.cache_from.is_empty(), "--cache-from"),
            (!self.cache_to.is_empty(), "--cache-to"),
        ];
        given
            .into_iter()
            .find(|(given, _)| *given)
            .map(|(_, flag)| flag)
    }

    /// The caches to read and to write.
    pub fn caches(&self) -> (Vec<CacheFrom>, Vec<CacheTo>) {
        match &self.cache {
            Some(name) => (
                vec![CacheFrom::registry(name)],
                vec![CacheTo::registry(name)],
            ),
            None => (self.cache_from.clone(), self.cache_to.clone()),
        }
    }
}
