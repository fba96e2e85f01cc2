//! `slimbuild plan APP`: every decision and its reason, in words or as JSON.

use super::{Format, Place, json, planned, warn};
use crate::error::Error;
use crate::plan::PlanOptions;
use crate::show::report;
use crate::show::ui::Ui;

/// Prints the plan.
pub fn run(
    place: &Place<'_>,
    options: &PlanOptions,
    format: Format,
    ui: &mut Ui,
) -> Result<(), Error> {
    let (_, plan) = planned(place, options)?;
    let stdout = || Error::io("cannot write to stdout");
    match format {
        Format::Text => {
            warn(&plan, ui)?;
            ui.print(&report::plan(&plan)).map_err(stdout())
        }
        Format::Json => ui.print(&json(&plan)?).map_err(stdout()),
    }
}
