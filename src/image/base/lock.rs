//! The lock: the contents of a base for each platform, in a file that the user commits.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{BaseError, Contents, Request, node};

/// The only version so far.
const VERSION: u32 = 1;

/// The content of a lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lock {
    lock_version: u32,
    platforms: BTreeMap<String, Contents>,
}

impl Default for Lock {
    fn default() -> Self {
        Self {
            lock_version: VERSION,
            platforms: BTreeMap::new(),
        }
    }
}

impl Lock {
    /// Reads a lock. A missing file locks nothing.
    pub fn read(path: &Path) -> Result<Self, BaseError> {
        let broken = |reason: String| BaseError::Lock {
            path: path.to_path_buf(),
            reason,
        };
        let text = match fs_err::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(broken(error.to_string())),
            Ok(text) => text,
        };
        let lock: Self =
            serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
        if lock.lock_version != VERSION {
            return Err(broken(format!("its version is {}", lock.lock_version)));
        }
        Ok(lock)
    }

    /// The locked contents for the request's platform. Fails if they have another node than
    /// requested, or no nginx where it is requested.
    pub fn find(&self, request: &Request, path: &Path) -> Result<Option<&Contents>, BaseError> {
        let Some(contents) = self.platforms.get(&request.platform.to_string()) else {
            return Ok(None);
        };
        if request.nginx && contents.nginx.is_empty() {
            return Err(BaseError::LockedOther {
                path: path.to_path_buf(),
                locked: "no nginx".to_owned(),
                wanted: "nginx".to_owned(),
            });
        }
        match (&request.node, &contents.node) {
            (Some(wanted), Some(node)) if node::fits(node, wanted) => Ok(Some(contents)),
            (None, _) => Ok(Some(contents)),
            (Some(wanted), node) => Err(BaseError::LockedOther {
                path: path.to_path_buf(),
                locked: node.as_ref().map_or_else(
                    || "no node".to_owned(),
                    |node| format!("node {}", node.version),
                ),
                wanted: format!("node {wanted}"),
            }),
        }
    }

    /// Locks contents for the request's platform.
    pub fn add(&mut self, request: &Request, contents: &Contents) {
        let platform = request.platform.to_string();
        self.platforms.insert(platform, contents.clone());
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.unwrap_or_default() + "\n"
    }
}
