//! What holds for whatever bytes a workspace's files and an image's layers may hold: for the fuzzer (`fuzz/`) and for the tests, which share it.
//!
//! Goes in: any bytes. Comes out: nothing, or a panic that names the property that was broken. Each part of the program says itself what holds of
//! it; here is the list of all. A finding of the fuzzer becomes a file in `fuzz/seeds/<target>/`, which the tests go through.

use crate::files::ignore;
use crate::image::oci;
use crate::lockfile;
use crate::workspace;
use crate::workspace::manifest;

/// A target: its name, and what is checked of any bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 10] = [
    ("lockfile", |bytes| lockfile::fuzzing::pruning(&text(bytes))),
    ("keys", |bytes| lockfile::fuzzing::keys(&text(bytes))),
    ("members", |bytes| workspace::fuzzing::globs(&text(bytes))),
    ("dockerignore", |bytes| {
        ignore::fuzzing::dockerignore(&text(bytes));
    }),
    ("gitignore", |bytes| {
        ignore::fuzzing::gitignore(&text(bytes));
    }),
    ("package", |bytes| manifest::fuzzing::package(&text(bytes))),
    ("turbo", |bytes| manifest::fuzzing::turbo(&text(bytes))),
    ("settings", |bytes| {
        manifest::fuzzing::settings(&text(bytes));
    }),
    ("npmrc", |bytes| manifest::fuzzing::npmrc(&text(bytes))),
    ("layers", oci::fuzzing::layers),
];

/// Runs one target.
pub fn run(name: &str, bytes: &[u8]) {
    for (target, check) in TARGETS {
        if target == name {
            check(bytes);
        }
    }
}

/// What is no UTF-8 is refused where files are read; what is left of it still exercises the parsers.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
