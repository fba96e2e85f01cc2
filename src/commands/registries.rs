//! Access to registries for commands that only ask and name: they receive no layers, so nothing is kept.

use super::resources::proxies;
use crate::commands::error::Error;
use crate::engine::registry::{Registries, Trust};
use crate::engine::{Event, Interrupt, Logins};
use crate::store::cache::Cache;
use crate::store::fetch::{Patience, Proxies};
use crate::system::env::Env;

/// What such a command needs, besides logins and trust.
pub(super) struct RegistryAccess {
    proxies: Proxies,
    cache: Cache,
}

impl RegistryAccess {
    /// Reads the proxies of the environment, and makes a cache that goes with this value.
    pub(super) fn new(env: &Env) -> Result<Self, Error> {
        Ok(Self {
            proxies: proxies(env),
            cache: Cache::private()?,
        })
    }

    /// The registries.
    pub(super) fn registries<'a>(
        &'a self,
        logins: &'a Logins,
        trust: &'a Trust,
        interrupt: &'a Interrupt,
    ) -> Registries<'a> {
        Registries {
            logins,
            trust,
            proxies: &self.proxies,
            cache: &self.cache,
            patience: Patience::with_uploads(),
            interrupt,
        }
    }
}

/// Collects the warnings among events, each once.
pub(super) fn collect(warnings: &mut Vec<String>) -> impl FnMut(Event) {
    |event| {
        if let Event::Warning { message } = event
            && !warnings.contains(&message)
        {
            warnings.push(message);
        }
    }
}
