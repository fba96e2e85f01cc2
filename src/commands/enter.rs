//! What slimbuild does after starting itself again in new namespaces, for an image.

use std::path::Path;

use crate::commands::error::Error;
use crate::engine::native::{self, READY, enter};
use crate::show::ui::Ui;

/// Mounts the layers of an image, and what every container has, below `cwd`.
pub fn mount(cwd: &Path, layers: &str, writable: &[String]) -> Result<(), Error> {
    Ok(native::mount(cwd, layers, writable)?)
}

/// Executes the program that a file describes.
pub fn run(start: &Path, ui: &mut Ui) -> Result<(), Error> {
    let ready = &mut || {
        writeln!(ui.out(), "{READY}")?;
        ui.out().flush()
    };
    Err(enter(start, ready).into())
}
