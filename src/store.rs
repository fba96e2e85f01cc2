//! What is fetched from the network, and what is kept for the next run.
//!
//! In: addresses and digests. Out: files of the cache, each checked by its digest.

pub mod cache;
pub mod fetch;
