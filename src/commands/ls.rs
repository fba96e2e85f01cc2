//! `slimbuild ls`: the apps of the workspace.

use std::path::Path;

use super::{Format, json};
use crate::ask::listing::Listing;
use crate::commands::error::Error;
use crate::show::report;
use crate::show::ui::Ui;
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
