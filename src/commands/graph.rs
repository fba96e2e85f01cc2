//! `slimbuild graph [APP]`: members and their dependencies on each other.

use crate::ask::overview::Overview;
use crate::commands::error::Error;
use crate::show::report::{self, Notation};
use crate::show::ui::Ui;
use crate::workspace::{Workspace, find_root};

use super::{AppChoice, json};

/// Prints the graph of the app's closures, or of the whole workspace if no app is named.
pub fn run(place: &AppChoice<'_>, notation: Notation, ui: &mut Ui) -> Result<(), Error> {
    let workspace = Workspace::load(&find_root(place.cwd)?)?;
    let app = match &place.app {
        Some(name) => Some(workspace.find_app(name, place.cwd)?),
        None => None,
    };
    let overview = Overview::new(&workspace, app)?;
    let text = match notation {
        Notation::Tree => report::tree(&overview),
        Notation::Dot => report::dot(&overview),
        Notation::Mermaid => report::mermaid(&overview),
        Notation::Json => json(&overview)?,
    };
    ui.print(&text).map_err(Error::io("cannot write to stdout"))
}
