//! [`Text`]: a lockfile as it is in its file, whatever its format.

use std::ops::Deref;
use std::sync::OnceLock;

use super::LockfileError;
use super::document::{is_in_braces, main_document};
use super::v13::{V13, translate};

/// The text of a lockfile. Format 13.0 is translated when it is first asked for.
#[derive(Debug)]
pub struct Text {
    written: String,
    v13: OnceLock<Result<V13, LockfileError>>,
}

impl Text {
    /// Whether the format is 13.0, as far as the first bytes tell.
    pub(crate) fn is_in_braces(&self) -> bool {
        is_in_braces(&self.written)
    }

    /// The translation to format 9.0; `None` for the formats that are read as they are.
    pub(super) fn v13(&self) -> Result<Option<&V13>, LockfileError> {
        if !self.is_in_braces() {
            return Ok(None);
        }
        let start = main_document(&self.written).start;
        let read = self.v13.get_or_init(|| translate(&self.written, start));
        read.as_ref().map(Some).map_err(Clone::clone)
    }
}

impl From<String> for Text {
    fn from(written: String) -> Self {
        Self {
            written,
            v13: OnceLock::new(),
        }
    }
}

impl From<&str> for Text {
    fn from(written: &str) -> Self {
        Self::from(written.to_owned())
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.written
    }
}

impl Clone for Text {
    fn clone(&self) -> Self {
        Self::from(self.written.clone())
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Text {}
