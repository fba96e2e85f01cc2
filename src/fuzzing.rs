//! Properties that hold for any bytes in a workspace's files and an image's layers, shared by the
//! fuzzer (`fuzz/`) and the tests.
//!
//! Input: any bytes. Output: nothing, or a panic that names the broken property. Each module
//! defines its own properties; this is the list of all. A finding of the fuzzer becomes a file in
//! `fuzz/seeds/<target>/`, which the tests replay.

use crate::files::ignore;
use crate::image::oci;
use crate::lockfile;
use crate::workspace;
use crate::workspace::manifest;

/// A target: its name, and the check of any bytes.
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

/// Text that is not UTF-8 is refused when files are read; a lossy conversion still exercises the
/// parsers.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
