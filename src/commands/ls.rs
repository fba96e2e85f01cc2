//! `slimbuild ls`: the apps of the workspace.

use std::path::Path;

use super::{Format, json};
use crate::error::Error;
use crate::listing::Listing;
use crate::report;
use crate::ui::Ui;
use crate::workspace::{Workspace, find_root};

/// Prints the list.
pub fn run(cwd: &Path, format: Format, ui: &mut Ui) -> Result<(), Error> {
    let workspace = Workspace::load(&find_root(cwd)?)?;
    let listing = Listing::new(&workspace)?;
    let text = match format {
        Format::Text => report::listing(&listing),
        Format::Json => json(&listing)?,
    };
    ui.print(&text).map_err(Error::io("cannot write to stdout"))
}
