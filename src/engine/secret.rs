//! [`Secret`]: a value that only a step of a build may read.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

/// A secret's value. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// BuildKit's limit in bytes.
    pub const MAX: usize = 500 * 1024;

    /// The value.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
