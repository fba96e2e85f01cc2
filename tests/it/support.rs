//! What tests share: the program as a function, trees to run it on, its archives as values, and daemons.

pub(crate) mod archive;
pub(crate) mod container;
pub(crate) mod daemon;
pub(crate) mod golden;
pub(crate) mod line;
pub(crate) mod pnpm;
pub(crate) mod program;
pub(crate) mod pruned;
pub(crate) mod schema;
pub(crate) mod steps;
pub(crate) mod tree;

/// A directory that goes when the value goes. Its name says whose it is: `tests/leftovers.rs` looks for those that did not go.
pub(crate) fn temporary() -> tempfile::TempDir {
    let prefix = format!("slimbuild-test-{}-", std::process::id());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).tempdir().unwrap()
}

/// A text that no other run has: for names that must not meet, and steps that must not be cached.
pub(crate) fn unique() -> String {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    format!("{:x}-{:x}", std::process::id(), since.as_micros())
}
