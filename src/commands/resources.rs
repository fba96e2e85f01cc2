//! The resources for images without a daemon: mirrors, the network, the cache.

use crate::cli::SourceArgs;
use crate::commands::error::Error;
use crate::engine::native::Outside;
use crate::image::base::{self, BaseError, Contents, OwnBase, Request, Sources};
use crate::image::oci::{ImageLayer, Packing};
use crate::model::image::Platform;
use crate::store::cache::Cache;
use crate::store::fetch::{Listener, Net, Patience, Proxies};
use crate::system::env::Env;

/// The resources for making bases.
pub(super) struct Maker<'m> {
    pub(super) sources: Sources,
    pub(super) net: Net<'m>,
    pub(super) cache: Cache,
    pub(super) proxies: Proxies,
}

impl<'m> Maker<'m> {
    /// `to` is told what is downloaded.
    pub(super) fn new(
        args: SourceArgs,
        cache: Cache,
        env: &Env,
        to: Listener<'m>,
    ) -> Result<Self, Error> {
        let default = Sources::default();
        let sources = Sources {
            debian: args.debian_mirror.unwrap_or(default.debian),
            npm: args.npm_registry.unwrap_or(default.npm),
            keys: default.keys,
        };
        let proxies = proxies(env);
        Ok(Self {
            sources,
            net: Net::new(&proxies, Patience::default(), to)?,
            cache,
            proxies,
        })
    }

    pub(super) fn resolve(&self, request: &Request) -> Result<Contents, BaseError> {
        base::resolve(request, &self.sources, &self.net, &self.cache)
    }

    pub(super) fn node_layer(
        &self,
        request: &Request,
        packing: Packing,
    ) -> Result<ImageLayer, BaseError> {
        base::node_layer(request, &self.sources, packing, &self.net, &self.cache)
    }

    pub(super) fn assemble(
        &self,
        contents: &Contents,
        platform: &Platform,
        packing: Packing,
    ) -> Result<OwnBase, BaseError> {
        base::assemble(
            contents,
            platform,
            &self.sources,
            packing,
            &self.net,
            &self.cache,
        )
    }
}

/// The proxies of the environment. As in curl, both cases of the names count, except that only
/// lower case `http_proxy` is safe where a web server sets variables.
pub(super) fn proxies(env: &Env) -> Proxies {
    let either = |upper: &str| {
        let lower = upper.to_lowercase();
        env.get(&lower)
            .or_else(|| env.get(upper))
            .map(str::to_owned)
    };
    let all = either("ALL_PROXY");
    Proxies {
        http: either("HTTP_PROXY").or_else(|| all.clone()),
        https: either("HTTPS_PROXY").or(all),
        none: either("NO_PROXY"),
    }
}

/// What is used of this machine to start images.
pub(super) fn outside(env: &Env) -> Outside<'_> {
    Outside {
        path: env.get("PATH").unwrap_or_default(),
        program: env.program(),
    }
}

/// The time of every file in an image: reproducible-builds.org's variable, or zero.
pub(super) fn epoch(env: &Env) -> Result<u64, Error> {
    Ok(named_epoch(env)?.unwrap_or_default())
}

/// The time that the variable names, if it is set.
pub(super) fn named_epoch(env: &Env) -> Result<Option<u64>, Error> {
    let parse = |text: &str| {
        text.parse().map_err(|_| Error::Usage {
            message: format!("SOURCE_DATE_EPOCH is `{text}`, which is no number of seconds"),
            hint: Some("set it to seconds since 1970, as in `git log -1 --format=%ct`".to_owned()),
        })
    };
    env.get("SOURCE_DATE_EPOCH").map(parse).transpose()
}
