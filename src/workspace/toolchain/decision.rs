//! [`Decision`]: a value with its reason.

use serde::Serialize;

/// A value, and what decided it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Decision<T> {
    /// What was decided.
    pub value: T,
    /// The reason, in words that a reader can follow up.
    pub reason: String,
}

impl<T> Decision<T> {
    /// Notes a value with its reason.
    pub fn new(value: T, reason: impl Into<String>) -> Self {
        Self {
            value,
            reason: reason.into(),
        }
    }

    /// Another value for the same reason.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Decision<U> {
        Decision {
            value: change(self.value),
            reason: self.reason,
        }
    }
}
