//! Steps have keepers on Linux alone; see `keeper.rs`.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// Does nothing.
pub fn enable(_: &Path) {}

/// Does nothing.
pub fn enable_in_program() {}

/// No process is a keeper.
pub fn main(_: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    None
}
