//! The caches of one build that are in directories of this machine.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{CacheFrom, CacheTo, Directory};
use crate::engine::buildkit::BuildkitError;
use crate::engine::buildkit::session::Stores;

/// The caches in directories, and all caches that the build reads.
pub(in crate::engine::buildkit) struct Directories {
    /// All caches that are there to read.
    pub(in crate::engine::buildkit) imports: Vec<CacheFrom>,
    stores: Stores,
    written: Vec<Directory>,
}

impl Directories {
    /// Opens them. One that is not there to read costs time only.
    pub(in crate::engine::buildkit) fn open(
        from: &[CacheFrom],
        to: &[CacheTo],
        warn: &mut dyn FnMut(String),
    ) -> Result<Self, BuildkitError> {
        let mut layouts = BTreeMap::new();
        let mut imports = Vec::new();
        for cache in from {
            let Some(directory) = cache.directory() else {
                imports.push(cache.clone());
                continue;
            };
            let path = directory.path.display();
            let known = directory.digest.as_ref().map(|_| cache.clone());
            let found = match (known, directory.layout.tagged(&directory.tag)) {
                (Some(known), _) => known,
                (None, Ok(Some(digest))) => cache.clone().with_digest(&digest),
                (None, Ok(None)) => {
                    warn(format!("there is no cache `{}` in `{path}`", directory.tag));
                    continue;
                }
                (None, Err(error)) => {
                    warn(format!("cannot read the cache in `{path}`: {error}"));
                    continue;
                }
            };
            imports.push(found);
            layouts.insert(directory.id(), directory.layout);
        }
        let mut written = Vec::new();
        for directory in to.iter().filter_map(CacheTo::directory) {
            directory.prepare()?;
            if let Err(error) = directory.layout.tagged(&directory.tag) {
                let path = directory.path.display();
                warn(format!(
                    "the list of caches in `{path}` is written anew: {error}"
                ));
            }
            layouts.insert(directory.id(), directory.layout.clone());
            written.push(directory);
        }
        Ok(Self {
            imports,
            stores: Stores::new(layouts),
            written,
        })
    }

    /// What the session serves.
    pub(in crate::engine::buildkit) fn stores(&self) -> Stores {
        self.stores.clone()
    }

    /// Names the caches that BuildKit has written, by its answer to the build.
    pub(in crate::engine::buildkit) fn tag(
        &self,
        response: &BTreeMap<String, String>,
    ) -> Result<(), BuildkitError> {
        let told = response.get("cache.manifest");
        let manifest = told.and_then(|text| serde_json::from_str::<Value>(text).ok());
        // There is none where the cache could not be written and `ignore-error` is set.
        let Some(manifest) = manifest else {
            return Ok(());
        };
        for directory in &self.written {
            directory.name(&manifest)?;
        }
        Ok(())
    }
}
