//! Downloads, and the cache for later runs.
//!
//! Input: addresses and digests. Output: files of the cache, each checked by its digest.

pub mod cache;
pub mod fetch;
