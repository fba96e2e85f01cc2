//! `slimbuild why APP PACKAGE`: the chains of dependencies that pull a package in.

use crate::ask::why::Why;
use crate::commands::error::Error;
use crate::show::report;
use crate::show::ui::Ui;
use crate::workspace::{Workspace, find_root};

use super::{AppChoice, Format, app_at, json};

/// Prints the chains.
pub fn run(place: &AppChoice<'_>, package: &str, format: Format, ui: &mut Ui) -> Result<(), Error> {
    let workspace = Workspace::load(&find_root(place.cwd)?)?;
    let app = app_at(&workspace, place, false)?;
    let why = Why::new(&workspace, app, package)?;
    let text = match format {
        Format::Text => report::why(&why),
        Format::Json => json(&why)?,
    };
    ui.print(&text).map_err(Error::io("cannot write to stdout"))
}
