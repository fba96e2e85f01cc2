//! Ids that no other build and no other container has.

use std::hash::{BuildHasher, RandomState};

/// A unique id: std's hash keys come from the operating system's random numbers, and differ with
/// each call.
pub(super) fn unique_id() -> String {
    let random = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ() {
        assert_ne!(unique_id(), unique_id());
    }
}
