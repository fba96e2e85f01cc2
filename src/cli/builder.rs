//! The flags for builders, and for caches of builds.

use std::ffi::OsStr;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Args, Command};

use crate::engine::buildkit::{Attest, Attestation, CacheFrom, CacheTo, Certificates};
use crate::model::image::ImageRef;

/// Which builder to use, and its caches.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Builder")]
pub struct BuilderArgs {
    /// Build with a BuildKit that may be on another machine
    ///
    /// The image is written to a file, pushed, or loaded into a Docker daemon. NAME is a builder of `docker buildx create`. An address is
    /// `tcp://HOST:PORT`, `unix:///PATH`, `docker-container://NAME` or `kube-pod://NAME`. The default is the variable `BUILDKIT_HOST`, or
    /// `BUILDX_BUILDER`, unless --engine or --host says otherwise
    #[arg(long, value_name = "NAME|ADDRESS", hide_short_help = true)]
    pub builder: Option<String>,

    /// Connect to the builder over TLS
    ///
    /// DIR has ca.pem, cert.pem and key.pem. Single files are named as in cacert=FILE,cert=FILE,key=FILE,servername=NAME
    #[arg(long, value_name = "DIR|KEY=VALUE,…", hide_short_help = true)]
    pub builder_tls: Option<Certificates>,

    /// Keep the results of all steps in a registry, and take those of earlier builds from there
    ///
    /// A registry that fails costs only time. For builders, Docker daemons with containerd's image store, and slimbuild itself, which
    /// keeps the app's layers there
    #[arg(long = "cache", value_name = "NAME", conflicts_with_all = ["cache_from", "cache_to"], hide_short_help = true)]
    pub cache: Option<ImageRef>,

    /// Take results of earlier builds from a registry, a directory or GitHub's cache; may be repeated
    #[arg(long, value_name = "[type=registry,ref=]NAME|type=local,src=DIR|type=gha", value_parser = CacheParser::<CacheFrom>::default(), hide_short_help = true)]
    pub cache_from: Vec<CacheFrom>,

    /// Leave the results there, or in the image (type=inline)
    ///
    /// mode=max leaves those of all stages. May be repeated
    #[arg(long, value_name = "[type=registry,ref=]NAME[,mode=max]|type=local,dest=DIR|type=gha|type=inline", value_parser = CacheParser::<CacheTo>::default(), hide_short_help = true)]
    pub cache_to: Vec<CacheTo>,

    /// Have the builder attest how it made the image
    ///
    /// mode=max attests all of its input too. It is off by default, because it changes the digest each time
    #[arg(long, value_name = "true|mode=min|mode=max", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = Attestation::provenance, hide_short_help = true)]
    pub provenance: Option<Attest>,

    /// Have the builder list the packages in the image
    ///
    /// An image scans it (generator=IMAGE). It is off by default
    #[arg(long, value_name = "true|generator=IMAGE", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = Attestation::sbom, hide_short_help = true)]
    pub sbom: Option<Attest>,

    /// Ask for provenance or an SBOM, as buildx does; may be repeated
    #[arg(
        long = "attest",
        value_name = "type=provenance|sbom[,KEY=VALUE…]",
        hide_short_help = true
    )]
    pub attests: Vec<Attest>,
}

impl BuilderArgs {
    /// All attestations that are asked for.
    pub fn attestations(&self) -> Vec<Attestation> {
        let single = [&self.provenance, &self.sbom].into_iter().flatten();
        let all = single.chain(&self.attests);
        all.filter_map(|attest| attest.0.clone()).collect()
    }

    /// The first flag that only BuildKit understands.
    pub fn first_for_buildkit(&self) -> Option<&'static str> {
        let given = [
            (!self.cache_from.is_empty(), "--cache-from"),
            (!self.cache_to.is_empty(), "--cache-to"),
            (self.provenance.is_some(), "--provenance"),
            (self.sbom.is_some(), "--sbom"),
            (!self.attests.is_empty(), "--attest"),
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

/// Parses a cache. Its errors never quote the input, which may hold a token.
#[derive(Clone)]
struct CacheParser<T>(PhantomData<T>);

impl<T> Default for CacheParser<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T> TypedValueParser for CacheParser<T>
where
    T: FromStr<Err = String> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        value.to_string_lossy().parse().map_err(|problem: String| {
            let flag = arg.and_then(Arg::get_long).unwrap_or_default();
            let message = format!("invalid value for '--{flag}': {problem}\n");
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}
