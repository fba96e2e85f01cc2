//! slimbuild from outside: the whole program on real trees and, where one answers, on real Docker daemons.
//!
//! One target, since each links the crate anew. Most tests call [`slimbuild::run`] with captured streams. Those that need a daemon say
//! `SKIPPED (no Docker daemon…)` without one. So does any test that misses something here. With `SLIMBUILD_NO_SKIPS=1` they fail instead.
//! `SLIMBUILD_ACCEPT=1` rewrites the golden files.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "all of it is tests, which clippy sees in `#[test]` functions alone"
)]

mod affected;
mod asked;
mod base;
mod bill;
mod builders;
mod cache;
mod complaints;
mod config;
mod context;
mod corpus;
mod docs;
mod edits;
mod engines;
mod events;
mod examples;
mod faults;
mod first;
mod fixtures;
mod golden;
mod growth;
mod hostile;
mod identity;
mod images;
mod inside;
mod isolation;
mod jobs;
mod labels;
mod layering;
mod many;
mod names;
mod native;
mod newcomer;
mod npm;
mod outputs;
mod packed;
mod pipelines;
mod podman;
mod prebuilt;
mod promises;
mod rebase;
mod refusals;
mod registries;
mod registry;
mod reproducible;
mod roots;
mod schemas;
mod secrets;
mod sizes;
mod starts;
mod storage;
mod streaming;
mod support;
mod tasks;
mod trial;
mod turbo;
mod unchanged;
mod verbose;
