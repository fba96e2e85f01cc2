//! What tests share: the program as a function, trees to run it on, its archives as values, and daemons.

pub(crate) mod archive;
pub(crate) mod container;
pub(crate) mod daemon;
pub(crate) mod golden;
pub(crate) mod line;
pub(crate) mod pnpm;
pub(crate) mod program;
pub(crate) mod pruned;
pub(crate) mod steps;
pub(crate) mod tree;

/// A text that no other run has: for names that must not meet, and steps that must not be cached.
pub(crate) fn unique() -> String {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    format!("{:x}-{:x}", std::process::id(), since.as_micros())
}
