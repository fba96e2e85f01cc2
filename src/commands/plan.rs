//! `slimbuild plan APP`: every decision and its reason, as text or JSON.

use serde::Serialize;

use super::{AppChoice, Format, json, planned, warn};
use crate::cli::PlanArgs;
use crate::commands::error::Error;
use crate::plan::{Plan, Runs};
use crate::show::report;
use crate::show::ui::Ui;
use crate::system::env::Env;

/// A plan for programs, with values derived from its decisions.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Document<'p> {
    #[serde(flatten)]
    plan: &'p Plan,
    /// How the image is run.
    runs: Runs,
}

/// Prints the plan.
pub fn run(
    place: &AppChoice<'_>,
    args: PlanArgs,
    format: Format,
    env: &Env,
    ui: &mut Ui,
) -> Result<(), Error> {
    let (_, plan) = planned(place, args, |_| (), env)?;
    let stdout = || Error::io("cannot write to stdout");
    match format {
        Format::Text => {
            warn(&plan, ui)?;
            ui.print(&report::plan(&plan)).map_err(stdout())
        }
        Format::Json => {
            let runs = plan.runs();
            let document = Document { plan: &plan, runs };
            ui.print(&json(&document)?).map_err(stdout())
        }
    }
}
