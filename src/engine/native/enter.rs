//! The last step into an image. slimbuild starts itself again in the image's namespaces, without
//! variables of the image. There it makes the image's files the only ones that can be reached, then
//! executes the image's program with the image's variables.
//!
//! No other program could do this: the image does not contain ours and may have no shell, and this
//! machine's programs must never see the image's variables.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::error::NativeError;

/// A program of an image, and how to start it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Start {
    /// The program's path or name, and its arguments.
    pub(super) words: Vec<String>,
    /// The working directory in the image.
    pub(super) directory: String,
    /// All its variables.
    pub(super) env: BTreeMap<String, String>,
    /// Whether to report that it is about to start.
    pub(super) said: bool,
}

/// Executes the program that a file describes, in the image in `root` beside the file. Returns only
/// if that fails.
pub fn enter(start: &Path, ready: &mut dyn FnMut() -> io::Result<()>) -> NativeError {
    match entered(start, ready) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn entered(
    start: &Path,
    ready: &mut dyn FnMut() -> io::Result<()>,
) -> Result<std::convert::Infallible, NativeError> {
    let text = fs_err::read(start).map_err(NativeError::Enter)?;
    let root = start.with_file_name("root");
    let start: Start = serde_json::from_slice(&text)
        .map_err(|error| NativeError::Enter(io::Error::from(error)))?;
    leave(&root).map_err(NativeError::Enter)?;
    let cannot = |source| NativeError::Program {
        program: start.words.first().cloned().unwrap_or_default(),
        source,
    };
    let mut words = start.words.iter();
    let program = words.next();
    let program = program.ok_or_else(|| cannot(io::ErrorKind::NotFound.into()))?;
    go(&start.directory).map_err(cannot)?;
    if start.said {
        ready().map_err(NativeError::Enter)?;
    }
    let mut command = Command::new(program);
    command.args(words).env_clear().envs(&start.env);
    Err(cannot(become_it(&mut command)))
}

/// Replaces this process by a program. Returns only if that fails.
#[cfg(unix)]
fn become_it(command: &mut Command) -> io::Error {
    std::os::unix::process::CommandExt::exec(command)
}

#[cfg(not(unix))]
fn become_it(_: &mut Command) -> io::Error {
    io::ErrorKind::Unsupported.into()
}

/// Makes a directory the root, and drops everything outside it and all rights in the namespace.
#[cfg(target_os = "linux")]
fn leave(root: &Path) -> io::Result<()> {
    use rustix::mount::{UnmountFlags, mount_bind_recursive, unmount};
    use rustix::process::pivot_root;
    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};

    // A mount of another namespace cannot become the root itself.
    mount_bind_recursive(root, root)?;
    rustix::process::chdir(root)?;
    // The old root is then mounted on the new one, and is unmounted.
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    go("/")?;
    set_no_new_privs(true)?;
    let none = CapabilitySet::empty();
    set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn leave(_root: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
fn go(directory: &str) -> io::Result<()> {
    Ok(rustix::process::chdir(directory)?)
}

#[cfg(not(unix))]
fn go(_: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
