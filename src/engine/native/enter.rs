//! The last step into an image. slimbuild starts itself anew in the image's namespaces, with no variable of the image. There it makes the image's files
//! the only ones that can be reached, and then becomes the image's program, with the image's variables.
//!
//! The image has no program of ours, and may have no shell; the programs of this machine must never see the image's variables. So nobody else could
//! do it.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::error::NativeError;

/// A program of an image, and all that it is started with.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Start {
    /// The program, by its path or its name, and its arguments.
    pub(super) words: Vec<String>,
    /// Where it is started, in the image.
    pub(super) directory: String,
    /// All variables that it gets.
    pub(super) env: BTreeMap<String, String>,
    /// Whether to say that it is about to start.
    pub(super) said: bool,
}

/// Becomes the program that a file names, in the image that lies in `root` beside the file. What comes out is why that failed.
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
    Err(cannot(command.exec()))
}

/// Makes a directory the root, and takes away all that lies outside of it, and every right that the namespace gives.
#[cfg(target_os = "linux")]
fn leave(root: &Path) -> io::Result<()> {
    use rustix::mount::{UnmountFlags, mount_bind_recursive, unmount};
    use rustix::process::pivot_root;
    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};

    // What another namespace mounted cannot be the root itself.
    mount_bind_recursive(root, root)?;
    rustix::process::chdir(root)?;
    // The old root lies on the new one then, and is taken off.
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

fn go(directory: &str) -> io::Result<()> {
    Ok(rustix::process::chdir(directory)?)
}
